"""The report of a multi-label run: sets as answers, each label's numbers, words of the first screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.report.label_outcomes import decided, f1_beside, label_blocks, wrong_labels
from workbench.report.label_sets import NONE, labels_of, truth_and_answers, with_sets, written
from workbench.report.performance import area, roc, steps_of
from workbench.report.sections.change import _labels
from workbench.report.shapes import Fold, Heatmap, Pair, Table
from workbench.types import Estimate, Measure


def frame() -> pd.DataFrame:
    """Five examples and labels a and b; the last one's truth is unknown."""
    return pd.DataFrame(
        {
            "id": list("vwxyz"),
            "split": "test",
            "target.a": [True, True, False, False, None],
            "target.b": [False, True, False, True, True],
            "predicted.a": [True, False, False, False, True],
            "predicted.b": [False, True, True, True, True],
            "score.a": [0.9, 0.05, 0.2, 0.3, 0.8],
            "score.b": [0.1, 0.8, 0.7, 0.9, 0.6],
        }
    )


class View:
    """As much of a view as the blocks of labels ask for."""

    shipped = "onnx"
    labels = ("a", "b")
    audited = False
    checks = None

    def __init__(self, rows: pd.DataFrame, measures: dict[str, Measure]) -> None:
        self.rows, self.found = rows, measures

    def predictions(self, model: str, split: str = "") -> pd.DataFrame:
        return self.rows

    def measures(self, model: str, split: str = "test") -> dict[str, Measure]:
        return self.found

    def json(self, name: str) -> Any:
        how = "0.5, because the split has 3 examples with it, fewer than 10"
        labels = [{"label": "a", "threshold": 0.4, "how": "largest F1"}, {"label": "b", "threshold": 0.5, "how": how}]
        return {"text": "Chosen on the validation split.", "labels": labels}


def measure(name: str, value: float, low: float, high: float, **per_class: Estimate) -> Measure:
    return Measure(name, "test", value, low, high, 4, "wilson", "higher", "", per_class)


def test_a_set_is_one_answer() -> None:
    found = with_sets(frame())
    assert found["target"].tolist()[:4] == ["a", "a, b", NONE, "b"] and found["target"].isna().tolist()[4]
    assert found["predicted"].tolist() == ["a", "b", "b", "b", "a, b"]
    assert labels_of(found) == ["a", "b"] and written([]) == NONE and written(["a", "b"]) == "a, b"
    plain = pd.DataFrame({"id": ["v"], "target": ["a"], "predicted": ["b"]})
    assert with_sets(plain) is plain and labels_of(plain) == []


def test_curves_are_of_one_label() -> None:
    rows = with_sets(frame())
    known = rows[rows["target"].notna()]
    assert area(steps_of(rows, "a")) == pytest.approx(np.mean([0.9 > 0.2, 0.9 > 0.3, 0.05 > 0.2, 0.05 > 0.3]))
    curve = roc(steps_of(rows, "b"))
    assert curve is not None and len(known) == 4 and curve["found"].iloc[-1] == 1


def test_wrong_rows_stand_with_their_gravest_decision_first() -> None:
    rows = with_sets(frame())
    wrong, blocks = wrong_labels(View(rows, {}), rows[rows["target"].notna()])  # type: ignore[arg-type]
    assert wrong["id"].tolist() == ["w", "x"]
    assert wrong["label"].tolist() == ["a", "b"] and wrong["missed"].tolist() == [True, False]
    assert wrong["probability"].tolist() == [0.05, 0.7] and wrong["grave"].tolist() == pytest.approx([0.95, 0.7])
    (table,) = blocks
    assert isinstance(table, Table)
    counted = [[c.text for c in row] + [c.note for c in row[1:]] for row in table.rows]
    assert counted == [["a", "1", "0", "of 2 with it", "of 1 given"], ["b", "0", "1", "of 2 with it", "of 3 given"]]


def test_the_first_line_counts_examples_and_labels() -> None:
    found = {
        "subset_accuracy": measure("subset_accuracy", 0.5, 0.3, 0.7),
        "baseline_subset_accuracy": measure("baseline_subset_accuracy", 0.25, 0.1, 0.5),
    }
    line = decided(View(with_sets(frame()), found), "onnx", found["subset_accuracy"])  # type: ignore[arg-type]
    assert line.strong == "Every label right for 2 of 4" and line.level == "good"
    assert "50.0 % (95 % interval 30.0 to 70.0)" in line.rest and "would do so in 25.0 %" in line.rest
    assert "Of the labels it gives 75.0 % are right; of those that hold it finds 75.0 %." in line.rest
    truth, given, _ = truth_and_answers(frame().iloc[:4])
    assert (truth & given).sum() / given.sum() == 0.75


@pytest.mark.parametrize(("low", "level"), [(0.6, "fair"), (0.4, "poor")])
def test_a_model_that_only_orders_well_is_looked_at_twice(low: float, level: str) -> None:
    """No better than the commonest set in whole answers; its order beats guessing (0.5) or it does not."""
    found = {
        "subset_accuracy": measure("subset_accuracy", 0.5, 0.2, 0.7),
        "baseline_subset_accuracy": measure("baseline_subset_accuracy", 0.5, 0.1, 0.5),
        "mean_average_precision": measure("mean_average_precision", 0.7, low, 0.9),
    }
    view: Any = View(with_sets(frame()), found)
    assert decided(view, "onnx", found["subset_accuracy"]).level == level


def test_each_label_has_its_numbers_threshold_and_counts() -> None:
    estimates = {"a": Estimate(0.5, 0.2, 0.8, 2, "wilson"), "b": Estimate(None, n=2, reason="too few")}
    found = {"label_f1": measure("label_f1", 0.5, 0.2, 0.8, **estimates)}
    blocks = label_blocks(View(with_sets(frame()), found))  # type: ignore[arg-type]
    table = next(b for b in blocks if isinstance(b, Table))
    a, b = table.rows
    assert [c.text for c in a] == ["a", "2", "0.400", "0.500"] and a[1].note == "50.0 %"
    assert b[2].note == "too few to choose" and b[3].text == "not computed: too few"
    assert "Chosen on the validation split." in table.note
    pair = next(b for b in blocks if isinstance(b, Pair))
    first = pair.blocks[0]
    assert isinstance(first, Heatmap)
    assert [[c.text for c in cells] for _, cells in first.rows] == [["1", "1"], ["0", "2"]]
    assert [[c.hit for c in cells] for _, cells in first.rows] == [[True, False], [False, True]]


def test_labels_before_and_after() -> None:
    f1 = {"before": 0.5, "after": 0.75, "difference": 0.25, "low": 0.1, "high": 0.4}
    entry = {"label": "a", "holds": 12, "difference": 0.1, "low": 0.02, "high": 0.2, "p_holm": 0.01, "f1": f1}
    none = {**entry, "label": "b", "p_holm": 1.0, "f1": {"difference": None, "reason": "no example has it"}}
    said, fold = _labels([none, entry])
    assert "“a” +10.0 points" in said.paragraphs[0] and isinstance(fold, Fold)  # type: ignore[union-attr]
    rows = fold.blocks[0].rows
    assert [c.text for c in rows[0]] == ["a", "0.500", "0.750", "+0.250", "+10.0 points", "p = .010"]
    assert rows[1][1].text == "not computed: no example has it"
    assert "No label moved" in _labels([none])[0].paragraphs[0] and _labels([]) == []  # type: ignore[union-attr]


def test_f1_stands_beside_the_share_of_perfect_answers() -> None:
    assert f1_beside({}) == ""
    entry = {"difference": -0.02, "low": -0.05, "high": 0.01}
    assert f1_beside({"label_f1": entry}) == " F1, averaged over the labels, moved by −0.020 (−0.050 to +0.010)."
