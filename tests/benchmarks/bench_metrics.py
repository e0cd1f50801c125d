"""How long all measures of classification take on 100,000 predictions, against plain resampling.

Run `python tests/benchmarks/bench_metrics.py [n] [classes]`. Plain resampling evaluates
scikit-learn's functions on resampled rows, a few times only, and is scaled up to the same
number of resamples.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from sklearn import metrics as sk

from workbench.metrics.classification import classification_measures
from workbench.metrics.paired import compare
from workbench.types import ClassScores

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


def main() -> None:
    """Print seconds, memory and the ratio."""
    n, classes = (int(a) for a in (sys.argv[1:] + ["100000", "10"][len(sys.argv) - 1 :])[:2])
    p, q = predictions(n, classes, 1), predictions(n, classes, 2)
    rng = np.random.default_rng(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    measures = classification_measures(p, resamples=RESAMPLES)
    seconds = time.perf_counter() - start
    numbers = len(measures) + sum(len(m.per_class) for m in measures)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{n:,} rows, {classes} classes, {RESAMPLES} resamples: {len(measures)} measures, {numbers} numbers")
    print(f"all measures   {seconds:8.1f} s, peak memory {peak / 1e6:.2f} GB ({(peak - before) / 1e6:.2f} GB more)")
    start = time.perf_counter()
    compare(p, q, resamples=RESAMPLES)
    print(f"comparison     {time.perf_counter() - start:8.1f} s")
    start = time.perf_counter()
    for _ in range(3):
        plain(p, rng.integers(0, n, n))
    scaled = (time.perf_counter() - start) / 3 * RESAMPLES
    print(f"plain, scaled  {scaled:8.1f} s: {scaled / seconds:.0f} times as long")


if __name__ == "__main__":
    main()
