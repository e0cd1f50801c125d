"""Points of ROC and precision-recall curves, few enough to draw; numpy in and out.

For the confusion matrix see `workbench.metrics.confusion.confusion_matrix`, for reliability
bins `workbench.metrics.calibration.reliability`; both can be imported from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics.calibration import Reliability, reliability
from workbench.metrics.confusion import confusion_matrix
from workbench.types import ClassScores

__all__ = ["Curve", "Reliability", "Staircase", "class_curves", "confusion_matrix", "pr_curve", "reliability",
           "roc_curve", "staircase"]  # fmt: skip

Floats = NDArray[np.float64]

MOST_POINTS = 200


@dataclass(frozen=True)
class Curve:
    """A curve: points (x, y), the area under it before thinning, and guessing's level.

    ROC: x false-positive rate, y true-positive rate, straight lines between points, guessing
    is the diagonal (`chance` 0.5 is its area). Precision-recall: x recall, y precision; a
    step, where y holds from the previous x up to its own; `chance` is the positives' share.
    `reason` says why a curve is empty.
    """

    x: Floats
    y: Floats
    area: float | None
    chance: float | None
    positives: int
    n: int
    reason: str = ""


def roc_curve(scores: ArrayLike, positive: ArrayLike, points: int = MOST_POINTS) -> Curve:
    """The ROC curve of scores (n,), thinned to at most `points` of its own points.

    Points are dropped so that the areas cut off on both sides of the curve cancel; the area
    under the drawn curve stays within 1e-4 of the exact one.
    """
    counted = staircase(scores, positive)
    tp, fp, p, n = counted.tp, counted.fp, counted.positives, counted.n
    if p == 0 or p == n:
        return _empty(p, n)
    x, y = np.concatenate([[0.0], fp / (n - p)]), np.concatenate([[0.0], tp / p])
    area = float(np.trapezoid(y, x))
    keep = _thin(x, y, points)
    return Curve(x[keep], y[keep], area, 0.5, p, n)


def pr_curve(scores: ArrayLike, positive: ArrayLike, points: int = MOST_POINTS) -> Curve:
    """The precision-recall curve of scores (n,) as at most `points` steps.

    The area under the steps is the average precision exactly: where steps are merged, their
    precision is averaged over the recall they cover.
    """
    counted = staircase(scores, positive)
    tp, fp, p, n = counted.tp, counted.fp, counted.positives, counted.n
    if p == 0 or p == n:
        return _empty(p, n)
    gained = np.diff(tp, prepend=0) / p
    steps = np.flatnonzero(gained > 0)
    gained, precision, recall = gained[steps], tp[steps] / (tp[steps] + fp[steps]), tp[steps] / p
    parts = gained * precision
    area = float(parts.sum())
    if len(steps) > points:
        # Equal shares of recall: a step belongs to the share in which it ends.
        share = np.minimum((recall * points - 1e-9).astype(np.int64), points - 1)
        starts = np.unique(share, return_index=True)[1]
        precision = np.add.reduceat(parts, starts) / np.add.reduceat(gained, starts)
        recall = recall[np.append(starts[1:], len(steps)) - 1]
    return Curve(recall, precision, area, p / n, p, n)


def class_curves(predictions: ClassScores, kind: str, points: int = MOST_POINTS) -> dict[str, Curve]:
    """One curve per class, one-vs-rest, of the rows whose class is known.

    Args:
        predictions: the rows to draw (select a split with `where` first).
        kind: "roc" or "pr".
        points: most points of a curve.

    Returns:
        Label to curve. With two classes only that of class 1, the positive one.
    """
    draw = {"roc": roc_curve, "pr": pr_curve}[kind]
    known = predictions.where(predictions.targets >= 0)
    classes = range(1, 2) if len(known.labels) == 2 else range(len(known.labels))
    return {known.labels[k]: draw(known.probabilities[:, k], known.targets == k, points) for k in classes}


@dataclass(frozen=True, slots=True)
class Staircase:
    """Counts at every distinct score as the threshold, the strictest first: called is what scores at least as high.

    `tp`, `fp` (t,) true and false positives; `threshold` (t,); `positives`, `n` of all examples.
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    threshold: Floats
    positives: int
    n: int


def staircase(scores: ArrayLike, positive: ArrayLike) -> Staircase:
    """True and false positives of scores (n,) at every threshold."""
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive).astype(bool)
    order = np.argsort(-s, kind="stable")
    s, y = s[order], y[order]
    last = np.flatnonzero(np.append(np.diff(s) != 0, True)) if len(s) else np.empty(0, dtype=np.int64)
    tp = np.cumsum(y, dtype=np.int64)[last]
    return Staircase(tp, last + 1 - tp, s[last], int(y.sum()), len(y))


def _empty(positives: int, n: int) -> Curve:
    if n == 0:
        reason = "no example with a known class"
    else:
        reason = "no example of this class" if positives == 0 else "every example is of this class"
    none = np.empty(0)
    return Curve(none, none, None, None, positives, n, reason)


def _thin(x: Floats, y: Floats, points: int) -> NDArray[np.int64]:
    """Indices of at most `points` vertices of a rising line that keep the area under it."""
    keep = corners(x, y)
    most = 5 * points
    if len(keep) > most:
        # Long lines first: vertices evenly spaced along x + y, both of which only rise.
        along = x[keep] + y[keep]
        wanted = np.searchsorted(along, np.linspace(0, along[-1], most))
        keep = keep[np.unique(np.minimum(wanted, len(keep) - 1))]
        keep = np.union1d(keep, [0, len(x) - 1])
    missing = float(np.trapezoid(y, x) - np.trapezoid(y[keep], x[keep]))
    while len(keep) > points:
        a, b, c = keep[:-2], keep[1:-1], keep[2:]
        # Area that the line loses when its middle vertex b goes.
        lost = 0.5 * ((x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])) * -1
        size = np.abs(lost)
        # Prefer the smallest triangle that brings the total back towards zero.
        back = lost * missing <= 0
        candidates = np.flatnonzero(back) if back.any() else np.arange(len(lost))
        drop = candidates[np.argmin(size[candidates])]
        missing += float(lost[drop])
        keep = np.delete(keep, drop + 1)
    return keep


def corners(x: Floats, y: Floats) -> NDArray[np.int64]:
    """Indices of the vertices where a line turns; the others change nothing."""
    dx, dy = np.diff(x), np.diff(y)
    turns = np.abs(dx[:-1] * dy[1:] - dx[1:] * dy[:-1]) > 1e-15
    return np.concatenate([[0], np.flatnonzero(turns) + 1, [len(x) - 1]])
