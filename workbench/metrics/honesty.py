"""Is it as right as it is sure? Bins, calibration error and its floor, as decisions.json holds them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.calibration import (
    BINS,
    FLOOR_RESAMPLES,
    calibration_floor,
    equal_mass_bins,
    expected_calibration_error,
    reliability,
)
from workbench.metrics.counted import Counting
from workbench.metrics.settings import Settings

HISTOGRAM = 20
GROUPED = "the floor takes examples as independent; those of one group err together, which lifts the error by itself"

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]


def honesty(sure: Floats, happened: Rows, counting: Counting, settings: Settings, *, label: str) -> dict[str, Any]:
    """The reliability part of decisions.json.

    Args:
        sure: (n,) the probability given: of the answer, or of one label.
        happened: (n,) whether that was so.
        counting: how the bars of the bins are made.
        settings: confidence and seed of the simulated floor.
        label: what the probability is of, for the signature.
    """
    floor = calibration_floor(sure, np.random.default_rng(settings.seed))
    ece, p95 = expected_calibration_error(sure, happened), float(np.quantile(floor, 0.95))
    counts, edges = np.histogram(sure, bins=HISTOGRAM, range=(0, 1))
    knobs = {"label": label, "bins": BINS, "binning": "equal-width", "diagram": "equal-mass"}
    knobs |= {"simulations": FLOOR_RESAMPLES}
    interval = "wilson" if counting.codes is None else "wilson-groups"
    return {
        "ece": ece,
        "floor": float(floor.mean()),
        "floor_p95": p95,
        "above": bool(ece > p95),
        "note": "" if counting.codes is None else GROUPED,
        "bins": reliability_bins(sure, happened, counting),
        "histogram": [
            {"low": float(a), "high": float(b), "n": int(n)}
            for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
        ],
        "signature": settings.signature("reliability", len(sure), 0, interval, **knobs),
    }


def reliability_bins(sure: Floats, happened: Rows, counting: Counting) -> list[dict[str, Any]]:
    """Bins of equal mass with the share that happened and its interval: of rows, or of whole groups."""
    found = asdict(reliability(sure, happened, level=counting.confidence))
    rows = [dict(zip(found, row, strict=True)) for row in zip(*(v.tolist() for v in found.values()), strict=True)]
    if counting.codes is None:
        return rows
    codes = equal_mass_bins(sure)
    for row, code in zip(rows, np.unique(codes), strict=True):
        share = counting.share(happened, codes == code)
        row |= {"low": share.low, "high": share.high}
    return rows
