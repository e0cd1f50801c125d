"""Progress on stderr: a bar where it is a terminal, plain lines where it is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

_LINE_EVERY = 10.0  # seconds between plain lines


class Task(Protocol):
    """A running piece of work."""

    def advance(self, n: float = 1, note: str = "") -> None: ...


class Progress:
    """Says what is being done; `quiet` says nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """One plain line on stderr."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, what: str, total: float) -> Iterator[Task]:
        """Work of `total` units; the yielded task takes `advance(n, note)`."""
        if self.quiet:
            yield _Silent()
        elif sys.stderr.isatty():
            with _bar(what, total) as task:
                yield task
        else:
            yield _Lines(what, total)


class _Silent:
    def advance(self, n: float = 1, note: str = "") -> None:
        pass


class _Lines:
    def __init__(self, what: str, total: float) -> None:
        self._what, self._total, self._done = what, total, 0.0
        self._begun = self._said = time.monotonic()

    def advance(self, n: float = 1, note: str = "") -> None:
        self._done += n
        now = time.monotonic()
        if now - self._said < _LINE_EVERY:
            return
        self._said = now
        rate = self._done / (now - self._begun)
        left = max(self._total - self._done, 0) / rate if rate else 0.0
        print(
            f"  {self._what}: {self._done:.0f} of {self._total:.0f}, {rate:.1f}/s, {left:.0f} s left"
            f"{note and ', ' + note}",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def _bar(what: str, total: float) -> Iterator[Task]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns: list[Any] = [
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    ]
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=total, note="", rate="")
        begun = time.monotonic()
        done = 0.0

        class _Bar:
            def advance(self, n: float = 1, note: str = "") -> None:
                nonlocal done
                done += n
                rate = done / max(time.monotonic() - begun, 1e-6)
                said: Any = {"note": note} if note else {}
                bars.update(bar, advance=n, rate=f"{rate:.1f}/s", **said)

        yield _Bar()
