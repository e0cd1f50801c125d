"""How many features an attribution spreads itself over."""

from __future__ import annotations

import math

import numpy as np


def entropy(values: np.ndarray) -> float:
    """Entropy of |a| / sum |a| in nats (Bhatt 2020): 0 for one feature, log M for equal ones, NaN for none."""
    size = np.abs(np.asarray(values, dtype=np.float64))
    if size.sum() == 0:
        return math.nan
    share = size / size.sum()
    share = share[share > 0]
    return float(max(0.0, -(share * np.log(share)).sum()))


def effective_features(values: np.ndarray) -> float:
    """exp(entropy): as many equal features would be as complex; between 1 and M."""
    return math.exp(entropy(values))


def gini(values: np.ndarray) -> float:
    """Gini index of |a| (Chalasani 2020): 0 for equal features, 1 - 1/M for a single one, NaN for none."""
    size = np.sort(np.abs(np.asarray(values, dtype=np.float64)))
    n = len(size)
    if size.sum() == 0:
        return math.nan
    return float(((2 * np.arange(1, n + 1) - n - 1) * size).sum() / (n * size.sum()))
