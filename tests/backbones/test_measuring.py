"""Times of files: percentiles only where there are runs for them, all files in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.backbones.measuring import measure, percentiles, run_in_turn
from workbench.errors import StageError


def test_percentiles_are_numpys_and_wait_for_enough_runs() -> None:
    times = np.random.default_rng(0).gamma(2, size=200).tolist()
    found = percentiles(times)
    assert [found[k] for k in ("p50", "p95", "p99")] == [round(float(np.percentile(times, q)), 4) for q in (50, 95, 99)]
    assert found["reason"] == "" and found["n"] == 200
    few = percentiles(times[:50])
    assert few["p95"] is not None and few["p99"] is None
    assert few["reason"] == "p99 needs 100 runs, there were 50"


def test_files_are_asked_in_turn_and_warmed_up() -> None:
    asked: list[tuple[str, int]] = []

    class One:
        def __init__(self, name: str) -> None:
            self.name = name

        def outputs(self, batch: Any) -> None:
            asked.append((self.name, batch["x"]))

    times = run_in_turn({"a": One("a"), "b": One("b")}, [{"x": 0}, {"x": 1}, {"x": 2}], 0)
    assert asked[:4] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]  # not counted
    assert asked[4:] == [(n, i) for i in range(3) for n in "ab"]
    assert {k: len(v) for k, v in times.items()} == {"a": 3, "b": 3}


def test_a_file_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    with pytest.raises(StageError, match=r"could not be measured: .*m\.onnx"):
        measure({"m": tmp_path / "m.onnx"}, {1: [{"x": np.zeros((1, 2), np.float32)}]}, seconds=0)
