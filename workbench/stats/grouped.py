"""Rows that come in groups (patients, users, documents): what whole groups say of shares, means and gaps.

A number is a ratio, sum of `top` over sum of `bottom` of some rows: a share or a mean (bottom
1), a precision (bottom: what was called), F1 (twice the hits over what holds plus what was
given). Its variance is the jackknife's, whole groups left out one by one; tests turn the
signs of whole groups' contributions, computed as if nothing differed.

Sources: jackknife of ratios Kish & Frankel, JRSS B 36 (1974) 1-37; effective counts Korn & Graubard,
Surv. Methodol. 24 (1998) 193-201; degrees of freedom by the kurtosis O'Neill, Am. Stat. 68
(2014) 282-296; signs of score contributions Kline & Santos, J. Econometric Methods 1 (2012)
23-41. Coverage by simulation: tests/metrics/test_interval_coverage.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from workbench.stats.permutation import PERMUTATIONS, Gap
from workbench.stats.proportions import wilson_bounds
from workbench.stats.randomisation import randomisation_p
from workbench.types import Estimate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = NDArray[np.bool_]

LEAST_GROUPS = 6  # with fewer no turn of signs is rare enough to reject anything at 5 %
_BLOCK = 4_000_000


@dataclass(frozen=True)
class _Linear:
    """A ratio: its value, each group's share in its error (groups,), and what spreads them."""

    value: float
    influence: Floats  # what leaving the group out changes, times 1 - groups, over groups
    groups: int
    effective: float  # groups of equal size that would tell as much (Kish)

    @property
    def variance(self) -> float:
        return float(np.sum(self.influence**2)) * self.groups / max(self.groups - 1, 1)

    @property
    def quantile_df(self) -> float:
        """Degrees of freedom of the variance: fewer where sizes differ or a few groups make up most of it.

        One is taken off those by the kurtosis, which is read off the same groups.
        """
        largest = float(np.abs(self.influence).max(initial=0.0))
        if not largest:
            return max(self.effective - 1, 1.0)
        squares = (self.influence / largest) ** 2
        kurtosis = self.groups * float(np.sum(squares**2)) / float(np.sum(squares)) ** 2
        by_kurtosis = 2 * self.groups / max(kurtosis - 1, 1e-9) - 1
        return max(min(self.effective - 1, by_kurtosis), 1.0)


def codes_of(clusters: NDArray[np.generic]) -> Integers:
    """Groups (n,) as codes 0, 1, ..."""
    return np.unique(np.asarray(clusters).astype(str), return_inverse=True)[1].astype(np.int64)


def grouped_share(hits: Rows, among: Rows, codes: Integers, confidence: float = 0.95) -> Estimate:
    """The share of `among` (n,) that `hits` too, with Wilson's interval of its effective count.

    The effective count is the number of independent rows that would vary as much, at most
    the rows there are; where all or none hit, it is the number of groups. Student's t takes
    the place of the normal quantile.
    """
    n = int(among.sum())
    if not n:
        return Estimate(None, n=0, interval="wilson-groups", reason="no example to count")
    found = _linear((hits & among).astype(np.float64), among.astype(np.float64), codes)
    if found.groups < 2:
        return Estimate(found.value, n=n, reason="no interval: every example is of one group")
    p = found.value
    count = float(found.groups) if found.variance <= 1e-15 else min(float(n), p * (1 - p) / found.variance)
    z = float(ndtri(0.5 + confidence / 2))
    low, high = wilson_bounds(p, count * (z / _t(found.quantile_df, confidence)) ** 2, confidence)
    return Estimate(p, low, high, n, "wilson-groups")


def grouped_mean(
    top: Floats,
    bottom: Floats,
    codes: Integers,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """The ratio of two sums over rows (n,) with Student's interval over groups; see the module's text."""
    n = int(np.count_nonzero(bottom))
    if not n:
        return Estimate(None, n=0, interval="t-groups", reason="no example to count")
    found = _linear(top, bottom, codes)
    if found.groups < 2:
        return Estimate(found.value, n=n, reason="no interval: every example is of one group")
    return _student(found.value, found.variance, found.quantile_df, n, confidence, bounds)


def grouped_difference(
    top: Floats,
    bottom: Floats,
    inside: Rows,
    codes: Integers,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """The ratio of the rows inside minus that of the others, with Student's interval over groups.

    A group with rows on both sides counts on both, so that what its rows have in common
    cancels. Degrees of freedom are those of the side that has fewer.
    """
    sides = [_linear(top * rows, bottom * rows, codes) if np.any(bottom[rows]) else None for rows in (inside, ~inside)]
    ours, theirs = sides
    n = int(np.count_nonzero(bottom))
    if ours is None or theirs is None:
        return Estimate(None, n=n, interval="t-groups", reason="one of the two has no example")
    value = ours.value - theirs.value
    if min(ours.groups, theirs.groups) < 2:
        return Estimate(value, n=n, reason="no interval: every example of one side is of one group")
    scaled = [s.influence * math.sqrt(s.groups / (s.groups - 1)) for s in (ours, theirs)]
    variance = float(np.sum((scaled[0] - scaled[1]) ** 2))
    df = min(ours.quantile_df, theirs.quantile_df)
    return _student(value, variance, df, n, confidence, bounds)


def grouped_shares_differ(hits: Rows, among: Rows, inside: Rows, codes: Integers, confidence: float = 0.95) -> Estimate:
    """`grouped_difference` of a share: Newcombe's combination of both sides' intervals where no group is on both."""
    if np.intersect1d(codes[inside & among], codes[~inside & among]).size:
        top, bottom = (hits & among).astype(np.float64), among.astype(np.float64)
        return grouped_difference(top, bottom, inside, codes, confidence, (-1.0, 1.0))
    ours, theirs = (grouped_share(hits, among & side, codes, confidence) for side in (inside, ~inside))
    n = int(among.sum())
    if ours.value is None or theirs.value is None:
        return Estimate(None, n=n, interval="newcombe-groups", reason="one of the two has no example")
    value = ours.value - theirs.value
    if ours.low is None or ours.high is None or theirs.low is None or theirs.high is None:
        return Estimate(value, n=n, reason="no interval: every example of one side is of one group")
    low = value - math.hypot(ours.value - ours.low, theirs.high - theirs.value)
    high = value + math.hypot(ours.high - ours.value, theirs.value - theirs.low)
    return Estimate(value, max(-1.0, low), min(1.0, high), n, "newcombe-groups")


def grouped_p(
    top: Floats, bottom: Floats, inside: Rows, codes: Integers, *, resamples: int = PERMUTATIONS, seed: int = 0
) -> float | None:
    """Two-sided p-value that the rows inside and the others have one ratio; None with too few groups.

    Where every group lies on one side, whole groups are shuffled between the sides. Else each
    group contributes its rows' deviations from the common ratio; under the null hypothesis
    the sign of a group's contribution is a matter of chance.
    """
    if _too_few(bottom, inside, codes):
        return None
    counted = bottom > 0
    if not np.intersect1d(codes[inside & counted], codes[~inside & counted]).size:
        return _shuffled_p(top, bottom, inside & counted, codes, resamples, seed)
    common = top.sum() / bottom.sum()
    weight = inside / bottom[inside].sum() - ~inside / bottom[~inside].sum()
    return randomisation_p((top - common * bottom) * weight, clusters=codes, resamples=resamples, seed=seed)


def _shuffled_p(top: Floats, bottom: Floats, inside: Rows, codes: Integers, resamples: int, seed: int) -> float:
    sums = np.stack([np.bincount(codes, weights=w) for w in (top, bottom)])
    sums = sums[:, sums[1] > 0]
    k = groups_of(inside, codes)
    whole = sums.sum(axis=1)

    def difference(ours: Floats) -> Floats:
        rest: Floats = whole - ours
        return np.asarray(ours[..., 0] / ours[..., 1] - rest[..., 0] / rest[..., 1])

    observed = float(difference(np.array([top[inside].sum(), bottom[inside].sum()])))
    rng, above, below = np.random.default_rng(seed), 0, 0
    slack = 1e-9 * max(1.0, abs(observed))
    for size in _blocks(sums.shape[1], resamples):
        places = rng.permuted(np.tile(np.arange(sums.shape[1]), (size, 1)), axis=1)[:, :k]
        drawn = difference(sums[:, places].sum(axis=2).T)
        above += int(np.sum(drawn >= observed - slack))
        below += int(np.sum(drawn <= observed + slack))
    return min(1.0, 2 * (1 + min(above, below)) / (1 + resamples))


def why_no_p(bottom: Floats, inside: Rows, codes: Integers) -> str:
    """Why `grouped_p` is None, in words; empty where it is not."""
    few = _too_few(bottom, inside, codes)
    return f"not tested: on one side the examples are of {few - 1} groups, fewer than {LEAST_GROUPS}" if few else ""


def grouped_gap(
    scores: Floats, names: Integers, codes: Integers, *, resamples: int = PERMUTATIONS, seed: int = 0
) -> Gap | None:
    """The largest minus the smallest mean of several kinds of rows, beside what chance alone gives.

    As `permutation_gap`, but the signs of whole groups' deviations from the common mean are
    turned instead of shuffling rows. None where a kind has fewer than `LEAST_GROUPS` groups.

    Args:
        scores: (n,) one number a row.
        names: (n,) the kind of each row, codes 0..k-1, each of which occurs.
        codes: (n,) the group of each row.
    """
    sizes = np.bincount(names)
    if min(len(np.unique(codes[names == k])) for k in range(len(sizes))) < LEAST_GROUPS:
        return None
    means = np.bincount(names, weights=scores) / sizes
    flat = codes * len(sizes) + names
    deviations = np.bincount(flat, weights=(scores - scores.mean()) / sizes[names], minlength=0)
    padded = np.zeros((int(codes.max()) + 1) * len(sizes))
    padded[: len(deviations)] = deviations
    table = padded.reshape(-1, len(sizes))
    rng, drawn = np.random.default_rng(seed), []
    for size in _blocks(len(table), resamples):
        signs = 1 - 2.0 * rng.integers(0, 2, size=(size, len(table)), dtype=np.int8)
        # Not a matrix product: its last bits would depend on the number of threads of the BLAS.
        drawn.append(np.ptp(np.stack([np.einsum("bg,g->b", signs, column) for column in table.T], axis=1), axis=1))
    gaps = np.concatenate(drawn)
    value = float(np.ptp(means))
    p = (1 + int(np.sum(gaps >= value - 1e-9 * float(np.abs(scores).max(initial=0.0))))) / (1 + resamples)
    lowest, highest = int(means.argmin()), int(means.argmax())
    return Gap(value, float(gaps.mean()), float(np.quantile(gaps, 0.95)), p, lowest, highest)


def groups_of(rows: Rows, codes: Integers) -> int:
    """How many groups some rows are of."""
    return len(np.unique(codes[rows]))


def _linear(top: Floats, bottom: Floats, codes: Integers) -> _Linear:
    total = float(bottom.sum())
    value = float(top.sum()) / total
    size = np.bincount(codes, weights=bottom)
    groups = int(np.count_nonzero(size))
    deviation = np.bincount(codes, weights=top - value * bottom)
    others = np.maximum(total - size, 1e-12 * total)  # a group that is all there is has no others
    influence = np.asarray(deviation / others * (groups - 1) / groups, dtype=np.float64)
    return _Linear(value, influence, groups, total**2 / float(np.sum(size**2)))


def _student(
    value: float, variance: float, df: float, n: int, confidence: float, bounds: tuple[float, float]
) -> Estimate:
    if variance <= 1e-24 * max(1.0, value * value):
        return Estimate(value, n=n, reason="no interval: the groups do not differ at all")
    half = _t(df, confidence) * math.sqrt(variance)
    return Estimate(value, max(bounds[0], value - half), min(bounds[1], value + half), n, "t-groups")


def _t(df: float, confidence: float) -> float:
    return float(stdtrit(df, 0.5 + confidence / 2))


def _too_few(bottom: Floats, inside: Rows, codes: Integers) -> int:
    """One more than the groups on the smaller side where those are too few, else 0."""
    least = min(groups_of(side & (bottom > 0), codes) for side in (inside, ~inside))
    return least + 1 if least < LEAST_GROUPS else 0


def _blocks(n: int, resamples: int) -> Sequence[int]:
    size = int(np.clip(_BLOCK // max(n, 1), 1, resamples))
    return [min(size, resamples - start) for start in range(0, resamples, size)]
