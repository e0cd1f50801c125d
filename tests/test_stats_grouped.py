"""Rows in groups: variances against a plain loop of the jackknife, tests that keep their level."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import expit

from workbench.stats import (
    LEAST_GROUPS,
    codes_of,
    fisher_exact,
    grouped_difference,
    grouped_gap,
    grouped_mean,
    grouped_p,
    grouped_share,
    grouped_shares_differ,
    permutation_gap,
    why_no_p,
    wilson_bounds,
)


def rows(seed: int, groups: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), rng.integers(2, 7, groups))
    return rng.normal(size=len(codes)) + rng.normal(size=groups)[codes], rng.random(len(codes)) < 0.4, codes


def test_a_mean_of_groups_has_the_variance_of_leaving_each_out() -> None:
    values, _, codes = rows(0)
    found = grouped_mean(values, np.ones(len(values)), codes)
    mean, k, sizes = values.mean(), codes.max() + 1, np.bincount(codes)
    without = np.array([values[codes != g].mean() - mean for g in range(k)])
    kurtosis = np.mean(without**4) / np.mean(without**2) ** 2
    df = min(sizes.sum() ** 2 / (sizes**2).sum(), 2 * k / (kurtosis - 1)) - 1
    half = scipy_stats.t.ppf(0.975, df) * np.sqrt((k - 1) / k * (without**2).sum())
    assert (found.value, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))


def test_groups_of_one_row_each_give_student_s_interval_of_a_mean() -> None:
    values = rows(1)[0]
    found = grouped_mean(values, np.ones(len(values)), np.arange(len(values)))
    low, high = scipy_stats.t.interval(0.95, len(values) - 1, values.mean(), scipy_stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_difference_of_groups_on_one_side_each_is_welch_s() -> None:
    values = rows(2)[0]
    inside = np.arange(len(values)) < 20
    found = grouped_difference(values, np.ones(len(values)), inside, np.arange(len(values)))
    se = np.sqrt(sum(values[s].var(ddof=1) / s.sum() for s in (inside, ~inside)))
    half = scipy_stats.t.ppf(0.975, min(inside.sum(), (~inside).sum()) - 1) * se
    gap = values[inside].mean() - values[~inside].mean()
    assert (found.value, found.low, found.high) == pytest.approx((gap, gap - half, gap + half))


def test_a_share_of_lone_rows_is_nearly_wilson_s_and_of_copies_counts_groups() -> None:
    hits, everyone = np.arange(200) % 5 > 0, np.ones(200, dtype=bool)
    alone = grouped_share(hits, everyone, np.arange(200))
    assert (alone.low, alone.high) == pytest.approx(wilson_bounds(0.8, 200), abs=0.002)
    copies = grouped_share(np.repeat(hits[:40], 5), everyone, np.repeat(np.arange(40), 5))
    assert copies.high - copies.low == pytest.approx(np.ptp(wilson_bounds(0.8, 40)), rel=0.06)
    certain = grouped_share(everyone, everyone, np.repeat(np.arange(40), 5))
    assert certain.value == certain.high == 1 and certain.low == pytest.approx(wilson_bounds(1, 40)[0], abs=0.01)


def test_whole_groups_are_shuffled_where_each_is_on_one_side() -> None:
    values, _, codes = rows(3, 12)
    inside, ones = codes < 6, np.ones(len(values))
    found = grouped_p(values, ones, inside, codes, resamples=20_000)
    drawn = []
    for chosen in itertools.combinations(range(12), 6):
        side = np.isin(codes, chosen)
        drawn.append(values[side].mean() - values[~side].mean())
    mine = values[inside].mean() - values[~inside].mean()
    tails = (np.mean(np.array(drawn) >= mine - 1e-9), np.mean(np.array(drawn) <= mine + 1e-9))
    assert found == pytest.approx(min(1.0, 2 * min(tails)), abs=0.02)


def test_signs_of_groups_are_turned_where_they_are_on_both_sides() -> None:
    values, inside, codes = rows(4, 9)
    found = grouped_p(values, np.ones(len(values)), inside, codes)
    parts = (values - values.mean()) * (inside / inside.sum() - ~inside / (~inside).sum())
    totals = np.array([parts[codes == g].sum() for g in range(9)])
    sums = np.array([abs(np.dot(s, totals)) for s in itertools.product((-1, 1), repeat=9)])
    assert found == pytest.approx(np.mean(sums >= abs(totals.sum()) - 1e-12))


def test_too_few_groups_are_named_and_give_no_number() -> None:
    values, _, codes = rows(5)
    inside, ones = codes < LEAST_GROUPS - 1, np.ones(len(values))
    assert grouped_p(values, ones, inside, codes) is None
    assert "fewer than 6" in why_no_p(ones, inside, codes) and why_no_p(ones, codes < 6, codes) == ""
    assert grouped_gap(values, inside.astype(np.int64), codes) is None
    one = np.zeros(len(values), dtype=np.int64)
    assert "one group" in grouped_share(values > 0, ones > 0, one).reason
    assert "one group" in grouped_mean(values, ones, one).reason
    assert "do not differ" in grouped_mean(ones, ones, codes).reason
    assert grouped_share(values > 0, ones < 0, codes).value is None
    assert grouped_shares_differ(values > 0, ones > 0, ones > 0, codes).value is None


def test_codes_are_those_of_the_names() -> None:
    assert codes_of(np.array(["b", "a", "b"], dtype=object)).tolist() == [1, 0, 1]


def test_a_ratio_is_that_of_the_sums() -> None:
    rng = np.random.default_rng(6)
    top, bottom, codes = rng.integers(0, 3, 60), rng.integers(1, 4, 60), np.arange(60) // 3
    found = grouped_mean(top.astype(float), bottom.astype(float), codes, bounds=(0.0, 1.0))
    assert found.value == pytest.approx(top.sum() / bottom.sum()) and found.low < found.value < found.high


@pytest.mark.slow
@pytest.mark.parametrize(("nested", "few"), [(True, 20), (True, 8), (False, 12)])
def test_strongly_clustered_rows_keep_the_level(nested: bool, few: int) -> None:
    """Where nothing differs, 5 % of tests may say so; a thousand data sets of 40 patients."""
    times, groups = 1000, 40
    ours, naive, gaps, naive_gaps, covered = [], [], [], [], []
    for seed in range(times):
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(groups), rng.integers(1, 20, groups))
        right = rng.random(len(codes)) < expit(2 + rng.normal(0, 2, groups))[codes]
        inside = codes < few if nested else rng.random(len(codes)) < few / groups
        kinds = codes % 3 if nested else rng.integers(0, 3, len(codes))
        f, ones = right.astype(float), np.ones(len(codes))
        p = grouped_p(f, ones, inside, codes, resamples=399, seed=seed)
        assert p is not None
        ours.append(p < 0.05)
        k, n = int(right[inside].sum()), int(inside.sum())
        naive.append(fisher_exact(k, n, int(right.sum()) - k, len(right) - n) < 0.05)
        gap = grouped_gap(f, kinds, codes, resamples=399, seed=seed)
        assert gap is not None
        gaps.append(gap.p < 0.05)
        naive_gaps.append(permutation_gap(f, kinds, permutations=399, seed=seed).p < 0.05)
        own = grouped_shares_differ(right, ones > 0, inside, codes)
        covered.append(own.low is not None and own.high is not None and own.low <= 0 <= own.high)
    assert np.mean(ours) <= 0.065 and np.mean(gaps) <= 0.065, (np.mean(ours), np.mean(gaps))
    assert np.mean(covered) >= 0.93, np.mean(covered)
    if nested:
        assert np.mean(naive) > 0.2 and np.mean(naive_gaps) > 0.2
