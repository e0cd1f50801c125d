"""Which rows a split's numbers are made of."""

from __future__ import annotations

import numpy as np

from workbench.metrics.splits import class_rows, splits_of, value_rows
from workbench.types import ClassScores, Values

SPLITS = np.array(["test", "train", "extra", "train", "test"])


def scores() -> ClassScores:
    return ClassScores(np.array(list("vwxyz")), SPLITS, np.array([1, -1, 0, 0, 0]), np.eye(5, 2), ("a", "b"))


def test_splits_come_in_their_order() -> None:
    assert splits_of(scores(), None) == ["train", "test", "extra"]
    assert splits_of(scores(), ["validation"]) == ["validation"]


def test_class_rows_are_known_and_sorted_by_class() -> None:
    rows = class_rows(scores(), SPLITS == "test")
    assert rows.scores.ids.tolist() == ["z", "v"] and rows.index.tolist() == [4, 0]
    assert (rows.unknown, rows.problem) == (0, "")
    assert class_rows(scores(), SPLITS == "train").unknown == 1
    assert "no example" in class_rows(scores(), SPLITS == "validation").problem


def test_minus_infinity_is_a_probability_of_zero_and_nothing_else_is() -> None:
    for bad, fine in (
        ([-np.inf, 0.0], True),
        ([-np.inf, -np.inf], False),
        ([np.inf, 0.0], False),
        ([np.nan, 0], False),
    ):
        p = scores()
        p.logits[0] = bad
        assert (class_rows(p, SPLITS == "test").problem == "") == fine


def test_value_rows_are_known() -> None:
    p = Values(np.array(list("vwxyz")), SPLITS, np.array([1.0, np.nan, 2, 3, 4]), np.arange(5.0))
    rows = value_rows(p, SPLITS == "train")
    assert rows.values.ids.tolist() == ["y"] and rows.unknown == 1 and not rows.problem
    p.values[3] = np.nan
    assert "'y'" in value_rows(p, SPLITS == "train").problem
