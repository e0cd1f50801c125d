"""Is the model after at most so much worse? Tests against a margin that was declared beforehand.

A test that is not passed never means "no difference": where the examples are too few to pass
it, that is what is said.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from workbench.metrics.settings import Settings
from workbench.stats import Plan, Statistic, bootstrap, equivalence, noninferiority

WANTED_POWER = 0.8


def margin_on_accuracy(cells: tuple[int, int, int, int], margin: float, confidence: float) -> dict[str, Any]:
    """Non-inferiority and equivalence of accuracy within `margin` (a proportion), examples being independent.

    Args:
        cells: examples that both got right, only before, only after, neither.
        margin: the largest loss that is still acceptable, > 0.
        confidence: coverage of the interval whose lower end is read.
    """
    tests = {"noninferiority": noninferiority, "equivalence": equivalence}
    found = {name: dataclasses.asdict(test(*cells, margin, confidence)) for name, test in tests.items()}
    return {"margin": margin, "of": "accuracy", "method": "newcombe", **found}


def margin_by_bootstrap(
    statistic: Statistic,
    plan: Plan,
    *,
    margin: float,
    of: str,
    settings: Settings,
    better: str,
    unit: str = "",
    units: str = "examples",
) -> dict[str, Any]:
    """The same from paired bootstrap intervals: for RMSE, and where examples come in clusters.

    Args:
        statistic: the one difference, after minus before, as a function of weights.
        plan: what is drawn; clusters are drawn whole.
        margin: the largest loss in the statistic's own unit, > 0.
        of: name of the measure.
        settings: resamples, confidence and seed.
        better: "higher" or "lower".
        unit: of the measure, for the sentence; "points" prints proportions as points.
        units: what is counted as one draw: "examples" or "groups".

    Returns:
        As `margin_on_accuracy`; power by the normal approximation with the bootstrap's
        standard error, and the number of units that a chance of 80 % would need.
    """
    outer, inner = settings.confidence, 2 * settings.confidence - 1
    (key,) = statistic.keys
    wide, narrow = (
        bootstrap([statistic], plan, resamples=settings.resamples, confidence=level, seed=settings.seed)[key]
        for level in (outer, inner)
    )
    result: dict[str, Any] = {"margin": margin, "of": of, "method": f"paired {wide.interval.method}"}
    low, high, inner_low, inner_high = (end for d in (wide, narrow) for end in (d.interval.low, d.interval.high))
    if low is None or high is None or inner_low is None or inner_high is None:
        reason = wide.interval.reason or narrow.interval.reason
        return result | {"method": "", "noninferiority": None, "equivalence": None, "reason": reason}
    n, spread = plan.units, float(np.nanstd(wide.draws))
    reach = margin / spread if spread else math.inf
    z, z_one, z_power, z_both = (
        float(ndtri(p)) for p in (0.5 + outer / 2, outer, WANTED_POWER, 0.5 + WANTED_POWER / 2)
    )
    limit = _amount(margin, unit, sign=False)
    worst, passed = (high, high < margin) if better == "lower" else (low, low > -margin)
    span = f"{_amount(inner_low, unit)} to {_amount(inner_high, unit)}"
    tests = {
        "noninferiority": (
            passed,
            low,
            high,
            float(ndtr(reach - z)),
            (z + z_power) / reach,
            f"Not worse by more than {limit}: the change is at worst {_amount(worst, unit)}.",
            f"A loss of more than {limit} cannot be excluded: the change is at worst {_amount(worst, unit)}.",
        ),
        "equivalence": (
            -margin < inner_low and inner_high < margin,
            inner_low,
            inner_high,
            max(0.0, 2 * float(ndtr(reach - z_one)) - 1),
            (z_one + z_both) / reach,
            f"Equal within {limit}: the {100 * inner:.0f} % interval is {span}.",
            f"A difference of more than {limit} cannot be excluded: the {100 * inner:.0f} % interval is {span}.",
        ),
    }
    for name, (ok, start, end, power, share, yes, no) in tests.items():
        needed = max(1, math.ceil(n * share**2))
        # That it is worse, or differs, may be seen already: more examples are then not what is missing.
        worse = start > 0 if better == "lower" else end < 0
        shown = worse if name == "noninferiority" else start > 0 or end < 0
        few = (
            f"Underpowered: {'non-inferiority' if name == 'noninferiority' else 'equality'} within {limit} cannot be "
            f"claimed with {n:,} {units}; about {needed:,} would be needed."
        )
        result[name] = {
            "passed": ok,
            "difference": wide.value,
            "low": start,
            "high": end,
            "margin": margin,
            "n": n,
            "power": power,
            "needed": needed,
            "underpowered": n < needed,
            "sentence": yes if ok else few if n < needed and not shown else no,
        }
    return result


def _amount(value: float, unit: str = "", *, sign: bool = True) -> str:
    """A change in words, `+1.2 points`; proportions are printed as points."""
    number = f"{100 * value:.1f}" if unit == "points" else f"{value:.3g}"
    text = f"+{number}" if sign and value > 0 else number
    return f"{text} {unit}".rstrip().replace("-", "\N{MINUS SIGN}")


def right_statistic(differences: NDArray[np.float64]) -> Statistic:
    """The mean of paired differences (n,), such as right after minus right before, under weights of the rows."""

    def function(weights: NDArray[np.int32]) -> NDArray[np.float64]:
        w = weights.astype(np.float64)
        return np.asarray((np.einsum("bn,n->b", w, differences) / w.sum(axis=1))[:, None])

    size = float(np.abs(differences).max(initial=0.0)) or 1.0
    return Statistic((("difference",),), function, ((-size, size),))
