"""Every connection of this process refused, and counted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


@contextmanager
def no_network() -> Iterator[list[Any]]:
    """Within, no connection is made and no name is looked up; yields what was tried, which is to stay empty."""
    tried: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            tried.append(address)
            raise OSError(101, "no network in this test")

    def unknown(*words: Any, **_: Any) -> None:
        tried.append(words)
        raise socket.gaierror("no names in this test")

    with (
        mock.patch.object(socket.socket, "connect", refuse),
        mock.patch.object(socket.socket, "connect_ex", refuse),
        mock.patch.object(socket, "getaddrinfo", unknown),
        mock.patch.object(socket, "gethostbyname", unknown),
    ):
        yield tried
