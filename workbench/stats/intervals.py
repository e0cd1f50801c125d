"""From bootstrap draws to an interval: BCa, percentile, centred, Wilson; the one used is named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from workbench.stats.proportions import wilson_bounds

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends and the method; without an interval they are None and `reason` says why."""

    low: float | None
    high: float | None
    method: str
    reason: str = ""


def interval_of(
    value: float,
    draws: Floats,
    acceleration: float | None,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    trials: float | None = None,
    centred: bool = False,
) -> Interval:
    """The interval of a value from its bootstrap draws.

    In this order, the first that can be computed and holds the value:

    1. `bootstrap-bca`, if `acceleration` is given: corrects bias and skewness (Efron, JASA
       82 (1987) 171-185).
    2. `bootstrap-percentile`: the quantiles of the draws.
    3. `bootstrap-centred`: the quantiles, moved by the draws' bias. A statistic that noise
       pushes upwards, such as a calibration error, has most of its draws above the value;
       the interval is then one of the statistic's expectation at this number of examples.
    4. `wilson`, where all draws are equal (20 of 20 right): as if `trials` trials had given
       the value's place within its bounds.

    Args:
        value: the estimate on the data.
        draws: (B,) values on the resamples; NaN where not defined.
        acceleration: BCa's acceleration; None for a plain percentile interval.
        confidence: coverage aimed at.
        bounds: ends of the value's range; the interval is kept inside.
        trials: number of trials for Wilson's interval; None where it has no meaning.
        centred: go straight to 3.
    """
    if not np.isfinite(value):
        return Interval(None, None, "", "the value is not defined")
    known = draws[np.isfinite(draws)]
    if 2 * len(known) < len(draws) or not len(known):
        return Interval(None, None, "", "the value is not defined on most resamples")
    if np.ptp(known) <= 1e-12 * max(1.0, abs(value)):
        return _constant(value, confidence, bounds, trials)
    tail = (1 - confidence) / 2
    levels = np.array([tail, 1 - tail])
    if acceleration is not None and not centred:
        corrected = _bca_levels(value, known, acceleration, levels)
        if corrected is not None:
            low, high = np.quantile(known, corrected)
            if low <= value <= high:
                return _inside(low, high, bounds, "bootstrap-bca")
    low, high = np.quantile(known, levels)
    if low <= value <= high and not centred:
        return _inside(low, high, bounds, "bootstrap-percentile")
    shift = value - known.mean()
    return _inside(low + shift, high + shift, bounds, "bootstrap-centred")


def _bca_levels(value: float, draws: Floats, acceleration: float, levels: Floats) -> Floats | None:
    below = (np.sum(draws < value) + np.sum(draws <= value)) / (2 * len(draws))
    if not 0 < below < 1:
        return None
    bias = ndtri(below)
    shifted = bias + ndtri(levels)
    scale = 1 - acceleration * shifted
    if np.any(scale <= 0):
        return None
    corrected: Floats = ndtr(bias + shifted / scale)
    return corrected


def _constant(value: float, confidence: float, bounds: tuple[float, float], trials: float | None) -> Interval:
    start, end = bounds
    if trials is None or trials <= 0 or not np.isfinite(end - start):
        return Interval(None, None, "", "every resample gives the same value: too little data for an interval")
    place = min(1.0, max(0.0, (value - start) / (end - start)))
    low, high = wilson_bounds(place, trials, confidence)
    return _inside(start + low * (end - start), start + high * (end - start), bounds, "wilson")


def _inside(low: float, high: float, bounds: tuple[float, float], method: str) -> Interval:
    return Interval(max(float(low), bounds[0]), min(float(high), bounds[1]), method)
