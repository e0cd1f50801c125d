"""What every single-label classification shares: class scores, the logit of a class, the top labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.errors import UnknownName
from workbench.types import ClassScores, Question


def decode(scores: np.ndarray, facts: Mapping[str, Any]) -> ClassScores:
    """Scores (n, K) with `facts` {ids, splits, targets, labels, groups} as predictions."""
    targets = np.array([-1 if t is None else int(t) for t in facts["targets"]], dtype=np.int64)
    return ClassScores(
        facts["ids"], facts["splits"], targets, scores.astype(np.float64), tuple(facts["labels"]), facts["groups"]
    )


def question(predictions: ClassScores, row: int) -> Question:
    """Why this class: the logit of the predicted one."""
    k = int(predictions.predicted[row])
    return Question("logit", f"Why {predictions.labels[k]}?", target=k, unit="logit")


def contrast(predictions: ClassScores, row: int, against: str = "") -> Question | None:
    """Why this class and not `against` (empty: the runner-up); None where `against` is what was predicted.

    Raises:
        UnknownName: no such label.
    """
    order = np.argsort(-predictions.logits[row], kind="stable")
    k, other = int(order[0]), int(order[1])
    if against:
        if against not in predictions.labels:
            raise UnknownName("label", against, predictions.labels)
        other = predictions.labels.index(against)
    if other == k:
        return None
    text = f"Why {predictions.labels[k]} and not {predictions.labels[other]}?"
    return Question("contrast", text, target=k, against=other, unit="logit")


def scalar(scores: Any, question: Question) -> Any:
    """The logit of the asked class, or the difference of two."""
    if question.kind == "contrast":
        return scores[:, question.target] - scores[:, question.against]
    return scores[:, question.target]


def frame(predictions: ClassScores, row: int, *, top: int = 3) -> dict[str, Any]:
    """Label, probability and the most probable labels of one prediction."""
    p = predictions.probabilities[row]
    best = np.argsort(-p, kind="stable")[:top]
    k, target = int(predictions.predicted[row]), int(predictions.targets[row])
    return {
        "label": predictions.labels[k],
        "probability": float(p[k]),
        "top": [[predictions.labels[int(b)], float(p[b])] for b in best],
        "right": None if target < 0 else k == target,
    }
