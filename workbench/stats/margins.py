"""Non-inferiority and equivalence of two paired proportions, with the power to show them.

A margin must be declared before the data are seen. A failed test never means "no
difference": where the sample is too small to pass, the sentence says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from workbench.stats.proportions import newcombe_paired


@dataclass(frozen=True, slots=True)
class Margin:
    """The outcome of a test against a margin.

    `power` is the chance to pass with `n` pairs if both were truly equal, at the observed
    rate of discordant pairs; `needed` the pairs for a chance of `wanted_power`.
    """

    passed: bool
    difference: float
    low: float
    high: float
    margin: float
    n: int
    power: float
    needed: int
    underpowered: bool
    sentence: str


def required_pairs(discordance: float, margin: float, confidence: float = 0.95, power: float = 0.8) -> int:
    """Pairs needed to show non-inferiority: ceil((z_conf + z_power)^2 discordance / margin^2).

    Args:
        discordance: expected share of pairs on which the two disagree in being right.
        margin: largest loss that is still acceptable, as a proportion (> 0).
        confidence: of the two-sided interval whose lower end is read; 0.95 tests at 2.5 %.
        power: chance to pass if both are truly equal.
    """
    _check_margin(margin)
    z = float(ndtri(0.5 + confidence / 2) + ndtri(power))
    return math.ceil(z * z * discordance / margin**2)


def noninferiority(
    n11: int, n10: int, n01: int, n00: int, margin: float, confidence: float = 0.95, wanted_power: float = 0.8
) -> Margin:
    """Is the second at most `margin` worse than the first?

    Passes if the lower end of Newcombe's interval of the difference lies above -margin.
    Cells as in `newcombe_paired`.

    Raises:
        ValueError: for a margin that is not positive, or no pair at all.
    """
    _check_margin(margin)
    n, low, high, difference = _interval(n11, n10, n01, n00, confidence)
    spread = math.sqrt(_discordance(n10, n01, n) / n)
    power = float(ndtr(margin / spread - float(ndtri(0.5 + confidence / 2))))
    needed = required_pairs(spread**2 * n, margin, confidence, wanted_power)
    passed = low > -margin
    limit = f"{100 * margin:.1f} points"
    shown = high < 0  # that it is worse needs no more examples to be seen
    if passed:
        sentence = f"Not worse by more than {limit}: the interval starts at {100 * low:+.1f} points."
    elif n < needed and not shown:
        sentence = (
            f"Underpowered: non-inferiority within {limit} cannot be claimed with {n:,} examples; "
            f"about {needed:,} would be needed."
        )
    else:
        sentence = f"A loss of more than {limit} cannot be excluded: the interval starts at {100 * low:+.1f} points."
    return Margin(passed, difference, low, high, margin, n, power, needed, n < needed, sentence)


def equivalence(
    n11: int, n10: int, n01: int, n00: int, margin: float, confidence: float = 0.95, wanted_power: float = 0.8
) -> Margin:
    """Do the two differ by less than `margin` in either direction (two one-sided tests)?

    Passes if the interval at 2 * confidence - 1 (90 % for 0.95) lies inside
    (-margin, margin); each of the two one-sided tests is then at level 1 - confidence.
    Source: Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657-680.
    """
    _check_margin(margin)
    inner = 2 * confidence - 1
    n, low, high, difference = _interval(n11, n10, n01, n00, inner)
    discordance = _discordance(n10, n01, n)
    z = float(ndtri(confidence))
    power = max(0.0, 2 * float(ndtr(margin / math.sqrt(discordance / n) - z)) - 1)
    needed = math.ceil((z + float(ndtri(0.5 + wanted_power / 2))) ** 2 * discordance / margin**2)
    passed = -margin < low and high < margin
    limit = f"{100 * margin:.1f} points"
    span = f"{100 * low:+.1f} to {100 * high:+.1f} points"
    shown = high < 0 or low > 0  # that they differ needs no more examples to be seen
    if passed:
        sentence = f"Equal within {limit}: the {100 * inner:.0f} % interval is {span}."
    elif n < needed and not shown:
        sentence = (
            f"Underpowered: equality within {limit} cannot be claimed with {n:,} examples; "
            f"about {needed:,} would be needed."
        )
    else:
        sentence = f"A difference of more than {limit} cannot be excluded: the {100 * inner:.0f} % interval is {span}."
    return Margin(passed, difference, low, high, margin, n, power, needed, n < needed, sentence)


def _interval(n11: int, n10: int, n01: int, n00: int, confidence: float) -> tuple[int, float, float, float]:
    estimate = newcombe_paired(n11, n10, n01, n00, confidence)
    if estimate.value is None or estimate.low is None or estimate.high is None:
        raise ValueError("no pair to compare")
    return estimate.n, estimate.low, estimate.high, estimate.value


def _discordance(n10: int, n01: int, n: int) -> float:
    """Share of discordant pairs; (k + 1/2) / (n + 1) so that none seen is not none possible."""
    return (n10 + n01 + 0.5) / (n + 1)


def _check_margin(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"the margin must be positive, got {margin}")
