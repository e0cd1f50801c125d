"""Selective answers: how often is the model right if it answers only what it is surest of?

Examples are taken surest first; those of equal confidence are taken together, as no
threshold can part them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from workbench.metrics.catalogue import MEASURES
from workbench.metrics.confusion import divide
from workbench.stats import Statistic
from workbench.types import ClassScores

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class RiskCoverage:
    """The risk-coverage curve, all (m,): one point for each distinct confidence, surest first.

    `n` examples are answered with at least the confidence `least`, a share `coverage` of
    all; `wrong` of them are wrong, a share `risk`.
    """

    coverage: Floats
    risk: Floats
    least: Floats
    n: Integers
    wrong: Integers


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """Share of wrong answers (risk) against the share that is answered (coverage).

    Args:
        confidence: (n,) how sure the model is of each answer.
        correct: (n,) whether the answer is right.

    Source: El-Yaniv & Wiener, JMLR 11 (2010) 1605-1641.
    """
    c, y = np.asarray(confidence, dtype=np.float64), np.asarray(correct).astype(bool)
    order = np.argsort(-c, kind="stable")
    last = np.flatnonzero(np.append(np.diff(c[order]) != 0, True)) if len(c) else np.empty(0, dtype=np.int64)
    n = (last + 1).astype(np.int64)
    wrong = np.cumsum(~y[order], dtype=np.int64)[last]
    return RiskCoverage(n / max(len(c), 1), divide(wrong, n), c[order][last], n, wrong)


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve: mean over examples of the risk where each is answered.

    NaN without examples. Answering at random reaches the error rate.
    Source: Geifman et al., ICLR 2019.
    """
    surest = _Surest(np.asarray(confidence, dtype=np.float64), np.asarray(correct).astype(bool))
    return float(surest.areas(np.ones((1, len(surest.wrong)), dtype=np.int32))[0][0])


def oracle_aurc(n: ArrayLike, wrong: ArrayLike) -> Floats:
    """Least area that n answers with so many wrong ones can have: all wrong ones answered last.

    The mean over i = 1..wrong of i / (n - wrong + i), over n examples: with harmonic
    numbers H, (wrong - (n - wrong) (H_n - H_{n - wrong})) / n.
    """
    total, w = np.asarray(n, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
    right = total - w
    tail = digamma(total + 1) - digamma(right + 1)
    return np.maximum(divide(w - right * tail, total), 0.0)


def aurc_excess(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve above the oracle's; 0 where every wrong answer is the less sure one."""
    y = np.asarray(correct).astype(bool)
    return max(0.0, aurc(confidence, y) - float(oracle_aurc(len(y), int((~y).sum()))))


def selective_statistic(scores: ClassScores) -> Statistic:
    """Area under the risk-coverage curve, and how far it lies above the oracle's."""
    surest = _Surest(scores.probabilities.max(axis=1), scores.predicted == scores.targets)
    names = ("aurc", "aurc_excess")
    trials = float(len(scores.targets)) or None
    return Statistic(
        tuple((name,) for name in names),
        lambda weights: np.stack(surest.areas(weights), axis=1),
        tuple(MEASURES[name].bounds for name in names),
        (trials, trials),
    )


class _Surest:
    """Rows in the order of their confidence, equal ones in one group."""

    def __init__(self, confidence: Floats, correct: NDArray[np.bool_]) -> None:
        self.order = np.argsort(-confidence, kind="stable")
        self.starts = np.unique(-confidence[self.order], return_index=True)[1]
        self.wrong = (~correct[self.order]).astype(np.float64)

    def areas(self, weights: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """The area and its excess over the oracle's, (b,) each, for weights of the rows (b, n)."""
        if not len(self.wrong):
            nothing = np.full(len(weights), np.nan)
            return nothing, nothing
        mass = weights.take(self.order, axis=1, mode="clip").astype(np.float64)
        wrong = mass * self.wrong
        if len(self.starts) < len(self.order):
            mass, wrong = (np.add.reduceat(x, self.starts, axis=1) for x in (mass, wrong))
        answered, mistaken = np.cumsum(mass, axis=1), np.cumsum(wrong, axis=1)
        n, failed = answered[:, -1], mistaken[:, -1]
        # Where nothing is answered yet the group has no weight either.
        area = divide(np.einsum("bm,bm->b", mass, mistaken / np.maximum(answered, 1)), n)
        return area, np.maximum(area - oracle_aurc(n, failed), 0.0)
