"""Fuzzing led by coverage: a few thousand inputs of each entry point in a process of its own."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed"),
]
PROGRAM = Path(__file__).with_name("guided.py")
RUNS = {"config": 2000, "table": 2000, "run": 1000, "model": 2000, "input": 3000}


@pytest.mark.parametrize("target", RUNS)
def test_no_input_is_a_traceback_a_hang_or_a_flood(target: str, tmp_path: Path) -> None:
    words = [sys.executable, str(PROGRAM), target, str(RUNS[target]), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=PROGRAM.parent)
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:], sorted(p.name for p in tmp_path.iterdir()))
    (tried,) = re.findall(r"Done (\d+) runs", done.stderr)
    covered = [int(n) for n in re.findall(r"cov: (\d+)", done.stderr)]
    assert int(tried) >= RUNS[target] and covered[-1] > covered[0] > 0  # coverage leads, so it grows
