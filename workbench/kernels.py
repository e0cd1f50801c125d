"""Sums over all coalitions of the kernels that kriging is made of, in closed form.

The product over features of 1 + lam_i s_i t_i is the sum over sets of features of the product of
their lam times both coalitions' signs (+1 for a kept feature, -1 for a hidden one): a covariance
under which the interaction of a set has the product of its members' lam as variance.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from scipy.special import gammaln, xlogy

_POINTS = 128  # of a mixture: a law of 256 sizes that is smooth has no more to tell
_EXACT = 1e-13  # of a law's sum that a mixture may miss
_LARGEST = 100.0  # sum of a mixture's weights, signs aside, over that of the law: what rounding is enlarged by


@cache
def _gauss(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of Gauss's rule on [-1, 1]: finding them takes longer than using them."""
    at, weights = np.polynomial.legendre.leggauss(n)
    return at, weights


def kernel(one: np.ndarray, other: np.ndarray, lam: np.ndarray, *, odd: bool) -> tuple[np.ndarray, float]:
    """Covariance of two sets of coalitions, 1 for a coalition with itself, and its share beside the trend's orders.

    The product of 1 + lam_i s_i t_i is the sum over sets of features of lam's product times the
    sets' signs; of it the odd orders above 1, or the even ones above 0, are taken.
    """
    half = np.arctanh(lam)
    inner = (one * half) @ other.T
    top = float(half.sum())
    size = float(np.exp(-np.log1p(lam).sum()))
    gram = np.exp(inner - top)
    turned = np.exp(-2 * top) / np.maximum(gram, 1e-300)
    gram = (gram - turned if odd else gram + turned) / 2
    gram -= size * ((one * lam) @ other.T) if odd else size
    share = scale(lam, odd=odd)
    return gram / max(share, 1e-300), share


def scale(lam: np.ndarray, *, odd: bool) -> float:
    """The kernel of a coalition with itself before it is made 1, over the product of 1 + lam."""
    size = np.exp(-np.log1p(lam).sum())
    turned = np.exp(-2 * np.arctanh(lam).sum())
    return float((1 - turned) / 2 - size * lam.sum() if odd else (1 + turned) / 2 - size)


def shapley_of_kernels(signs: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """Shapley values of the odd kernel around each coalition, (n, M).

    A product of signs over a set of odd size d gives 2 / d to each member: an integral over s
    of products of 1 +- s lam_j t_j, polynomials of degree M - 1, exact with M / 2 Gauss points.
    """
    m = len(lam)
    at, weights = _gauss(min(m // 2 + 1, 48))
    scaled = lam * ((at + 1) / 2)[:, None]
    size = float(np.exp(-np.log1p(lam).sum()))
    level, inner = np.log1p(-(scaled**2)).sum(axis=1) / 2, signs @ np.arctanh(scaled).T
    up, down = (weights / 2 * np.exp(level + sign * inner) for sign in (1, -1))
    more, less = 1 / (1 + scaled), 1 / (1 - scaled)
    found = np.where(signs > 0, up @ more + down @ less, up @ less + down @ more)
    return np.asarray(2 * lam * signs * (size / 2 * found - size) / scale(lam, odd=True))


def shapley_of_pairs(signs: np.ndarray) -> np.ndarray:
    """How much each Shapley value takes of one pair's odd part, (n, M); the ends take none."""
    n, m = signs.shape
    size = (signs > 0).sum(axis=1)
    found = np.zeros((n, m))
    inner = (size > 0) & (size < m)
    s = size[inner]
    with_it = 2 * np.exp(gammaln(s) + gammaln(m - s + 1) - gammaln(m + 1))
    without = -2 * np.exp(gammaln(s + 1) + gammaln(m - s) - gammaln(m + 1))
    found[inner] = np.where(signs[inner] > 0, with_it[:, None], without[:, None])
    return found


def prior_variance(lam: np.ndarray) -> np.ndarray:
    """Prior variance of the Shapley values of the odd kernel, (M,): sums of lam's products over d squared."""
    at, weights = _gauss(64)
    t = (at + 1) / 2
    s, w = t**4, weights / 2 * 4 * t**3 * -4 * np.log(t)  # -ln s ds, whose moments are 1 / d^2
    shift, scaled = np.log1p(lam).sum(), s[:, None] * lam
    up, down = (w * np.exp(np.log1p(sign * scaled).sum(axis=1) - shift) for sign in (1, -1))
    found = (up @ (1 / (1 + scaled)) + down @ (1 / (1 - scaled))) / 2 - w.sum() * np.exp(-shift)
    return np.asarray(4 * lam * found / scale(lam, odd=True))


def variance_of_all(m: int) -> float:
    """Variance of a Shapley value of a game whose pairs are independent draws of variance 1."""
    s = np.arange(1, m)
    choose = gammaln(m) - gammaln(s) - gammaln(m - s + 1)
    return float(4 / m**2 * np.exp(-choose).sum())


def mixture(law: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """A law of sizes (M + 1,) as one of features that are each kept with a chance of t, and the t drawn.

    Gauss's points on [0, 1] and both ends, with weights that may be negative: the least ones by which
    the binomial laws of M and t add up to the law. None where rounding would show: a law that is narrower than
    these, or not smooth but for its ends.

    Returns:
        (k,) chances and their (k,) weights.
    """
    return _mixture(np.asarray(law, dtype=np.float64).tobytes())


@lru_cache(maxsize=256)
def _mixture(key: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    law = np.frombuffer(key)
    m, total = len(law) - 1, float(law.sum())
    at, width = _gauss(min(m + 1, _POINTS))
    chance = (at + 1) / 2
    s = np.arange(m + 1)[:, None]
    choose = gammaln(m + 1) - gammaln(s + 1) - gammaln(m - s + 1)
    binomial = np.exp(choose + xlogy(s, chance) + xlogy(m - s, 1 - chance))
    root = np.sqrt(width / 2)
    # Nothing and everything kept have points of their own, so that the others need not meet a law that jumps there.
    u, size, vt = np.linalg.svd(binomial[1:-1] * root, full_matrices=False)
    held = size > 1e-12 * size.max(initial=0.0)
    weights = root * (vt[held].T @ ((u[:, held].T @ law[1:-1]) / size[held]))
    missed = law - binomial @ weights
    weights = np.concatenate([[missed[0]], weights, [missed[-1]]])
    if np.abs(missed[1:-1]).sum() > _EXACT * total or np.abs(weights).sum() > _LARGEST * total:
        return None
    return np.concatenate([[0.0], chance, [1.0]]), weights


def moments_of_kernels(signs: np.ndarray, lam: np.ndarray, law: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means under a law of sizes of the whole kernel around each coalition, (n,), and of it times "kept", (n, M).

    Where each feature is kept with a chance of t the kernel's mean is a product over features,
    (1 + lam s (2t - 1)) / (1 + lam) of them, and the law is a mixture of such (`mixture`); where it is
    not, sums over sizes give the same.
    """
    mixed = mixture(law)
    if mixed is None:
        return moments_by_sizes(signs, lam, law)
    chance, weights = mixed
    scaled = lam * (2 * chance - 1)[:, None]
    level = np.log1p(-(scaled**2)).sum(axis=1) / 2 - np.log1p(lam).sum()
    means = np.exp(level + signs @ np.arctanh(scaled).T) * weights
    those = means * chance
    each = np.where(signs > 0, those @ ((1 + lam) / (1 + scaled)), those @ ((1 - lam) / (1 - scaled)))
    return means.sum(axis=1), each


def moments_by_sizes(signs: np.ndarray, lam: np.ndarray, law: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`moments_of_kernels` for any law.

    Sums over sizes go forwards through the features (the mean over all sets of s of the first k)
    and backwards again, all terms positive, so nothing cancels.
    """
    n, m = signs.shape
    size = np.arange(m + 1.0)[:, None]
    # A size and a feature to a row of all coalitions, and in place: most of the time went into passes over them.
    keep, hide = (np.ascontiguousarray((1 + sign * lam * signs).T / (1 + lam)[:, None]) for sign in (1, -1))
    means, spare = [np.ones((1, n))], np.empty((m, n))
    for k in range(1, m + 1):
        before, new = means[-1], np.empty((k + 1, n))
        new[0] = 0
        np.multiply(before, keep[k - 1], out=new[1:])
        new[1:] *= size[1 : k + 1] / k
        hidden = np.multiply(before, hide[k - 1], out=spare[:k])
        hidden *= 1 - size[:k] / k
        new[:-1] += hidden
        means.append(new)
    back = np.repeat(np.asarray(law, dtype=np.float64)[:, None], n, axis=1)
    total = np.einsum("sn,sn->n", back, means[m])
    each = np.empty((n, m))
    for k in range(m, 0, -1):
        chosen = np.multiply(back[1:], keep[k - 1], out=spare[:k])
        chosen *= size[1 : k + 1] / k
        np.einsum("sn,sn->n", chosen, means[k - 1], out=each[:, k - 1])
        back = back[:-1]
        back *= hide[k - 1]
        back *= 1 - size[:k] / k
        back += chosen
    return total, each


def kept(law: np.ndarray) -> tuple[float, float]:
    """Chance that a feature, and that two, are kept under a law of sizes (M + 1,)."""
    m = len(law) - 1
    size = np.arange(m + 1)
    one = float(law @ size) / m
    return one, float(law @ (size * (size - 1))) / (m * (m - 1)) if m > 1 else one
