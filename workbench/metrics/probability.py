"""Proper scores of probabilities: log loss and Brier score, per example and on average."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]


def log_losses(logits: ArrayLike, targets: ArrayLike) -> Floats:
    """-log softmax(logits)[target] of each row, (n,), from logits (n, K).

    Computed from the logits, so that no probability is clipped; infinite only where the true
    class has a logit of minus infinity.
    """
    z, t = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    losses: Floats = np.maximum(logsumexp(z, axis=1) - z[np.arange(len(z)), t], 0.0)
    return losses


def log_loss(logits: ArrayLike, targets: ArrayLike) -> float:
    """Mean of -log p(true class), in nats; a uniform guess over K classes gives log K."""
    return float(log_losses(logits, targets).mean())


def brier_scores(probabilities: ArrayLike, targets: ArrayLike) -> Floats:
    """Squared distance of each row's probabilities (n, K) from the truth, (n,).

    Two classes: (p_1 - y)², within [0, 1]. More: the sum over all classes, within [0, 2].
    Source: Brier, Mon. Weather Rev. 78 (1950) 1-3.
    """
    p, t = np.asarray(probabilities, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    if p.shape[1] == 2:
        two: Floats = (p[:, 1] - (t == 1)) ** 2
        return two
    several: Floats = np.maximum((p**2).sum(axis=1) - 2 * p[np.arange(len(p)), t] + 1, 0.0)
    return several


def brier(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Mean Brier score; see `brier_scores` for the two definitions."""
    return float(brier_scores(probabilities, targets).mean())


def null_log_loss(counts: ArrayLike) -> Floats:
    """Log loss of answering the class shares of the very examples, from their counts (..., K)."""
    share = _shares(counts)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    loss: Floats = -(share * logs).sum(axis=-1)
    return loss


def null_brier(counts: ArrayLike) -> Floats:
    """Brier score of answering the class shares of the very examples, from their counts (..., K)."""
    share = _shares(counts)
    if share.shape[-1] == 2:
        two: Floats = share[..., 0] * share[..., 1]
        return two
    several: Floats = 1 - (share**2).sum(axis=-1)
    return np.where(several > 1e-12, several, 0.0)


def d2_log_loss(logits: ArrayLike, targets: ArrayLike) -> float:
    """1 - log loss / log loss of the class shares of these targets; NaN where all are of one class.

    Source: the D² of a deviance, McFadden 1974; scikit-learn's `d2_log_loss_score`.
    """
    k = np.asarray(logits).shape[1]
    null = float(null_log_loss(np.bincount(np.asarray(targets), minlength=k)))
    return 1 - log_loss(logits, targets) / null if null else float("nan")


def d2_brier(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """1 - Brier score / Brier score of the class shares of these targets: the Brier skill score.

    NaN where all targets are of one class.
    """
    k = np.asarray(probabilities).shape[1]
    null = float(null_brier(np.bincount(np.asarray(targets), minlength=k)))
    return 1 - brier(probabilities, targets) / null if null else float("nan")


def _shares(counts: ArrayLike) -> Floats:
    c = np.asarray(counts, dtype=np.float64)
    share: Floats = c / np.maximum(c.sum(axis=-1, keepdims=True), 1)
    return share
