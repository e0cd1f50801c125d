"""Where a regression errs: mean residual (predicted minus true) over predictions and by group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.calibration import equal_mass_bins
from workbench.metrics.confusion import divide
from workbench.metrics.settings import Settings
from workbench.stats import Plan, Statistic, bootstrap
from workbench.types import Values

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MOST_BINS = 10
PER_BIN = 15  # examples below which another bin would say little
MOST_GROUPS = 50  # values of one column; the largest are kept


def residual_report(values: Values, settings: Settings, clusters: NDArray[np.generic] | None) -> dict[str, Any]:
    """Mean residual in bins of the prediction and by the values of each group column.

    Bins have equal mass. Intervals are bootstrap ones, all from one set of draws.

    Args:
        values: rows with known targets.
        settings: resamples, confidence, seed.
        clusters: (n,) the unit of each row; None where rows are independent.

    Returns:
        `bins` [{lower, upper, predicted, n, mean, low, high, sd, interval, reason}] in the order
        of the prediction, and `groups` {column: [{value, n, mean, low, high, mae, interval,
        reason}]}, the largest group first; of more than `MOST_GROUPS` values the rest are
        counted in `left_out` {column: number of values}.
    """
    residuals = values.values - values.targets
    codes = prediction_bins(values)
    groupings = {("bin", ""): codes}
    names: dict[str, list[str]] = {}
    for column, given in values.groups.items():
        found, own, counts = np.unique(given.astype(str), return_inverse=True, return_counts=True)
        groupings[("group", column)] = own.astype(np.int64)
        names[column] = [str(found[k]) for k in np.lexsort((found, -counts))]
    drawn = bootstrap(
        [_means_of(kind, column, of, residuals) for (kind, column), of in groupings.items()],
        Plan.rows(len(residuals), clusters=clusters),
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )

    def entry(kind: str, column: str, code: int, rows: NDArray[np.bool_]) -> dict[str, Any]:
        found = drawn[(kind, column, str(code))]
        reason = f"no interval: {found.interval.reason}" if found.interval.reason else ""
        interval = {"low": found.interval.low, "high": found.interval.high, "interval": found.interval.method}
        return {"n": int(rows.sum()), "mean": found.value, **interval, "reason": reason}

    binned = []
    for code in range(int(codes.max()) + 1):
        rows = codes == code
        inside, own = values.values[rows], residuals[rows]
        place = {"lower": float(inside.min()), "upper": float(inside.max()), "predicted": float(inside.mean())}
        sd = float(own.std(ddof=1)) if len(own) > 1 else None
        binned.append({**place, **entry("bin", "", code, rows), "sd": sd})
    groups: dict[str, list[dict[str, Any]]] = {}
    for column, ordered in names.items():
        given = values.groups[column].astype(str)
        place_of = {name: k for k, name in enumerate(sorted(ordered))}
        groups[column] = []
        for name in ordered[:MOST_GROUPS]:
            rows = given == name
            mae = float(np.abs(residuals[rows]).mean())
            groups[column].append({"value": name, **entry("group", column, place_of[name], rows), "mae": mae})
    left_out = {column: len(found) - MOST_GROUPS for column, found in names.items() if len(found) > MOST_GROUPS}
    return {"bins": binned, "groups": groups, "left_out": left_out}


def prediction_bins(values: Values) -> Integers:
    """The bin of each row's prediction, (n,): of equal mass, from 0, all of which occur."""
    bins = int(np.clip(len(values.values) // PER_BIN, 1, MOST_BINS))
    return np.unique(equal_mass_bins(values.values, bins), return_inverse=True)[1].astype(np.int64)


def _means_of(kind: str, column: str, codes: Integers, residuals: Floats) -> Statistic:
    """Mean residual of each code 0, 1, ..., all of which occur."""
    order = np.argsort(codes, kind="stable")
    starts = np.unique(codes[order], return_index=True)[1]
    ordered = residuals[order]

    def function(weights: NDArray[np.int32]) -> Floats:
        w = weights.take(order, axis=1, mode="clip").astype(np.float64)
        return divide(np.add.reduceat(w * ordered, starts, axis=1), np.add.reduceat(w, starts, axis=1))

    return Statistic(tuple((kind, column, str(code)) for code in range(len(starts))), function)
