"""The numbers of one slice: counts and exact tests for decisions, bootstrap and permutations for errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.confusion import divide
from workbench.metrics.recall import paired_cells
from workbench.stats import (
    Drawn,
    Plan,
    Statistic,
    bootstrap,
    fisher_exact,
    mcnemar_exact,
    newcombe_independent,
    newcombe_paired,
    permutation_p,
    swap_p,
    wilson,
)
from workbench.types import ClassScores, Estimate, Values

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Rates = dict[str, tuple[Floats, Rows]]


class Tests(Protocol):
    """What `slice_results` asks, for decisions or for errors."""

    def fill(self, entries: list[dict[str, Any]], members: Sequence[Rows], fewest: int, few: int) -> None: ...
    def overall(self) -> dict[str, Any]: ...
    def rates(self, model: str) -> Rates: ...
    def two_groups(self, first: Floats, second: Floats) -> dict[str, Any]: ...


def class_tests(before: ClassScores, after: ClassScores, confidence: float) -> Tests:
    """Accuracy of slices; with two classes the rates of the second one, the positive, too."""
    return _Decisions({"base": before, "onnx": after}, confidence)


def value_tests(
    before: Values,
    after: Values,
    confidence: float,
    resamples: int,
    seed: int,
    permutations: int,
    clusters: NDArray[np.generic] | None,
) -> Tests:
    """Mean absolute error of slices, with the RMSE beside it."""
    errors = {m: p.values - p.targets for m, p in (("base", before), ("onnx", after))}
    return _Errors(errors, confidence, resamples, seed, permutations, Plan.rows(len(before.targets), clusters=clusters))


@dataclass(frozen=True)
class _Decisions:
    predictions: dict[str, ClassScores]
    confidence: float

    def rates(self, model: str) -> Rates:
        scores = self.predictions[model]
        right = scores.predicted == scores.targets
        everything = np.ones(len(right), dtype=bool)
        found = {"accuracy": (right.astype(np.float64), everything)}
        if len(scores.labels) == 2:
            truth, said = scores.targets == 1, scores.predicted == 1
            found["recall"] = (said.astype(np.float64), truth)
            found["precision"] = (truth.astype(np.float64), said)
            found["false_positive_rate"] = (said.astype(np.float64), ~truth)
            found["selection_rate"] = (said.astype(np.float64), everything)
        return found

    def _share(self, scores: Floats, rows: Rows) -> dict[str, Any]:
        return asdict(wilson(int(scores[rows].sum()), int(rows.sum()), self.confidence))

    def overall(self) -> dict[str, Any]:
        return {
            model: {name: self._share(scores, rows) for name, (scores, rows) in self.rates(model).items()}
            for model in self.predictions
        }

    def two_groups(self, first: Floats, second: Floats) -> dict[str, Any]:
        gap = newcombe_independent(int(first.sum()), len(first), int(second.sum()), len(second), self.confidence)
        return {"low": gap.low, "high": gap.high}

    def fill(self, entries: list[dict[str, Any]], members: Sequence[Rows], fewest: int, few: int) -> None:
        for model in self.predictions:
            rates = self.rates(model)
            right = rates["accuracy"][0]
            for entry, rows in zip(entries, members, strict=True):
                n, k = int(rows.sum()), int(right[rows].sum())
                found: dict[str, Any] = {"right": k, "score": None, "rest": None, "difference": None, "rates": {}}
                entry["models"][model] = found
                if n < fewest:
                    continue
                found["score"] = asdict(wilson(k, n, self.confidence))
                found["rates"] = {
                    name: self._share(scores, rows & counted)
                    for name, (scores, counted) in rates.items()
                    if name != "accuracy"
                }
                found["rest"] = self._share(right, ~rows)
                if not entry["note"]:
                    others = len(rows) - n, int(right.sum()) - k
                    gap = newcombe_independent(k, n, others[1], others[0], self.confidence)
                    p = fisher_exact(k, n, others[1], others[0])
                    found["difference"] = _difference(gap, p, "newcombe, fisher exact")
        first, second = (p.predicted == p.targets for p in self.predictions.values())
        for entry, rows in zip(entries, members, strict=True):
            if int(rows.sum()) >= few:
                cells = paired_cells(first[rows], second[rows])
                change = _difference(
                    newcombe_paired(*cells, self.confidence),
                    mcnemar_exact(cells[1], cells[2]),
                    "newcombe paired, mcnemar exact",
                )
                entry["change"] = change | {"b": cells[1], "c": cells[2]}


@dataclass(frozen=True)
class _Errors:
    errors: dict[str, Floats]
    confidence: float
    resamples: int
    seed: int
    permutations: int
    plan: Plan

    def rates(self, model: str) -> Rates:
        size = np.abs(self.errors[model])
        return {"mae": (size, np.ones(len(size), dtype=bool))}

    def two_groups(self, first: Floats, second: Floats) -> dict[str, Any]:
        """The gap's interval by resampling rows within each of the two groups."""
        values = np.concatenate([first, second])
        ours = np.arange(len(values)) < len(first)
        plan = Plan.rows(len(values), strata=(~ours).astype(np.int64))
        statistic = Statistic((("gap",),), lambda w: (_means(w, values, ours) - _means(w, values, ~ours))[:, None])
        (drawn,) = bootstrap([statistic], plan, **self._settings).values()
        return {"low": drawn.interval.low, "high": drawn.interval.high}

    @property
    def _settings(self) -> dict[str, Any]:
        return {"resamples": self.resamples, "confidence": self.confidence, "seed": self.seed}

    def overall(self) -> dict[str, Any]:
        everything = np.ones(len(self.plan.counts), dtype=bool)
        drawn = bootstrap([_slice_statistic(self.errors, ["all"], [everything])], self.plan, **self._settings)
        n = len(everything)
        return {m: {k: _estimate(drawn[("all", m, k)], n) for k in ("mae", "rmse")} for m in self.errors}

    def fill(self, entries: list[dict[str, Any]], members: Sequence[Rows], fewest: int, few: int) -> None:
        large = [i for i, rows in enumerate(members) if rows.sum() >= fewest]
        names, rows_of = [str(i) for i in large], [members[i] for i in large]
        statistics = [_slice_statistic(self.errors, names, rows_of)] if large else []
        drawn = bootstrap(statistics, self.plan, **self._settings)
        for entry in entries:
            entry["models"] = {
                m: {"right": None, "score": None, "rest": None, "difference": None, "rates": {}} for m in self.errors
            }
        for model, errors in self.errors.items():
            p = permutation_p(np.abs(errors), list(members), permutations=self.permutations, seed=self.seed)
            for i in large:
                found, n = entries[i]["models"][model], int(members[i].sum())
                found["score"] = _estimate(drawn[(str(i), model, "mae")], n)
                found["rates"] = {"rmse": _estimate(drawn[(str(i), model, "rmse")], n)}
                found["rest"] = _estimate(drawn[(str(i), model, "rest")], len(errors) - n)
                if not entries[i]["note"]:
                    gap = Estimate(**_estimate(drawn[(str(i), model, "difference")], n))
                    found["difference"] = _difference(gap, float(p[i]), f"{gap.interval}, permutation")
        before, after = (np.abs(e) for e in self.errors.values())
        p = swap_p(after - before, list(members), permutations=self.permutations, seed=self.seed)
        for i in large:
            if members[i].sum() >= few:
                change = Estimate(**_estimate(drawn[(str(i), "change")], int(members[i].sum())))
                entries[i]["change"] = _difference(change, float(p[i]), f"paired {change.interval}, random swaps")


def _slice_statistic(errors: dict[str, Floats], names: Sequence[str], members: Sequence[Rows]) -> Statistic:
    """Of every slice: MAE, RMSE, MAE of the rest and the difference of both models, and the change.

    Slices are unions of cells, the rows that lie in the same slices: weights are added up once
    for each cell, whatever the number of slices.
    """
    patterns, cell = np.unique(np.stack(members), axis=1, return_inverse=True)
    inside = patterns.astype(np.float64)  # (slices, cells)
    order = np.argsort(cell.ravel(), kind="stable")
    starts = np.searchsorted(cell.ravel()[order], np.arange(inside.shape[1]))
    sizes = [np.abs(e)[order] for e in errors.values()]

    def function(weights: NDArray[np.int32]) -> Floats:
        drawn = weights.take(order, axis=1).astype(np.float64)

        def sums(values: Floats | float) -> tuple[Floats, Floats]:
            """Of the rows in each slice, (b, slices), and of all, (b, 1)."""
            cells = np.add.reduceat(drawn * values, starts, axis=1)
            # Not a matrix product: its last bits would depend on the number of threads of the BLAS.
            return np.einsum("bc,sc->bs", cells, inside), cells.sum(axis=1, keepdims=True)

        counts, total = sums(1.0)
        columns = []
        for size in sizes:
            absolute, everything = sums(size)
            mae = divide(absolute, counts)
            rest = divide(everything - absolute, np.rint(total - counts))
            columns += [mae, np.sqrt(divide(sums(size**2)[0], counts)), rest, mae - rest]
        values = np.stack([*columns, columns[4] - columns[0]], axis=2)
        return values.reshape(len(weights), -1)

    of_model = [(m, k) for m in errors for k in ("mae", "rmse", "rest", "difference")]
    keys = [key for name in names for key in (*((name, *one) for one in of_model), (name, "change"))]
    ends = [(0.0, np.inf)] * 3 + [(-np.inf, np.inf)]
    return Statistic(tuple(keys), function, tuple([*ends, *ends, (-np.inf, np.inf)] * len(names)))


def _difference(estimate: Estimate, p: float, method: str) -> dict[str, Any]:
    found = {"value": estimate.value, "low": estimate.low, "high": estimate.high, "p": p, "method": method}
    return found | ({"reason": estimate.reason} if estimate.reason else {})


def _estimate(drawn: Drawn, n: int) -> dict[str, Any]:
    value = drawn.value if np.isfinite(drawn.value) else None
    reason = drawn.interval.reason
    return asdict(Estimate(value, drawn.interval.low, drawn.interval.high, n, drawn.interval.method, reason))


def _means(weights: NDArray[np.int32], values: Floats, rows: Rows) -> Floats:
    """Means of the values of some rows for weights (b, n): (b,); NaN where no such row was drawn."""
    index = np.flatnonzero(rows)
    mine = weights[:, index].astype(np.float64)
    # Not a matrix product: its last bits would depend on the number of threads of the BLAS.
    return divide(np.einsum("bn,n->b", mine, values[index]), mine.sum(axis=1))
