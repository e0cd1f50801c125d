"""DeLong's test of two areas under the ROC curve on the same examples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri


@dataclass(frozen=True, slots=True)
class DeLong:
    """Two areas, their difference (second minus first) with interval, and the test.

    `variances` are those of both areas, `covariance` theirs; `p` is two-sided.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    z: float
    p: float
    variances: tuple[float, float]
    covariance: float


def delong(first: ArrayLike, second: ArrayLike, targets: ArrayLike, confidence: float = 0.95) -> DeLong:
    """Compare the areas under the ROC curve of two paired scores.

    Args:
        first: (n,) scores of the first model; larger speaks for the positive class.
        second: (n,) scores of the second model.
        targets: (n,) truth; non-zero is positive. At least two of each class.
        confidence: coverage of the interval of the difference.

    Raises:
        ValueError: where a class has fewer than two examples (no variance), or shapes differ.

    Source: DeLong et al., Biometrics 44 (1988) 837-845, by midranks in O(n log n) as in
    Sun & Xu, IEEE Signal Process. Lett. 21 (2014) 1389-1393.
    """
    positive = np.asarray(targets).astype(bool)
    scores = np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    if scores.shape[1:] != positive.shape:
        raise ValueError(f"scores {scores.shape[1:]} and targets {positive.shape} differ in shape")
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise ValueError(f"DeLong's test needs two examples of each class, got {m} positive and {n} negative")
    v10, v01 = _placements(scores, positive)
    areas = v10.mean(axis=1)
    covariance = np.cov(v10) / m + np.cov(v01) / n
    difference = float(areas[1] - areas[0])
    variance = max(0.0, float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]))
    se = math.sqrt(variance)
    # Rounding leaves a tiny variance where the two rankings are one and the same.
    if se >= 1e-12:
        z = difference / se
    elif abs(difference) < 1e-12:
        z = 0.0
    else:
        z = math.copysign(math.inf, difference)
    half = float(ndtri(0.5 + confidence / 2)) * se
    return DeLong(
        first=float(areas[0]),
        second=float(areas[1]),
        difference=difference,
        low=max(-1.0, difference - half),
        high=min(1.0, difference + half),
        z=z,
        p=float(2 * ndtr(-abs(z))),
        variances=(float(covariance[0, 0]), float(covariance[1, 1])),
        covariance=float(covariance[0, 1]),
    )


def _placements(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the other class that each example beats: (2, m) positive, (2, n) negative."""
    m, n = positive.sum(), (~positive).sum()
    together = np.stack([_midranks(s) for s in scores])
    of_positive = np.stack([_midranks(s[positive]) for s in scores])
    of_negative = np.stack([_midranks(s[~positive]) for s in scores])
    return (together[:, positive] - of_positive) / n, 1 - (together[:, ~positive] - of_negative) / m


def _midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the middle of theirs."""
    ascending = np.sort(values)
    ranks: NDArray[np.float64] = (
        np.searchsorted(ascending, values, "left") + np.searchsorted(ascending, values, "right") + 1
    ) / 2
    return ranks
