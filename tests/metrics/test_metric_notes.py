"""Why a number is not defined, in words."""

from __future__ import annotations

import numpy as np

from workbench.metrics import notes
from workbench.types import ClassScores, Estimate


def scores(targets: list[int], predicted: list[int]) -> ClassScores:
    n = len(targets)
    return ClassScores(
        np.arange(n).astype(str), np.full(n, "t"), np.array(targets), np.eye(3)[predicted], ("a", "b", "c")
    )


def test_reasons_name_the_class() -> None:
    p = scores([0, 0, 2], [0, 0, 0])
    assert notes.undefined("precision", p, "c") == "no example was given the class 'c'"
    assert notes.undefined("recall", p, "b") == "no example of the class 'b' in this split"
    assert notes.undefined("auroc", p, None) == "no example in this split of the class 'b'"
    assert "no correlation" in notes.undefined("mcc", p, None)
    assert notes.undefined("auroc", scores([1, 1], [0, 1]), "b") == "every example in this split is of the class 'b'"
    assert notes.undefined("auroc", scores([1, 1], [0, 1]), None).startswith("every example")


def test_averages_say_what_they_leave_out() -> None:
    p = scores([0, 0, 2], [0, 0, 0])
    assert notes.left_out("f1_macro", p) == "no example in this split of the class 'b': left out of the average"
    assert "never predicted, left out of the average: the class 'c'" in notes.left_out("precision", p)
    assert notes.left_out("log_loss", p) == ""
    assert notes.left_out("recall", scores([0, 1, 2], [0, 1, 2])) == ""


def test_counts_instead_of_rates() -> None:
    p = scores([0] * 9 + [1] * 12 + [2] * 40, [0] * 5 + [1] * 16 + [2] * 40)
    estimate = Estimate(0.5, 0.4, 0.6, 61, "bootstrap-bca")
    assert notes.for_class("recall", estimate, p, "a") == Estimate(
        None, n=9, reason="5 of 9 found: too few examples for a rate"
    )
    assert notes.for_class("f1", estimate, p, "b").reason == "few examples (n = 12): the interval is wide"
    large = notes.for_class("f1", estimate, p, "c")
    assert (large.n, large.reason, large.value) == (40, "", 0.5)
    called = notes.for_class("precision", Estimate(1.0, 0.6, 1.0, 5, "wilson"), p, "a")
    assert called.value is None and called.reason == "5 of 5 right: too few examples for a rate"
