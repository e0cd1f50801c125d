"""How long all measures take on 100,000 predictions, against plain resampling.

Run `python tests/benchmarks/bench_metrics.py [n] [classes] [kind]`; `kind` is "classes" (which
it is by itself) or "labels", where several of them may hold. Plain resampling evaluates
scikit-learn's functions on resampled rows, a few times only, and is scaled up to the same
number of resamples.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from memory import forget_peak, peak_bytes
from sklearn import metrics as sk

from workbench.metrics.classification import classification_measures
from workbench.metrics.label_evaluation import label_measures
from workbench.metrics.paired import compare
from workbench.metrics.paired_labels import compare_labels
from workbench.types import ClassScores, LabelScores

RESAMPLES = 2000


def predictions(n: int, classes: int, seed: int) -> ClassScores:
    """Made-up scores of `classes` classes, right about half of the time."""
    truth = np.random.default_rng(0).integers(0, classes, n)
    logits = np.random.default_rng(seed).normal(size=(n, classes))
    logits[np.arange(n), truth] += 1.5
    labels = tuple(f"class {k}" for k in range(classes))
    return ClassScores(np.arange(n).astype(str), np.full(n, "test"), truth, logits, labels)


def plain(p: ClassScores, rows: np.ndarray) -> None:
    """One resample of the same measures by scikit-learn."""
    t, q, s = p.targets[rows], p.predicted[rows], p.probabilities[rows]
    sk.accuracy_score(t, q)
    sk.balanced_accuracy_score(t, q)
    sk.matthews_corrcoef(t, q)
    sk.precision_recall_fscore_support(t, q)
    sk.f1_score(t, q, average="weighted")
    several = s if s.shape[1] > 2 else s[:, 1]
    sk.roc_auc_score(t, several, multi_class="ovr", average=None if s.shape[1] > 2 else "macro")
    if s.shape[1] > 2:
        sk.roc_auc_score(t, s, multi_class="ovo")
    sk.average_precision_score(t, several, average=None)
    sk.log_loss(t, s)
    sk.brier_score_loss(t, several)


def label_sets(n: int, labels: int, seed: int) -> LabelScores:
    """Made-up scores of `labels` labels that hold for 5 to 50 % of the examples."""
    truth = (np.random.default_rng(0).random((n, labels)) < np.linspace(0.05, 0.5, labels)).astype(np.int8)
    logits = np.random.default_rng(seed).normal(size=(n, labels)) + 2.5 * truth - 1.5
    names = tuple(f"label {k}" for k in range(labels))
    return LabelScores(np.arange(n).astype(str), np.full(n, "test"), truth, logits, names, np.full(labels, 0.5))


def plain_labels(p: LabelScores, rows: np.ndarray) -> None:
    """One resample of the same measures of sets of labels by scikit-learn."""
    t, q, s, z = p.targets[rows], p.predicted[rows].astype(np.int8), p.probabilities[rows], p.logits[rows]
    sk.accuracy_score(t, q)
    sk.hamming_loss(t, q)
    sk.precision_recall_fscore_support(t, q, average=None, zero_division=0)
    for average in ("micro", "samples"):
        sk.f1_score(t, q, average=average, zero_division=1)
    sk.average_precision_score(t, s, average=None)
    sk.roc_auc_score(t, s, average=None)
    sk.label_ranking_average_precision_score(t, z)
    sk.coverage_error(t, z)
    sk.label_ranking_loss(t, z)
    for k in range(t.shape[1]):
        sk.log_loss(t[:, k], s[:, k])
        sk.brier_score_loss(t[:, k], s[:, k])


def main() -> None:
    """Print seconds, memory and the ratio."""
    given = [*sys.argv[1:], *["100000", "10", "classes"][len(sys.argv) - 1 :]]
    n, classes, kind = int(given[0]), int(given[1]), given[2]
    several = kind == "labels"
    make: Any = label_sets if several else predictions
    evaluate: Any = label_measures if several else classification_measures
    against: Any = compare_labels if several else compare
    alone: Any = plain_labels if several else plain
    p, q = make(n, classes, 1), make(n, classes, 2)
    rng = np.random.default_rng(0)
    before = forget_peak()
    start, cpu = time.perf_counter(), time.process_time()
    measures = evaluate(p, resamples=RESAMPLES)
    seconds, worked = time.perf_counter() - start, time.process_time() - cpu
    numbers = len(measures) + sum(len(m.per_class) for m in measures)
    peak = peak_bytes()
    print(f"{n:,} rows, {classes} {kind}, {RESAMPLES} resamples: {len(measures)} measures, {numbers} numbers")
    memory = f"peak memory {peak / 1e9:.2f} GB ({(peak - before) / 1e9:.2f} GB more)"
    print(f"all measures   {seconds:8.1f} s ({worked:.1f} s of processor), {memory}")
    start = time.perf_counter()
    against(p, q, resamples=RESAMPLES)
    print(f"comparison     {time.perf_counter() - start:8.1f} s")
    cpu = time.process_time()
    for _ in range(3):
        alone(p, rng.integers(0, n, n))
    scaled = (time.process_time() - cpu) / 3 * RESAMPLES
    print(f"plain, scaled  {scaled:8.1f} s of processor: {scaled / worked:.0f} times as much")


if __name__ == "__main__":
    main()
