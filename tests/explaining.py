"""Explain a run and watch this process's memory: a program.

`python explaining.py RUN LOG KEY=VALUE... [--every=N]` explains a run to its end, with changes of its config. To LOG
goes a line for every N cases (1000): how many are explained, and the bytes that are held.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from workbench.engines.progress import Progress, Task
from workbench.pipeline import run_stage


class Watched(Progress):
    """Progress that notes the memory as it goes."""

    def __init__(self, log: Path, every: int) -> None:
        super().__init__(quiet=True)
        self._log, self._every, self._done, self._process = log, every, 0, psutil.Process()

    @contextmanager
    def task(self, what: str, total: float) -> Iterator[Task]:
        if what == "explaining":
            yield self
        else:
            with super().task(what, total) as other:
                yield other

    def advance(self, n: float = 1, note: str = "") -> None:
        """One case of one model: each is one of the model before and one of the model after."""
        self._done += 1
        if self._done % (2 * self._every) == 0:
            with self._log.open("a") as file:
                file.write(f"{self._done // 2} {self._process.memory_info().rss}\n")


def main(run: str, log: str, *options: str) -> None:
    every = next((int(o.partition("=")[2]) for o in options if o.startswith("--every=")), 1000)
    changes = tuple(o for o in options if not o.startswith("--"))
    run_stage(run, "explain", changes, device="cpu", progress=Watched(Path(log), every))


if __name__ == "__main__":
    main(*sys.argv[1:])
