"""Kriging: a smooth stand-in for the model on all coalitions, learnt from those that were evaluated.

Shapley values and LIME's coefficients are sums over all 2^M coalitions, of which a bank holds a
few hundred. What the bank's answers have in common says much about the others: interactions of
few parts are larger than those of many, and parts that matter alone matter together. Universal
kriging (Matheron 1969; a Gaussian process with a linear trend) on the cube of coalitions, with
variances of interactions that are products over their members (Mackay's relevance of each
part), puts that to use. Of the stand-in every sum is known in closed form; methods estimate
only what it leaves, with their own weights, so no prior assumption biases what they tend to.

A game's odd part (v(S) - v(N\\S)) / 2 alone carries its Shapley values; odd and even part are
independent under the prior and are fitted apart, each to one number a pair of complements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dgeqrf, dpotrf, dtrtrs
from scipy.special import stdtrit

from workbench.kernels import (
    kept,
    kernel,
    moments_of_kernels,
    prior_variance,
    scale,
    shapley_of_kernels,
    shapley_of_pairs,
    variance_of_all,
)

LEVELS = (0.03, 0.1, 0.3, 0.6, 0.9)  # variance of an interaction over that of one part fewer
RELEVANCES = (0.5, 1.0, 0.0)  # power of a part's own effect in the variance of its interactions
NOISES = (0.05, 0.001, 0.3)  # share of what only single coalitions have, and no other tells
SEARCHED = 128  # pairs by which these are chosen
SPARE = 8  # pairs beyond the trend's coefficients, below which nothing is learnt
WIDEST = 256  # features; with more the sums over sizes cost more than they bring
_LEAST = 1e-5  # share of interactions in the prior below which rounding rules


@dataclass(frozen=True)
class Part:
    """The stand-in's odd or even part: a trend plus kernels around the coalitions fitted to.

    Attributes:
        odd: which part.
        signs: (n, M) the coalitions, +1 for a kept and -1 for a hidden feature; the first row keeps all.
        lam: (M,) relevance of each feature, below 1: an interaction's prior variance is their product.
        trend: odd: (M,) coefficients of sign / 2; even: (1,) a constant.
        alpha: (n,) weights of the kernels.
        spread: (M,) standard deviation of what is not known of the Shapley values (odd part).
        freedom: degrees of freedom behind `spread`.
        knobs: level, power of the relevance and noise that were chosen.
    """

    odd: bool
    signs: np.ndarray
    lam: np.ndarray
    trend: np.ndarray
    alpha: np.ndarray
    spread: np.ndarray
    freedom: int
    knobs: tuple[float, ...]

    def predict(self, masks: np.ndarray) -> np.ndarray:
        """The part's value for (k, M) boolean masks, (k,)."""
        signs = np.where(masks, 1.0, -1.0)
        trend = signs @ self.trend / 2 if self.odd else np.full(len(signs), self.trend[0])
        return np.asarray(trend + kernel(signs, self.signs, self.lam, odd=self.odd)[0] @ self.alpha)

    def shapley(self) -> np.ndarray:
        """Shapley values of the odd part, (M,)."""
        return np.asarray(self.trend + self._of_kernels.T @ self.alpha)

    @cached_property
    def _of_kernels(self) -> np.ndarray:
        return shapley_of_kernels(self.signs, self.lam)

    def half_width(self, confidence: float) -> np.ndarray:
        """Half width of an interval for each Shapley value, (M,)."""
        return np.asarray(float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.spread)

    def moments(self, law: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean of the part, and of the part times "kept" by feature, (M,), under a law of sizes.

        `law` (M + 1,) is the share of each size; coalitions of a size count alike.
        """
        m = len(self.lam)
        mean_kept, both_kept = kept(law)
        if self.odd:
            own = self.trend / 2
            mean = float(own.sum() * (2 * mean_kept - 1))
            times = mean_kept * -own.sum() + 2 * (own * mean_kept + (own.sum() - own) * both_kept)
        else:
            mean, times = float(self.trend[0]), np.full(m, self.trend[0] * mean_kept)
        sign = -1.0 if self.odd else 1.0
        weight = np.concatenate([self.alpha, sign * self.alpha]) / 2
        total, each = moments_of_kernels(np.concatenate([self.signs, -self.signs]), self.lam, law)
        own_scale = scale(self.lam, odd=self.odd)
        mean += float(weight @ total) / own_scale
        times = times + weight @ each / own_scale
        # The kernels hold the trend's own orders too, which the part does not.
        lost = self.alpha @ (self.signs * self.lam) if self.odd else np.full(1, self.alpha.sum())
        size = np.exp(-np.log1p(self.lam).sum()) / own_scale
        if not self.odd:
            return mean - size * float(lost[0]), np.asarray(times - size * lost[0] * mean_kept)
        mean -= size * float(lost.sum() * (2 * mean_kept - 1))
        linear = mean_kept * -lost.sum() + 2 * (lost * mean_kept + (lost.sum() - lost) * both_kept)
        return mean, np.asarray(times - size * linear)

    def again(self, rows: np.ndarray, values: np.ndarray) -> Part | None:
        """The part of some of the same pairs, by the same knobs; without `spread`.

        Args:
            rows: places among the pairs fitted to, the first of them first; they may repeat.
            values: (n,) of these rows.
        """
        signs = self.signs[rows]
        trend = signs / 2 if self.odd else np.ones((len(rows), 1))
        if np.linalg.matrix_rank(trend) < trend.shape[1]:
            return None
        found = _solve(signs, trend, values, self.lam, self.knobs, odd=self.odd, spread=False)
        if found is not None and self.odd:
            found.__dict__["_of_kernels"] = self._of_kernels[rows]
        return found


def fit_part(masks: np.ndarray, values: np.ndarray, *, odd: bool, like: Part | None = None) -> Part | None:
    """Learn one part from pairs of complements; None where they are too few to tell.

    Args:
        masks: (n, M) one of each pair; the first keeps all features.
        values: (n,) the part's value for it; the opposite (odd) or the same (even) for its complement.
        odd: which part.
        like: the odd part of the same pairs, from which the even one takes the features' relevance.
    """
    n, m = masks.shape
    if m < 3 or m > WIDEST or n < m + SPARE:
        return None
    signs = np.where(masks, 1.0, -1.0)
    trend = signs / 2 if odd else np.ones((n, 1))
    effect, _, rank, _ = np.linalg.lstsq(signs / 2, values, rcond=None)
    if odd and rank < m:
        return None
    left = values - (trend @ effect if odd else values.mean())
    if np.abs(left).max() <= 1e-9 * np.abs(values).max(initial=1e-300):  # the trend says it all
        return None
    some = np.arange(n)
    most = max(SEARCHED, 2 * m)
    if n > most:
        some = np.unique(np.linspace(0, n - 1, most).astype(int))
    size = np.abs(effect if odd or like is None else like.trend)
    share = size / max(float(size.max()), 1e-300) + 1e-3
    start = (LEVELS[2], RELEVANCES[0], NOISES[0]) if like is None else like.knobs
    ladders = (LEVELS, *(((start[1],), (start[2],)) if like is not None else (RELEVANCES, NOISES)))

    def cost(knobs: tuple[float, ...]) -> float:
        lam = _relevance(share, knobs)
        return _likelihood(signs[some], trend[some], values[some], lam, knobs[2], odd=odd)

    knobs = _climb(cost, start, ladders)
    return _solve(signs, trend, values, _relevance(share, knobs), knobs, odd=odd)


def _relevance(share: np.ndarray, knobs: tuple[float, ...]) -> np.ndarray:
    return np.asarray(np.minimum(knobs[0] * share ** knobs[1], 0.95))


def _climb(
    cost: Callable[[tuple[float, ...]], float], start: tuple[float, ...], ladders: Sequence[Sequence[float]]
) -> tuple[float, ...]:
    """The cheapest knobs, one after the other, twice round; nothing is tried twice."""
    tried: dict[tuple[float, ...], float] = {}
    best = start
    for _ in range(2):
        for place, ladder in enumerate(ladders):
            for value in ladder:
                knobs = (*best[:place], value, *best[place + 1 :])
                if knobs not in tried:
                    tried[knobs] = cost(knobs)
            best = min(((*best[:place], value, *best[place + 1 :]) for value in ladder), key=tried.__getitem__)
    return best


def _likelihood(
    signs: np.ndarray, trend: np.ndarray, values: np.ndarray, lam: np.ndarray, noise: float, *, odd: bool
) -> float:
    """Minus the restricted log likelihood (Patterson & Thompson 1971), up to a constant."""
    factor = _factor(signs, lam, noise, odd=odd)
    if factor is None:
        return np.inf
    r = np.abs(np.diag(dgeqrf(_through(factor, np.column_stack([trend, values])))[0]))
    free = len(values) - trend.shape[1]
    with np.errstate(divide="ignore"):
        return float(free * np.log(r[-1]) + np.log(np.diag(factor)).sum() + np.log(r[:-1]).sum())


def _factor(signs: np.ndarray, lam: np.ndarray, noise: float, *, odd: bool) -> np.ndarray | None:
    gram, share = kernel(signs, signs, lam, odd=odd)
    if share < _LEAST:
        return None
    gram *= 1 - noise
    gram[np.diag_indices(len(gram))] += noise + 1e-9
    gram[0, 0] -= noise  # nothing and everything kept: known, not a draw among many
    # LAPACK itself: around matrices of this size numpy's and scipy's own checks take as long again.
    factor, failed = dpotrf(gram.T, lower=1, clean=1, overwrite_a=1)
    return None if failed else np.asarray(factor)


def _through(factor: np.ndarray, right: np.ndarray, *, turned: bool = False) -> np.ndarray:
    """The inverse of a lower triangle, or of it turned over, times (n, k) or (n,)."""
    return np.asarray(dtrtrs(factor, right, lower=1, trans=int(turned))[0]).reshape(right.shape)


def _solve(
    signs: np.ndarray,
    trend: np.ndarray,
    values: np.ndarray,
    lam: np.ndarray,
    knobs: tuple[float, ...],
    *,
    odd: bool,
    spread: bool = True,
) -> Part | None:
    noise = knobs[2]
    factor = _factor(signs, lam, noise, odd=odd)
    if factor is None:
        return None
    m, free = signs.shape[1], len(values) - trend.shape[1] - len(knobs)  # the knobs were fitted too
    both = _through(factor, np.column_stack([trend, values]))
    whitened, answer = both[:, :-1], both[:, -1]
    q, r = np.linalg.qr(whitened)
    coefficients = np.linalg.solve(r, q.T @ answer)
    left = answer - whitened @ coefficients
    alpha = (1 - noise) * _through(factor, left, turned=True)
    deviation = np.zeros(m)
    if odd and spread:
        # What is not known: prior variance less what the coalitions tell, plus the trend's own error.
        tells = (1 - noise) * shapley_of_kernels(signs, lam) + noise * shapley_of_pairs(signs)
        told = _through(factor, tells)
        prior = (1 - noise) * prior_variance(lam) + noise * variance_of_all(m)
        of_trend = np.linalg.solve(r.T, np.eye(m) - whitened.T @ told)
        unknown = prior - (told**2).sum(axis=0) + (of_trend**2).sum(axis=0)
        # The relevances were read off the same pairs, which the likelihood does not know.
        deviation = np.sqrt(np.maximum(unknown, 0) * float(left @ left) / free * (1 + m / len(values)))
    return Part(odd, signs, lam, coefficients, alpha, deviation, free, knobs)
