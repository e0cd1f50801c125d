"""A million predictions evaluated, compared and reported: under 4 GB and 5 minutes, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runs import write_data
from test_large_input import measured

from workbench.records import read_table
from workbench.run import Run

N = 1_000_000


def a_million(path: Path) -> None:
    """A test split of a million rows, drawn as `write_table` draws them."""
    rng = np.random.default_rng(5)
    size, age, noise = rng.normal(size=(3, N))
    colours = rng.choice(["red", "green", "blue"], N)
    with path.open("w", encoding="utf-8") as file:
        file.write("size,age,colour,good,price\n")
        file.writelines(
            f"{s:.4f},{a:.4f},{c},{'yes' if s + 0.3 * e > 0 else 'no'},1\n"
            for s, a, c, e in zip(size, age, colours, noise, strict=True)
        )


@pytest.mark.slow
def test_a_million_predictions(tmp_path: Path) -> None:
    config = write_data("classes", tmp_path)
    a_million(tmp_path / "test.csv")
    found = measured(config, "data.test='test.csv'")
    # seconds of one processor, so that other work on the machine does not count
    asked = sum(found["stages"][name] for name in ("evaluate", "slices", "compare", "report"))
    assert asked < 300 and found["gigabytes"] < 4, found
    run = Run.open(found["run"])
    assert run.verify() == []
    assert run.read_json("comparison.json")["n"] == N
    (accuracy,) = [m for m in run.read_json("onnx/metrics.json") if (m["name"], m["split"]) == ("accuracy", "test")]
    rows = read_table(run, "onnx/predictions.parquet").to_pandas()
    rows = rows[rows["split"] == "test"]
    assert accuracy["n"] == len(rows) == N
    assert accuracy["value"] == pytest.approx((rows["target"] == rows["predicted"]).mean(), abs=1e-12)
    assert run.read_json("slices.json")["n"] == N and run.read_json("slices.json")["slices"]
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "could not be built" not in page and "1,000,000" in page
