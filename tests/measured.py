"""One whole run in a process of its own, and what it took: a program.

`python measured.py CONFIG KEY=VALUE...` prints one JSON document: `run` (its directory), `seconds` of processor
time, `stages` (those of each stage, the report's among them) and `gigabytes` at the peak.
"""

from __future__ import annotations

import json
import sys
import time

from memory import peak_bytes

from workbench.engines.progress import Progress
from workbench.pipeline import run_config


class Timed(Progress):
    """Progress that notes the processor time at which each stage begins."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.begun: list[tuple[str, float]] = []

    def say(self, text: str) -> None:
        if text.endswith(" ...") and not text.startswith(" "):
            self.begun.append((text.removesuffix(" ..."), time.process_time()))


def main(config: str, *overrides: str) -> None:
    timed = Timed()
    run = run_config(config, overrides, device="cpu", progress=timed)
    ends = [*(at for _, at in timed.begun[1:]), time.process_time()]
    stages = {name: end - at for (name, at), end in zip(timed.begun, ends, strict=True)}
    found = {
        "run": str(run.path),
        "seconds": time.process_time(),
        "stages": stages,
        "gigabytes": peak_bytes() / 1024**3,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
