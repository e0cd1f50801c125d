"""The numbers of one slice of sets of labels: whole sets, wrong decisions and the F1 of each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.confusion import divide
from workbench.metrics.counted import Counting, difference
from workbench.metrics.multilabel import all_right, wrong_shares
from workbench.metrics.slice_tests import Tests, counted_slice, ends_apart, fill_changes
from workbench.stats import (
    Drawn,
    Plan,
    Statistic,
    bootstrap,
    grouped_difference,
    grouped_mean,
    permutation_ratio_p,
)
from workbench.types import Estimate, LabelScores

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Rates = dict[str, tuple[Floats, Rows]]

HAMMING = "hamming_loss"
MOST_LABELS = 20  # labels whose F1 is sliced: those that hold most often
F1_PERMUTATIONS = 1999  # at most: every slice and label needs shuffles of its own


def sliced_labels(scores: LabelScores) -> list[str]:
    """The labels whose F1 is given for slices, in the order of the labels: at most the `MOST_LABELS` most frequent."""
    held = (scores.targets == 1).sum(axis=0)
    most = sorted(range(len(scores.labels)), key=lambda k: (-int(held[k]), k))[:MOST_LABELS]
    return [scores.labels[k] for k in sorted(most)]


def label_tests(before: LabelScores, after: LabelScores, counting: Counting, resamples: int, plan: Plan) -> Tests:
    """Whole sets of labels right in slices, with the share of wrong decisions and each label's F1."""
    return _Sets({"base": before, "onnx": after}, counting, resamples, plan)


@dataclass(frozen=True)
class _Parts:
    """Ratios of sums over rows: names (k,), numerators and denominators (n, k), and how often each label holds."""

    names: list[str]
    top: Floats
    bottom: Floats
    holds: NDArray[np.bool_]


@dataclass(frozen=True)
class _Sets:
    predictions: dict[str, LabelScores]
    counting: Counting
    resamples: int
    plan: Plan

    def _right(self, model: str) -> Rows:
        scores = self.predictions[model]
        return all_right(scores.targets == 1, scores.predicted)

    def rates(self, model: str) -> Rates:
        scores = self.predictions[model]
        everything = np.ones(len(scores.targets), dtype=bool)
        wrong = wrong_shares(scores.targets == 1, scores.predicted)
        return {"subset_accuracy": (self._right(model).astype(np.float64), everything), HAMMING: (wrong, everything)}

    def overall(self) -> dict[str, Any]:
        everything = np.ones(len(self.plan.counts), dtype=bool)
        found = {}
        for model in self.predictions:
            parts = self._parts(model)
            drawn = self._drawn(parts, [everything])
            own = {HAMMING: asdict(self._score(parts, 0, everything, drawn, 0))}
            found[model] = {"subset_accuracy": asdict(self.counting.share(self._right(model), everything))} | own
        return found

    def two_groups(self, scores: Floats, first: Rows, second: Rows) -> dict[str, Any]:
        if np.all((scores == 0) | (scores == 1)):
            return ends_apart(self.counting, scores > 0, first, second)
        both = first | second
        codes = np.arange(len(scores)) if self.counting.codes is None else self.counting.codes
        gap = grouped_difference(
            scores[both], np.ones(int(both.sum())), first[both], codes[both], self.counting.confidence
        )
        return {"low": gap.low, "high": gap.high}

    def fill(self, entries: list[dict[str, Any]], members: Sequence[Rows], fewest: int, few: int) -> None:
        for model in self.predictions:
            right = self._right(model)
            for entry, rows in zip(entries, members, strict=True):
                entry["models"][model] = counted_slice(self.counting, entry, right, rows, fewest)
            large = [i for i, rows in enumerate(members) if rows.sum() >= fewest]
            if large:
                self._ratios(model, [entries[i] for i in large], [members[i] for i in large], fewest)
        before, after = (self._right(m) for m in self.predictions)
        fill_changes(self.counting, entries, members, before, after, few)

    # -- ratios: wrong decisions, F1 of labels ------------------------------------------------

    def _parts(self, model: str) -> _Parts:
        scores = self.predictions[model]
        labels = sliced_labels(scores)
        place = [scores.labels.index(label) for label in labels]
        truth, given = scores.targets == 1, scores.predicted
        wrong = (truth != given).sum(axis=1, keepdims=True)
        every = np.full_like(wrong, len(scores.labels))
        top = np.concatenate([wrong, 2 * (truth & given)[:, place]], axis=1).astype(np.float64)
        bottom = np.concatenate([every, truth[:, place].astype(int) + given[:, place]], axis=1).astype(np.float64)
        return _Parts([HAMMING, *labels], top, bottom, truth[:, place])

    def _drawn(self, parts: _Parts, members: Sequence[Rows]) -> dict[tuple[str, ...], Drawn]:
        if self.counting.codes is not None:
            return {}
        return bootstrap(
            [_ratio_statistic(parts, members)],
            self.plan,
            resamples=self.resamples,
            confidence=self.counting.confidence,
            seed=self.counting.seed,
        )

    def _ratios(self, model: str, entries: list[dict[str, Any]], members: list[Rows], fewest: int) -> None:
        parts = self._parts(model)
        # Each label's F1 is for slices of one attribute; crossed ones would be tests without number.
        single = [i for i, entry in enumerate(entries) if len(entry["where"]) == 1]
        drawn = self._drawn(parts, members)
        p = self._p_values(parts, members)
        for i, (entry, rows) in enumerate(zip(entries, members, strict=True)):
            found = entry["models"][model]
            wrong = self._tested(parts, 0, rows, entry["note"], drawn, i, p)
            found["rates"] = {HAMMING: wrong["score"]}
            found["parts"] = {HAMMING: wrong}
            found["labels"] = {}
            for k, label in enumerate(parts.names[1:], start=1):
                holds = parts.holds[:, k - 1]
                inside, outside = int(holds[rows].sum()), int(holds[~rows].sum())
                if i not in single:
                    continue
                if inside < fewest:
                    reason = f"only {inside} examples of this slice have the label: too few for a number"
                    found["labels"][label] = {
                        "n": inside,
                        "score": None,
                        "rest": None,
                        "difference": None,
                        "reason": reason,
                    }
                    continue
                note = entry["note"] or ("the rest is insufficient" if outside < fewest else "")
                found["labels"][label] = {"n": inside, **self._tested(parts, k, rows, note, drawn, i, p)}

    def _p_values(self, parts: _Parts, members: list[Rows]) -> Floats:
        if self.counting.codes is not None:
            return np.full((len(members), len(parts.names)), np.nan)
        times = min(self.counting.permutations, F1_PERMUTATIONS)
        return permutation_ratio_p(parts.top, parts.bottom, members, permutations=times, seed=self.counting.seed)

    def _tested(
        self, parts: _Parts, k: int, rows: Rows, note: str, drawn: dict[tuple[str, ...], Drawn], i: int, p: Floats
    ) -> dict[str, Any]:
        found: dict[str, Any] = {
            "score": asdict(self._score(parts, k, rows, drawn, i)),
            "rest": asdict(self._score(parts, k, ~rows, drawn, i, "rest")),
            "difference": None,
        }
        if not note:
            found["difference"] = self._apart(parts, k, rows, drawn, i, float(p[i, k]))
        return found

    def _score(
        self, parts: _Parts, k: int, rows: Rows, drawn: dict[tuple[str, ...], Drawn], i: int, side: str = "score"
    ) -> Estimate:
        if self.counting.codes is not None:
            top, bottom = parts.top[:, k] * rows, parts.bottom[:, k] * rows
            return grouped_mean(top, bottom, self.counting.codes, self.counting.confidence, (0.0, 1.0))
        n = int(rows.sum())
        if not parts.bottom[rows, k].any():
            return Estimate(None, n=n, reason="no example has the label or was given it")
        return _of(drawn[(str(i), parts.names[k], side)], n)

    def _apart(
        self, parts: _Parts, k: int, rows: Rows, drawn: dict[tuple[str, ...], Drawn], i: int, p: float
    ) -> dict[str, Any]:
        top, bottom, counting = parts.top[:, k], parts.bottom[:, k], self.counting
        if counting.codes is None:
            gap = _of(drawn[(str(i), parts.names[k], "difference")], int(rows.sum()))
            return difference(gap, None if np.isnan(p) else p, f"{gap.interval}, permutation")
        return counting.ratio_apart(top, bottom, rows, (-1.0, 1.0))


def _ratio_statistic(parts: _Parts, members: Sequence[Rows]) -> Statistic:
    """Every ratio of every slice, of its rest and their difference: all sums are whole numbers."""
    patterns, cell = np.unique(np.stack(members), axis=1, return_inverse=True)
    cell = cell.ravel()
    inside = patterns.astype(np.float64)  # (slices, cells)
    rows_of = [np.flatnonzero(cell == c) for c in range(inside.shape[1])]
    table = np.concatenate([parts.top, parts.bottom], axis=1)
    k = len(parts.names)

    def function(weights: NDArray[np.int32]) -> Floats:
        # Matrix products of whole numbers are exact, in whatever order they are added up.
        cells = np.stack([weights[:, rows].astype(np.float64) @ table[rows] for rows in rows_of], axis=1)
        whole = cells.sum(axis=1)[:, None, :]
        ours = inside @ cells  # (b, slices, 2 k)
        theirs = whole - ours
        score, rest = divide(ours[..., :k], ours[..., k:]), divide(theirs[..., :k], theirs[..., k:])
        return np.stack([score, rest, score - rest], axis=-1).reshape(len(weights), -1)

    sides = (("score", (0.0, 1.0)), ("rest", (0.0, 1.0)), ("difference", (-1.0, 1.0)))
    keys = tuple((str(i), name, side) for i in range(len(members)) for name in parts.names for side, _ in sides)
    return Statistic(keys, function, tuple(bounds for _, bounds in sides) * (len(members) * k))


def _of(drawn: Drawn, n: int) -> Estimate:
    value = drawn.value if np.isfinite(drawn.value) else None
    reason = drawn.interval.reason if value is not None else "it is not defined on these examples"
    return Estimate(value, drawn.interval.low, drawn.interval.high, n, drawn.interval.method, reason)
