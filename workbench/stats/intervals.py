"""From bootstrap draws to an interval: BCa, percentile, centred, Wilson; the one used is named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri, stdtrit

from workbench.stats.proportions import wilson_bounds

Floats = NDArray[np.float64]
FEW_TRIALS = 30


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


def logit_interval(
    value: float,
    draws: Floats,
    left_out: tuple[Floats, Floats, NDArray[np.int64]] | None,
    trials: float | None,
    confidence: float = 0.95,
) -> Interval | None:
    """Student's interval of a value within (0, 1) on the logit scale; None where it cannot be made.

    For average precision, whose bootstrap intervals are too narrow on few positives: a
    resample holds copies of a positive, which lift each other, and the law is skewed. The
    variance is the jackknife's, each stratum left out one by one (`jackknife-logit-t`), with
    Satterthwaite's degrees of freedom; without a jackknife it is that of the draws
    (`bootstrap-logit-t`), with `trials` - 1 degrees of freedom. Coverage by simulation:
    tests/metrics/test_interval_coverage.py. The logit as in Boyd, Eng & Page, ECML 2013.

    Args:
        value: the estimate on the data.
        draws: (B,) values on the resamples; NaN where not defined.
        left_out: values without one unit each, how often that unit occurs, and its stratum.
        trials: number of examples that the value's spread rests on.
        confidence: coverage aimed at.
    """
    known = draws[np.isfinite(draws)]
    if not 0 < value < 1 or 2 * len(known) < len(draws) or np.ptp(known) <= 1e-12:
        return None
    nearest = min(1e-3, value / 10, (1 - value) / 10)  # a resample may be perfect, whose logit is infinite

    def scale(values: Floats) -> Floats:
        return np.asarray(logit(np.clip(values, nearest, 1 - nearest)))

    if left_out is not None:
        variance, df = _jackknife(scale(left_out[0]), *left_out[1:])
    else:
        variance, df = float(scale(known).var(ddof=1)), (trials or np.inf) - 1
    if not variance > 0 or df < 1:
        return None
    half = float(stdtrit(min(df, 1e9), 0.5 + confidence / 2)) * float(np.sqrt(variance))
    centre = float(logit(value))
    method = "jackknife-logit-t" if left_out is not None else "bootstrap-logit-t"
    if trials is not None and trials < FEW_TRIALS:
        binomial = float(ndtri(0.5 + confidence / 2)) / float(np.sqrt(trials * value * (1 - value)))
        if binomial > half:
            half, method = binomial, "binomial-logit"
    return Interval(float(expit(centre - half)), float(expit(centre + half)), method)


def _jackknife(values: Floats, times: Floats, stratum: NDArray[np.int64]) -> tuple[float, float]:
    """Variance from leave-one-out values within strata, and Satterthwaite's degrees of freedom."""
    known = np.isfinite(values) & (times > 0)
    values, times, stratum = values[known], times[known], stratum[known]
    sizes = np.bincount(stratum, weights=times)
    means = np.bincount(stratum, weights=times * values) / np.where(sizes > 0, sizes, 1.0)
    squares = np.bincount(stratum, weights=times * (values - means[stratum]) ** 2)
    some = sizes >= 2
    own = (sizes[some] - 1) / sizes[some] * squares[some]
    total, weighed = float(own.sum()), float(np.sum(own**2 / (sizes[some] - 1)))
    return total, total**2 / weighed if weighed else 0.0


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
