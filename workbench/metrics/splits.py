"""Which rows of the predictions a split's numbers are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.types import SPLITS, ClassScores, Predictions, Values


@dataclass(frozen=True)
class ClassRows:
    """Rows with a known target, sorted by it; `problem` says why nothing can be computed."""

    scores: ClassScores
    index: NDArray[np.int64]
    unknown: int
    problem: str


@dataclass(frozen=True)
class ValueRows:
    """Rows with a known target; `problem` says why nothing can be computed."""

    values: Values
    index: NDArray[np.int64]
    unknown: int
    problem: str


def splits_of(predictions: Predictions, wanted: Sequence[str] | None) -> list[str]:
    """The splits that occur, in the order train, validation, test, others; or those wanted."""
    if wanted is not None:
        return list(wanted)
    present = set(predictions.splits.tolist())
    return [s for s in SPLITS if s in present] + sorted(present - set(SPLITS))


def class_rows(predictions: ClassScores, where: NDArray[np.bool_]) -> ClassRows:
    """The rows of a mask whose class is known, sorted by class (stable)."""
    index = np.flatnonzero(where & (predictions.targets >= 0))
    index = index[np.argsort(predictions.targets[index], kind="stable")]
    scores = predictions.where(index)
    # Minus infinity is a probability of 0; anything else that is not finite is no output.
    logits = np.asarray(scores.logits, dtype=np.float64)
    bad = np.isnan(logits).any(axis=1) | (logits == np.inf).any(axis=1) | (logits == -np.inf).all(axis=1)
    problem = _problem(len(index), scores.ids[bad])
    return ClassRows(scores, index, int(where.sum()) - len(index), problem)


def value_rows(predictions: Values, where: NDArray[np.bool_]) -> ValueRows:
    """The rows of a mask whose target is known."""
    index = np.flatnonzero(where & np.isfinite(predictions.targets))
    values = predictions.where(index)
    problem = _problem(len(index), values.ids[~np.isfinite(values.values)])
    return ValueRows(values, index, int(where.sum()) - len(index), problem)


def _problem(n: int, bad: NDArray[np.generic]) -> str:
    if n == 0:
        return "no example of this split has a known target"
    if len(bad):
        return f"{len(bad)} of {n} outputs of the model are not finite numbers, the first for id {str(bad[0])!r}"
    return ""
