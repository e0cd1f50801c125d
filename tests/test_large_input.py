"""Whole runs on inputs of a size that nobody expects: bounded in time and memory, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import TINY, write_data

PROGRAM = Path(__file__).with_name("measured.py")
# Of one processor, so that other work on the machine does not count.
SECONDS, GIGABYTES = 300, 4


def measured(config: Path, *overrides: str) -> dict[str, Any]:
    """A run from a config, and what it took."""
    options = (*TINY, f"out={str(config.parent / 'out')!r}", *overrides)
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(config), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROGRAM.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "unread"), [("river stone " * 800_000 + "good", 1_600_001 - 62), ("w" * 9_999_990 + " good", 0)]
)
def test_a_text_of_ten_megabytes_is_explained(text: str, unread: int, tmp_path: Path) -> None:
    config = write_data("texts", tmp_path)
    head, *rows = (tmp_path / "texts.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "test.csv").write_text("\n".join([head, *rows[-8:], f"{text},yes"]) + "\n", encoding="utf-8")
    (tmp_path / "texts.csv").write_text("\n".join([head, *rows[:-8]]) + "\n", encoding="utf-8")
    found = measured(config, "data.test='test.csv'", "explain.ids=['test-9']")
    assert found["seconds"] < SECONDS and found["gigabytes"] < GIGABYTES, found
    (case,) = json.loads(Path(found["run"], "cases.json").read_text(encoding="utf-8"))["cases"]
    assert case["cut"] == unread
    assert len(case["text"]) == case["features"][-1]["span"][1] + (1000 if unread else 0) < 2000
    assert [case["text"][slice(*f["span"])] for f in case["features"]] == [f["name"] for f in case["features"]]
    assert Path(found["run"], "report.html").stat().st_size < 3e6


@pytest.mark.slow
def test_a_table_of_five_thousand_columns_that_nobody_explains(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head = ",".join([*(f"c{i}" for i in range(5000)), "y"])
    rows = [",".join([*(f"{v:.2f}" for v in rng.normal(size=5000)), "yes" if i % 2 else "no"]) for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([head, *rows]) + "\n")
    config = tmp_path / "wide.toml"
    config.write_text('task = "tabular-classification"\n[data]\nsource = "t.csv"\ntarget = "y"\n')
    found = measured(config, "explain.samples=0", "explain.global_samples=0")
    assert found["seconds"] < SECONDS and found["gigabytes"] < GIGABYTES, found
