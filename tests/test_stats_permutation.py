"""Permutation tests against every permutation, and the intervals of independent proportions against statsmodels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import confint_proportions_2indep

from workbench.stats import fisher_exact, newcombe_independent, permutation_gap, permutation_p, permutation_ratio_p

SCORES = np.array([0.1, 2.0, 1.4, 3.3, 0.7, 2.9, 5.1])
GROUPS = np.array([0, 0, 1, 1, 1, 2, 2])
DRAWS = 20_000
NOISE = 4 * 0.5 / DRAWS**0.5  # four standard errors of a share of that many draws


def every_gap(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    k = groups.max() + 1
    return np.array(
        [
            np.ptp([np.array(order)[groups == g].mean() for g in range(k)])
            for order in itertools.permutations(scores.tolist())
        ]
    )


@pytest.mark.parametrize("scores", [SCORES, np.array([0.0, 0, 1, 1, 0, 1, 1]), np.array([1.0, 1, 1, 1, 1, 1, 0])])
def test_a_gap_is_tested_as_by_every_permutation(scores: np.ndarray) -> None:
    found = permutation_gap(scores, GROUPS, permutations=DRAWS)
    gaps = every_gap(scores, GROUPS)
    means = [scores[g == GROUPS].mean() for g in range(3)]
    assert found.value == pytest.approx(max(means) - min(means))
    assert (found.lowest, found.highest) == (int(np.argmin(means)), int(np.argmax(means)))
    assert found.p == pytest.approx((gaps >= found.value - 1e-9).mean(), abs=NOISE)
    assert found.expected == pytest.approx(gaps.mean(), rel=0.03)
    assert found.p95 == pytest.approx(np.quantile(gaps, 0.95), rel=0.05)


def test_the_gap_that_chance_gives_is_the_one_of_the_science() -> None:
    """Rate .3, eight groups of 100: the expected gap is .130, as simulated there."""
    scores = (np.arange(800) % 10 < 3).astype(float)
    found = permutation_gap(scores, np.repeat(np.arange(8), 100), permutations=4000)
    assert found.expected == pytest.approx(0.130, abs=0.003) and found.value == 0 and found.p == 1


def test_a_gap_of_one_group_is_refused() -> None:
    with pytest.raises(ValueError, match="two groups"):
        permutation_gap(SCORES, np.zeros(7, dtype=int))


def test_a_group_against_the_rest_as_by_every_choice_of_rows() -> None:
    members = [np.isin(np.arange(7), rows) for rows in ([5, 6], [0, 1, 4], [3], [], range(7))]
    found = permutation_p(SCORES, members, permutations=DRAWS)
    for p, rows in zip(found[:3], members[:3], strict=True):
        sums = np.array([sum(c) for c in itertools.combinations(SCORES.tolist(), int(rows.sum()))])
        mine = SCORES[rows].sum()
        tails = ((sums >= mine - 1e-9).mean(), (sums <= mine + 1e-9).mean())
        assert p == pytest.approx(min(1.0, 2 * min(tails)), abs=2 * NOISE)
    assert np.isnan(found[3:]).all()


def test_a_ratio_is_shuffled_as_by_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    top, bottom = rng.integers(0, 3, (12, 2)).astype(float), rng.integers(1, 4, (12, 2)).astype(float)
    members = [np.arange(12) < 5, np.ones(12, dtype=bool), np.zeros(12, dtype=bool)]
    found = permutation_ratio_p(top, bottom, members, permutations=DRAWS)
    assert np.isnan(found[1:]).all()
    for k in range(2):
        t, b = top[:, k], bottom[:, k]
        ratios = np.array([
            t[list(c)].sum() / b[list(c)].sum()
            - (t.sum() - t[list(c)].sum()) / (b.sum() - b[list(c)].sum())
            for c in itertools.combinations(range(12), 5)
        ])  # fmt: skip
        mine = t[:5].sum() / b[:5].sum() - t[5:].sum() / b[5:].sum()
        tails = ((ratios >= mine - 1e-9).mean(), (ratios <= mine + 1e-9).mean())
        assert found[0, k] == pytest.approx(min(1.0, 2 * min(tails)), abs=2 * NOISE)


def test_a_ratio_over_ones_is_the_mean() -> None:
    members = [GROUPS == 0, GROUPS == 1]
    mean = permutation_p(SCORES, members, permutations=DRAWS)
    ratio = permutation_ratio_p(SCORES[:, None], np.ones((len(SCORES), 1)), members, permutations=DRAWS, seed=1)
    np.testing.assert_allclose(ratio[:, 0], mean, atol=3 * NOISE)


def test_equal_seeds_give_equal_p_values() -> None:
    for seed in (0, 5):
        assert permutation_gap(SCORES, GROUPS, seed=seed) == permutation_gap(SCORES, GROUPS, seed=seed)


@pytest.mark.parametrize(
    "counts", [(8, 10, 20, 40), (0, 12, 3, 30), (12, 12, 3, 30), (90, 100, 700, 1000), (1, 1, 0, 5)]
)
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_newcombe_is_statsmodels(counts: tuple[int, int, int, int], confidence: float) -> None:
    found = newcombe_independent(*counts, confidence)
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - confidence)
    assert found.value == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_newcombe_without_an_example_says_so() -> None:
    found = newcombe_independent(0, 0, 3, 7)
    assert found.value is None and "no example" in found.reason


@pytest.mark.parametrize("counts", [(8, 10, 20, 40), (0, 12, 3, 30), (5, 5, 0, 5)])
def test_fisher_counts_the_tables_that_are_no_likelier(counts: tuple[int, int, int, int]) -> None:
    k1, n1, k2, n2 = counts
    law = scipy_stats.hypergeom(n1 + n2, k1 + k2, n1).pmf(np.arange(n1 + 1))
    assert fisher_exact(*counts) == pytest.approx(law[law <= law[k1] * (1 + 1e-9)].sum())


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and its n"):
        fisher_exact(5, 4, 0, 3)
