"""Performance by group, against counts made here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from workbench.report.sections.verdict import verdict
from workbench.report.slices import FEW, apart, slice_blocks, slices
from workbench.report.view import RunView
from workbench.run import Run


def _grouped(run: Run, wrong_in: str = "") -> pd.DataFrame:
    """Give the deployed predictions a group column of two large values and a small one."""
    path = run.path / "onnx/predictions.parquet"
    frame = pd.read_parquet(path)
    place = frame.groupby("split").cumcount()
    frame["group.ward"] = np.where(place < 10, "south", np.where(place % 3 == 0, "north", "west"))
    if wrong_in:
        other = frame["target"].map(lambda label: "benign" if label == "malignant" else "malignant")
        frame["predicted"] = np.where(frame["group.ward"] == wrong_in, other, frame["target"])
    frame.to_parquet(path)
    return frame[frame["split"] == "test"]


def test_accuracy_of_a_group_has_wilsons_interval(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    test = _grouped(run)
    found = slices(RunView(run))["ward"]
    assert [g.value for g in found] == ["west", "north", "south"] and sum(g.n for g in found) == 300
    for group in found:
        rows = test[test["group.ward"] == group.value]
        right = int((rows["target"] == rows["predicted"]).sum())
        low, high = proportion_confint(right, len(rows), method="wilson")
        assert (group.score, group.n) == (right / len(rows), len(rows))
        assert (group.low, group.high) == pytest.approx((low, high))


def test_groups_of_few_examples_are_faint_and_say_so(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    _grouped(run)
    (table,) = slice_blocks(RunView(run))
    small = [i for i, row in enumerate(table.rows) if int(row[2].text) < FEW]
    assert table.faint == frozenset(small) == {2}
    assert table.rows[2][2].note == "few examples" and table.rows[0][2].note == ""


def test_a_regression_gets_its_rmse(copied: Callable[[str], Run]) -> None:
    run = copied("regression")
    test = _grouped(run)
    for group in slices(RunView(run))["ward"]:
        rows = test[test["group.ward"] == group.value]
        assert group.score == pytest.approx(np.sqrt(((rows["value"] - rows["target"]) ** 2).mean()))
        assert group.low is None


def test_only_intervals_that_do_not_overlap_are_a_finding(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    _grouped(run, wrong_in="south")  # all wrong, but of 10 examples only
    assert apart(slices(RunView(run))["ward"]) is None
    _grouped(run, wrong_in="north")
    gap = apart(slices(RunView(run))["ward"])
    assert gap is not None and (gap[0].value, gap[1].value) == ("north", "west")
    lines = [line for block in verdict(RunView(run)).blocks for line in block.findings]
    assert any(line.strong == "Right less often for some groups of ward:" and line.level == "fair" for line in lines)
    assert not any(line.strong.startswith("Differences between groups") for line in lines)


def test_without_slices_groups_stay_unchecked(samples: dict[str, Run]) -> None:
    assert slices(RunView(samples["table"])) == {}
    lines = [line for block in verdict(RunView(samples["table"])).blocks for line in block.findings]
    assert any(line.strong.startswith("Differences between groups") for line in lines)
