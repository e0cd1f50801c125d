"""Metrics as functions of bootstrap weights: what is resampled together, and its keys.

A key is (measure,) for the number itself and (measure, label) for a class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import confusion
from workbench.metrics.calibration import Bins, MurphyGroups, equal_mass_bins, equal_width_bins, murphy_groups
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.probability import brier_scores, log_losses, null_brier, null_log_loss
from workbench.metrics.ranking import Ranking
from workbench.stats import Statistic
from workbench.types import ClassScores, Values

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Weights = NDArray[np.int32]
Key = tuple[str, ...]

PER_CLASS = ("precision", "recall", "f1")
PINBALL = {"pinball_10": 0.1, "pinball_50": 0.5, "pinball_90": 0.9}
D2_PINBALL = {"d2_absolute_error": "pinball_50", "d2_pinball_10": "pinball_10", "d2_pinball_90": "pinball_90"}


class Cells:
    """The distinct (true class, predicted class) pairs that occur, with their counts."""

    def __init__(self, scores: ClassScores) -> None:
        k = len(scores.labels)
        codes = scores.targets.astype(np.int64) * k + scores.predicted
        self.order = np.argsort(codes, kind="stable")
        cells, self.starts, self.counts = np.unique(codes[self.order], return_index=True, return_counts=True)
        self.true, self.predicted = cells // k, cells % k
        self.classes = k
        self._right = np.flatnonzero(self.true == self.predicted)

    def of_rows(self, weights: Weights) -> Weights:
        """Weights of the cells (b, cells) from weights of the rows (b, n)."""
        ordered = weights.take(self.order, axis=1, mode="clip")
        return np.add.reduceat(ordered, self.starts, axis=1).astype(np.int32)

    def tally(self, weights: Weights) -> confusion.Counts:
        """Counts per class (b, K) from weights of the cells."""
        hits = self._by_class(weights[:, self._right], self.true[self._right])
        return confusion.Counts(hits, self._by_class(weights, self.true), self._by_class(weights, self.predicted))

    def _by_class(self, weights: Weights, classes: Integers) -> Floats:
        totals = np.zeros((len(weights), self.classes))
        if len(classes):
            order = np.argsort(classes, kind="stable")
            occurring, starts = np.unique(classes[order], return_index=True)
            totals[:, occurring] = np.add.reduceat(weights.take(order, axis=1), starts, axis=1)
        return totals


def confusion_statistic(scores: ClassScores, cells: Cells, *, rows: bool) -> Statistic:
    """Everything that a confusion matrix gives; `rows` if weights are of rows, not of cells."""
    labels = scores.labels

    def function(weights: Weights) -> Floats:
        counts = cells.tally(cells.of_rows(weights) if rows else weights)
        per_class = [confusion.precision(counts), confusion.recall(counts), confusion.f1(counts)]
        # A class without an example has no say in an average over classes.
        present = np.where(counts.support > 0, 1.0, np.nan)
        single = [
            confusion.accuracy(counts),
            confusion.balanced_accuracy(counts),
            confusion.matthews(counts),
            *(confusion.mean_defined(block * present) for block in per_class),
            confusion.f1_macro(counts),
            confusion.f1_weighted(counts),
        ]
        return np.concatenate([np.stack(single, axis=1), *per_class], axis=1)

    names = ("accuracy", "balanced_accuracy", "mcc", *PER_CLASS, "f1_macro", "f1_weighted")
    keys: tuple[Key, ...] = tuple((n,) for n in names) + tuple((n, label) for n in PER_CLASS for label in labels)
    support = np.bincount(scores.targets, minlength=len(labels)).astype(np.float64)
    n, alike = support.sum(), macro_trials(support)
    of_class = [*_or_none(np.bincount(scores.predicted, minlength=len(labels))), *_or_none(support) * 2]
    trials = (n, alike, n, alike, alike, alike, alike, n, *of_class)
    return Statistic(keys, function, tuple(MEASURES[key[0]].bounds for key in keys), trials)


def proper_statistic(scores: ClassScores) -> Statistic:
    """Log loss and Brier score, means over rows, and what they save over the class shares (D²)."""
    rows = np.stack([log_losses(scores.logits, scores.targets), brier_scores(scores.probabilities, scores.targets)])
    order = np.argsort(scores.targets, kind="stable")
    occurring, starts = np.unique(scores.targets[order], return_index=True)
    binary = len(scores.labels) == 2

    def function(weights: Weights) -> Floats:
        losses = _means(weights, rows)
        counts = np.zeros((len(weights), len(scores.labels)))
        counts[:, occurring] = np.add.reduceat(weights.take(order, axis=1, mode="clip"), starts, axis=1)
        null = np.stack([null_log_loss(counts), null_brier(counts)], axis=1)
        return np.concatenate([losses, 1 - confusion.divide(losses, null)], axis=1)

    names = ("log_loss", "brier", "d2_log_loss", "d2_brier")
    brier = (0.0, 1.0 if binary else 2.0)
    return Statistic(
        tuple((name,) for name in names),
        function,
        tuple(brier if name == "brier" else MEASURES[name].bounds for name in names),
    )


def ranking_statistic(scores: ClassScores, positive: int = 1) -> Statistic:
    """Areas under the ROC curve and average precisions; rows must be sorted by target.

    Averages over the classes are NaN where a class does not occur. With two classes the
    number itself is that of the `positive` one.
    """
    ranking = Ranking(scores.probabilities, scores.targets)
    k, present = len(scores.labels), ranking.classes
    names = ("auroc", "average_precision", *(("auroc_weighted", "auroc_ovo") if k > 2 else ()))

    def function(weights: Weights) -> Floats:
        areas, precisions = np.full((2, len(weights), k), np.nan)
        areas[:, present], ovo, sizes = ranking.areas(weights)
        if len(present) > 1:
            precisions[:, present] = ranking.average_precisions(weights)
        if k == 2:
            single = [areas[:, positive], precisions[:, positive]]
        else:
            complete = ovo if len(present) == k else np.full_like(ovo, np.nan)
            shares = confusion.divide(sizes, sizes.sum(axis=1, keepdims=True))
            by_size = (areas[:, present] * shares).sum(axis=1) if len(present) == k else complete
            single = [areas.mean(axis=1), precisions.mean(axis=1), by_size, complete]
        return np.concatenate([np.stack(single, axis=1), areas, precisions], axis=1)

    keys: tuple[Key, ...] = tuple((n,) for n in names) + tuple((n, lab) for n in names[:2] for lab in scores.labels)
    support = np.bincount(scores.targets, minlength=k).astype(np.float64)
    rarer = _or_none(np.minimum(support, support.sum() - support))
    single = (rarer[positive], rarer[positive]) if k == 2 else (macro_trials(support),) * len(names)
    logit = tuple(key[0] == "average_precision" for key in keys)
    return Statistic(keys, function, ((0.0, 1.0),) * len(keys), (*single, *rarer, *rarer), logit=logit)


def calibration_statistic(scores: ClassScores) -> Statistic:
    """ECE, MCE and ACE of the predicted class, ECE of every class; bins fixed by the data."""
    p, k, n = scores.probabilities, len(scores.labels), len(scores.targets)
    confidence = p.max(axis=1)
    gaps = (scores.predicted == scores.targets) - confidence
    top, even = Bins(equal_width_bins(confidence), gaps), Bins(equal_mass_bins(confidence), gaps)
    classes = [Bins(equal_width_bins(p[:, c]), (scores.targets == c) - p[:, c]) for c in range(k)]

    def function(weights: Weights) -> Floats:
        of_class = np.stack([bins.expected(weights) for bins in classes], axis=1)
        single = [top.expected(weights), top.maximum(weights), even.expected(weights), of_class.mean(axis=1)]
        return np.concatenate([np.stack(single, axis=1), of_class], axis=1)

    of_all = "classwise_ece"
    keys: tuple[Key, ...] = (("ece",), ("mce",), ("ace",), (of_all,), *((of_all, label) for label in scores.labels))
    return Statistic(keys, function, ((0.0, 1.0),) * len(keys), (float(n),) * len(keys), noisy=True)


def murphy_statistic(scores: ClassScores) -> Statistic:
    """Reliability, resolution and uncertainty of the Brier score; groups fixed by the data."""
    p, k = scores.probabilities, len(scores.labels)
    groups = [
        MurphyGroups(murphy_groups(p[:, c])[0], p[:, c], (scores.targets == c).astype(np.float64))
        for c in (range(1, 2) if k == 2 else range(k))
    ]
    names = ("brier_reliability", "brier_resolution", "brier_uncertainty")
    bounds = tuple(MEASURES[name].bounds for name in names)

    def function(weights: Weights) -> Floats:
        parts: Floats = np.sum([g.parts(weights) for g in groups], axis=0)
        return parts

    # Noise parts the groups' frequencies: both reliability and resolution come out too large.
    return Statistic(tuple((name,) for name in names), function, bounds, noisy=True)


def uncertainty_statistic() -> Statistic:
    """Uncertainty of the Brier score from the counts of the classes (b, K)."""
    keys: tuple[Key, ...] = (("brier_uncertainty",),)
    return Statistic(keys, lambda counts: null_brier(counts)[:, None], (MEASURES["brier_uncertainty"].bounds,))


def error_statistic(predictions: Values, reference: float | None) -> Statistic:
    """All measures of regression; `reference` is the constant answer of the baseline."""
    errors = predictions.values - predictions.targets
    centred = predictions.targets - predictions.targets.mean()
    scale = float(np.abs(predictions.targets).max(initial=0.0))
    against = np.full_like(errors, np.nan) if reference is None else (predictions.targets - reference) ** 2
    rows = np.stack([errors**2, np.abs(errors), errors, centred, centred**2, against])
    by_size = np.argsort(np.abs(errors), kind="stable")
    sizes = np.abs(errors)[by_size]
    tilted = np.stack([np.maximum(-alpha * errors, (1 - alpha) * errors) for alpha in PINBALL.values()])
    by_target = np.argsort(predictions.targets, kind="stable")
    ascending = predictions.targets[by_target]

    def function(weights: Weights) -> Floats:
        mse, mae, bias, mean, square, base = _means(weights, rows).T
        variance = square - mean**2
        # A constant target has no variance but for rounding: nothing to explain.
        variance = np.where(variance > (1e-12 * scale) ** 2, variance, 0.0)
        r2 = 1 - confusion.divide(mse, variance)
        middle = _weighted_median(weights.take(by_size, axis=1, mode="clip"), sizes)
        tilts = dict(zip(PINBALL, _means(weights, tilted).T, strict=True))
        null = _quantile_losses(weights.take(by_target, axis=1, mode="clip"), ascending, tuple(PINBALL.values()))
        least = dict(zip(PINBALL, np.where(null > 1e-12 * scale, null, 0.0), strict=True))
        saved = [1 - confusion.divide(tilts[of], least[of]) for of in D2_PINBALL.values()]
        single = [mse, np.sqrt(mse), np.sqrt(base), mae, middle, r2, bias]
        return np.stack([*single, *tilts.values(), *saved], axis=1)

    names = ("mse", "rmse", "baseline_rmse", "mae", "median_ae", "r2", "bias", *PINBALL, *D2_PINBALL)
    return Statistic(tuple((n,) for n in names), function, tuple(MEASURES[n].bounds for n in names))


def macro_trials(support: Floats) -> float | None:
    """Trials that an average over classes is worth: K² / sum(1 / n_k) over those that occur.

    The number for which p (1 - p) / trials is the variance of a mean of K independent
    proportions with n_k trials each and one p.
    """
    occurring = support[support > 0]
    return float(len(occurring) ** 2 / np.sum(1 / occurring)) if len(occurring) else None


def _or_none(trials: Floats | Integers) -> list[float | None]:
    return [float(t) if t > 0 else None for t in trials]


def _means(weights: Weights, rows: Floats) -> Floats:
    # Not a matrix product: its last bits would depend on the number of threads of the BLAS.
    w = weights.astype(np.float64)
    totals = np.stack([np.einsum("bn,n->b", w, row) for row in rows], axis=1)
    return confusion.divide(totals, weights.sum(axis=1, dtype=np.float64)[:, None])


def _weighted_median(weights: Weights, ascending: Floats) -> Floats:
    """Median of values (n,) drawn `weights` (b, n) times each; both middle ones averaged."""
    running = np.cumsum(weights, axis=1, out=weights)
    total = running[:, -1]
    lower = (running <= ((total - 1) // 2)[:, None]).sum(axis=1)
    upper = (running <= (total // 2)[:, None]).sum(axis=1)
    middle: Floats = (
        ascending[np.minimum(lower, len(ascending) - 1)] + ascending[np.minimum(upper, len(ascending) - 1)]
    ) / 2
    return middle


def _quantile_losses(weights: Weights, ascending: Floats, levels: tuple[float, ...]) -> Floats:
    """Pinball losses of the weighted quantiles themselves, (levels, b); any quantile of a level has the same."""
    w = weights.astype(np.float64)
    mass, below = np.cumsum(w, axis=1), np.cumsum(w * (ascending - ascending[:1].sum()), axis=1)
    total, whole = mass[:, -1], below[:, -1]
    rows = np.arange(len(w))
    losses = []
    for level in levels:
        # Rounding of level x total must not skip the value at which it is reached exactly.
        place = np.minimum((mass < (level * total - 1e-9)[:, None]).sum(axis=1), w.shape[1] - 1)
        at = ascending[place] - ascending[:1].sum()
        low, sunk = mass[rows, place], below[rows, place]
        losses.append((1 - level) * (at * low - sunk) + level * (whole - sunk - at * (total - low)))
    return confusion.divide(np.stack(losses), total)
