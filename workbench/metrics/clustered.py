"""Accuracy of examples that come in groups (patients, users): the group is what is drawn and swapped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.noninferiority import right_statistic
from workbench.metrics.settings import Settings
from workbench.stats import Plan, bootstrap, randomisation_p


def use_clusters(
    accuracy: dict[str, Any],
    right_a: NDArray[np.bool_],
    right_b: NDArray[np.bool_],
    units: NDArray[np.generic],
    plan: Plan,
    settings: Settings,
) -> None:
    """Interval and test of accuracy from whole clusters; those over examples stay beside them."""
    moved = right_b.astype(np.float64) - right_a.astype(np.float64)
    drawn = bootstrap(
        [right_statistic(moved)],
        plan,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )[("difference",)]
    accuracy["of_examples"] = {key: accuracy[key] for key in ("low", "high", "method")}
    if drawn.interval.low is not None:
        method = f"paired {drawn.interval.method} of groups"
        accuracy |= {"low": drawn.interval.low, "high": drawn.interval.high, "method": method}
    accuracy |= {
        "groups": plan.units,
        "p": randomisation_p(moved, clusters=units, seed=settings.seed),
        "test": "randomisation of groups",
    }
