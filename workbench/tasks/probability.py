"""Scores as probabilities: what a model is asked for where its logits are no sum of anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.types import PROBABILITY, Question


def probabilities(scores: Any, kind: str) -> Any:
    """Scores (n, K) as probabilities of one class ("class") or of each label ("labels"); values stay.

    numpy arrays and torch tensors alike.
    """
    if kind == "value":
        return scores
    if isinstance(scores, np.ndarray):
        if kind == "labels":
            return np.exp(-np.logaddexp(0, -scores))
        z = np.exp(scores - scores.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)
    return scores.sigmoid() if kind == "labels" else scores.softmax(1)


def asked_in(question: Question, unit: str) -> Question:
    """The same question in another unit: "probability" turns logits into probabilities, empty leaves them."""
    if unit != PROBABILITY or question.kind not in ("logit", "contrast"):
        return question
    return replace(question, kind="probability" if question.kind == "logit" else question.kind, unit=PROBABILITY)


@dataclass(frozen=True)
class InProbability:
    """A model whose scores are probabilities; two of the same model are equal, so that they share batches."""

    model: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    kind: str

    def __call__(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Probabilities (rows, K) of a batch, float64."""
        return np.asarray(probabilities(np.asarray(self.model(batch), dtype=np.float64), self.kind))
