"""Recall of each class before and after: whom a change helped and whom it cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.counted import Counting
from workbench.stats import holm
from workbench.types import ClassScores


def compare_recall(
    scores: ClassScores, right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], counting: Counting
) -> list[dict[str, Any]]:
    """Difference of recall per class, tests corrected over the classes that occur."""
    entries = []
    for k, label in enumerate(scores.labels):
        of = scores.targets == k
        n, change = int(of.sum()), counting.change(right_a, right_b, of)
        entry: dict[str, Any] = {
            "label": label,
            "n": n,
            "before": float(right_a[of].mean()) if n else None,
            "after": float(right_b[of].mean()) if n else None,
            "difference": change["value"],
            **{key: change[key] for key in ("low", "high", "b", "c", "p")},
        }
        if not n:
            entry["reason"] = f"no example of the class {label!r} in this split"
        elif change.get("reason"):
            entry["reason"] = change["reason"]
        entries.append(entry)
    adjusted = holm([np.nan if e["p"] is None else e["p"] for e in entries])
    for entry, p in zip(entries, adjusted.tolist(), strict=True):
        entry["p_holm"] = None if entry["p"] is None else p
    return entries
