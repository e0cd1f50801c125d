"""Multi-label metrics as functions of bootstrap weights, one weight matrix for all of them.

A key is (measure,) for the number itself and (measure, label) for a label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import confusion
from workbench.metrics import multilabel as several
from workbench.metrics.calibration import Bins, equal_width_bins
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.ranking import Ranks
from workbench.metrics.statistics import macro_trials
from workbench.stats import Statistic
from workbench.types import LabelScores

Floats = NDArray[np.float64]
Weights = NDArray[np.int32]
Key = tuple[str, ...]

OF_ROWS = (
    "subset_accuracy",
    "hamming_loss",
    "f1_samples",
    "lrap",
    "coverage_error",
    "ranking_loss",
    "label_log_loss",
    "label_brier",
)
OF_COUNTS = ("label_precision", "label_recall", "label_f1")
OF_ORDER = ("mean_average_precision", "label_auroc")


def label_statistics(scores: LabelScores) -> list[Statistic]:
    """Every measure of several labels; targets must be known."""
    return [
        row_statistic(scores),
        count_statistic(scores),
        order_statistic(scores),
        calibration_statistic(scores),
    ]


def row_statistic(scores: LabelScores) -> Statistic:
    """Measures that are means of one number an example."""
    t, p = scores.targets == 1, scores.predicted
    rows = np.stack(
        [
            several.all_right(t, p),
            several.wrong_shares(t, p),
            several.f1_of_examples(t, p),
            *several.ranking_of_examples(scores.logits, t),
            several.log_losses(scores.logits, t),
            several.brier_scores(scores.probabilities, t),
        ]
    ).astype(np.float64)

    def function(weights: Weights) -> Floats:
        # Not a matrix product: its last bits would depend on the number of threads of the BLAS.
        w = weights.astype(np.float64)
        totals = np.stack([np.einsum("bn,n->b", w, row) for row in rows], axis=1)
        return confusion.divide(totals, w.sum(axis=1)[:, None])

    bounds = [MEASURES[name].bounds for name in OF_ROWS]
    bounds[OF_ROWS.index("coverage_error")] = (0.0, float(len(scores.labels)))
    trials = tuple(float(len(t)) if name == "subset_accuracy" else None for name in OF_ROWS)
    return Statistic(tuple((name,) for name in OF_ROWS), function, tuple(bounds), trials)


def count_statistic(scores: LabelScores) -> Statistic:
    """Precision, recall and F1 of each label, averaged over labels and over all decisions."""
    t, p = scores.targets == 1, scores.predicted
    k = len(scores.labels)
    table = np.concatenate([t & p, t, p], axis=1).astype(np.float64)

    def function(weights: Weights) -> Floats:
        totals = weights.astype(np.float64) @ table  # whole numbers: exact in any order of the sum
        counts = confusion.Counts(totals[:, :k], totals[:, k : 2 * k], totals[:, 2 * k :])
        blocks = [confusion.precision(counts), confusion.recall(counts), confusion.f1(counts)]
        single = [several.micro_f1(counts), *(confusion.mean_defined(block) for block in blocks)]
        return np.concatenate([np.stack(single, axis=1), *blocks], axis=1)

    keys: tuple[Key, ...] = (("f1_micro",), *((n,) for n in OF_COUNTS))
    keys += tuple((name, label) for name in OF_COUNTS for label in scores.labels)
    support, given = t.sum(axis=0), p.sum(axis=0)
    of_label = [float(v) if v else None for v in (*given, *support, *support)]
    return Statistic(keys, function, ((0.0, 1.0),) * len(keys), (None,) * (1 + len(OF_COUNTS)) + tuple(of_label))


def order_statistic(scores: LabelScores) -> Statistic:
    """Average precision and area under the ROC curve of each label, and their averages."""
    ranked = [_Ordered(scores.logits[:, k], scores.targets[:, k] == 1) for k in range(len(scores.labels))]

    def function(weights: Weights) -> Floats:
        found = [label.both(weights) for label in ranked]
        blocks = [np.stack([one[side] for one in found], axis=1) for side in (0, 1)]
        return np.concatenate([np.stack([confusion.mean_defined(b) for b in blocks], axis=1), *blocks], axis=1)

    keys: tuple[Key, ...] = tuple((n,) for n in OF_ORDER) + tuple((n, lab) for n in OF_ORDER for lab in scores.labels)
    support = (scores.targets == 1).sum(axis=0)
    rarer = [float(v) if v else None for v in np.minimum(support, len(scores.targets) - support)]
    both = macro_trials(np.minimum(support, len(scores.targets) - support).astype(np.float64))
    logit = tuple(key[0] == "mean_average_precision" for key in keys)
    return Statistic(keys, function, ((0.0, 1.0),) * len(keys), (both, both, *rarer, *rarer), logit=logit)


class _Ordered:
    """One label's rows in the order of its score."""

    def __init__(self, scores: Floats, holds: NDArray[np.bool_]) -> None:
        score = np.asarray(scores, dtype=np.float64)
        self.ranks = Ranks.of(score, holds)
        descending, own = -score[self.ranks.order], -score[self.ranks.positive]
        # Where each positive's group of equal scores begins, among all rows and among the positives.
        self.starts = np.searchsorted(descending, own, side="left")
        self.starts_positive = np.searchsorted(own, own, side="left")
        self.others = int((~holds).sum())

    def both(self, weights: Weights) -> tuple[Floats, Floats]:
        """Average precision and area under the ROC curve, (b,) each; NaN where they are not defined."""
        nothing = np.full(len(weights), np.nan)
        if not len(self.ranks.positive):
            return nothing, nothing
        ranks = self.ranks
        own, hits = ranks.positives_before(weights)
        everyone = weights.take(ranks.order, axis=1, mode="clip")
        np.cumsum(everyone, axis=1, out=everyone, dtype=np.int32)
        total, called = everyone[:, -1], everyone.take(ranks.ends - 1, axis=1, mode="clip")
        upto, times = hits.take(ranks.ends_positive, axis=1, mode="clip"), own.astype(np.float64)
        # Where nobody is called no positive is drawn either, and the term is 0.
        precision = confusion.divide(np.einsum("bm,bm->b", times, upto / np.maximum(called, 1)), hits[:, -1])
        if not self.others:
            return precision, nothing
        ahead = (called - upto).astype(np.float64)  # of the rows without the label, those at least as high
        if ranks.tied:
            before = np.where(self.starts > 0, everyone.take(self.starts - 1, axis=1, mode="clip"), 0)
            ahead = (ahead + before - hits.take(self.starts_positive, axis=1, mode="clip")) / 2
        negative = (total - hits[:, -1]).astype(np.float64)
        lost = np.einsum("bm,bm->b", times, ahead)
        won = hits[:, -1] * negative - lost
        return precision, confusion.divide(won, hits[:, -1] * negative)


def calibration_statistic(scores: LabelScores) -> Statistic:
    """Calibration error of each label's probability; bins fixed by the data."""
    p, holds = scores.probabilities, scores.targets == 1
    labels = range(len(scores.labels))
    bins = [Bins(equal_width_bins(p[:, k]), holds[:, k] - p[:, k]) for k in labels]

    def function(weights: Weights) -> Floats:
        of_label = np.stack([b.expected(weights) for b in bins], axis=1)
        return np.concatenate([of_label.mean(axis=1, keepdims=True), of_label], axis=1)

    keys: tuple[Key, ...] = (("label_ece",), *(("label_ece", label) for label in scores.labels))
    n = float(len(holds))
    return Statistic(keys, function, ((0.0, 1.0),) * len(keys), (n,) * len(keys), noisy=True)
