"""Which rows of the predictions a split's numbers are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError
from workbench.types import SPLITS, ClassScores, LabelScores, Predictions, Values


@dataclass(frozen=True)
class ClassRows:
    """Rows with a known target, sorted by it; `problem` says why nothing can be computed."""

    scores: ClassScores
    index: NDArray[np.int64]
    unknown: int
    problem: str


@dataclass(frozen=True)
class LabelRows:
    """Rows of which every label is known; `problem` says why nothing can be computed."""

    scores: LabelScores
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


def label_rows(predictions: LabelScores, where: NDArray[np.bool_]) -> LabelRows:
    """The rows of a mask of which every label is known."""
    index = np.flatnonzero(where & (predictions.targets >= 0).all(axis=1))
    scores = predictions.where(index)
    bad = ~np.isfinite(np.asarray(scores.logits, dtype=np.float64)).all(axis=1)
    return LabelRows(scores, index, int(where.sum()) - len(index), _problem(len(index), scores.ids[bad]))


def value_rows(predictions: Values, where: NDArray[np.bool_]) -> ValueRows:
    """The rows of a mask whose target is known."""
    index = np.flatnonzero(where & np.isfinite(predictions.targets))
    values = predictions.where(index)
    problem = _problem(len(index), values.ids[~np.isfinite(values.values)])
    return ValueRows(values, index, int(where.sum()) - len(index), problem)


def paired_rows(before: Predictions, after: Predictions, split: str) -> tuple[Predictions, Predictions]:
    """The rows of one split of both models, `after` in the order of `before`.

    Raises:
        DataError: if prediction types, labels, ids or targets of the two differ.
    """
    if type(before) is not type(after):
        raise DataError(f"cannot compare {type(before).__name__} with {type(after).__name__}: they answer two tasks")
    labels = [getattr(side, "labels", ()) for side in (before, after)]
    if labels[0] != labels[1]:
        raise DataError(
            f"the two predictions have different labels: {_few(labels[0])} and {_few(labels[1])}",
            hint="compare two models of one task, with the classes in the same order",
        )
    a, b = before.where(np.flatnonzero(before.splits == split)), after.where(np.flatnonzero(after.splits == split))
    for side, ids in (("before", a.ids), ("after", b.ids)):
        values, times = np.unique(ids.astype(str), return_counts=True)
        if np.any(times > 1):
            raise DataError(f"id {str(values[times > 1][0])!r} occurs more than once in split {split!r} of {side!r}")
    ours, theirs = a.ids.astype(str), b.ids.astype(str)
    if len(ours) != len(theirs) or set(ours) != set(theirs):
        only = sorted(set(ours) ^ set(theirs))
        raise DataError(
            f"the two predictions are of different examples in split {split!r}: {len(only)} ids are only in one of "
            f"them, such as {_few(only)}",
            hint="predict the same examples with both models, then compare again",
        )
    place = {name: i for i, name in enumerate(theirs.tolist())}
    b = b.where(np.array([place[name] for name in ours.tolist()], dtype=np.int64))
    differ = ~np.isclose(a.targets.astype(float), b.targets.astype(float), rtol=0, atol=0, equal_nan=True)
    differ = differ.any(axis=tuple(range(1, differ.ndim)))
    if np.any(differ):
        raise DataError(
            f"the targets of {int(differ.sum())} of {len(ours)} examples in split {split!r} differ between the two "
            f"predictions, the first with id {str(ours[differ][0])!r}",
            hint="the data changed between the two: predict again with both models",
        )
    return a, b


def _problem(n: int, bad: NDArray[np.generic]) -> str:
    if n == 0:
        return "no example of this split has a known target"
    if len(bad):
        return f"{len(bad)} of {n} outputs of the model are not finite numbers, the first for id {str(bad[0])!r}"
    return ""


def _few(names: Sequence[str]) -> str:
    return ", ".join(repr(str(n)) for n in names[:3]) + (", ..." if len(names) > 3 else "")
