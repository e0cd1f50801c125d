"""Shares of counted rows with intervals: Wilson's, or the bootstrap's where rows come in clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.confusion import divide
from workbench.metrics.settings import Settings
from workbench.stats import Plan, Statistic, bootstrap, wilson
from workbench.types import Estimate

Mask = NDArray[np.bool_]
Name = TypeVar("Name")


def shares(
    wanted: Mapping[Name, tuple[Mask, Mask]], settings: Settings, clusters: NDArray[np.generic] | None
) -> dict[Name, Estimate]:
    """The share of `among` that `hits` too, for each pair of masks (n,) of the same rows.

    Args:
        wanted: name to (hits, among); what hits without being among does not count.
        settings: confidence, resamples and seed.
        clusters: (n,) the unit of each row. None where rows are independent: Wilson's interval.

    Returns:
        Name to estimate; without a row among it has no value, and a reason.
    """
    counted = {
        name: wilson(int((hits & among).sum()), int(among.sum()), settings.confidence)
        for name, (hits, among) in wanted.items()
    }
    if clusters is None or not wanted:
        return counted
    pairs = [(h & a, a) for h, a in wanted.values()]
    top, bottom = (np.stack([pair[i] for pair in pairs]).astype(np.float64) for i in (0, 1))

    def function(weights: NDArray[np.int32]) -> NDArray[np.float64]:
        w = weights.astype(np.float64)
        return divide(np.einsum("bn,pn->bp", w, top), np.einsum("bn,pn->bp", w, bottom))

    keys = tuple((str(i),) for i in range(len(wanted)))
    trials = tuple(float(e.n) or None for e in counted.values())
    drawn = bootstrap(
        [Statistic(keys, function, ((0.0, 1.0),) * len(keys), trials)],
        Plan.rows(top.shape[1], clusters=clusters),
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    found = {}
    for key, (name, estimate) in zip(keys, counted.items(), strict=True):
        interval = drawn[key].interval
        reason = f"no interval: {interval.reason}" if interval.reason else ""
        found[name] = (
            estimate
            if estimate.value is None
            else replace(estimate, low=interval.low, high=interval.high, interval=interval.method, reason=reason)
        )
    return found
