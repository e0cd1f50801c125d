"""Intervals of proportions and McNemar's test, against scipy, statsmodels and print."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from workbench.stats import mcnemar_exact, newcombe_paired, wilson


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 7), (7, 7), (8, 10), (3, 40), (999, 1000)])
def test_wilson_equals_scipy_and_statsmodels(k: int, n: int, confidence: float) -> None:
    ours = wilson(k, n, confidence)
    scipys = binomtest(k, n).proportion_ci(confidence, "wilson")
    assert (ours.low, ours.high) == pytest.approx((scipys.low, scipys.high), abs=1e-12)
    theirs = proportion_confint(k, n, 1 - confidence, "wilson")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-12)
    assert (ours.value, ours.n, ours.interval) == (k / n, n, "wilson")


def test_wilson_of_eight_of_ten_is_the_printed_one() -> None:
    ours = wilson(8, 10)
    assert (round(ours.low, 3), round(ours.high, 3)) == (0.490, 0.943)


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share_and_mirrors(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    ours, mirrored = wilson(k, n), wilson(n - k, n)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1
    assert ours.low < ours.high
    assert ours.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_wilson_without_trials_says_why() -> None:
    ours = wilson(0, 0)
    assert ours.value is None and ours.low is None and ours.reason


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0), (1, 3, 0.0)])
def test_wilson_refuses_what_is_no_proportion(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        wilson(k, n, confidence)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_statsmodels_and_the_binomial_test(b: int, c: int) -> None:
    theirs = mcnemar([[10, b], [c, 20]], exact=True).pvalue
    assert mcnemar_exact(b, c) == pytest.approx(min(1.0, theirs), abs=1e-12)
    if b + c:
        assert mcnemar_exact(b, c) == pytest.approx(binomtest(b, b + c).pvalue, abs=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_counts_the_outcome_half(b: int, c: int) -> None:
    n = b + c
    ways = [math.comb(n, k) for k in range(n + 1)]
    further = sum(w for k, w in enumerate(ways) if abs(2 * k - n) > abs(b - c))
    alike = sum(w for k, w in enumerate(ways) if abs(2 * k - n) == abs(b - c))
    expected = (further + alike / 2) / 2**n if n else 1.0
    assert mcnemar_exact(b, c, mid_p=True) == pytest.approx(expected, abs=1e-9)


def test_mcnemar_prints_the_published_values() -> None:
    assert mcnemar_exact(12, 27) == pytest.approx(0.0237, abs=5e-5)
    assert mcnemar_exact(12, 27, mid_p=True) == pytest.approx(0.0166, abs=5e-5)
    assert mcnemar_exact(0, 0) == mcnemar_exact(0, 0, mid_p=True) == 1.0
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 2)


def test_newcombe_equals_the_published_example() -> None:
    # Airway hyper-responsiveness of 21 children before and after stem-cell transplantation:
    # Fagerland, Lydersen & Laake, Statist. Med. 33 (2014) 2850-2875, Newcombe's interval of
    # the decrease: -0.507 to -0.026.
    ours = newcombe_paired(1, 1, 7, 12)
    assert ours.value == pytest.approx(6 / 21)
    assert (round(ours.low, 3), round(ours.high, 3)) == (0.026, 0.507)


def by_the_book(n11: int, n10: int, n01: int, n00: int) -> tuple[float, float]:
    """Method 10 written from the paper, on lists of outcomes."""
    first = [1] * n11 + [1] * n10 + [0] * n01 + [0] * n00
    second = [1] * n11 + [0] * n10 + [1] * n01 + [0] * n00
    n = len(first)
    (l2, u2), (l1, u1) = (proportion_confint(sum(x), n, 0.05, "wilson") for x in (first, second))
    p1, p2 = sum(second) / n, sum(first) / n  # the paper's difference is p1 - p2
    if len(set(first)) == 1 or len(set(second)) == 1:
        phi = 0.0
    else:
        phi = np.corrcoef(first, second)[0, 1]
        product = n11 * n00 - n10 * n01
        if product > 0:
            phi *= max(product - n / 2, 0) / product
    delta = math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    epsilon = math.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    return p1 - p2 - delta, p1 - p2 + epsilon


cells = st.integers(0, 40)


@given(cells, cells, cells, cells)
def test_newcombe_equals_the_method_by_the_book(n11: int, n10: int, n01: int, n00: int) -> None:
    if n11 + n10 + n01 + n00 == 0:
        assert newcombe_paired(0, 0, 0, 0).value is None
        return
    ours = newcombe_paired(n11, n10, n01, n00)
    low, high = by_the_book(n11, n10, n01, n00)
    assert (ours.low, ours.high) == pytest.approx((max(-1, low), min(1, high)), abs=1e-7)
    assert ours.low - 1e-12 <= ours.value <= ours.high + 1e-12
    swapped = newcombe_paired(n11, n01, n10, n00)
    assert (swapped.low, swapped.high) == pytest.approx((-ours.high, -ours.low), abs=1e-12)


def test_newcombe_without_correlation_is_that_of_two_samples() -> None:
    ours = newcombe_paired(12, 18, 8, 12)  # 12 * 12 = 18 * 8: phi is 0
    theirs = confint_proportions_2indep(20, 50, 30, 50, method="newcomb", compare="diff")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.slow
def test_newcombe_covers_the_true_difference() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0.70, 0.06, 0.10, 0.14])  # difference 0.04
    tables, times = np.unique(rng.multinomial(200, truth, size=20_000), axis=0, return_counts=True)
    inside = [(e.low <= 0.04 <= e.high) for e in (newcombe_paired(*map(int, t)) for t in tables)]
    assert np.average(inside, weights=times) == pytest.approx(0.955, abs=0.01)
