"""Every value that crosses a room's border: frozen, numpy only.

Shapes use n (examples), K (classes), M (features of one example).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

SPLITS = ("train", "validation", "test")
PROBABILITY = "probability"


@dataclass(frozen=True, slots=True)
class Example:
    """One input with its target.

    `input` is a `str` (text), a path, `bytes` or an (H, W, 3) uint8 array (image), or a
    mapping from column to float, str or None (table; None and NaN are missing).
    `target` is a class index, a value in the target's unit, the indices of the labels that
    hold (a tuple, maybe empty; multi-label), or None where unknown.
    """

    id: str
    input: Any
    target: int | float | tuple[int, ...] | None
    split: str
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """One feature column of a table, as seen in the training split (for a file that is audited: in all rows)."""

    name: str
    kind: str  # "numeric" or "categorical"
    categories: tuple[str, ...] = ()
    unit: str = ""
    exact: bool = False  # whether blanks around a category belong to it, as for a file that is audited
    meant: bool = field(default=False, compare=False)  # listed in data.categorical


@dataclass(frozen=True, slots=True)
class Skipped:
    """An example that could not be read: where it was and why."""

    where: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Examples of one task with what is known about them.

    `labels` are the names of the classes, or of the labels of which several may hold, in the
    order of their index (empty for regression); `columns` the feature columns of a table
    (empty otherwise).
    """

    name: str
    modality: str  # "text", "image" or "table"
    examples: tuple[Example, ...]
    labels: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    target: str = "target"
    unit: str = ""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()  # plain sentences for the report: origin, licence, how prepared
    split_method: str = "as given"

    def split(self, name: str) -> tuple[Example, ...]:
        """The examples of one split, in their order."""
        return tuple(e for e in self.examples if e.split == name)

    @cached_property
    def by_id(self) -> Mapping[str, Example]:
        return {e.id: e for e in self.examples}

    @cached_property
    def kind(self) -> str:
        """What is predicted: "class", "labels" (several may hold) or "value"."""
        if not self.labels:
            return "value"
        return "labels" if any(isinstance(e.target, tuple) for e in self.examples) else "class"


@dataclass(frozen=True)
class ClassScores:
    """Predictions of single-label classification.

    `logits` (n, K) float64; `targets` (n,) int with -1 where unknown; `labels` K names.
    """

    ids: np.ndarray
    splits: np.ndarray
    targets: np.ndarray
    logits: np.ndarray
    labels: tuple[str, ...]
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Softmax of the logits, (n, K), in float64."""
        z = np.asarray(self.logits, dtype=np.float64)
        z = np.exp(z - z.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Index of the largest logit, (n,); the first one on a tie."""
        return np.asarray(self.logits).argmax(axis=1)

    def where(self, rows: np.ndarray) -> ClassScores:
        """The same predictions for the rows of a boolean or integer index."""
        return ClassScores(
            self.ids[rows],
            self.splits[rows],
            self.targets[rows],
            self.logits[rows],
            self.labels,
            {k: v[rows] for k, v in self.groups.items()},
        )


@dataclass(frozen=True)
class LabelScores:
    """Predictions of multi-label classification: each of K labels holds or does not.

    `logits` (n, K) float64; `targets` (n, K) int8: 1 holds, 0 does not, -1 unknown; `labels`
    K names; `thresholds` (K,) probabilities from which on a label is given.
    """

    ids: np.ndarray
    splits: np.ndarray
    targets: np.ndarray
    logits: np.ndarray
    labels: tuple[str, ...]
    thresholds: np.ndarray
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Sigmoid of the logits, (n, K), in float64."""
        z = np.asarray(self.logits, dtype=np.float64)
        e = np.exp(-np.abs(z))  # at most 1: nothing overflows
        return np.where(z >= 0, 1 / (1 + e), e / (1 + e))

    @cached_property
    def predicted(self) -> np.ndarray:
        """Which labels are given, (n, K) bool: those whose probability reaches their threshold."""
        return np.asarray(self.probabilities >= self.thresholds)

    def where(self, rows: np.ndarray) -> LabelScores:
        """The same predictions for the rows of a boolean or integer index."""
        return LabelScores(
            self.ids[rows],
            self.splits[rows],
            self.targets[rows],
            self.logits[rows],
            self.labels,
            self.thresholds,
            {k: v[rows] for k, v in self.groups.items()},
        )


def indicators(targets: Sequence[Any], labels: int) -> np.ndarray:
    """Multi-label targets (tuples of label indices) as (n, labels) int8; a row of -1 where one is None."""
    found = np.zeros((len(targets), labels), dtype=np.int8)
    for row, target in enumerate(targets):
        if target is None:
            found[row] = -1
        else:
            found[row, list(target)] = 1
    return found


@dataclass(frozen=True)
class Values:
    """Predictions of regression: `values` and `targets` (n,) in `unit`; NaN where unknown."""

    ids: np.ndarray
    splits: np.ndarray
    targets: np.ndarray
    values: np.ndarray
    unit: str = ""
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    def where(self, rows: np.ndarray) -> Values:
        """The same predictions for the rows of a boolean or integer index."""
        return Values(
            self.ids[rows],
            self.splits[rows],
            self.targets[rows],
            self.values[rows],
            self.unit,
            {k: v[rows] for k, v in self.groups.items()},
        )


Predictions = ClassScores | LabelScores | Values


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval; `value` is None where `reason` says why it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    interval: str = ""  # method: "wilson", "bootstrap-bca", "bootstrap-percentile", ...
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of one split with interval, per-class values and signature.

    `signature` names every knob: seed, resamples, confidence, averaging, library version.
    """

    name: str
    split: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    interval: str
    better: str  # "higher", "lower" or "" where neither is better
    signature: str
    per_class: Mapping[str, Estimate] = field(default_factory=dict)
    reason: str = ""
    unit: str = ""
    baseline: float | None = None  # what a model that knows nothing of the input would score


@dataclass(frozen=True, slots=True)
class Question:
    """Which number of which prediction is explained.

    `kind` is "logit" (of class `target`), "probability" (of it), "contrast" (of `target` minus
    that of `against`, in its `unit`) or "value" (the predicted value). `text` says it in words.
    """

    kind: str
    text: str
    target: int | None = None
    against: int | None = None
    unit: str = ""

    @property
    def id(self) -> str:
        """A short stable name, e.g. `logit:3`, `contrast:3-1`, `value`."""
        if self.kind == "contrast":
            return f"contrast:{self.target}-{self.against}"
        return self.kind if self.target is None else f"{self.kind}:{self.target}"

    @property
    def in_probability(self) -> bool:
        """Whether a probability, or the difference of two, is asked for."""
        return self.unit == PROBABILITY


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that can be hidden from the model: a word, a segment, a column."""

    name: str
    value: str = ""
    span: tuple[int, int] | None = None  # characters of a text: [start, end)


@dataclass(frozen=True)
class Attribution:
    """The answer of one explainer to one question about one example.

    `values` (M,) in the question's units, `low`/`high` (M,) a 95 % interval or None; `base_score` with all hidden,
    `score` with nothing; `gap` = |sum(values) - (score - base_score)| or None; `dense` is as large as the input.
    """

    explainer: str
    example_id: str
    question: Question
    features: tuple[Feature, ...]
    values: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    base_score: float
    score: float
    gap: float | None
    evaluations: int
    seconds: float
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)
    dense: np.ndarray | None = None
