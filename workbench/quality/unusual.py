"""Whether masked inputs look like anything the model has seen: distances in its own features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUANTILE = 0.99


@dataclass(frozen=True)
class Familiar:
    """What clean inputs look like to a model.

    Attributes:
        mean: (d,) of the reference features.
        precision: (d, d) inverse covariance, shrunk (Ledoit and Wolf 2004).
        limit: squared distance that 99 % of further clean inputs stay below.
        n: clean inputs behind the limit.
    """

    mean: np.ndarray
    precision: np.ndarray
    limit: float
    n: int

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distances (Lee 2018), (n, d) features to (n,)."""
        centred = np.asarray(features, dtype=np.float64) - self.mean
        return np.asarray(np.einsum("ij,jk,ik->i", centred, self.precision, centred))

    def unusual(self, features: np.ndarray) -> float:
        """Share of inputs that lie further out than 99 % of clean ones."""
        return float((self.distance(features) > self.limit).mean())


def familiar(reference: np.ndarray, clean: np.ndarray) -> Familiar | None:
    """Learn what is usual from (n, d) features, and how far clean ones of other examples lie, (m, d).

    None where there are fewer than 20 of either or the features do not vary.
    """
    if min(len(reference), len(clean)) < 20:
        return None
    from scipy.linalg import pinvh  # a third of a second, which `inspect` does without

    reference = np.asarray(reference, dtype=np.float64)
    varies = float(reference.var(axis=0).max(initial=0.0))
    if varies <= 1e-18:
        return None
    mean = reference.mean(axis=0)
    made = Familiar(mean, np.asarray(pinvh(shrunk_covariance(reference - mean))), np.inf, len(clean))
    limit = float(np.quantile(made.distance(clean), QUANTILE))
    return Familiar(made.mean, made.precision, limit, len(clean))


def shrunk_covariance(centred: np.ndarray) -> np.ndarray:
    """Ledoit and Wolf's (2004) covariance of (n, d) centred rows, (d, d): drawn towards equal variances.

    Written out, as importing scikit-learn's takes longer than all that is done with it.
    """
    n, d = centred.shape
    sample = centred.T @ centred / n
    level = float(np.trace(sample)) / d
    away = float((sample**2).sum()) / d - level**2  # squared distance from equal variances
    noise = (float(((centred**2).sum(axis=1) ** 2).sum()) / n - float((sample**2).sum())) / (n * d)
    share = min(noise, away) / away if away > 0 else 0.0
    return np.asarray((1 - share) * sample + share * level * np.eye(d))


def pooled(features: np.ndarray) -> np.ndarray:
    """Features of any shape as (n, d): the mean over ensemble members or places where there are several."""
    features = np.asarray(features, dtype=np.float64)
    if features.ndim == 3:  # (n, members or tokens, d)
        return np.asarray(features.mean(axis=1))
    return features.reshape(len(features), features.shape[1], -1).mean(axis=2) if features.ndim > 3 else features
