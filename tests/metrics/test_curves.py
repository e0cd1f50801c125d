"""Curves: areas against scikit-learn, before and after thinning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from workbench.metrics.curves import class_curves, pr_curve, roc_curve
from workbench.types import ClassScores


def scored(n: int, share: float, decimals: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) < max(1, int(n * share))
    return np.round(rng.normal(size=n) + 1.2 * y, decimals), y


def step_area(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sum(np.diff(x, prepend=0) * y))


@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("share", [0.5, 0.02])
@pytest.mark.parametrize("n", [20, 300, 900, 4000, 60_000])
def test_thinning_keeps_the_area(n: int, share: float, decimals: int) -> None:
    s, y = scored(n, share, decimals)
    roc, pr = roc_curve(s, y), pr_curve(s, y)
    assert len(roc.x) <= 200 and len(pr.x) <= 200
    assert roc.area == pytest.approx(sk.roc_auc_score(y, s))
    assert pr.area == pytest.approx(sk.average_precision_score(y, s))
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(roc.area, abs=1e-4)
    assert step_area(pr.x, pr.y) == pytest.approx(pr.area, abs=1e-9)
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1], pr.x[-1]) == (0, 0, 1, 1, 1)
    assert np.all(np.diff(roc.x) >= 0) and np.all(np.diff(roc.y) >= 0) and np.all(np.diff(pr.x) > 0)
    assert (roc.chance, pr.chance) == (0.5, y.mean())


def test_thinned_points_lie_on_the_curve() -> None:
    s, y = scored(5000, 0.4, 9)
    fpr, tpr, _ = sk.roc_curve(y, s, drop_intermediate=False)
    exact = set(zip(fpr.round(12).tolist(), tpr.round(12).tolist(), strict=True))
    ours = roc_curve(s, y)
    assert set(zip(ours.x.round(12).tolist(), ours.y.round(12).tolist(), strict=True)) <= exact


def test_short_curves_are_exact() -> None:
    s, y = scored(60, 0.5, 9)
    fpr, tpr, _ = sk.roc_curve(y, s, drop_intermediate=False)
    ours = roc_curve(s, y)
    exact = set(zip(fpr.round(12).tolist(), tpr.round(12).tolist(), strict=True))
    assert set(zip(ours.x.round(12).tolist(), ours.y.round(12).tolist(), strict=True)) <= exact
    assert np.trapezoid(ours.y, ours.x) == pytest.approx(ours.area, abs=1e-15)
    precision, recall, _ = sk.precision_recall_curve(y, s)
    points = set(zip(recall.round(12).tolist(), precision.round(12).tolist(), strict=True))
    pr = pr_curve(s, y)
    assert set(zip(pr.x.round(12).tolist(), pr.y.round(12).tolist(), strict=True)) <= points


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=40), st.integers(5, 30))
def test_any_scores_give_a_curve_or_a_reason(rows: list[tuple[int, bool]], points: int) -> None:
    s, y = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    for curve in (roc_curve(s, y, points), pr_curve(s, y, points)):
        if 0 < y.sum() < len(y):
            assert curve.area is not None and 2 <= len(curve.x) + 1 <= points + 1 and not curve.reason
        else:
            assert curve.area is None and len(curve.x) == 0 and curve.reason


def test_no_examples_have_a_reason() -> None:
    assert roc_curve([], []).reason == pr_curve([], []).reason == "no example with a known class"


def test_class_curves_are_one_vs_rest() -> None:
    rng = np.random.default_rng(0)
    t = rng.integers(-1, 3, 90)
    p = ClassScores(np.arange(90).astype(str), np.full(90, "test"), t, rng.normal(size=(90, 3)), ("a", "b", "c"))
    known = t >= 0
    curves = class_curves(p, "roc")
    assert list(curves) == ["a", "b", "c"]
    assert curves["b"].n == known.sum()
    assert curves["b"].area == pytest.approx(sk.roc_auc_score(t[known] == 1, p.probabilities[known, 1]))
    two = ClassScores(p.ids, p.splits, np.minimum(t, 1), p.logits[:, :2], ("no", "yes"))
    assert list(class_curves(two, "pr")) == ["yes"]
