"""The numbers of one slice of decisions: counts, intervals and tests against the rest and of the change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.counted import Counting
from workbench.types import ClassScores

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Rates = dict[str, tuple[Floats, Rows]]


class Tests(Protocol):
    """What `slice_results` asks, for decisions, errors or sets of labels."""

    def fill(self, entries: list[dict[str, Any]], members: Sequence[Rows], fewest: int, few: int) -> None: ...
    def overall(self) -> dict[str, Any]: ...
    def rates(self, model: str) -> Rates: ...
    def two_groups(self, scores: Floats, first: Rows, second: Rows) -> dict[str, Any]: ...


def class_tests(before: ClassScores, after: ClassScores, counting: Counting, positive: int = 1) -> Tests:
    """Accuracy of slices; with two classes the rates of the positive one too."""
    return _Decisions({"base": before, "onnx": after}, counting, positive)


@dataclass(frozen=True)
class _Decisions:
    predictions: dict[str, ClassScores]
    counting: Counting
    positive: int = 1

    def rates(self, model: str) -> Rates:
        scores = self.predictions[model]
        right = scores.predicted == scores.targets
        everything = np.ones(len(right), dtype=bool)
        found = {"accuracy": (right.astype(np.float64), everything)}
        if len(scores.labels) == 2:
            truth, said = scores.targets == self.positive, scores.predicted == self.positive
            found["recall"] = (said.astype(np.float64), truth)
            found["precision"] = (truth.astype(np.float64), said)
            found["false_positive_rate"] = (said.astype(np.float64), ~truth)
            found["selection_rate"] = (said.astype(np.float64), everything)
        return found

    def overall(self) -> dict[str, Any]:
        return {
            model: {
                name: asdict(self.counting.share(hits > 0, rows)) for name, (hits, rows) in self.rates(model).items()
            }
            for model in self.predictions
        }

    def two_groups(self, scores: Floats, first: Rows, second: Rows) -> dict[str, Any]:
        return ends_apart(self.counting, scores > 0, first, second)

    def fill(self, entries: list[dict[str, Any]], members: Sequence[Rows], fewest: int, few: int) -> None:
        for model in self.predictions:
            rates = self.rates(model)
            right = rates["accuracy"][0] > 0
            for entry, rows in zip(entries, members, strict=True):
                found = counted_slice(self.counting, entry, right, rows, fewest)
                entry["models"][model] = found
                if int(rows.sum()) >= fewest:
                    found["rates"] = {
                        name: asdict(self.counting.share(scores > 0, rows & among))
                        for name, (scores, among) in rates.items()
                        if name != "accuracy"
                    }
        first, second = (p.predicted == p.targets for p in self.predictions.values())
        fill_changes(self.counting, entries, members, first, second, few)


def counted_slice(counting: Counting, entry: dict[str, Any], right: Rows, rows: Rows, fewest: int) -> dict[str, Any]:
    """How many answers of a slice are right, with the rest and the difference from it."""
    n = int(rows.sum())
    found: dict[str, Any] = {"right": int(right[rows].sum()), "score": None, "rest": None, "difference": None}
    found["rates"] = {}
    if n >= fewest:
        found |= {"score": asdict(counting.share(right, rows)), "rest": asdict(counting.share(right, ~rows))}
        if not entry["note"]:
            found["difference"] = counting.apart(right, rows)
    return found


def fill_changes(
    counting: Counting, entries: list[dict[str, Any]], members: Sequence[Rows], before: Rows, after: Rows, few: int
) -> None:
    """The change of each slice that is large enough."""
    for entry, rows in zip(entries, members, strict=True):
        if int(rows.sum()) >= few:
            entry["change"] = counting.change(before, after, rows)


def ends_apart(counting: Counting, hits: Rows, first: Rows, second: Rows) -> dict[str, Any]:
    """The interval of the share of the first rows minus that of the second; others left out."""
    both = first | second
    codes = None if counting.codes is None else counting.codes[both]
    own = Counting(counting.confidence, codes, permutations=1)
    gap = own.apart(hits[both], first[both])
    return {"low": gap["low"], "high": gap["high"]}
