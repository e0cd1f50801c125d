"""Ranges around predictions: the promised share by simulation, exact places, few examples."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from scipy.stats import beta

from workbench.metrics.conformal import LEVELS, coverage, half_width, ranges
from workbench.metrics.counted import Counting
from workbench.metrics.decisions import decisions
from workbench.metrics.thresholds import Wanted
from workbench.types import Values


def values(n: int, seed: int = 0, split: str = "test", spread: float = 4.0) -> Values:
    rng = np.random.default_rng(seed)
    v = rng.normal(50, 10, n)
    return Values(np.arange(n).astype(str), np.full(n, split), v - rng.normal(0, spread, n), v, "kg", {})


@pytest.mark.parametrize(
    ("n", "level", "place"), [(19, 0.95, 19), (19, 0.9, 18), (99, 0.9, 90), (4, 0.5, 3), (9, 0.9, 9)]
)
def test_the_width_is_an_order_statistic(n: int, level: float, place: int) -> None:
    errors = np.random.default_rng(n).permutation(np.arange(1, n + 1)) * np.where(np.arange(n) % 2, -1.0, 1.0)
    assert half_width(errors, level) == place


@pytest.mark.parametrize(("n", "level"), [(18, 0.95), (8, 0.9), (3, 0.8), (0, 0.5)])
def test_too_few_examples_fix_no_width(n: int, level: float) -> None:
    assert half_width(np.ones(n), level) is None
    few = next(e for e in ranges(values(n), values(50, 1), Counting())["levels"] if e["level"] == level)
    assert few["half_width"] is None and few["coverage"] is None
    assert f"{n} validation examples are too few" in few["reason"] and f"at least {n + 1}" in few["reason"]


def test_the_promise_holds_for_any_distribution_of_errors() -> None:
    """Coverage of a new example is Beta distributed (Vovk 2012): mean place / (n + 1)."""
    rng = np.random.default_rng(3)
    for draw in (rng.standard_cauchy, rng.exponential):
        held, n = [], 39
        for _ in range(4000):
            width = half_width(draw(size=n), 0.9)
            assert width is not None
            inside = scipy.stats.cauchy.cdf(width) * 2 - 1 if draw == rng.standard_cauchy else 1 - np.exp(-width)
            held.append(inside)
        law = beta(36, 4)
        assert np.mean(held) == pytest.approx(0.9, abs=0.004)
        assert np.quantile(held, [0.1, 0.9]) == pytest.approx(law.ppf([0.1, 0.9]), abs=0.01)


def test_counts_intervals_and_bins_are_plain() -> None:
    held_out, judged = values(80, 1), values(200, 2, spread=6)
    low = judged.values < 50
    found = ranges(held_out, judged, Counting(), [(0.0, 50.0, low), (50.0, 99.0, ~low)])
    assert found["n_validation"] == 80 and [e["level"] for e in found["levels"]] == list(LEVELS)
    for entry in found["levels"]:
        inside = np.abs(judged.values - judged.targets) <= entry["half_width"]
        assert entry["hits"] == inside.sum() and entry["mean_width"] == 2 * entry["half_width"]
        assert entry["coverage"] == inside.mean() == coverage(judged.targets, judged.values, entry["half_width"])
        ends = scipy.stats.binomtest(int(inside.sum()), 200).proportion_ci(0.95, "wilson")
        assert (entry["low"], entry["high"]) == pytest.approx((ends.low, ends.high))
        assert [b["coverage"] for b in entry["bins"]] == [inside[low].mean(), inside[~low].mean()]
    assert found["levels"][2]["high"] < 0.9  # the test errors are half as large again: the promise is seen to fail


def test_decisions_take_the_widths_from_validation_alone() -> None:
    rng = np.random.default_rng(5)
    v = rng.normal(50, 10, 300)
    splits = np.where(np.arange(300) % 2 == 0, "validation", "test")
    errors = np.where(splits == "validation", rng.normal(0, 1, 300), rng.normal(0, 9, 300))
    p = Values(np.arange(300).astype(str), splits, v - errors, v, "kg", {})
    found = decisions(p, Wanted(), resamples=50)["ranges"]
    assert found["levels"][2]["half_width"] == pytest.approx(half_width(errors[splits == "validation"], 0.9))
    assert found["signature"]
    assert sum(b["n"] for b in found["levels"][0]["bins"]) == 150
    units = np.repeat(np.arange(100), 3)
    grouped = decisions(p, Wanted(), resamples=50, clusters=units)["ranges"]
    assert grouped["levels"][2]["interval"] == "wilson-groups" and "wilson-groups" in grouped["signature"]
    alone = decisions(p.where(splits == "test"), Wanted(), resamples=50)["ranges"]
    assert [e["half_width"] for e in alone["levels"]] == [None] * 4 and alone["n_validation"] == 0
