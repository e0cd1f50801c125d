"""Whether a method gives the same answer when only its seed changes."""

from __future__ import annotations

import itertools

import numpy as np

from workbench.quality.agreement import feature_agreement, spearman


def seed_stability(values: np.ndarray, *, k: int = 5) -> dict[str, float]:
    """Agreement of one method with itself over seeds.

    Args:
        values: (S, M) attributions of the same example, one per seed; S at least 2.
        k: features in the top.

    Returns:
        `rank` mean pairwise Spearman correlation (NaN where values are constant), `top_k`
        mean pairwise overlap of the top k, `spread` the features' mean standard deviation
        over the largest mean |value| (0 for deterministic methods).
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"seed stability needs (seeds, features) with two seeds or more, not {values.shape}")
    pairs = list(itertools.combinations(values, 2))
    k = min(k, values.shape[1])
    largest = float(np.abs(values.mean(axis=0)).max())
    return {
        "rank": float(np.mean([spearman(a, b) for a, b in pairs])),
        "top_k": float(np.mean([feature_agreement(a, b, k) for a, b in pairs])),
        "spread": float(values.std(axis=0, ddof=1).mean() / largest) if largest else float("nan"),
    }
