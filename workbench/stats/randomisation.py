"""Approximate randomisation: had the two models' names been drawn by lot, how often would it look like this?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EXACT = 14  # units up to which every assignment of signs is tried


def randomisation_p(
    differences: NDArray[np.float64],
    *,
    clusters: NDArray[np.generic] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p-value of a mean paired difference under swaps of the two models.

    Under the null hypothesis the two models of a pair may be swapped, which turns the sign of
    its difference; all pairs of a cluster (a patient, a document) are swapped together. Exact
    for up to 14 units with a difference, else p = (1 + #) / (B + 1).
    Source: Noreen 1989; Yeh, COLING 2000, 947-953.

    Args:
        differences: (n,) after minus before of each pair, such as right minus right.
        clusters: (n,) the unit of each pair; None: each pair is its own.
        resamples: swaps drawn where there are too many to try them all.
        seed: of the swaps.

    Raises:
        ValueError: a difference is not finite.
    """
    differences = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("every difference must be finite")
    if clusters is not None:
        codes = np.unique(np.asarray(clusters).astype(str), return_inverse=True)[1]
        differences = np.bincount(codes, weights=differences).astype(np.float64)
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    observed = abs(float(moved.sum()))
    least = observed - 1e-9 * float(np.abs(moved).sum())  # equal sums differ in their last bits
    if len(moved) <= EXACT:
        signs = 1 - 2.0 * ((np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1)
        return float(np.mean(np.abs(signs @ moved) >= least))
    rng = np.random.default_rng(seed)
    reached, left = 0, resamples
    while left:
        block = min(left, max(1, 4_000_000 // len(moved)))
        swapped = rng.integers(0, 2, size=(block, len(moved)), dtype=np.int8)
        reached += int(np.sum(np.abs((1 - 2.0 * swapped) @ moved) >= least))
        left -= block
    return (1 + reached) / (resamples + 1)
