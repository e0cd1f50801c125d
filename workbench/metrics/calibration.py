"""Calibration: is the model right as often as it claims to be? Errors, bins and noise floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics.confusion import divide
from workbench.stats import wilson_bounds

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS = 15
FLOOR_RESAMPLES = 500


def equal_mass_bins(confidence: ArrayLike, bins: int = BINS) -> Integers:
    """Bin of each value (n,), with edges at the quantiles; equal values share a bin.

    Ties can leave bins empty, so that fewer than `bins` codes may occur.
    """
    c = np.asarray(confidence, dtype=np.float64)
    edges = np.quantile(c, np.linspace(0, 1, bins + 1)[1:-1]) if len(c) else np.empty(0)
    return np.searchsorted(edges, c, side="left").astype(np.int64)


def equal_width_bins(confidence: ArrayLike, bins: int = BINS) -> Integers:
    """Bin of each value (n,) in [0, 1], all bins 1/bins wide, closed at their upper edge."""
    c = np.asarray(confidence, dtype=np.float64)
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], c, side="left").astype(np.int64)


class Bins:
    """Rows in bins, each with its gap (what happened minus the probability given for it).

    Its methods take weights of the rows (b, n); bins are those that occur.
    """

    def __init__(self, codes: Integers, gaps: ArrayLike) -> None:
        self.order = np.argsort(codes, kind="stable")
        self.starts = np.unique(codes[self.order], return_index=True)[1]
        self.gaps = np.asarray(gaps, dtype=np.float64)[self.order]

    def sums(self, weights: NDArray[np.int32]) -> Floats:
        """Summed gap of each bin, (b, bins)."""
        w = weights.take(self.order, axis=1, mode="clip").astype(np.float64)
        w *= self.gaps
        total: Floats = np.add.reduceat(w, self.starts, axis=1)
        return total

    def expected(self, weights: NDArray[np.int32]) -> Floats:
        """Mean absolute gap of the bins by their weight, (b,)."""
        return divide(np.abs(self.sums(weights)).sum(axis=1), weights.sum(axis=1))

    def maximum(self, weights: NDArray[np.int32]) -> Floats:
        """Largest absolute gap of a bin, (b,); bins without weight are left out."""
        ordered = weights.take(self.order, axis=1, mode="clip")
        mass = np.add.reduceat(ordered, self.starts, axis=1)
        gaps = np.where(mass > 0, divide(np.abs(self.sums(weights)), mass), 0.0)
        largest: Floats = gaps.max(axis=1)
        return largest


def expected_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, bins: int = BINS, *, equal_mass: bool = False
) -> float:
    """Mean over examples of |share right - mean confidence| of their bin; NaN without examples.

    Args:
        confidence: (n,) probability of the predicted class (top label).
        correct: (n,) whether the prediction was right.
        bins: number of bins, of equal width (Guo et al., ICML 2017); the value depends on it.
        equal_mass: bins of equally many examples instead.
    """
    c, y = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not len(c):
        return float("nan")
    codes = (equal_mass_bins if equal_mass else equal_width_bins)(c, bins)
    return float(Bins(codes, y - c).expected(np.ones((1, len(c)), dtype=np.int32))[0])


def maximum_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> float:
    """Largest |share right - mean confidence| over bins of equal width; NaN without examples."""
    c, y = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not len(c):
        return float("nan")
    return float(Bins(equal_width_bins(c, bins), y - c).maximum(np.ones((1, len(c)), dtype=np.int32))[0])


def adaptive_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> float:
    """`expected_calibration_error` over bins of equal mass, which no rare confidence can sway.

    Source: Nixon et al., CVPR Workshops 2019, for the predicted class.
    """
    return expected_calibration_error(confidence, correct, bins, equal_mass=True)


def classwise_calibration_error(probabilities: ArrayLike, targets: ArrayLike, bins: int = BINS) -> float:
    """Calibration error of each class's probability against its frequency, averaged over classes.

    Probabilities are (n, K), targets (n,) class indices; bins have equal width. Source: Kull et
    al., NeurIPS 2019 (classwise-ECE).
    """
    p, t = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    return float(np.mean([expected_calibration_error(p[:, k], t == k, bins) for k in range(p.shape[1])]))


def calibration_floor(
    confidence: ArrayLike, rng: np.random.Generator, resamples: int = FLOOR_RESAMPLES, bins: int = BINS
) -> Floats:
    """`expected_calibration_error`s (resamples,) that a perfectly calibrated model would show by chance.

    Keeps the confidences and their bins, and draws for each example whether it is right
    with exactly that probability.
    """
    c = np.asarray(confidence, dtype=np.float64)
    codes = equal_width_bins(c, bins)
    order = np.argsort(codes, kind="stable")
    starts = np.unique(codes[order], return_index=True)[1]
    c = c[order]
    block = max(1, 400_000 // max(len(c), 1))
    errors = []
    for start in range(0, resamples, block):
        right = rng.random((min(block, resamples - start), len(c))) < c
        errors.append(np.abs(np.add.reduceat(right - c, starts, axis=1)).sum(axis=1) / len(c))
    return np.concatenate(errors)


@dataclass(frozen=True)
class Murphy:
    """The Brier score as reliability - resolution + uncertainty + within.

    `within` is what grouping leaves over: 0 (but for rounding) where `exact`, that is where
    every group holds one probability only.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float
    exact: bool


def murphy_groups(probability: ArrayLike, bins: int = BINS) -> tuple[Integers, bool]:
    """Groups of the Murphy decomposition (n,), and whether each holds one probability only.

    Distinct values where there are at most `bins` of them, else bins of equal mass.
    """
    values, codes = np.unique(np.asarray(probability, dtype=np.float64), return_inverse=True)
    if len(values) <= bins:
        return codes.astype(np.int64), True
    return equal_mass_bins(probability, bins), False


def murphy(probabilities: ArrayLike, targets: ArrayLike, bins: int = BINS) -> Murphy:
    """Murphy's decomposition of the Brier score of probabilities (n, K), as in `brier_scores`.

    Two classes: of class 1. More: summed over the classes, each against the rest.
    Source: Murphy, J. Appl. Meteorol. 12 (1973) 595-600; for groups of unequal
    probabilities Stephenson et al., Weather Forecast. 23 (2008) 752-757.
    """
    p, t = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    parts, square, every = np.zeros(3), 0.0, True
    for k in range(1, 2) if p.shape[1] == 2 else range(p.shape[1]):
        codes, exact = murphy_groups(p[:, k], bins)
        outcome = (t == k).astype(np.float64)
        parts += MurphyGroups(codes, p[:, k], outcome).parts(np.ones((1, len(t)), dtype=np.int32))[0]
        square += float(np.mean((p[:, k] - outcome) ** 2))
        every &= exact
    reliability, resolution, uncertainty = parts.tolist()
    return Murphy(reliability, resolution, uncertainty, square - (reliability - resolution + uncertainty), every)


class MurphyGroups:
    """Rows in groups, with the probability of one class and whether it happened."""

    def __init__(self, codes: Integers, probability: Floats, outcome: Floats) -> None:
        self.order = np.argsort(codes, kind="stable")
        self.starts = np.unique(codes[self.order], return_index=True)[1]
        self.outcome, self.gaps = outcome[self.order], (probability - outcome)[self.order]

    def parts(self, weights: NDArray[np.int32]) -> Floats:
        """Reliability, resolution and uncertainty (b, 3) for weights of the rows (b, n)."""
        w = weights.take(self.order, axis=1, mode="clip").astype(np.float64)
        mass = np.add.reduceat(w, self.starts, axis=1)
        happened = np.add.reduceat(w * self.outcome, self.starts, axis=1)
        w *= self.gaps
        gap = np.add.reduceat(w, self.starts, axis=1)
        n = mass.sum(axis=1)
        share = divide(happened.sum(axis=1), n)
        each = np.maximum(mass, 1)  # an empty group has no gap and no weight
        reliability = divide((gap**2 / each).sum(axis=1), n)
        resolution = divide((mass * (happened / each - share[:, None]) ** 2).sum(axis=1), n)
        return np.stack([reliability, resolution, share * (1 - share)], axis=1)


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: per bin, in ascending confidence, all (bins,).

    `lower`/`upper` are the least and largest confidence in the bin, `confidence` its mean,
    `share` the share that was right with Wilson's interval `low`/`high`, `n` the count.
    """

    lower: Floats
    upper: Floats
    confidence: Floats
    share: Floats
    low: Floats
    high: Floats
    n: Integers


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS, level: float = 0.95) -> Reliability:
    """Bins of equal mass of a reliability diagram with Wilson bars; bins without examples are left out."""
    c, y = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    codes = equal_mass_bins(c, bins)
    rows = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    share = np.array([y[r].mean() for r in rows])
    bars = [wilson_bounds(s, len(r), level) for s, r in zip(share, rows, strict=True)]
    return Reliability(
        lower=np.array([c[r].min() for r in rows]),
        upper=np.array([c[r].max() for r in rows]),
        confidence=np.array([c[r].mean() for r in rows]),
        share=share,
        low=np.array([low for low, _ in bars]),
        high=np.array([high for _, high in bars]),
        n=np.array([len(r) for r in rows], dtype=np.int64),
    )
