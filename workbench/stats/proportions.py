"""Proportions: intervals of one, of two paired and of two independent ones, and their exact tests."""

from __future__ import annotations

import math

from scipy.special import bdtr, ndtri

from workbench.types import Estimate


def wilson_bounds(p: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion `p` observed on `n` trials (n > 0).

    Source: Wilson, JASA 22 (1927) 209-212; without continuity correction.
    """
    z = float(ndtri(0.5 + confidence / 2))
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # Exact at the ends: rounding must not leave a certain 0 or 1 outside its own interval.
    low = 0.0 if p == 0 else max(0.0, centre - half)
    high = 1.0 if p == 1 else min(1.0, centre + half)
    return low, high


def wilson(k: int, n: int, confidence: float = 0.95) -> Estimate:
    """The proportion k/n with Wilson's score interval; not defined for n = 0.

    Raises:
        ValueError: unless 0 <= k <= n and 0 < confidence < 1.
    """
    if not 0 <= k <= n:
        raise ValueError(f"k must lie between 0 and n, got k={k}, n={n}")
    _check_confidence(confidence)
    if n == 0:
        return Estimate(None, n=0, interval="wilson", reason="no example to count")
    low, high = wilson_bounds(k / n, n, confidence)
    return Estimate(k / n, low, high, n, "wilson")


def mcnemar_exact(b: int, c: int, *, mid_p: bool = False) -> float:
    """Two-sided exact p-value of McNemar's test from the two discordant counts.

    Under the null hypothesis each discordant pair is a fair coin:
    p = min(1, 2 P[Binomial(b + c, 1/2) <= min(b, c)]). `mid_p` counts the observed
    outcome half, which is less conservative (Fagerland et al., BMC Med. Res. Methodol.
    13 (2013) 91). Without a discordant pair p = 1.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts must not be negative, got b={b}, c={c}")
    k, n = min(b, c), b + c
    if n == 0:
        return 1.0
    p = min(1.0, 2 * float(bdtr(k, n, 0.5)))
    if mid_p:
        same = float(bdtr(k, n, 0.5)) - (float(bdtr(k - 1, n, 0.5)) if k else 0.0)
        p -= same / 2 if b == c else same
    return p


def newcombe_paired(n11: int, n10: int, n01: int, n00: int, confidence: float = 0.95) -> Estimate:
    """Difference of two paired proportions, second minus first, with Newcombe's interval.

    Args:
        n11: pairs where both are right.
        n10: pairs where only the first is right.
        n01: pairs where only the second is right.
        n00: pairs where both are wrong.
        confidence: coverage aimed at, e.g. 0.95.

    Source: Newcombe, Statist. Med. 17 (1998) 2635-2650, method 10: Wilson intervals of both
    proportions, combined with the correlation phi (corrected for continuity).
    """
    if min(n11, n10, n01, n00) < 0:
        raise ValueError(f"counts must not be negative, got {(n11, n10, n01, n00)}")
    _check_confidence(confidence)
    n = n11 + n10 + n01 + n00
    if n == 0:
        return Estimate(None, n=0, interval="newcombe", reason="no pair to compare")
    first, second = (n11 + n10) / n, (n11 + n01) / n
    low1, high1 = wilson_bounds(first, n, confidence)
    low2, high2 = wilson_bounds(second, n, confidence)
    phi = _phi(n11, n10, n01, n00)
    difference = (n01 - n10) / n
    below = _combine(second - low2, high1 - first, phi)
    above = _combine(high2 - second, first - low1, phi)
    return Estimate(difference, max(-1.0, difference - below), min(1.0, difference + above), n, "newcombe")


def newcombe_independent(k1: int, n1: int, k2: int, n2: int, confidence: float = 0.95) -> Estimate:
    """Difference k1/n1 - k2/n2 of two independent proportions with Newcombe's interval.

    Source: Newcombe, Statist. Med. 17 (1998) 873-890, method 10: the Wilson intervals of
    both proportions, combined; without continuity correction.
    """
    first, second = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    n = n1 + n2
    if first.value is None or second.value is None:
        return Estimate(None, n=n, interval="newcombe", reason="one of the two has no example")
    (low1, high1), (low2, high2) = (wilson_bounds(k / m, m, confidence) for k, m in ((k1, n1), (k2, n2)))
    difference = first.value - second.value
    low = difference - _combine(first.value - low1, high2 - second.value, 0.0)
    high = difference + _combine(high1 - first.value, second.value - low2, 0.0)
    return Estimate(difference, max(-1.0, low), min(1.0, high), n, "newcombe")


def fisher_exact(k1: int, n1: int, k2: int, n2: int) -> float:
    """Two-sided p-value of Fisher's exact test that k1 of n1 and k2 of n2 are of one proportion."""
    from scipy.stats import fisher_exact as exact

    if not (0 <= k1 <= n1 and 0 <= k2 <= n2):
        raise ValueError(f"each k must lie between 0 and its n, got {k1} of {n1} and {k2} of {n2}")
    return float(exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue)


def _combine(x: float, y: float, phi: float) -> float:
    return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))


def _phi(n11: int, n10: int, n01: int, n00: int) -> float:
    margins = (n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00)
    if margins == 0:
        return 0.0
    excess: float = n11 * n00 - n10 * n01
    if excess > 0:
        excess = max(0.0, excess - (n11 + n10 + n01 + n00) / 2)
    return excess / math.sqrt(margins)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
