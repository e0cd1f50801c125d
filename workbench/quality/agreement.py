"""How far two attributions of the same features agree (Krishna 2022), and how far lots would."""

from __future__ import annotations

import math

import numpy as np

_AT_ONCE = 1 << 20  # signs of pairs that are turned at once


def top(values: np.ndarray, k: int) -> np.ndarray:
    """The k features of largest |value|, largest first; the earlier one on a tie."""
    return np.argsort(-np.abs(np.asarray(values, dtype=np.float64)), kind="stable")[:k]


def feature_agreement(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Share of the top k that both name."""
    return len(np.intersect1d(top(a, k), top(b, k))) / k


def rank_agreement(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Share of the top k that both name in the same place."""
    return float((top(a, k) == top(b, k)).mean())


def sign_agreement(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Share of the top k that both name with the same sign."""
    common = np.intersect1d(top(a, k), top(b, k))
    return float((np.sign(np.asarray(a)[common]) == np.sign(np.asarray(b)[common])).sum()) / k


def signed_rank_agreement(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Share of the top k that both name in the same place with the same sign."""
    first, second = top(a, k), top(b, k)
    return float(((first == second) & (np.sign(np.asarray(a)[first]) == np.sign(np.asarray(b)[second]))).mean())


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of the signed values; NaN where one side is constant."""
    return _cosine(_centred_ranks(a), _centred_ranks(b))


def kendall(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b of the signed values; NaN where one side is constant. Memory grows with M squared."""
    return _cosine(_signs(a), _signs(b))


def agreement(
    a: np.ndarray,
    b: np.ndarray,
    *,
    k: int | None = None,
    rng: np.random.Generator,
    null: int = 200,
) -> dict[str, dict[str, float]]:
    """Every measure of agreement beside what shuffling `b` gives.

    Args:
        a: (M,) attribution.
        b: (M,) another of the same features.
        k: features in the top; default 5 or 10 % of M, whichever is more, at most M.
        rng: shuffles.
        null: shuffles of `b`.

    Returns:
        {measure: {value, random, random_p95}}: the mean and the 95th percentile over the
        shuffles; only above the latter do the two agree more than lots would. Measures:
        feature, rank, sign, signed_rank (top k), spearman, kendall, and spearman_size,
        kendall_size of the absolute values.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    k = min(len(a), max(5, round(0.1 * len(a)))) if k is None else min(k, len(a))
    value = _all(a, b, k)
    lots = _shuffled(a, b, k, np.argsort(rng.random((null, len(b))), axis=1))
    found = {}
    for name in value:
        drawn = lots[name]
        defined = len(drawn) > 0 and not np.isnan(drawn).any()
        found[name] = {
            "value": value[name],
            "random": float(drawn.mean()) if defined else math.nan,
            "random_p95": float(np.quantile(drawn, 0.95)) if defined else math.nan,
        }
    return found


def _shuffled(a: np.ndarray, b: np.ndarray, k: int, orders: np.ndarray) -> dict[str, np.ndarray]:
    """Every measure for `b` in each of (n, M) orders, (n,) each: what `_all` gives, all at once."""
    drawn = b[orders]
    first, second = top(a, k), np.argsort(-np.abs(drawn), axis=1, kind="stable")[:, :k]
    named = np.isin(second, first)
    same_place = second == first
    same_sign = np.sign(a[second]) == np.sign(np.take_along_axis(drawn, second, axis=1))
    found = {
        "feature": named.mean(axis=1),
        "rank": same_place.mean(axis=1),
        "sign": (named & same_sign).mean(axis=1),
        "signed_rank": (same_place & same_sign).mean(axis=1),
    }
    for kind, x, y in (("", a, b), ("_size", np.abs(a), np.abs(b))):
        ranks, other = _centred_ranks(x), _centred_ranks(y)
        size = math.sqrt(float(ranks @ ranks) * float(other @ other))
        found[f"spearman{kind}"] = other[orders] @ ranks / size if size > 0 else np.full(len(orders), math.nan)
        signs, turned = _signs(x), _signs(y)
        size = math.sqrt(float(signs @ signs) * float(turned @ turned))
        found[f"kendall{kind}"] = _turned(signs, turned, orders) / size if size > 0 else np.full(len(orders), math.nan)
    return found


def _turned(signs: np.ndarray, other: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """The product of one (M * M,) table of signs with another whose rows and columns come in each of (n, M) orders."""
    n, m = orders.shape
    step = max(1, _AT_ONCE // (m * m))
    found = np.empty(n)
    for start in range(0, n, step):
        part = orders[start : start + step]
        places = (part[:, :, None] * m + part[:, None, :]).reshape(len(part), -1)
        found[start : start + step] = other[places] @ signs
    return found


def _all(a: np.ndarray, b: np.ndarray, k: int) -> dict[str, float]:
    return {
        "feature": feature_agreement(a, b, k),
        "rank": rank_agreement(a, b, k),
        "sign": sign_agreement(a, b, k),
        "signed_rank": signed_rank_agreement(a, b, k),
        "spearman": spearman(a, b),
        "kendall": kendall(a, b),
        "spearman_size": spearman(np.abs(a), np.abs(b)),
        "kendall_size": kendall(np.abs(a), np.abs(b)),
    }


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]  # ties share the mean of their ranks
    return np.asarray(ranks - ranks.mean())


def _signs(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return np.asarray(np.sign(values[:, None] - values[None, :]).ravel())


def _cosine(x: np.ndarray, y: np.ndarray) -> float:
    # Both rank correlations are cosines: of centred ranks (rho) and of signs of differences (tau-b).
    size = math.sqrt(float(x @ x) * float(y @ y))
    return float(np.clip(x @ y / size, -1, 1)) if size > 0 else math.nan
