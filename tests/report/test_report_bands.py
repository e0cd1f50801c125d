"""Bands of curves against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from workbench.metrics.curves import staircase
from workbench.report.bands import BINS, _counts, bands


def _normal(own: int, other: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat([True, False], [own, other])
    return truth, norm.cdf(rng.normal(size=own + other) + 1.0 * truth)


def test_the_band_of_a_roc_is_as_wide_as_a_binomial_share_where_the_others_are_many() -> None:
    truth, scores = _normal(150, 100_000)
    roc, _ = bands(staircase(scores, truth))
    at = roc[roc["x"] == 0.2].iloc[0]
    cut = np.quantile(scores[~truth], 0.8)
    found = float((scores[truth] > cut).mean())
    half = 1.96 * np.sqrt(found * (1 - found) / 150)
    assert at["low"] < found < at["high"]
    assert (at["high"] - at["low"]) / 2 == pytest.approx(half, rel=0.15)


def test_precision_at_a_recall_varies_with_both_classes() -> None:
    truth, scores = _normal(400, 400)
    _, precision = bands(staircase(scores, truth))
    at = precision[precision["x"] == 0.5].iloc[0]
    cut = np.quantile(scores[truth], 0.5, method="inverted_cdf")
    called = scores >= cut
    right = truth[called].mean()
    assert at["low"] < right < at["high"]
    rng = np.random.default_rng(5)  # the same by drawing examples one by one
    own, other, drawn = scores[truth], scores[~truth], []
    for _ in range(400):
        a, b = rng.choice(own, 400), rng.choice(other, 400)
        cut = np.sort(a)[::-1][199]
        drawn.append((a >= cut).sum() / ((a >= cut).sum() + (b >= cut).sum()))
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert (at["low"], at["high"]) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_equal_seeds_give_equal_bands_and_shares_stay_shares() -> None:
    truth, scores = _normal(30, 50)
    for one, two in zip(bands(staircase(scores, truth)), bands(staircase(scores, truth)), strict=True):
        assert one.equals(two)
        assert one[["low", "high"]].to_numpy().min() >= 0 and one[["low", "high"]].to_numpy().max() <= 1
        assert (one["low"] <= one["high"]).all()


def test_a_million_steps_are_gathered_into_some_of_equal_mass() -> None:
    truth, scores = _normal(3000, 5000)
    for found, place in zip(bands(staircase(scores, truth)), (0.3, 0.6), strict=True):
        at = found[found["x"] == place].iloc[0]
        own, other = np.sort(scores[truth])[::-1], np.sort(scores[~truth])[::-1]
        if place == 0.3:  # false alarms, and so the share that is found
            exact = (own >= other[int(place * 5000)]).mean()
        else:  # found, and so the share that is right
            called = int(place * 3000)
            exact = called / (called + (other >= own[called - 1]).sum())
        assert at["low"] < exact < at["high"] and at["high"] - at["low"] < 0.06


@pytest.mark.parametrize("n", [BINS - 1, BINS, BINS + 1, 5000])
def test_no_example_is_lost_by_gathering(n: int) -> None:
    truth, scores = _normal(n // 3, n - n // 3)
    scores = scores.round(3) if n == 5000 else scores
    own, other = _counts(staircase(scores, truth))
    assert (own.sum(), other.sum()) == (n // 3, n - n // 3) and len(own) == len(other) <= BINS
    if n > BINS:
        wanted = np.unique(np.quantile(scores, np.linspace(0, 1, BINS), method="inverted_cdf"))
        step = np.searchsorted(wanted, scores, side="right") - 1
        assert own.tolist() == np.bincount(step[truth], minlength=len(wanted))[::-1].tolist()
