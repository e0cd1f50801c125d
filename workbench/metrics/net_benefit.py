"""Net benefit, the decision curve: is deciding by the model better than treating everyone, or no one?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics.settings import Settings
from workbench.stats import Plan, Statistic, bootstrap

Floats = NDArray[np.float64]
GRID = np.arange(1, 100) / 100


def net_benefit(scores: ArrayLike, positive: ArrayLike, threshold: float) -> float:
    """TP / n - FP / n x t / (1 - t), where positive is what scores at least t (0 < t < 1).

    In true positives per example: a false alarm costs the odds of the threshold. NaN
    without examples. Source: Vickers & Elkin, Med. Decis. Making 26 (2006) 565-574.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive).astype(bool)
    if not len(s):
        return float("nan")
    called = s >= threshold
    return float(np.mean(called & y) - np.mean(called & ~y) * threshold / (1 - threshold))


def decision_curve(
    scores: Floats,
    positive: NDArray[np.bool_],
    settings: Settings,
    clusters: NDArray[np.generic] | None,
    grid: Floats = GRID,
) -> list[dict[str, Any]]:
    """Net benefit over a grid of thresholds, beside treating all; treating none gives 0.

    Args:
        scores: (n,) probability of the positive class.
        positive: (n,) whether each example is of that class.
        settings: of the bootstrap; rows are drawn within true class, one set of draws for the curve.
        clusters: (n,) the unit of each row; None where rows are independent.
        grid: thresholds, strictly between 0 and 1.

    Returns:
        `threshold, model, low, high, all, interval, reason` per threshold; empty without examples.
    """
    if not len(scores):
        return []
    order = np.argsort(-scores, kind="stable")
    ends = np.searchsorted(-scores[order], -grid, side="right")
    odds = grid / (1 - grid)
    happened = positive[order].astype(np.float64)

    def function(weights: NDArray[np.int32]) -> Floats:
        w = weights.take(order, axis=1, mode="clip").astype(np.float64)
        n = w.sum(axis=1, keepdims=True)
        hits, everyone = (np.zeros((len(w), w.shape[1] + 1)) for _ in range(2))
        np.cumsum(w * happened, axis=1, out=hits[:, 1:])
        np.cumsum(w, axis=1, out=everyone[:, 1:])
        tp, called = hits.take(ends, axis=1), everyone.take(ends, axis=1)
        of_model: Floats = (tp - (called - tp) * odds) / n
        return of_model

    keys = tuple((f"{t:g}",) for t in grid)
    strata = positive.astype(np.int64) if clusters is None else None
    drawn = bootstrap(
        [Statistic(keys, function)],
        Plan.rows(len(scores), strata=strata, clusters=clusters),
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    prevalence = float(positive.mean())
    curve = []
    for t, key, price in zip(grid.tolist(), keys, odds.tolist(), strict=True):
        found = drawn[key]
        reason = f"no interval: {found.interval.reason}" if found.interval.reason else ""
        curve.append(
            {
                "threshold": t,
                "model": found.value,
                "low": found.interval.low,
                "high": found.interval.high,
                "all": prevalence - (1 - prevalence) * price,
                "interval": found.interval.method,
                "reason": reason,
            }
        )
    return curve


def worth_using(curve: list[dict[str, Any]]) -> tuple[float, float] | None:
    """The widest run of thresholds where the whole interval lies above both treating all and none.

    None where there is no such threshold. Where draws never differ (no interval) the value counts.
    """
    better = [(c["low"] if c["low"] is not None else c["model"]) > max(c["all"], 0.0) + 1e-12 for c in curve]
    best, start = (0, 0), None
    for i, yes in enumerate([*better, False]):
        if yes and start is None:
            start = i
        elif not yes and start is not None:
            best = max(best, (start, i), key=lambda run: run[1] - run[0])
            start = None
    return (curve[best[0]]["threshold"], curve[best[1] - 1]["threshold"]) if best[1] > best[0] else None
