"""What the evaluations of classes and of sets of labels share: how many resamples, estimates, measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from workbench.metrics.catalogue import MEASURES
from workbench.metrics.settings import Settings
from workbench.stats import Drawn
from workbench.types import Estimate, Measure

MOST_WORK = 20_000_000  # rows x classes up to which every resample is drawn
FEWEST = 200  # resamples that are drawn however much work it is


def affordable(settings: Settings, work: int) -> Settings:
    """The settings with fewer resamples where `work`, rows times classes or labels, is very much."""
    if work <= MOST_WORK:
        return settings
    fewer = max(FEWEST, settings.resamples * MOST_WORK // work)
    return replace(settings, resamples=min(settings.resamples, fewer))


def estimate_of(drawn: Drawn, n: int, *, undefined: str, note: str) -> Estimate:
    """A bootstrapped number; `undefined` says why it may have no value, `note` how to read one that has."""
    if not np.isfinite(drawn.value):
        return Estimate(None, n=n, reason=undefined)
    reason = f"no interval: {drawn.interval.reason}" if drawn.interval.reason else note
    return Estimate(drawn.value, drawn.interval.low, drawn.interval.high, n, drawn.interval.method, reason)


def measure_of(
    name: str,
    split: str,
    estimate: Estimate,
    signature: str,
    *,
    n: int,
    parts: Mapping[str, Estimate] | None = None,
    baseline: float | None = None,
) -> Measure:
    """The measure of an estimate; `parts` are its values for classes or labels."""
    return Measure(
        name=name,
        split=split,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=n,
        interval=estimate.interval,
        better=MEASURES[name].better,
        signature=signature,
        per_class=parts or {},
        reason=estimate.reason,
        baseline=baseline,
    )
