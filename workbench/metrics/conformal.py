"""Ranges around a predicted value that hold a wanted share of the truths: split conformal prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics.counted import Counting
from workbench.types import Estimate, Values

LEVELS = (0.5, 0.8, 0.9, 0.95)
Bin = tuple[float, float, NDArray[np.bool_]]


def half_width(errors: ArrayLike, level: float) -> float | None:
    """The ceil((n + 1) level)-th smallest |error|, in the target's unit; None where n is too small for it.

    A new example, drawn like the n ones (n,) of `errors`, is off by no more than that with a
    probability of at least `level`. Source: Papadopoulos et al., ECML 2002, 345-356; Lei et al.,
    JASA 113 (2018) 1094-1111, algorithm 2.
    """
    sizes = np.sort(np.abs(np.asarray(errors, dtype=np.float64)))
    place = math.ceil(round((len(sizes) + 1) * level, 9))
    return float(sizes[place - 1]) if place <= len(sizes) else None


def coverage(targets: ArrayLike, values: ArrayLike, width: float) -> float:
    """Share of targets within `width` of their value (PICP, prediction interval coverage probability)."""
    return float(np.mean(np.abs(np.asarray(values, dtype=np.float64) - np.asarray(targets, dtype=np.float64)) <= width))


def ranges(held_out: Values, judged: Values, counting: Counting, bins: Sequence[Bin] = ()) -> dict[str, Any]:
    """How wide a range around each prediction must be, and how many truths it holds.

    Args:
        held_out: rows with known targets that fix the widths (validation).
        judged: rows with known targets on which the ranges are counted (test).
        counting: how shares are judged.
        bins: of the judged rows, (least, greatest prediction, rows (n,)): one width for all
            predictions holds too few truths where the errors are large.

    Returns:
        `n_validation`, `levels` [{level, half_width, mean_width (MPIW, in the target's unit),
        coverage (PICP), low, high, interval, hits, n, reason, bins [{lower, upper, n, coverage,
        low, high, interval}]}].
    """
    errors, off = held_out.values - held_out.targets, np.abs(judged.values - judged.targets)
    everyone = np.ones(len(off), dtype=bool)
    levels = []
    for level in LEVELS:
        width = half_width(errors, level)
        if width is None:
            least = math.ceil(round(level / (1 - level), 9))
            reason = f"{len(errors)} validation examples are too few: {level:.0%} takes at least {least}"
            missing: dict[str, Any] = {"half_width": None, "mean_width": None, "hits": None, "n": len(off), "bins": []}
            levels.append({"level": level, **missing, **_share(Estimate(None, reason=reason)), "reason": reason})
            continue
        inside = off <= width
        whole = counting.share(inside, everyone)
        parts = [{"lower": a, "upper": b, "n": int(r.sum()), **_share(counting.share(inside, r))} for a, b, r in bins]
        counted = {"hits": int(inside.sum()), "n": len(off), "bins": parts, "reason": whole.reason}
        levels.append({"level": level, "half_width": width, "mean_width": 2 * width, **_share(whole), **counted})
    return {"n_validation": len(errors), "levels": levels}


def _share(estimate: Estimate) -> dict[str, Any]:
    return {"coverage": estimate.value, "low": estimate.low, "high": estimate.high, "interval": estimate.interval}
