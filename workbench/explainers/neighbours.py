"""Nearest training examples: what the model has seen that is like this, in its own embedding.

Distance is 1 - cosine between the inputs of the model's head; of trees 1 - proximity, the share
of trees in which both end in the same leaf (Breiman 2001, "Random forests"). Explaining by examples:
Caruana et al. 1999, "Case-based explanation of non-case-based learning methods"; the
distance to the nearest one as a hint at the unfamiliar: Sun et al. 2022,
"Out-of-distribution detection with deep nearest neighbors".
"""

from __future__ import annotations

import numpy as np

COSINE, LEAVES = "1 - cosine", "1 - share of trees in which both end in the same leaf"
_AT_ONCE = 1 << 24  # similarities in memory at once


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows (n, d) at length 1, float32; a row of zeros stays one."""
    rows = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))


def nearest(queries: np.ndarray, known: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest of the known rows to each query.

    Args:
        queries: (q, d); lengths do not matter.
        known: (n, d) rows of length 1, of any float type.
        k: neighbours; fewer come back where fewer are known.

    Returns:
        Rows (q, k) int64 and distances (q, k) float64 in [0, 2], the nearest first, ties in
        the order of the rows.
    """
    k = min(k, len(known))
    rows, distances = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k))
    asked, stored = unit(queries), np.asarray(known, dtype=np.float32)
    step = max(1, _AT_ONCE // max(len(known), 1))
    for start in range(0, len(queries), step):
        far = np.clip(1.0 - (asked[start : start + step] @ stored.T).astype(np.float64), 0.0, 2.0)
        order = np.argsort(far, axis=1, kind="stable")[:, :k]
        rows[start : start + step] = order
        distances[start : start + step] = np.take_along_axis(far, order, axis=1)
    return rows, distances


def sharing_leaves(queries: np.ndarray, known: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` known rows that share most leaves with each query.

    Args:
        queries: (q, T) the leaf of each tree.
        known: (n, T) those of the known rows.
        k: neighbours; fewer come back where fewer are known.

    Returns:
        As `nearest`; distances are 1 - the share of trees, in [0, 1].
    """
    k = min(k, len(known))
    rows, distances = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k))
    by_tree = np.ascontiguousarray(known.T)
    for q, query in enumerate(np.asarray(queries).astype(known.dtype)):
        shared = np.zeros(len(known), dtype=np.int32)
        for tree, leaf in zip(by_tree, query, strict=True):
            shared += tree == leaf
        far = 1.0 - shared / max(len(by_tree), 1)
        rows[q] = np.argsort(far, kind="stable")[:k]
        distances[q] = far[rows[q]]
    return rows, distances


def share_nearer(distance: float, reference: np.ndarray) -> float | None:
    """Share of the reference distances that are at most this one; None without any."""
    return float((np.asarray(reference) <= distance).mean()) if len(reference) else None
