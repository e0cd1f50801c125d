"""One whole run in a process of its own, and what it took: a program.

`python measured.py CONFIG KEY=VALUE...` prints one JSON document: `run` (its directory), `seconds` of processor
time, by stage too, and `gigabytes` at the peak.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from workbench.pipeline import run_config


def main(config: str, *overrides: str) -> None:
    begun = time.process_time()
    run = run_config(config, overrides, device="cpu")
    spent = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"run": str(run.path), "seconds": spent, "gigabytes": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
