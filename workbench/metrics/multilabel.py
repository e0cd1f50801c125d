"""Metrics of several labels at once, one number an example or a label.

Arrays are (n, K): n examples, K labels. Targets and decisions are boolean, logits any
real numbers. Where a value is not defined it is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics import confusion
from workbench.metrics.calibration import expected_calibration_error
from workbench.metrics.ranking import auroc, average_precision

Floats = NDArray[np.float64]
_PAIRS = 4_000_000  # comparisons of two labels that are held in memory at once


def all_right(targets: ArrayLike, predicted: ArrayLike) -> NDArray[np.bool_]:
    """Whether every label of an example is decided right, (n,)."""
    right: NDArray[np.bool_] = np.asarray(targets).astype(bool) == np.asarray(predicted).astype(bool)
    return np.asarray(right.all(axis=1))


def wrong_shares(targets: ArrayLike, predicted: ArrayLike) -> Floats:
    """Share of an example's labels that are decided wrong, (n,)."""
    shares: Floats = (np.asarray(targets).astype(bool) != np.asarray(predicted).astype(bool)).mean(axis=1)
    return shares


def f1_of_examples(targets: ArrayLike, predicted: ArrayLike) -> Floats:
    """F1 of each example's set of labels, (n,); 1 where it has none and is given none."""
    t, p = np.asarray(targets).astype(bool), np.asarray(predicted).astype(bool)
    both = (t.sum(axis=1) + p.sum(axis=1)).astype(np.float64)
    return np.where(both > 0, confusion.divide(2 * (t & p).sum(axis=1), both), 1.0)


def ranking_of_examples(logits: ArrayLike, targets: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """How well an example's own labels stand before the others: three numbers, each (n,).

    Label-ranking average precision: for each label that holds, the share of those with at
    least its score that hold, averaged; 1 where all labels hold or none. Coverage: how far
    down the ranking the last one that holds stands; 0 where none. Ranking loss: share of
    pairs (one that holds, one that does not) in the wrong order or tied; 0 without a pair.

    Source: Tsoumakas, Katakis & Vlahavas, Data Mining and Knowledge Discovery Handbook
    (2010) 667-685; the same as scikit-learn's on ties.
    """
    z, t = np.asarray(logits, dtype=np.float64), np.asarray(targets).astype(bool)
    n, k = z.shape
    precision, coverage, loss = np.ones(n), np.zeros(n), np.zeros(n)
    step = max(1, _PAIRS // max(k * k, 1))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        score, holds = z[rows], t[rows]
        ahead = score[:, None, :] >= score[:, :, None]  # of label i: which labels j stand at least as high
        rank = ahead.sum(axis=2)
        hits = (ahead & holds[:, None, :]).sum(axis=2)
        own = holds.sum(axis=1)
        some = (own > 0) & (own < k)
        shares = np.where(holds, hits / rank, 0.0).sum(axis=1)
        precision[rows] = np.where(some, confusion.divide(shares, own), 1.0)
        coverage[rows] = np.where(holds, rank, 0).max(axis=1)
        misplaced = np.where(holds, rank - hits, 0).sum(axis=1)
        loss[rows] = np.where(some, confusion.divide(misplaced, own * (k - own)), 0.0)
    return precision, coverage, loss


def log_losses(logits: ArrayLike, targets: ArrayLike) -> Floats:
    """Binary log loss averaged over an example's labels, (n,), in nats, from the logits: nothing is clipped."""
    z, t = np.asarray(logits, dtype=np.float64), np.asarray(targets).astype(bool)
    losses: Floats = np.logaddexp(0.0, np.where(t, -z, z)).mean(axis=1)
    return losses


def brier_scores(probabilities: ArrayLike, targets: ArrayLike) -> Floats:
    """(p - y)² averaged over an example's labels, (n,)."""
    scores: Floats = ((np.asarray(probabilities, dtype=np.float64) - np.asarray(targets).astype(bool)) ** 2).mean(
        axis=1
    )
    return scores


def counts_of(targets: ArrayLike, predicted: ArrayLike) -> confusion.Counts:
    """Counts per label (K,)."""
    t, p = np.asarray(targets).astype(bool), np.asarray(predicted).astype(bool)
    return confusion.Counts(*((a.sum(axis=0)).astype(np.float64) for a in (t & p, t, p)))


def micro_f1(counts: confusion.Counts) -> Floats:
    """F1 of all decisions thrown together, (...); NaN where no label holds and none is given."""
    return confusion.divide(2 * counts.hits.sum(axis=-1), (counts.support + counts.predicted).sum(axis=-1))


def subset_accuracy(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Share of examples of which every label is decided right."""
    return float(all_right(targets, predicted).mean())


def baseline_subset_accuracy(targets: ArrayLike, reference: ArrayLike) -> float:
    """Subset accuracy of always answering the most frequent set of labels of `reference` (m, K)."""
    return float((np.asarray(targets).astype(bool) == commonest_set(reference)).all(axis=1).mean())


def commonest_set(reference: ArrayLike) -> NDArray[np.bool_]:
    """The most frequent row of (m, K) targets; of equally frequent ones the first in order of the labels."""
    sets, counts = np.unique(np.asarray(reference).astype(bool), axis=0, return_counts=True)
    found: NDArray[np.bool_] = sets[counts.argmax()]
    return found


def hamming_loss(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Share of all yes-or-no decisions that are wrong."""
    return float(wrong_shares(targets, predicted).mean())


def f1_micro(targets: ArrayLike, predicted: ArrayLike) -> float:
    """F1 of all decisions thrown together."""
    return float(micro_f1(counts_of(targets, predicted)))


def f1_samples(targets: ArrayLike, predicted: ArrayLike) -> float:
    """F1 of each example's set of labels, averaged."""
    return float(f1_of_examples(targets, predicted).mean())


def label_f1(targets: ArrayLike, predicted: ArrayLike) -> float:
    """F1 averaged over the labels that occur (macro)."""
    return float(confusion.mean_defined(confusion.f1(counts_of(targets, predicted))))


def label_precision(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Precision averaged over the labels that are given to any example."""
    return float(confusion.mean_defined(confusion.precision(counts_of(targets, predicted))))


def label_recall(targets: ArrayLike, predicted: ArrayLike) -> float:
    """Recall averaged over the labels that occur."""
    return float(confusion.mean_defined(confusion.recall(counts_of(targets, predicted))))


def mean_average_precision(scores: ArrayLike, targets: ArrayLike) -> float:
    """Average precision, averaged over the labels that occur (mAP)."""
    return _over_labels(average_precision, scores, targets)


def label_auroc(scores: ArrayLike, targets: ArrayLike) -> float:
    """Area under the ROC curve, averaged over the labels that some examples have and others have not."""
    return _over_labels(auroc, scores, targets)


def label_ece(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Calibration error of each label's probability, averaged over the labels."""
    return _over_labels(expected_calibration_error, probabilities, targets)


def lrap(logits: ArrayLike, targets: ArrayLike) -> float:
    """Label-ranking average precision; see `ranking_of_examples`."""
    return float(ranking_of_examples(logits, targets)[0].mean())


def coverage_error(logits: ArrayLike, targets: ArrayLike) -> float:
    """How far down an example's ranking its last label stands, on average; see `ranking_of_examples`."""
    return float(ranking_of_examples(logits, targets)[1].mean())


def ranking_loss(logits: ArrayLike, targets: ArrayLike) -> float:
    """Share of pairs of labels in the wrong order; see `ranking_of_examples`."""
    return float(ranking_of_examples(logits, targets)[2].mean())


def label_log_loss(logits: ArrayLike, targets: ArrayLike) -> float:
    """Binary log loss averaged over examples and labels, in nats; a fair coin gives log 2."""
    return float(log_losses(logits, targets).mean())


def label_brier(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Brier score (p - y)² averaged over examples and labels."""
    return float(brier_scores(probabilities, targets).mean())


def _over_labels(metric: object, scores: ArrayLike, targets: ArrayLike) -> float:
    s, t = np.asarray(scores, dtype=np.float64), np.asarray(targets).astype(bool)
    found = np.array([metric(s[:, k], t[:, k]) for k in range(s.shape[1])])  # type: ignore[operator]
    return float(confusion.mean_defined(found))
