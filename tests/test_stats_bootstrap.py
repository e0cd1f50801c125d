"""The bootstrap: draws, jackknife and intervals, against scipy and the textbook."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
import scipy.stats
from scipy.special import ndtr, ndtri

from workbench.stats import Plan, Statistic, bootstrap, evaluate, interval_of, two_sided_p
from workbench.stats.bootstrap import BLOCK, _acceleration
from workbench.stats.intervals import _jackknife


def mean_of(x: np.ndarray, key: str = "mean") -> Statistic:
    return Statistic(((key,),), lambda w: ((w @ x) / w.sum(axis=1))[:, None])


def test_draws_resample_n_rows_with_replacement() -> None:
    weights = Plan.rows(50).draw(4000, np.random.default_rng(0))
    assert weights.shape == (4000, 50) and np.all(weights.sum(axis=1) == 50)
    assert weights.mean() == pytest.approx(1)
    # The count of one row is Binomial(50, 1/50).
    assert weights.var() == pytest.approx(50 * 0.02 * 0.98, rel=0.02)


def test_strata_keep_their_sizes() -> None:
    for strata in (np.repeat([0, 1, 2], [5, 1, 20]), np.tile([0, 1], 13)):
        weights = Plan.rows(26, strata=strata).draw(200, np.random.default_rng(0))
        for s in np.unique(strata):
            assert np.all(weights[:, strata == s].sum(axis=1) == np.sum(strata == s))


def test_clusters_are_drawn_whole() -> None:
    clusters = np.array(["b", "a", "b", "c", "a", "b"])
    weights = Plan.rows(6, clusters=clusters).draw(500, np.random.default_rng(0))
    assert np.all(weights[:, 0] == weights[:, 2]) and np.all(weights[:, 1] == weights[:, 4])
    assert np.all(weights[:, 0] + weights[:, 1] + weights[:, 3] == 3)
    with pytest.raises(ValueError, match="cannot be combined"):
        Plan(np.ones(2, int), strata=np.zeros(2, int), clusters=np.zeros(2, int))


def test_cells_have_the_distribution_of_rows() -> None:
    counts = np.array([30, 15, 5])
    rows = np.repeat(np.arange(3), counts)
    by_row = Plan.rows(50).draw(20_000, np.random.default_rng(0))
    tallied = np.stack([by_row[:, rows == c].sum(axis=1) for c in range(3)], axis=1)
    by_cell = Plan(counts).draw(20_000, np.random.default_rng(1))
    assert by_cell.mean(axis=0) == pytest.approx(tallied.mean(axis=0), rel=0.02)
    assert np.cov(by_cell.T) == pytest.approx(np.cov(tallied.T), rel=0.06)


def test_the_jackknife_of_cells_is_that_of_rows() -> None:
    counts, values = np.array([3, 2, 4]), np.array([1.0, 5.0, 2.5])
    rows = np.repeat(np.arange(3), counts)
    cells = bootstrap([mean_of(values)], Plan(counts), resamples=200, seed=1)[("mean",)]
    assert cells.value == pytest.approx(values[rows].mean())
    left = np.concatenate([evaluate([mean_of(values)], w)[("mean",)] for w in Plan(counts).leave_one_out()])
    direct = [np.delete(values[rows], np.flatnonzero(rows == c)[0]).mean() for c in range(3)]
    assert left == pytest.approx(direct)


@pytest.mark.parametrize("strata", [None, np.repeat([0, 1], [25, 35])])
def test_bca_is_scipys(strata: np.ndarray | None) -> None:
    x = np.random.default_rng(5).exponential(size=60)
    ours = bootstrap([mean_of(x)], Plan.rows(60, strata=strata), resamples=20_000, seed=0)[("mean",)]
    if strata is None:
        theirs = scipy.stats.bootstrap((x,), np.mean, n_resamples=20_000, method="BCa", rng=1)
    else:

        def pooled(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
            return (a.sum(axis=axis) + b.sum(axis=axis)) / 60

        theirs = scipy.stats.bootstrap((x[:25], x[25:]), pooled, n_resamples=20_000, method="BCa", rng=1)
    interval = theirs.confidence_interval
    assert ours.interval.method == "bootstrap-bca"
    assert (ours.interval.low, ours.interval.high) == pytest.approx((interval.low, interval.high), abs=0.015)


def test_bca_by_the_book() -> None:
    draws = np.random.default_rng(0).gamma(3, size=999)
    value, a = 2.7, 0.06
    z0 = ndtri(np.mean(draws < value))
    levels = [ndtr(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in ndtri([0.05, 0.95])]
    ours = interval_of(value, draws, a, confidence=0.9)
    assert (ours.low, ours.high) == pytest.approx(np.quantile(draws, levels))


def test_large_samples_use_percentiles() -> None:
    x = np.random.default_rng(0).normal(size=2001)
    ours = bootstrap([mean_of(x)], Plan.rows(2001), resamples=300, seed=0)[("mean",)]
    assert ours.interval.method == "bootstrap-percentile"
    assert (ours.interval.low, ours.interval.high) == pytest.approx(np.quantile(ours.draws, [0.025, 0.975]))


def test_one_set_of_draws_serves_every_statistic() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40))
    both = bootstrap([mean_of(x, "x"), mean_of(y, "y"), mean_of(y - x, "d")], Plan.rows(40), resamples=500, seed=3)
    assert both[("d",)].draws == pytest.approx(both[("y",)].draws - both[("x",)].draws)
    alone = bootstrap([mean_of(x, "x")], Plan.rows(40), resamples=500, seed=3)
    assert np.array_equal(alone[("x",)].draws, both[("x",)].draws)
    other = bootstrap([mean_of(x, "x")], Plan.rows(40), resamples=500, seed=4)
    assert not np.array_equal(alone[("x",)].draws, other[("x",)].draws)


def test_draws_do_not_depend_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=3000)
    results = []
    for cores in (1, 4):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        results.append(bootstrap([mean_of(x)], Plan.rows(3000), resamples=400, seed=0)[("mean",)].draws)
    assert np.array_equal(*results)


@pytest.mark.parametrize("n", [1, 1000, 100_000, 3_000_000])
def test_blocks_are_bounded(n: int) -> None:
    blocks = Plan(np.ones(n, dtype=np.int64)).blocks(2000)
    assert sum(blocks) == 2000
    assert max(blocks) * n <= max(BLOCK, n)


def test_twenty_of_twenty_falls_back_to_wilson() -> None:
    ones = np.ones(20)
    with warnings.catch_warnings(action="ignore"):
        assert np.isnan(scipy.stats.bootstrap((ones,), np.mean, method="BCa", rng=0).confidence_interval.low)
    statistic = Statistic((("share",),), lambda w: ((w @ ones) / 20)[:, None], ((0.0, 1.0),), (20.0,))
    ours = bootstrap([statistic], Plan.rows(20))[("share",)].interval
    assert ours.method == "wilson" and ours.high == 1
    assert ours.low == pytest.approx(scipy.stats.binomtest(20, 20).proportion_ci(method="wilson").low)
    unbounded = bootstrap([mean_of(ones)], Plan.rows(20))[("mean",)].interval
    assert unbounded.low is None and unbounded.method == "" and "same value" in unbounded.reason


def test_a_value_outside_its_draws_is_centred() -> None:
    draws = np.random.default_rng(0).normal(1.0, 0.1, size=5000)
    ours = interval_of(0.2, draws, None, bounds=(0.0, 1.0))
    assert ours.method == "bootstrap-centred"
    assert (ours.low, ours.high) == pytest.approx((0.2 - 0.196, 0.2 + 0.196), abs=0.01)
    straight = interval_of(1.05, draws, 0.0, centred=True)
    assert straight.method == "bootstrap-centred" and straight.low < 1.05 < straight.high


def test_bounds_with_any_ends_rescale_wilson() -> None:
    ours = interval_of(1.0, np.ones(100), None, bounds=(-1.0, 1.0), trials=20)
    assert ours.low == pytest.approx(2 * scipy.stats.binomtest(20, 20).proportion_ci(method="wilson").low - 1)


def test_undefined_values_and_draws_have_no_interval() -> None:
    assert interval_of(np.nan, np.ones(10), None).low is None
    assert "most resamples" in interval_of(1.0, np.r_[np.full(6, np.nan), np.arange(4)], None).reason
    mostly = interval_of(1.5, np.r_[np.full(4, np.nan), np.arange(1, 7)], None)
    assert mostly.method == "bootstrap-percentile"


def test_p_value_counts_the_rarer_side() -> None:
    draws = np.r_[-1.0, 0.0, np.ones(97), np.nan]
    assert two_sided_p(draws) == pytest.approx(2 * 3 / 100)
    assert two_sided_p(-draws) == pytest.approx(2 * 3 / 100)
    assert two_sided_p(np.ones(999)) == pytest.approx(0.002)
    assert two_sided_p(np.zeros(10)) == 1.0
    assert two_sided_p(np.full(3, np.nan)) is None


def test_one_unit_has_no_interval_but_no_crash() -> None:
    ours = bootstrap([mean_of(np.array([3.0]))], Plan.rows(1), resamples=50)[("mean",)]
    assert ours.value == 3 and ours.interval.low is None


def test_clusters_widen_the_interval_of_dependent_rows() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(30), 10)
    x = rng.normal(size=30)[clusters] + 0.1 * rng.normal(size=300)
    whole = bootstrap([mean_of(x)], Plan.rows(300, clusters=clusters))[("mean",)]
    single = bootstrap([mean_of(x)], Plan.rows(300))[("mean",)]
    assert np.std(whole.draws) == pytest.approx(np.std([x[clusters == c].mean() for c in range(30)]) / 30**0.5, rel=0.1)
    assert np.std(whole.draws) > 2 * np.std(single.draws)


@pytest.mark.slow
def test_bca_covers_the_mean_of_a_skewed_variable() -> None:
    inside = 0
    for seed in range(1000):
        x = np.random.default_rng(seed).exponential(size=60)
        interval = bootstrap([mean_of(x)], Plan.rows(60), resamples=800, seed=seed)[("mean",)].interval
        inside += interval.low <= 1 <= interval.high
    assert inside / 1000 == pytest.approx(0.94, abs=0.02)


def test_acceleration_of_strata_is_the_sum_over_each_of_them() -> None:
    """The definition, stratum by stratum, with cells that occur several times or never and values not defined."""
    rng = np.random.default_rng(3)
    values, times, stratum = rng.normal(size=60), rng.integers(0, 4, 60).astype(float), rng.integers(0, 5, 60)
    values[[4, 9]] = np.nan
    squares = cubes = total = weighed = 0.0
    for code in range(5):
        of = np.repeat(values[stratum == code], times[stratum == code].astype(int))
        of = of[np.isfinite(of)]
        influence = (len(of) - 1) * (of.mean() - of) / len(of)
        squares, cubes = squares + np.sum(influence**2), cubes + np.sum(influence**3)
        own = (len(of) - 1) / len(of) * np.sum((of - of.mean()) ** 2)
        total, weighed = total + own, weighed + own**2 / (len(of) - 1)
    found = _acceleration(values, times, stratum)
    assert found == pytest.approx(cubes / (6 * squares**1.5), rel=1e-12)
    assert _jackknife(values, times, stratum) == pytest.approx((total, total**2 / weighed), rel=1e-12)
    assert _acceleration(np.ones(4), np.ones(4), np.zeros(4, dtype=int)) is None
