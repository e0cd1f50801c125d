"""Permutation tests: is a group, a gap between groups or a change larger than chance makes it?

Every p-value is (1 + draws at least as extreme) / (1 + draws): never 0, and valid for any
number of draws (Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PERMUTATIONS = 4999
_BLOCK = 2_000_000  # numbers in memory at once
_ROUNDING = 1e-9  # sums that differ by less are equal: they were added in another order


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest minus the smallest mean of several groups, and what chance alone gives.

    `expected` and `p95` are the mean and the 95th percentile of the gap when the groups'
    names are shuffled; `p` is the share of shuffles with at least the gap seen.
    """

    value: float
    expected: float
    p95: float
    p: float
    lowest: int
    highest: int


def permutation_gap(
    scores: Floats, groups: NDArray[np.int64], *, permutations: int = PERMUTATIONS, seed: int = 0
) -> Gap:
    """Test the gap between the means of groups by shuffling which row is in which group.

    The largest of several means lies above the smallest even where all groups are alike, so
    a gap says nothing without the gap that shuffled names give.

    Args:
        scores: (n,) one number a row, such as 1 for right and 0 for wrong.
        groups: (n,) codes 0..k-1, each of which occurs; k >= 2.
        permutations: number of shuffles.
        seed: of the shuffles.

    Raises:
        ValueError: for fewer than two groups.
    """
    sizes = np.bincount(groups)
    if len(sizes) < 2 or sizes.min() == 0:
        raise ValueError("a gap needs two groups, each with a row")
    observed = np.bincount(groups, weights=scores) / sizes
    ends = np.cumsum(sizes)
    if np.all((scores == 0) | (scores == 1)):  # how many ones fall into each group has a law of its own
        ones = np.random.default_rng(seed).multivariate_hypergeometric(
            sizes, int(scores.sum()), size=permutations, method="marginals"
        )
        drawn = np.ptp(ones / sizes, axis=1)
    else:
        running = (np.cumsum(shuffled, axis=1)[:, ends - 1] for shuffled in _shuffles(scores, permutations, seed))
        drawn = np.concatenate([np.ptp(np.diff(sums, axis=1, prepend=0.0) / sizes, axis=1) for sums in running])
    value = float(np.ptp(observed))
    p = (1 + int(np.sum(drawn >= value - _slack(scores)))) / (1 + permutations)
    lowest, highest = int(observed.argmin()), int(observed.argmax())
    return Gap(value, float(drawn.mean()), float(np.quantile(drawn, 0.95)), p, lowest, highest)


def permutation_p(
    scores: Floats, members: Sequence[NDArray[np.bool_]], *, permutations: int = PERMUTATIONS, seed: int = 0
) -> Floats:
    """Two-sided p-values of the mean of each group of rows against that of all other rows.

    Under the null hypothesis a group is a draw of as many rows by lot; all groups read the
    same shuffles, a group of m rows the first m of each. Twice the smaller tail, at most 1.

    Args:
        scores: (n,) one number a row.
        members: for each group, (n,) which rows belong to it; groups may overlap.

    Returns:
        (groups,) p-values; NaN for a group of no or of all rows.
    """
    sizes = np.array([int(m.sum()) for m in members], dtype=np.int64)
    observed = np.array([float(scores[m].sum()) for m in members])
    tested = (sizes > 0) & (sizes < len(scores))
    above, below = np.zeros(len(sizes)), np.zeros(len(sizes))
    slack = _slack(scores) * np.maximum(sizes, 1)
    for shuffled in _shuffles(scores, permutations, seed):
        sums = np.cumsum(shuffled, axis=1)[:, np.maximum(sizes, 1) - 1]
        above += (sums >= observed - slack).sum(axis=0)
        below += (sums <= observed + slack).sum(axis=0)
    p = np.minimum(1.0, 2 * (1 + np.minimum(above, below)) / (1 + permutations))
    return np.where(tested, p, np.nan)


def permutation_ratio_p(
    top: Floats,
    bottom: Floats,
    members: Sequence[NDArray[np.bool_]],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Floats:
    """Two-sided p-values of the ratio of two sums over each group of rows against that of all other rows.

    As `permutation_p`, for numbers that are no mean of rows, such as F1 (twice the hits over
    what holds plus what was given). All ratios and groups read the same shuffles.

    Args:
        top: (n, k) numerators of k ratios.
        bottom: (n, k) denominators, not negative.
        members: for each group, (n,) which rows belong to it.

    Returns:
        (groups, k) p-values; NaN where a ratio has no denominator on one side.
    """
    sizes = np.array([int(m.sum()) for m in members], dtype=np.int64)
    last = np.maximum(sizes, 1) - 1

    def apart(a: Floats, b: Floats) -> Floats:
        """Ratio of the rows inside minus that of the others: (..., groups, k), NaN where it has none."""
        with np.errstate(all="ignore"):
            return np.asarray(a / b - (top.sum(axis=0) - a) / (bottom.sum(axis=0) - b))

    observed = apart(*(np.stack([x[m].sum(axis=0) for m in members]) for x in (top, bottom)))
    above, below = np.zeros_like(observed), np.zeros_like(observed)
    rng = np.random.default_rng(seed)
    for size in _blocks(len(top) * top.shape[1] * 2, permutations):
        order = rng.permuted(np.tile(np.arange(len(top)), (size, 1)), axis=1)
        drawn = apart(*(np.cumsum(x[order], axis=1)[:, last] for x in (top, bottom)))
        # A draw without a denominator on one side says nothing against the null hypothesis.
        above += (~(drawn < observed - _ROUNDING)).sum(axis=0)
        below += (~(drawn > observed + _ROUNDING)).sum(axis=0)
    p = np.minimum(1.0, 2 * (1 + np.minimum(above, below)) / (1 + permutations))
    return np.where(np.isfinite(observed), p, np.nan)


def _shuffles(scores: Floats, permutations: int, seed: int) -> Iterator[Floats]:
    rng = np.random.default_rng(seed)
    for size in _blocks(len(scores), permutations):
        yield rng.permuted(np.tile(scores, (size, 1)), axis=1)


def _blocks(n: int, permutations: int) -> list[int]:
    size = int(np.clip(_BLOCK // max(n, 1), 1, permutations))
    return [min(size, permutations - start) for start in range(0, permutations, size)]


def _slack(scores: Floats) -> float:
    return _ROUNDING * float(np.abs(scores).max(initial=0.0))
