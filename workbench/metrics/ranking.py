"""Areas under the ROC curve and average precision, for many weightings of the rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics.confusion import divide

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranks:
    """Where each row stands in the order of one class's score, best first.

    `positive` (m,) rows of the class in that order; for every row `above` and `upto` (n,)
    count the positives that score strictly higher, and at least as high. `order` (n,) is
    the order of all rows; `ends` (m,) the end of each positive's group of equal scores in
    it, `ends_positive` (m,) the same among the positives.
    """

    order: NDArray[np.int64]
    tied: bool  # whether a positive and another row have equal scores
    positive: NDArray[np.int64]
    above: NDArray[np.int64]
    upto: NDArray[np.int64]
    ends: NDArray[np.int64]
    ends_positive: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Floats, positive: NDArray[np.bool_]) -> Ranks:
        """Rank rows by their scores (n,)."""
        order = np.argsort(-scores, kind="stable")
        negated = -scores[order]  # ascending
        is_positive = positive[order]
        among = negated[is_positive]
        above = np.searchsorted(among, -scores, side="left")
        upto = np.searchsorted(among, -scores, side="right")
        return cls(
            order=order,
            tied=bool(np.any(above[~positive] != upto[~positive])),
            positive=order[is_positive],
            above=above,
            upto=upto,
            ends=np.searchsorted(negated, among, side="right"),
            ends_positive=np.searchsorted(among, among, side="right"),
        )

    def positives_before(self, weights: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Weights (b, m) of the positives and their running sum (b, m + 1), from 0."""
        own = weights.take(self.positive, axis=1, mode="clip")
        running = np.zeros((len(weights), own.shape[1] + 1), dtype=np.int32)
        np.cumsum(own, axis=1, out=running[:, 1:], dtype=np.int32)
        return own, running

    def average_precision(self, weights: NDArray[np.int32]) -> Floats:
        """Sum over thresholds of (recall gained) x precision, (b,); NaN without a positive."""
        own, running = self.positives_before(weights)
        everyone = weights.take(self.order, axis=1, mode="clip")
        np.cumsum(everyone, axis=1, out=everyone, dtype=np.int32)
        called = everyone.take(self.ends - 1, axis=1, mode="clip")
        # Where nobody is called no positive is drawn either, and the term is 0.
        precision = running.take(self.ends_positive, axis=1, mode="clip") / np.maximum(called, 1)
        return divide(np.einsum("bm,bm->b", own.astype(np.float64), precision), running[:, -1])


class Ranking:
    """Ranks of all classes: the areas and average precisions of a table of scores.

    Args:
        scores: (n, K) one score per class; larger speaks for the class.
        targets: (n,) class indices, sorted ascending (equal classes stand together).
    """

    def __init__(self, scores: Floats, targets: NDArray[np.int64]) -> None:
        if np.any(np.diff(targets) < 0):
            raise ValueError("rows must be sorted by target")
        self.classes, self.starts = np.unique(targets, return_index=True)
        self.ends = np.append(self.starts[1:], len(targets))
        self.ranks = [Ranks.of(scores[:, k], targets == k) for k in self.classes]

    def wins(self, weights: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """Pairs (i of class a, j of class b) where i scores higher for a, ties half.

        Returns:
            wins (b, C, C) over the C classes that occur, 0 where a = b, and class weights (b, C).
        """
        sizes = np.add.reduceat(weights, self.starts, axis=1).astype(np.float64)
        w = weights.astype(np.float64)
        wins = np.zeros((len(weights), len(self.classes), len(self.classes)))
        for a, ranks in enumerate(self.ranks):
            running = ranks.positives_before(weights)[1].astype(np.float64)
            ahead = running.take(ranks.above, axis=1, mode="clip")
            if ranks.tied:
                ahead = (ahead + running.take(ranks.upto, axis=1, mode="clip")) / 2
            for b, (start, end) in enumerate(zip(self.starts, self.ends, strict=True)):
                if a != b:
                    wins[:, a, b] = np.einsum("bn,bn->b", w[:, start:end], ahead[:, start:end])
        return wins, sizes

    def areas(self, weights: NDArray[np.int32]) -> tuple[Floats, Floats, Floats]:
        """One-vs-rest areas (b, C), the mean one-vs-one area (b,) and the classes' weights (b, C)."""
        wins, sizes = self.wins(weights)
        total = sizes.sum(axis=1, keepdims=True)
        one_vs_rest = divide(wins.sum(axis=2), sizes * (total - sizes))
        pairs = divide(wins, sizes[:, :, None] * sizes[:, None, :])
        c = len(self.classes)
        if c < 2:
            return one_vs_rest, np.full(len(weights), np.nan), sizes
        off = ~np.eye(c, dtype=bool)
        return one_vs_rest, pairs[:, off].mean(axis=1), sizes

    def average_precisions(self, weights: NDArray[np.int32]) -> Floats:
        """Average precision of each class that occurs, (b, C)."""
        return np.stack([ranks.average_precision(weights) for ranks in self.ranks], axis=1)


def auroc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve of scores (n,): P(s+ > s-) + P(s+ = s-)/2; NaN with one class only.

    Source: Hanley & McNeil, Radiology 143 (1982) 29-36.
    """
    ranking, ones = _binary(scores, positive)
    return float(ranking.areas(ones)[0][0, -1]) if len(ranking.classes) == 2 else float("nan")


def auroc_ovo(scores: ArrayLike, targets: ArrayLike) -> float:
    """Mean one-vs-one area of scores (n, K); does not depend on how frequent the classes are.

    NaN where fewer than two classes occur. Source: Hand & Till, Mach. Learn. 45 (2001) 171-186.
    """
    s, t = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    order = np.argsort(t, kind="stable")
    ones = np.ones((1, len(t)), dtype=np.int32)
    return float(Ranking(s[order], t[order]).areas(ones)[1][0])


def auroc_weighted(scores: ArrayLike, targets: ArrayLike) -> float:
    """One-vs-rest areas of scores (n, K), averaged by the classes' sizes; NaN where fewer than two classes occur.

    Source: Fawcett, Pattern Recognit. Lett. 27 (2006) 861-874, section 9.
    """
    s, t = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    order = np.argsort(t, kind="stable")
    areas, _, sizes = Ranking(s[order], t[order]).areas(np.ones((1, len(t)), dtype=np.int32))
    return float((areas * sizes).sum() / sizes.sum())


def average_precision(scores: ArrayLike, positive: ArrayLike) -> float:
    """Average precision of scores (n,): sum of (R_k - R_{k-1}) P_k, no interpolation.

    NaN without a positive example. Guessing reaches the share of positives.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive).astype(bool)
    if not y.any():
        return float("nan")
    return float(Ranks.of(s, y).average_precision(np.ones((1, len(s)), dtype=np.int32))[0])


def _binary(scores: ArrayLike, positive: ArrayLike) -> tuple[Ranking, NDArray[np.int32]]:
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive).astype(np.int64)
    order = np.argsort(y, kind="stable")
    return Ranking(np.stack([-s, s], axis=1)[order], y[order]), np.ones((1, len(s)), dtype=np.int32)
