"""Temperature scaling: one number, fitted on validation, that makes probabilities less or more sure.

It is measured and kept, never applied to predictions silently; decisions stay what they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from workbench.metrics.catalogue import MEASURES
from workbench.metrics.probability import log_loss
from workbench.metrics.settings import Settings
from workbench.metrics.statistics import calibration_statistic, proper_statistic
from workbench.stats import Plan, Statistic, bootstrap, evaluate
from workbench.types import ClassScores

EXTREME = 1e4  # times the logits' own spread: temperatures beyond it, or below its inverse, are no finite optimum
REPORTED = ("log_loss", "brier", "ece")


@dataclass(frozen=True, slots=True)
class Temperature:
    """The temperature with the least log loss, None where there is none and `reason` says why."""

    value: float | None
    n: int
    loss_before: float | None = None
    loss_after: float | None = None
    reason: str = ""


def fit_temperature(logits: ArrayLike, targets: ArrayLike) -> Temperature:
    """Minimise the log loss of softmax(logits / T) over T.

    Args:
        logits: (n, K) of the validation split.
        targets: (n,) class indices, all known.

    Source: Guo et al., ICML 2017. The loss is convex in 1 / T, so the minimum is the only one.
    """
    z, t = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    if not len(t):
        return Temperature(None, 0, reason="no validation example with a known class to fit it on")
    if not np.isfinite(z).all():
        return Temperature(None, len(t), reason="a logit is infinite: no temperature changes its probability")
    before = log_loss(z, t)
    if np.ptp(z, axis=1).max() == 0:
        return Temperature(None, len(t), before, before, "all classes have equal logits: every temperature is the same")
    if np.all(z[np.arange(len(t)), t] == z.max(axis=1)):
        reason = "every validation example is right: the lower the temperature, the lower the loss, without an end"
        return Temperature(None, len(t), before, reason=reason)
    spread, end = float(np.ptp(z, axis=1).max()), math.log(EXTREME)
    found = minimize_scalar(
        lambda u: log_loss(z / (spread * math.exp(u)), t), bounds=(-end, end), method="bounded", options={"xatol": 1e-9}
    )
    if abs(found.x) > end - 0.01:
        reason = (
            "the loss falls without an end as the temperature rises: on validation the model is no better than equal "
            "probabilities"
            if found.x > 0
            else "the loss falls on as the temperature goes to 0: on validation the surer model is the better one"
        )
        return Temperature(None, len(t), before, reason=reason)
    return Temperature(spread * math.exp(float(found.x)), len(t), before, float(found.fun))


def scaled(predictions: ClassScores, temperature: float) -> ClassScores:
    """The same predictions with logits / T: calibrated probabilities, the same decisions."""
    return replace(predictions, logits=np.asarray(predictions.logits, dtype=np.float64) / temperature)


def temperature_changes(
    scores: ClassScores, temperature: float, settings: Settings, clusters: NDArray[np.generic] | None
) -> list[dict[str, Any]]:
    """Log loss, Brier score and ECE before and after scaling, with a paired bootstrap of the change.

    Args:
        scores: rows with known classes, sorted by them (`splits.class_rows`).
        temperature: fitted on other examples.
        settings: resamples, confidence, seed.
        clusters: (n,) the unit of each row; None where rows are independent.

    Returns:
        Entries `name, before, after, difference, low, high, method, better`, as in
        comparison.json, and a `reason` where a number is missing.
    """
    sides = [[proper_statistic(s), calibration_statistic(s)] for s in (scores, scaled(scores, temperature))]
    strata = scores.targets.astype(np.int64) if clusters is None else None
    plan = Plan.rows(len(scores.targets), strata=strata, clusters=clusters)
    before, after = (evaluate(side, plan.identity) for side in sides)
    drawn = bootstrap(
        [_difference(a, b) for a, b in zip(*sides, strict=True)],
        plan,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    entries = []
    for name in REPORTED:
        a, b, change = float(before[(name,)][0]), float(after[(name,)][0]), drawn[(name,)]
        known = bool(np.isfinite(change.value))
        entry: dict[str, Any] = {
            "name": name,
            "before": a if np.isfinite(a) else None,
            "after": b if np.isfinite(b) else None,
            "difference": change.value if known else None,
            "low": change.interval.low,
            "high": change.interval.high,
            "method": f"paired {change.interval.method}" if change.interval.method else "",
            "better": MEASURES[name].better,
        }
        if change.interval.reason:
            entry["reason"] = change.interval.reason
        entries.append(entry)
    return entries


def _difference(before: Statistic, after: Statistic) -> Statistic:
    """After minus before, both on the same weights."""
    return Statistic(before.keys, lambda w: after.function(w) - before.function(w), noisy=before.noisy)
