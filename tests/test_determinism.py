"""The same seed and kind of device give the same bytes, run after run, and with one thread or two.

torch's own gradients are the exception: with another number of threads their last digits are others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import TINY, contents, write_data

from workbench.records import read_table
from workbench.run import Run

PROGRAM = Path(__file__).with_name("measured.py")
THREADS = ("1", "2", "1", "1")
# What holds gradients that torch computed (of the model before; the deployed file's are ONNX Runtime's), or follows.
FROM_TORCH = (
    *("base/attributions/integrated-gradients", "explanation_shift", "base/parity", "onnx/parity", "quality"),
    "report.json",
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["texts", "pictures", "classes"])
def test_equal_runs_are_equal_byte_for_byte(kind: str, tmp_path: Path) -> None:
    config = write_data(kind, tmp_path)
    runs = []
    for i, threads in enumerate(THREADS):
        command = [sys.executable, str(PROGRAM), str(config), *TINY, f"out={str(tmp_path / str(i))!r}"]
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": str(i)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr[-2000:]
        runs.append(Run(json.loads(done.stdout.splitlines()[-1])["run"]))
    first, two, *others = map(contents, runs)
    assert len(first) > 25
    for other in others:
        assert different(first, other) == []
    assert [name for name in different(first, two) if not name.startswith(FROM_TORCH)] == []
    one, other = (read_table(r, "base/attributions/integrated-gradients.parquet") for r in runs[:2])
    np.testing.assert_allclose(one["value"].to_numpy(), other["value"].to_numpy(), atol=1e-5)


def different(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return [n for n in sorted({*one, *other}) if one.get(n) != other.get(n)]
