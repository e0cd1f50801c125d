"""Reading protobuf messages field by field, from a memory map, without their schema's code.

Bytes are handed out as views, so what nobody looks at is never copied. The format:
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

View = Any  # a memoryview of bytes, where a field is length-delimited; an int where it is a number

MOST_FIELDS = 2_000_000
_DEEPEST = 50  # of graphs within graphs


def numbers(*, fixed32: tuple[int, ...] = (), fixed64: tuple[int, ...] = (), varint: tuple[int, ...] = ()) -> Any:
    """A pattern for runs of unpacked numbers in these fields, which `Reader.fields` then skips in one step.

    A forest of trees has millions of them. Field numbers below 16.
    """
    parts = [rb"(?:%b.{4})++" % re.escape(bytes([n << 3 | 5])) for n in fixed32]
    parts += [rb"(?:%b.{8})++" % re.escape(bytes([n << 3 | 1])) for n in fixed64]
    parts += [rb"(?:%b[\x80-\xff]{0,9}[\x00-\x7f])++" % re.escape(bytes([n << 3])) for n in varint]
    return re.compile(b"|".join(parts), re.DOTALL)


class Reader:
    """Counts what it reads, so that a hostile file cannot keep it busy."""

    def __init__(self, most: int = MOST_FIELDS) -> None:
        self._left, self._depth = most, 0

    @contextlib.contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting more."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("its graphs are nested too deeply")
        try:
            yield
        finally:
            self._depth -= 1

    def fields(self, view: View, skip: Any = None) -> Iterator[tuple[int, Any]]:
        """(number, value) of each field of a message: an int, or a view of its bytes.

        Args:
            view: the message.
            skip: of `numbers`: runs that are not looked at.

        Raises:
            ValueError: the bytes end early, or a field has no valid type.
        """
        if isinstance(view, int):
            raise ValueError("a number stands where a message should")
        at, end = 0, len(view)
        while at < end:
            if skip is not None and (run := skip.match(view, at)):
                at = run.end()
                continue
            self._left -= 1
            if self._left < 0:
                raise ValueError("it has too many parts")
            key, at = _varint(view, at)
            field, kind = key >> 3, key & 7
            if not field:
                raise ValueError("a part of it has no number")
            if kind == 0:
                value, at = _varint(view, at)
                yield field, value
                continue
            if kind == 2:
                size, at = _varint(view, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError("a part of it is of no known kind")
            if at + size > end:
                raise ValueError("it ends early")
            yield field, view[at : at + size]
            at += size


def text(value: View) -> str:
    """A string field; a number in its place is damage."""
    if isinstance(value, int):
        raise ValueError("a number stands where a text should")
    return str(bytes(value), "utf-8")


def number(value: View) -> int:
    """A number field; bytes in its place are damage."""
    if not isinstance(value, int):
        raise ValueError("bytes stand where a number should")
    return value


def varints(value: View) -> Iterator[int]:
    """The numbers of a repeated field, packed or not."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        one, at = _varint(value, at)
        yield one


def _varint(view: View, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise ValueError("it ends early" if at >= len(view) else "a number in it is too long")
        byte = view[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return found, at
        shift += 7
