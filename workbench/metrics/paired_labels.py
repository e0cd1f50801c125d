"""Two multi-label models on the same examples: which labels changed, and is the difference real?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.catalogue import MEASURES
from workbench.metrics.clustered import use_clusters
from workbench.metrics.counted import Counting, paired_cells
from workbench.metrics.flips import relative_negative_flips
from workbench.metrics.label_statistics import label_statistics
from workbench.metrics.multilabel import all_right
from workbench.metrics.noninferiority import margin_by_bootstrap, margin_on_accuracy, right_statistic
from workbench.metrics.settings import Settings
from workbench.metrics.splits import label_rows, paired_rows
from workbench.metrics.verdict import verdict_on_accuracy
from workbench.stats import (
    Drawn,
    Plan,
    Statistic,
    bootstrap,
    evaluate,
    holm,
    mcnemar_exact,
    newcombe_paired,
    two_sided_p,
)
from workbench.types import LabelScores

COMPARED = (
    "label_f1",
    "f1_micro",
    "f1_samples",
    "hamming_loss",
    "mean_average_precision",
    "label_auroc",
    "lrap",
    "label_log_loss",
    "label_brier",
    "label_ece",
)
HEADLINE = "subset_accuracy"


def compare_labels(
    before: LabelScores,
    after: LabelScores,
    *,
    split: str = "test",
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    names: tuple[str, str] = ("before", "after"),
    clusters: NDArray[np.generic] | None = None,
    margin: float = 0.0,
) -> dict[str, Any]:
    """Compare two multi-label models on the examples of one split, paired by id.

    Subset accuracy: Newcombe's interval of the paired difference and McNemar's exact test;
    with clusters those of whole clusters, as in `workbench.metrics.paired.compare`. Each
    label: the same of its yes-or-no decisions, p-values corrected over the labels (Holm), and
    the difference of its F1 by bootstrap. Other measures: bootstrap of the difference, both
    models on the same resamples. Arguments are those of `workbench.metrics.paired.compare`.

    Returns:
        The content of `comparison.json` (docs/artefacts.md); `accuracy` is subset accuracy,
        and says so by its `name`.
    """
    settings = Settings(resamples, confidence, seed, "rows" if clusters is None else "clusters")
    if clusters is not None:
        clusters = np.asarray(clusters)[np.flatnonzero(before.splits == split)]
    first, second = paired_rows(before, after, split)
    assert isinstance(first, LabelScores) and isinstance(second, LabelScores)
    everything = np.ones(len(first.targets), dtype=bool)
    ours, theirs = label_rows(first, everything), label_rows(second, everything)
    problem = ours.problem or theirs.problem
    result: dict[str, Any] = {"split": split, "n": len(ours.index), "before": names[0], "after": names[1]}
    result |= {"margin": None, "calibration": None}
    if problem:
        unknown = dict.fromkeys(("before", "after", "difference", "low", "high", "mcnemar_p"))
        none: dict[str, Any] = {
            "negative": [],
            "positive": [],
            "nfr": None,
            "pfr": None,
            "churn": None,
            "relative_nfr": None,
            "reason": problem,
        }
        result |= {"verdict": f"Not compared: {problem}.", "flips": none, "measures": [], "classes": []}
        return result | {"accuracy": {"name": HEADLINE, **unknown, "method": "", "b": 0, "c": 0, "reason": problem}}
    a, b = ours.scores, theirs.scores
    truth = a.targets == 1
    right_a, right_b = all_right(truth, a.predicted), all_right(truth, b.predicted)
    n = len(truth)
    accuracy: dict[str, Any] = {"name": HEADLINE, **_shares(right_a, right_b, confidence)}
    changed = (a.predicted != b.predicted).any(axis=1)
    units = None if clusters is None else clusters[ours.index]
    plan = Plan.rows(n, clusters=units)
    cells, tested = paired_cells(right_a, right_b), None
    if units is None:
        accuracy |= {"p": accuracy["mcnemar_p"], "test": "mcnemar"}
        tested = margin_on_accuracy(cells, margin, confidence) if margin else None
    else:
        use_clusters(accuracy, right_a, right_b, units, plan, settings)
        if margin:
            moved = right_statistic(right_b.astype(np.float64) - right_a.astype(np.float64))
            how: dict[str, Any] = {"better": "higher", "unit": "points", "units": "groups"}
            tested = margin_by_bootstrap(moved, plan, margin=margin, of=HEADLINE, settings=settings, **how)
    drawn, values = _differences(a, b, plan, settings)
    return result | {
        "verdict": verdict_on_accuracy(accuracy, n, int(changed.sum()), confidence, "subset accuracy"),
        "accuracy": accuracy,
        "margin": tested and tested | {"of": HEADLINE},
        "flips": {
            "negative": _by_sureness(b, right_a & ~right_b),
            "positive": _by_sureness(b, ~right_a & right_b),
            "nfr": accuracy["b"] / n,
            "pfr": accuracy["c"] / n,
            "churn": float(changed.mean()),
            "relative_nfr": relative_negative_flips(*cells),
        },
        "measures": [_measure(name, drawn[(name,)], values[(name,)]) for name in COMPARED],
        "classes": _labels(a, b, drawn, values, Counting.of(units, confidence, seed=seed)),
    }


def _shares(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], confidence: float) -> dict[str, Any]:
    """Both shares, their difference with Newcombe's interval, and McNemar's exact test."""
    n11, n10, n01, n00 = paired_cells(right_a, right_b)
    estimate, n = newcombe_paired(n11, n10, n01, n00, confidence), n11 + n10 + n01 + n00
    return {
        "before": (n11 + n10) / n,
        "after": (n11 + n01) / n,
        "difference": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": estimate.interval,
        "mcnemar_p": mcnemar_exact(n10, n01),
        "b": n10,
        "c": n01,
    }


Pairs = dict[tuple[str, ...], tuple[float, float]]


def _differences(
    a: LabelScores, b: LabelScores, plan: Plan, settings: Settings
) -> tuple[dict[tuple[str, ...], Drawn], Pairs]:
    """After minus before of every measure on the same resamples, and both values."""
    before, after = label_statistics(a), label_statistics(b)
    pairs = [_difference(x, y) for x, y in zip(before, after, strict=True)]
    how = {"resamples": settings.resamples, "confidence": settings.confidence, "seed": settings.seed}
    drawn = bootstrap(pairs, plan, **how)  # type: ignore[arg-type]
    first, second = evaluate(before, plan.identity), evaluate(after, plan.identity)
    return drawn, {key: (float(first[key][0]), float(second[key][0])) for key in drawn}


def _difference(before: Statistic, after: Statistic) -> Statistic:
    bounds = tuple((low - high, high - low) for low, high in before.bounds)
    return Statistic(before.keys, lambda w: after.function(w) - before.function(w), bounds)


def _measure(name: str, drawn: Drawn, values: tuple[float, float]) -> dict[str, Any]:
    entry = {"name": name, **_moved(drawn, values), "better": MEASURES[name].better, "unit": ""}
    if entry["difference"] is not None and not np.any(drawn.draws):
        entry["reason"] = "no interval: both models give the same value on every resample"
    elif drawn.interval.reason:
        entry["reason"] = drawn.interval.reason
    return entry


def _moved(drawn: Drawn, values: tuple[float, float]) -> dict[str, Any]:
    known = bool(np.isfinite(drawn.value))
    return {
        "before": values[0] if np.isfinite(values[0]) else None,
        "after": values[1] if np.isfinite(values[1]) else None,
        "difference": drawn.value if known else None,
        "low": drawn.interval.low,
        "high": drawn.interval.high,
        "p": two_sided_p(drawn.draws) if known else None,
        "method": f"paired {drawn.interval.method}" if drawn.interval.method else "",
    }


def _labels(
    a: LabelScores, b: LabelScores, drawn: dict[tuple[str, ...], Drawn], values: Pairs, counting: Counting
) -> list[dict[str, Any]]:
    """Right decisions on each label before and after; tests corrected over the labels."""
    truth, entries = a.targets == 1, []
    everything = np.ones(len(truth), dtype=bool)
    for k, label in enumerate(a.labels):
        right = (a.predicted[:, k] == truth[:, k], b.predicted[:, k] == truth[:, k])
        shares = _shares(*right, counting.confidence)
        del shares["mcnemar_p"]
        change = counting.change(*right, everything)
        shares |= {key: change[key] for key in ("low", "high", "p")}
        if counting.codes is not None:
            shares["method"] = change["method"]
        if change.get("reason"):
            shares["reason"] = change["reason"]
        key = ("label_f1", label)
        f1 = _moved(drawn[key], values[key])
        if f1["difference"] is None:
            f1["reason"] = f"no example of this split has the label {label!r}"
        entries.append({"label": label, "n": len(truth), "holds": int(truth[:, k].sum()), **shares, "f1": f1})
    for entry, p in zip(entries, holm([e["p"] for e in entries]).tolist(), strict=True):
        entry["p_holm"] = p
    return entries


def _by_sureness(scores: LabelScores, which: NDArray[np.bool_]) -> list[str]:
    """Ids of the rows, those of the gravest error first: the largest |probability - truth| of a label."""
    rows = np.flatnonzero(which)
    off = np.abs(scores.probabilities - scores.targets)[rows]
    decided = scores.predicted[rows] != (scores.targets[rows] == 1)
    gravest = np.where(decided.any(axis=1), np.where(decided, off, 0.0).max(axis=1), -off.max(axis=1, initial=0.0))
    return [str(scores.ids[rows[i]]) for i in np.argsort(-gravest, kind="stable")]
