"""Recall of each class before and after: whom a change helped and whom it cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.stats import holm, mcnemar_exact, newcombe_paired
from workbench.types import ClassScores


def paired_cells(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Rows that both got right, only the first, only the second, neither."""
    pairs = ((right_a & right_b), (right_a & ~right_b), (~right_a & right_b), (~right_a & ~right_b))
    n11, n10, n01, n00 = (int(p.sum()) for p in pairs)
    return n11, n10, n01, n00


def compare_recall(
    scores: ClassScores, right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], confidence: float
) -> list[dict[str, Any]]:
    """Difference of recall per class, exact tests corrected over the classes that occur."""
    entries = []
    for k, label in enumerate(scores.labels):
        of = scores.targets == k
        n11, n10, n01, n00 = paired_cells(right_a[of], right_b[of])
        estimate = newcombe_paired(n11, n10, n01, n00, confidence)
        n = estimate.n
        entry: dict[str, Any] = {
            "label": label,
            "n": n,
            "before": (n11 + n10) / n if n else None,
            "after": (n11 + n01) / n if n else None,
            "difference": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "b": n10,
            "c": n01,
            "p": mcnemar_exact(n10, n01) if n else None,
        }
        if not n:
            entry["reason"] = f"no example of the class {label!r} in this split"
        entries.append(entry)
    adjusted = holm([np.nan if e["p"] is None else e["p"] for e in entries])
    for entry, p in zip(entries, adjusted.tolist(), strict=True):
        entry["p_holm"] = None if entry["p"] is None else p
    return entries
