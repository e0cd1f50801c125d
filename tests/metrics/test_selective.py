"""Risk and coverage: against plain loops, the closed form of the oracle, and repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.metrics.selective import aurc, aurc_excess, oracle_aurc, risk_coverage, selective_statistic
from workbench.stats import evaluate
from workbench.types import ClassScores


def plain_aurc(c: np.ndarray, y: np.ndarray) -> float:
    """Mean over examples of the share wrong among those at least as sure."""
    return float(np.mean([np.mean(~y[c >= own]) for own in c]))


@given(st.integers(1, 60), st.integers(0, 10**6), st.booleans())
def test_area_is_the_mean_risk(n: int, seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    c, y = rng.random(n), rng.random(n) < 0.7
    c = np.round(c, 1) if coarse else c
    assert aurc(c, y) == pytest.approx(plain_aurc(c, y))
    assert aurc_excess(c, y) >= 0


@given(st.integers(1, 300), st.data())
def test_the_oracle_answers_every_wrong_one_last(n: int, data: st.DataObject) -> None:
    wrong = data.draw(st.integers(0, n))
    y = np.arange(n) < n - wrong
    assert float(oracle_aurc(n, wrong)) == pytest.approx(plain_aurc(-np.arange(n), y), abs=1e-12)
    assert aurc_excess(-np.arange(n), y) == pytest.approx(0, abs=1e-12)
    random_order = np.random.default_rng(n).permutation(n)
    assert aurc(random_order, y) >= float(oracle_aurc(n, wrong)) - 1e-12


def test_the_curve_by_hand() -> None:
    curve = risk_coverage([0.9, 0.6, 0.9, 0.8, 0.5], [True, True, False, True, False])
    assert curve.least.tolist() == [0.9, 0.8, 0.6, 0.5]
    assert curve.n.tolist() == [2, 3, 4, 5] and curve.wrong.tolist() == [1, 1, 1, 2]
    assert curve.coverage == pytest.approx([0.4, 0.6, 0.8, 1])
    assert curve.risk == pytest.approx([1 / 2, 1 / 3, 1 / 4, 2 / 5])
    assert aurc([0.9, 0.6, 0.9, 0.8, 0.5], [True, True, False, True, False]) == pytest.approx(
        (2 / 2 + 1 / 3 + 1 / 4 + 2 / 5) / 5
    )


def test_equal_confidence_is_answered_together_and_nothing_has_no_area() -> None:
    assert aurc(np.full(8, 0.7), np.arange(8) < 6) == pytest.approx(0.25)  # no order: the error rate
    assert aurc([0.3], [True]) == 0 and aurc([0.3], [False]) == 1
    assert np.isnan(aurc([], [])) and len(risk_coverage([], []).n) == 0


@pytest.mark.parametrize("decimals", [1, 12])
def test_weights_are_repeated_rows(decimals: int) -> None:
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, 3, 40))
    p = ClassScores(
        np.arange(40).astype(str), np.full(40, "test"), t, rng.normal(size=(40, 3)).round(decimals), tuple("abc")
    )
    weights = rng.integers(0, 3, size=(6, 40)).astype(np.int32)
    ours = evaluate([selective_statistic(p)], weights)
    for i, w in enumerate(weights):
        rows = np.repeat(np.arange(40), w)
        c, y = p.probabilities[rows].max(axis=1), p.predicted[rows] == t[rows]
        assert ours[("aurc",)][i] == pytest.approx(plain_aurc(c, y))
        assert ours[("aurc_excess",)][i] == pytest.approx(aurc_excess(c, y))
