"""From which probability on a label is given: chosen on the validation split, one threshold a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

HALF = 0.5
ENOUGH = 10  # examples with the label, and without it, below which a threshold is not chosen by them
SPLIT = "validation"


def best_f1_threshold(probabilities: ArrayLike, holds: ArrayLike) -> tuple[float, float]:
    """The threshold of the largest F1 and that F1, for one label.

    Thresholds stand in the middle between neighbouring probabilities (the least one between 0
    and the least probability), so that small changes of a probability change no decision. Of
    equally good thresholds the one nearest to 0.5 is taken.

    Args:
        probabilities: (n,) of the label.
        holds: (n,) whether it holds; at least one must.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(holds).astype(bool)
    order = np.argsort(-p, kind="stable")
    ordered = p[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))  # of each group of equal probabilities
    given = last + 1
    hits = np.cumsum(y[order])[last]
    scores = 2 * hits / (given + y.sum())
    below = np.append(ordered[last][1:], 0.0)
    cuts = (ordered[last] + below) / 2
    cuts = np.where(cuts > below, cuts, ordered[last])  # neighbours without a number between them
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    nearest = best[np.abs(cuts[best] - HALF).argmin()]
    return float(cuts[nearest]), float(scores[nearest])


def f1_at(probabilities: ArrayLike, holds: ArrayLike, threshold: float) -> float | None:
    """F1 of one label at a threshold; None where the label neither holds nor is given."""
    given, y = np.asarray(probabilities) >= threshold, np.asarray(holds).astype(bool)
    both = int(given.sum() + y.sum())
    return 2 * int((given & y).sum()) / both if both else None


def choose_thresholds(probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """The content of `thresholds.json`: a threshold for each label and how it came about.

    Args:
        probabilities: (n, K) of the validation split.
        targets: (n, K) 1 holds, 0 does not.
        labels: K names.
    """
    entries = []
    for k, label in enumerate(labels):
        holds = targets[:, k] == 1
        n, yes = len(holds), int(holds.sum())
        entry: dict[str, Any] = {"label": label, "threshold": HALF, "n": n, "holds": yes}
        if min(yes, n - yes) >= ENOUGH:
            entry["threshold"], entry["f1"] = best_f1_threshold(probabilities[:, k], holds)
            entry["how"] = "largest F1"
        else:
            entry["f1"] = f1_at(probabilities[:, k], holds, HALF)
            side = "with it" if yes < ENOUGH else "without it"
            entry["how"] = f"0.5, because the split has {min(yes, n - yes)} examples {side}, fewer than {ENOUGH}"
        entry["f1_at_half"] = f1_at(probabilities[:, k], holds, HALF)
        entries.append(entry)
    chosen = sum(e["how"] == "largest F1" for e in entries)
    text = (
        f"For {chosen} of {len(entries)} labels the threshold with the largest F1 on the {SPLIT} split; 0.5 for the "
        f"others, of which it has fewer than {ENOUGH} examples with or without the label."
        if chosen < len(entries)
        else f"For each label the threshold with the largest F1 on the {SPLIT} split."
    )
    return {"split": SPLIT, "text": text, "labels": entries}
