"""Bands of curves: how far ROC and precision-recall curves would move with other examples.

The examples of each class are drawn anew with replacement (a stratified bootstrap), and the band
holds the middle 95 % of the curves at each place of the horizontal axis, point by point (Fawcett
2006, "vertical averaging"). Scores are first gathered into at most `BINS` steps of equal mass, so
that a million examples cost as much as a thousand.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.metrics.curves import Staircase

BINS = 400
DRAWS = 500
_PLACES = np.linspace(0, 1, 51)


def bands(steps: Staircase, *, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bands of the ROC (`x` false alarms) and of precision over recall (`x` found): `x`, `low`, `high`.

    Args:
        steps: counts at every score; examples of the class and others must occur.
        seed: of the draws.
    """
    own, other = _counts(steps)
    rng = np.random.default_rng(seed)
    found, alarms = (_drawn(rng, counts) for counts in (own, other))
    positives, negatives = int(own.sum()), int(other.sum())
    roc = np.array([np.interp(_PLACES, a, f) for f, a in zip(found, alarms, strict=True)])
    called = found * positives + alarms * negatives
    right = np.divide(found * positives, called, out=np.ones_like(called), where=called > 0)
    reached = [np.searchsorted(f, _PLACES - 1e-12, side="left").clip(0, f.size - 1) for f in found]
    precision = np.array([r[at] for r, at in zip(right, reached, strict=True)])
    return _middle(roc), _middle(precision)[1:]  # with nothing found, precision is not defined


def _counts(steps: Staircase) -> tuple[np.ndarray, np.ndarray]:
    """Examples of the class and others in steps of the score, from the highest down."""
    own, other = np.diff(steps.tp, prepend=0), np.diff(steps.fp, prepend=0)
    if len(own) <= BINS:
        return own, other
    upward = (own + other)[::-1].cumsum()
    lowest = np.unique(np.searchsorted(upward, np.linspace(0, 1, BINS) * steps.n))  # of each gathered step
    own, other = (np.add.reduceat(counts[::-1], lowest)[::-1] for counts in (own, other))
    return own, other


def _drawn(rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """Shares above each step, (draws, steps + 1), from 0 to 1."""
    n = int(counts.sum())
    drawn = rng.multinomial(n, counts / n, size=DRAWS).cumsum(axis=1) / n
    return np.concatenate([np.zeros((DRAWS, 1)), drawn], axis=1)


def _middle(curves: np.ndarray) -> pd.DataFrame:
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    return pd.DataFrame({"x": _PLACES, "low": low, "high": high}).round(5)
