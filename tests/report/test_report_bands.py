"""Bands of curves against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from workbench.report.bands import bands


def _normal(own: int, other: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat([True, False], [own, other])
    return truth, norm.cdf(rng.normal(size=own + other) + 1.0 * truth)


def test_the_band_of_a_roc_is_as_wide_as_a_binomial_share_where_the_others_are_many() -> None:
    truth, scores = _normal(150, 100_000)
    roc, _ = bands(truth, scores)
    at = roc[roc["x"] == 0.2].iloc[0]
    cut = np.quantile(scores[~truth], 0.8)
    found = float((scores[truth] > cut).mean())
    half = 1.96 * np.sqrt(found * (1 - found) / 150)
    assert at["low"] < found < at["high"]
    assert (at["high"] - at["low"]) / 2 == pytest.approx(half, rel=0.15)


def test_precision_at_a_recall_varies_with_both_classes() -> None:
    truth, scores = _normal(400, 400)
    _, precision = bands(truth, scores)
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
    for one, two in zip(bands(truth, scores), bands(truth, scores), strict=True):
        assert one.equals(two)
        assert one[["low", "high"]].to_numpy().min() >= 0 and one[["low", "high"]].to_numpy().max() <= 1
        assert (one["low"] <= one["high"]).all()
