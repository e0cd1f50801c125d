"""The errors of one slice of a regression: bootstrap and shuffled rows, or whole groups where rows come in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.confusion import divide
from workbench.metrics.counted import Counting, difference
from workbench.stats import (
    Drawn,
    Plan,
    Statistic,
    bootstrap,
    codes_of,
    grouped_difference,
    grouped_mean,
    permutation_p,
    randomisation_p,
)
from workbench.types import Estimate, Values

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Rates = dict[str, tuple[Floats, Rows]]


def value_tests(
    before: Values,
    after: Values,
    confidence: float,
    resamples: int,
    seed: int,
    permutations: int,
    clusters: NDArray[np.generic] | None,
) -> _Errors:
    """Mean absolute error of slices, with the RMSE beside it."""
    errors = {m: p.values - p.targets for m, p in (("base", before), ("onnx", after))}
    codes = None if clusters is None else codes_of(clusters)
    plan = Plan.rows(len(before.targets), clusters=clusters)
    return _Errors(errors, confidence, resamples, seed, permutations, plan, codes)


@dataclass(frozen=True)
class _Errors:
    errors: dict[str, Floats]
    confidence: float
    resamples: int
    seed: int
    permutations: int
    plan: Plan
    codes: NDArray[np.int64] | None

    def rates(self, model: str) -> Rates:
        size = np.abs(self.errors[model])
        return {"mae": (size, np.ones(len(size), dtype=bool))}

    def two_groups(self, scores: Floats, first: Rows, second: Rows) -> dict[str, Any]:
        """The gap's interval, first minus second: rows drawn within each of the two, or groups."""
        both = first | second
        values, ours = scores[both], first[both]
        if self.codes is not None:
            gap = grouped_difference(values, np.ones(len(values)), ours, self.codes[both], self.confidence)
            return {"low": gap.low, "high": gap.high}
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
            p = self._against_rest(np.abs(errors), members)
            for i in large:
                found, n = entries[i]["models"][model], int(members[i].sum())
                found["score"] = _estimate(drawn[(str(i), model, "mae")], n)
                found["rates"] = {"rmse": _estimate(drawn[(str(i), model, "rmse")], n)}
                found["rest"] = _estimate(drawn[(str(i), model, "rest")], len(errors) - n)
                if not entries[i]["note"]:
                    gap = Estimate(**_estimate(drawn[(str(i), model, "difference")], n))
                    found["difference"] = self._apart(gap, np.abs(errors), members[i], p[i])
        before, after = (np.abs(e) for e in self.errors.values())
        for i in large:
            rows = members[i]
            if rows.sum() >= few:
                change = Estimate(**_estimate(drawn[(str(i), "change")], int(rows.sum())))
                entries[i]["change"] = self._change(change, after - before, rows)

    def _against_rest(self, sizes: Floats, members: Sequence[Rows]) -> list[float | None]:
        if self.codes is None:
            p = permutation_p(sizes, list(members), permutations=self.permutations, seed=self.seed)
            return [None if np.isnan(v) else float(v) for v in p]
        return [None] * len(members)

    def _apart(self, drawn: Estimate, sizes: Floats, rows: Rows, p: float | None) -> dict[str, Any]:
        if self.codes is None:
            return difference(drawn, p, f"{drawn.interval}, permutation")
        counting = Counting(self.confidence, self.codes, self.permutations, self.seed)
        return counting.ratio_apart(sizes, np.ones(len(sizes)), rows)

    def _change(self, drawn: Estimate, moved: Floats, rows: Rows) -> dict[str, Any]:
        own = None if self.codes is None else self.codes[rows]
        p = randomisation_p(moved[rows], clusters=own, resamples=self.permutations, seed=self.seed)
        if self.codes is None:
            return difference(drawn, p, f"paired {drawn.interval}, random swaps")
        change = grouped_mean(moved * rows, rows.astype(np.float64), self.codes, self.confidence)
        return difference(change, p, f"{change.interval or 'no interval'}, whole groups swapped")


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
