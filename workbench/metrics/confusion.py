"""Metrics that need only the counts of a confusion matrix, exact and for whole stacks of them.

A stack is any leading shape: (b, K) counts give (b,) or (b, K) values, which is how the
bootstrap evaluates all its resamples at once. Where a value is not defined it is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Per class (..., K): `hits` (true positives), `support` (in truth), `predicted`."""

    hits: Floats
    support: Floats
    predicted: Floats

    @property
    def n(self) -> Floats:
        """Number of examples, (...)."""
        total: Floats = self.support.sum(axis=-1)
        return total


def confusion_matrix(targets: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts (K, K): row = true class, column = predicted class; targets below 0 are left out."""
    t, p = np.asarray(targets, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    known = t >= 0
    flat = np.bincount(t[known] * classes + p[known], minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def counts_of(confusion: ArrayLike) -> Counts:
    """The per-class counts of confusion matrices (..., K, K)."""
    c = np.asarray(confusion, dtype=np.float64)
    return Counts(np.diagonal(c, axis1=-2, axis2=-1), c.sum(axis=-1), c.sum(axis=-2))


def confused_pairs(confusion: ArrayLike, most: int = 5) -> list[tuple[int, int, int, int]]:
    """The most frequent mistakes of a confusion matrix (K, K): true class, decided class, times, examples of the true.

    The most frequent first, of equally frequent ones that of the rarer true class; without
    mistakes none.
    """
    c = np.asarray(confusion, dtype=np.int64)
    support = c.sum(axis=1)
    wrong = [(int(i), int(j)) for i, j in np.argwhere(c > 0) if i != j]
    wrong.sort(key=lambda pair: (-c[pair], support[pair[0]], pair))
    return [(i, j, int(c[i, j]), int(support[i])) for i, j in wrong[:most]]


def accuracy(counts: Counts) -> Floats:
    """Share of examples that were decided right."""
    return divide(counts.hits.sum(axis=-1), counts.n)


def precision(counts: Counts) -> Floats:
    """TP / (TP + FP) per class (..., K); NaN for a class that was never predicted."""
    return divide(counts.hits, counts.predicted)


def recall(counts: Counts) -> Floats:
    """TP / (TP + FN) per class (..., K); NaN for a class without an example."""
    return divide(counts.hits, counts.support)


def f1(counts: Counts) -> Floats:
    """2 TP / (2 TP + FP + FN) per class (..., K); NaN for a class without an example."""
    score = divide(2 * counts.hits, counts.support + counts.predicted)
    return np.where(counts.support > 0, score, np.nan)


def balanced_accuracy(counts: Counts) -> Floats:
    """Recall averaged over the classes that occur."""
    return mean_defined(recall(counts))


def f1_macro(counts: Counts) -> Floats:
    """F1 averaged over the classes that occur, each counting the same."""
    return mean_defined(f1(counts))


def f1_weighted(counts: Counts) -> Floats:
    """F1 averaged over the classes, each counting by its number of examples."""
    return divide(np.nansum(f1(counts) * counts.support, axis=-1), counts.n)


def matthews(counts: Counts) -> Floats:
    """Matthews correlation for any number of classes; NaN where truth or decisions are constant.

    (c s - sum p_k t_k) / sqrt((s² - sum p_k²)(s² - sum t_k²)) with c right of s examples.
    Source: Gorodkin, Comput. Biol. Chem. 28 (2004) 367-374.
    """
    s = counts.n
    agreement = counts.hits.sum(axis=-1) * s - (counts.predicted * counts.support).sum(axis=-1)
    spread = (s**2 - (counts.predicted**2).sum(axis=-1)) * (s**2 - (counts.support**2).sum(axis=-1))
    return divide(agreement, np.sqrt(spread))


def divide(a: ArrayLike, b: ArrayLike) -> Floats:
    """a / b, NaN where b is 0."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    quotient: Floats = np.full(np.broadcast_shapes(x.shape, y.shape), np.nan)
    return np.divide(x, y, out=quotient, where=y != 0)


def mean_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    known = np.isfinite(values)
    return divide(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))
