"""What every multi-label classification shares: label scores, the logit of a label, what was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.tasks.classes import scalar
from workbench.types import LabelScores, Question, indicators

__all__ = ["decode", "frame", "multilabel", "question", "scalar"]

PROBLEM = "multi_label_classification"  # transformers' name for it
UNDECIDED = 0.5  # threshold of a label where none was chosen


def multilabel(backbone: Any) -> Any:
    """A loaded backbone as one of this task: its config says so, and a head of one class a time is not its own."""
    config = getattr(backbone.module, "config", None)
    if config is not None:
        backbone.speaks_labels = backbone.speaks_labels and config.problem_type == PROBLEM
        config.problem_type = PROBLEM
    return backbone


def decode(scores: np.ndarray, facts: Mapping[str, Any]) -> LabelScores:
    """Scores (n, K) with `facts` {ids, splits, targets, labels, thresholds, groups} as predictions."""
    labels, chosen = tuple(facts["labels"]), facts.get("thresholds")
    thresholds = np.full(len(labels), UNDECIDED) if chosen is None else np.asarray(chosen, dtype=np.float64)
    targets = indicators(facts["targets"], len(labels))
    return LabelScores(
        facts["ids"], facts["splits"], targets, scores.astype(np.float64), labels, thresholds, facts["groups"]
    )


def asked(predictions: LabelScores, row: int) -> int:
    """The most probable label that is given, else the most probable one."""
    given = predictions.predicted[row]
    p = predictions.probabilities[row]
    return int(np.where(given, p, -1.0).argmax() if given.any() else p.argmax())


def question(predictions: LabelScores, row: int) -> Question:
    """Why this label: the logit of the most probable one that is given; of none: why not the most probable."""
    k = asked(predictions, row)
    why = "Why" if predictions.predicted[row, k] else "Why not"
    return Question("logit", f"{why} {predictions.labels[k]}?", target=k, unit="logit")


def frame(predictions: LabelScores, row: int, *, top: int = 5) -> dict[str, Any]:
    """The labels given, the probability of the one asked for, and the most probable labels of one prediction."""
    p, given, target = (a[row] for a in (predictions.probabilities, predictions.predicted, predictions.targets))
    names = [name for name, yes in zip(predictions.labels, given, strict=True) if yes]
    best = np.argsort(-p, kind="stable")[:top]
    known = bool((target >= 0).all())
    return {
        "labels": names,
        "probability": float(p[asked(predictions, row)]),
        "top": [[predictions.labels[int(b)], float(p[b])] for b in best],
        "thresholds": {predictions.labels[int(b)]: float(predictions.thresholds[b]) for b in best},
        "right": bool((given == (target == 1)).all()) if known else None,
    }
