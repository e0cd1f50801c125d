"""One whole run in a process of its own, and what it took: a program.

`python measured.py CONFIG KEY=VALUE...` prints one JSON document: `run` (its directory), `seconds` of processor
time, `stages` (those of each stage, the report's among them), `gigabytes` at the peak and `peaks` (of each stage).
"""

from __future__ import annotations

import json
import sys
import time

from memory import forget_peak, peak_bytes

from workbench.engines.progress import Progress
from workbench.pipeline import run_config


class Timed(Progress):
    """Progress that notes the processor time at which each stage begins, and the most memory until then."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.begun: list[tuple[str, float]] = []
        self.peaks: list[int] = []

    def say(self, text: str) -> None:
        if text.endswith(" ...") and not text.startswith(" "):
            self.begun.append((text.removesuffix(" ..."), time.process_time()))
            self.peaks.append(peak_bytes())
            forget_peak()


def main(config: str, *overrides: str) -> None:
    timed = Timed()
    run = run_config(config, overrides, device="cpu", progress=timed)
    ends = [*(at for _, at in timed.begun[1:]), time.process_time()]
    stages = {name: end - at for (name, at), end in zip(timed.begun, ends, strict=True)}
    peaks = [*timed.peaks, peak_bytes()]
    found = {
        "run": str(run.path),
        "seconds": time.process_time(),
        "stages": stages,
        "gigabytes": max(peaks) / 1024**3,
        "peaks": {name: peak / 1024**3 for (name, _), peak in zip(timed.begun, peaks[1:], strict=True)},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
