"""Coalitions: which sets of features are shown to the model.

A coalition is a boolean mask (True keeps a feature). Where all 2^M do not fit the budget,
sizes are drawn uniformly: the law of the leverage scores of the Shapley regression (Musco &
Witter 2024, arXiv 2410.01917) and, up to the empty set, the law of LIME's text sampler.
Every coalition comes with its complement. A larger budget under the same seed draws the
same coalitions and more, so a bank can grow until it is precise enough.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.errors import ExplainError

HELD_OUT = 0.2
MOST = 1000  # beyond it numbers of coalitions leave the range of float64
_LISTED = 5000  # coalitions of one size up to which all are listed and drawn from


@dataclass(frozen=True)
class Coalitions:
    """Which features are kept, for n coalitions of M features.

    Attributes:
        masks: (n, M) bool. Row 0 hides everything, row 1 nothing; rows 2k and 2k + 1 are
            complements of each other.
        inclusion: (n,) probability that the law puts the coalition among those fitted to, in
            (0, 1]. A sum over all coalitions is estimated by a sum over `fit` divided by it.
        held_out: (n,) bool; both rows of a pair, kept from every fit to judge it.
        exact: whether all 2^M coalitions are here; `inclusion` is then 1 throughout.
    """

    masks: np.ndarray
    inclusion: np.ndarray
    held_out: np.ndarray
    exact: bool

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def features(self) -> int:
        """M, the number of features."""
        return int(self.masks.shape[1])

    @cached_property
    def sizes(self) -> np.ndarray:
        """Features kept by each coalition, (n,)."""
        return np.asarray(self.masks.sum(axis=1))

    @property
    def fit(self) -> np.ndarray:
        """The rows a method may be fitted to, (n,) bool."""
        return ~self.held_out

    @cached_property
    def determined(self) -> bool:
        """Whether these rows tell every feature apart."""
        return bool(np.linalg.matrix_rank(self.masks[self.fit].astype(np.float64)) == self.features)


def coalitions(m: int, budget: int, rng: np.random.Generator) -> Coalitions:
    """Choose at most `budget` distinct coalitions of `m` features, in complementary pairs.

    All 2^m where they fit. Else the empty and the full one, every leave-one-out with its
    complement (as many as the budget holds, chosen by lot), and pairs drawn without
    replacement with sizes spread uniformly. About a fifth of the pairs is held out.

    Args:
        m: features, 1 to 1000.
        budget: coalitions, at least 2; an odd one is rounded down.
        rng: decides which coalitions are drawn and which are held out.

    Raises:
        ExplainError: there is no feature, more than 1000, or the budget is below 2.
    """
    if not 1 <= m <= MOST:
        fewer = "take fewer: columns by data.features or data.ignore, segments by explain.segments, a shorter text"
        hint = fewer if m else "the input is empty; choose another example"
        raise ExplainError(f"{m} features cannot be hidden in turn; allowed are 1 to {MOST}", hint=hint)
    if budget < 2:
        raise ExplainError(f"a budget of {budget} coalitions is too small", hint="set explain.budget to 8 or more")
    if m <= 30 and 2**m <= budget:
        return _enumerate(m, rng)
    pairs = budget // 2 - 1  # beside the empty and the full coalition
    strata = _strata(m)
    # Each size and each choice has a generator of its own, so that a larger budget only adds.
    shares, places, keeps, *own = rng.spawn(3 + len(strata))
    n_sure = min(pairs, m)
    # The leave-one-outs count as if the law had drawn them: their true inclusion, 1, would leave the
    # fit to the few pairs of other sizes. The bias fades as the law draws them all (pairs ~ m^2 / 2).
    sure_share = _shares(pairs, m, strata)[0] / m
    strata, free = strata[1:], pairs - n_sure
    expected = _shares(free, m, strata)
    counts = _round(expected, shares)
    drawn = [_draw(m, s, n, count, one) for (s, count), n, one in zip(strata, counts, own[1:], strict=True)]
    # The leave-one-outs alone determine the regression; of the rest at least half stays to fit.
    n_held = min(round(HELD_OUT * pairs), free // 2)
    stratum = np.repeat(np.arange(len(strata)), counts)
    held = _every(len(stratum), n_held, keeps)
    inclusion = _inclusion(expected, np.array([float(c) for _, c in strata]), stratum, held)
    ones = np.arange(m) if n_sure == m else np.sort(places.permutation(m)[:n_sure])
    sure = np.concatenate([np.zeros((1, m), dtype=bool), np.eye(m, dtype=bool)[ones]])
    return _in_pairs(
        np.concatenate([sure, *drawn]),
        np.concatenate([[1.0], np.full(len(sure) - 1, min(1.0, sure_share)), inclusion]),
        np.concatenate([np.zeros(len(sure), dtype=bool), held]),
        exact=False,
    )


def _enumerate(m: int, rng: np.random.Generator) -> Coalitions:
    # The first of each pair hides feature m - 1, so that complements never meet twice.
    half = (np.arange(2 ** (m - 1))[:, None] >> np.arange(m)) & 1
    pairs = len(half)
    held = np.zeros(pairs, dtype=bool)
    held[1 + rng.permutation(pairs - 1)[: round(HELD_OUT * pairs)]] = True
    return _in_pairs(half.astype(bool), np.ones(pairs), held, exact=True)


def _in_pairs(first: np.ndarray, inclusion: np.ndarray, held: np.ndarray, *, exact: bool) -> Coalitions:
    masks = np.empty((2 * len(first), first.shape[1]), dtype=bool)
    masks[0::2], masks[1::2] = first, ~first
    return Coalitions(masks, np.repeat(inclusion, 2), np.repeat(held, 2), exact)


def _strata(m: int) -> list[tuple[int, int]]:
    """(s, number of pairs) for pairs of one coalition of size s and one of size m - s."""
    return [(s, math.comb(m, s) // (2 if 2 * s == m else 1)) for s in range(1, m // 2 + 1)]


def _shares(total: int, m: int, strata: list[tuple[int, int]]) -> np.ndarray:
    """Split `total` pairs evenly over the sizes that the strata hold, none above its capacity."""
    capacity = [c for _, c in strata]
    weight = [1 if 2 * s == m else 2 for s, _ in strata]
    shares = np.zeros(len(strata))
    is_open = list(range(len(strata)))
    left = float(total)
    while is_open and left > 0:
        unit = left / sum(weight[i] for i in is_open)
        full = [i for i in is_open if capacity[i] <= unit * weight[i]]
        if not full:
            for i in is_open:
                shares[i] = unit * weight[i]
            break
        for i in full:
            shares[i] = capacity[i]
            left -= capacity[i]
            is_open.remove(i)
    return shares


def _round(expected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whole numbers with these expectations and the same sum (systematic sampling)."""
    ends = np.floor(np.round(np.cumsum(expected), 9) + rng.uniform(1e-6, 1 - 1e-6))
    counts: np.ndarray = np.diff(ends, prepend=0).astype(int)
    return counts


def _every(n: int, chosen: int, rng: np.random.Generator) -> np.ndarray:
    """`chosen` of n rows, evenly spaced from a random start, as a boolean index."""
    picked = np.zeros(n, dtype=bool)
    if chosen:
        picked[((np.arange(chosen) + rng.uniform()) * n / chosen).astype(int)] = True
    return picked


def _inclusion(expected: np.ndarray, capacity: np.ndarray, stratum: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Probability that a drawn pair is one of those fitted to, given its stratum."""
    kept = 1 - held.mean() if len(held) else 1.0
    fitted = np.bincount(stratum[~held], minlength=len(capacity))
    # Where a stratum is sure to hold two pairs or more its realised count is the better
    # denominator; below that only the expected one is unbiased, as the stratum can come out empty.
    share = np.where(np.floor(expected) >= 2, np.maximum(fitted, 1), expected * kept)
    return np.asarray((share / capacity)[stratum])


def _draw(m: int, size: int, n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`n` different coalitions of one size, none the complement of another, (n, m) bool.

    They come in random order: which of them are held out later must not depend on their features.
    """
    masks = np.zeros((n, m), dtype=bool)
    if count <= _LISTED or 2 * n >= count:
        chosen = rng.permutation(count)[:n]
        place = {int(c): row for row, c in enumerate(chosen)}
        # Where complements are of equal size, the one without the last feature stands for the pair.
        pool = itertools.combinations(range(m), size) if 2 * size < m else itertools.combinations(range(m - 1), size)
        for position, members in enumerate(pool):
            if position in place:
                masks[place[position], list(members)] = True
        return masks
    seen: set[bytes] = set()
    while len(seen) < n:
        mask = np.zeros(m, dtype=bool)
        mask[rng.permutation(m)[:size]] = True
        if 2 * size == m and mask[-1]:
            mask = ~mask
        if mask.tobytes() not in seen:
            masks[len(seen)] = mask
            seen.add(mask.tobytes())
    return masks
