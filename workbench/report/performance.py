"""Curves and counts that the report draws from predictions: ROC, precision over recall, confusion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.metrics.curves import Staircase, corners, staircase
from workbench.report.view import RunView

POINTS = 120  # of a drawn curve
_FEWEST = 5  # thresholds of a curve of errors


def unseen(view: RunView) -> bool:
    """Whether the test examples are known to be new to the model: it was trained here, on none that equals one."""
    leaked = any(c["check"] == "leak_test" and c["level"] == "warning" for c in view.checks or [])
    return not view.audited and not leaked


def positive_of(view: RunView) -> str:
    """Of two classes the one that is looked for: the config's, else the second; "" of others."""
    if len(view.labels) != 2 or view.multilabel:
        return ""
    wanted = str((view.config.get("evaluate") or {}).get("positive") or "")
    return wanted if wanted in view.labels else str(view.labels[1])


def known(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows whose target is known; the frame itself where all are. Not to be changed."""
    there = predictions["target"].notna()
    if there.all() and predictions.index.equals(pd.RangeIndex(len(predictions))):
        return predictions
    return predictions[there].reset_index(drop=True)


def steps_of(predictions: pd.DataFrame, label: str) -> Staircase:
    """What every curve of one class is drawn from; its scores, which may be a million, are sorted here alone."""
    rows = known(predictions)
    return staircase(rows[f"score.{label}"].to_numpy(dtype=float), truth_of(rows, label))


def said(predictions: pd.DataFrame | None, ids: Iterable[str], column: str) -> dict[str, Any]:
    """What a model said of some examples, by their ids; of a million predictions only these are touched."""
    if predictions is None:
        return {}
    own = predictions[predictions["id"].isin(set(ids))]
    return dict(zip(own["id"].astype(str), own[column], strict=True))


def confusion(predictions: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Counts (K, K): row = true class, column = decided class; rows without a target are left out."""
    rows = known(predictions)
    counts = pd.crosstab(rows["target"], rows["predicted"])
    return np.asarray(counts.reindex(index=labels, columns=labels, fill_value=0), dtype=int)


def roc(steps: Staircase) -> pd.DataFrame | None:
    """ROC of one class against the rest: `false_alarms`, `found`, thinned to at most `POINTS`.

    None where the split holds only that class or none of it, so that the curve is not defined.
    """
    if steps.positives in (0, steps.n):
        return None
    false_alarms = np.concatenate([[0.0], steps.fp / (steps.n - steps.positives)])
    found = np.concatenate([[0.0], steps.tp / steps.positives])
    turns = corners(false_alarms, found)
    false_alarms, found = _thinned(false_alarms[turns], found[turns])
    return pd.DataFrame({"false_alarms": false_alarms, "found": found})


def detection_errors(steps: Staircase) -> pd.DataFrame | None:
    """Misses over false alarms of one class (DET): both as shares and as normal deviates, thinned.

    Columns `false_alarms`, `missed`, and `x`, `y`, the normal quantiles of both. Thresholds at which
    nothing is missed or nobody is called by mistake lie at no place of such axes and are left out; None
    where fewer than five are left, which make no line. Source: Martin et al., Eurospeech 1997, 1895-1898.
    """
    from scipy.special import ndtri

    if steps.positives in (0, steps.n):
        return None
    false_alarms = steps.fp / (steps.n - steps.positives)
    missed = (steps.positives - steps.tp) / steps.positives
    drawn = (false_alarms > 0) & (false_alarms < 1) & (missed > 0) & (missed < 1)
    if drawn.sum() < _FEWEST:
        return None
    x, y = _thinned(false_alarms[drawn], missed[drawn])
    return pd.DataFrame({"false_alarms": x, "missed": y, "x": ndtri(x), "y": ndtri(y)})


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `POINTS` points of a curve, evenly along its length; both ends stay."""
    if len(x) <= POINTS:
        return x, y
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)).clip(0, len(x) - 1))
    return x[keep], y[keep]


def precision_recall(steps: Staircase) -> pd.DataFrame | None:
    """Precision over recall of one class: `found`, `right`, thinned; None where the class has no example."""
    if not steps.positives:
        return None
    gains = np.diff(steps.tp) > 0
    ends = np.flatnonzero(np.concatenate([[True], gains]) | np.concatenate([gains, [True]]))  # of falls between gains
    right, found = (steps.tp / (steps.tp + steps.fp))[ends], (steps.tp / steps.positives)[ends]
    right, found = _thinned(right, found)
    return pd.DataFrame({"found": found, "right": right})


def average_precision(steps: Staircase) -> float:
    """Mean precision over the steps of recall, from every point."""
    return float(np.sum(np.diff(steps.tp, prepend=0) * steps.tp / (steps.tp + steps.fp)) / steps.positives)


def area(steps: Staircase) -> float:
    """Area under the ROC curve of one class against the rest, from every point (not the thinned curve)."""
    x, y = (np.concatenate([[0], counts]).astype(float) for counts in (steps.fp, steps.tp))
    return float(np.trapezoid(y, x) / (x[-1] * y[-1]))


def truth_of(rows: pd.DataFrame, label: str) -> np.ndarray:
    """Whether a class is the true one, or a label holds, (n,)."""
    own = f"target.{label}"
    return np.asarray(rows[own] if own in rows else rows["target"] == label, dtype=bool)


def confidence(predictions: pd.DataFrame) -> np.ndarray:
    """Probability of the decided class, (n,)."""
    scores = predictions[[c for c in predictions if c.startswith("score.")]]
    return np.asarray(scores.to_numpy(dtype=float).max(axis=1))
