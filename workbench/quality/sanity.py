"""Whether an explanation depends on what it should: the weights, the class, and not on trifles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from workbench.quality.agreement import spearman

FEWEST_TO_RANK = 5  # features; a rank correlation of fewer is large by chance


def randomisation_similarity(own: Sequence[np.ndarray], randomised: Sequence[np.ndarray]) -> dict[str, float]:
    """How alike explanations stay when the model's weights are drawn anew (MPRT, Adebayo 2018).

    Args:
        own: (M_i,) attributions of the model, one an example.
        randomised: attributions of the same examples by the same method, each of a copy of
            the model with random weights.

    Returns:
        `similarity`, the mean |Spearman correlation| over the examples of five features or
        more (1: the method does not look at the model); `chance`, its expectation for
        independent rankings, the mean of sqrt(2 / (pi (M - 1))); `n` examples. NaN where
        there is none. A constant answer of the randomised model counts as correlation 0.
    """
    pairs = [(a, b) for a, b in zip(own, randomised, strict=True) if len(a) >= FEWEST_TO_RANK]
    found = [0.0 if math.isnan(r := spearman(a, b)) else abs(r) for a, b in pairs]
    chance = [math.sqrt(2 / (math.pi * (len(a) - 1))) for a, _ in pairs]
    return {
        "similarity": float(np.mean(found)) if found else math.nan,
        "chance": float(np.mean(chance)) if chance else math.nan,
        "n": len(found),
    }


def class_similarity(values: np.ndarray, other: np.ndarray) -> float:
    """Spearman correlation of an explanation with that of another class (random logit, Sixt 2020).

    Signed: in a problem of two classes the other explanation is the opposite one, -1. NaN
    below five features or where one side is constant.
    """
    return spearman(values, other) if len(values) >= FEWEST_TO_RANK else math.nan


def max_sensitivity(values: np.ndarray, changed: Sequence[np.ndarray]) -> float:
    """Largest |changed - values| / |values| in the Euclidean norm (Yeh 2019); NaN where all values are 0."""
    size = float(np.linalg.norm(values))
    if size == 0 or not changed:
        return math.nan
    return max(float(np.linalg.norm(np.asarray(other) - values)) for other in changed) / size
