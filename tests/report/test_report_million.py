"""A million predictions: ten seconds of work and a gigabyte, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sample_stages
from sample_run import build_sample

pytestmark = pytest.mark.unproven

_BUILD = """
import json, resource, sys, time
from workbench.report.build import build_report
from workbench.run import Run
start = time.process_time()
path = build_report(Run.open(sys.argv[1]), max_mb=3)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.process_time() - start, "peak": peak, "bytes": path.stat().st_size}))
"""


def test_a_million_predictions_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, n in (("train", 100_000), ("validation", 50_000), ("test", 850_000)):
        monkeypatch.setitem(sample_stages.SIZES, split, n)
    run = build_sample(tmp_path / "million", "table")
    command = [sys.executable, "-c", _BUILD, str(run.path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # seconds of one processor, so that other work on the machine does not count
    assert found["seconds"] < 10 and found["peak"] < 1000 and found["bytes"] < 3e6, found
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "could not be built" not in page and "2,000 of 850,000 predictions are listed" in page
