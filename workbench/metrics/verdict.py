"""What a comparison found, in one sentence for a person who knows no machine learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def verdict_on_accuracy(
    accuracy: Mapping[str, Any], n: int, changed: int, confidence: float, name: str = "accuracy"
) -> str:
    """The sentence on a classifier.

    Args:
        accuracy: `difference`, `low`, `high` (Newcombe) and `mcnemar_p`, as in comparison.json.
        n: number of examples with a known class.
        changed: number of examples that the two decide differently.
        confidence: coverage of the interval.
        name: what the share is of.
    """
    if changed == 0:
        return f"Nothing changed: both models decide all {n:,} examples alike."
    difference, low, high = (100 * accuracy[key] for key in ("difference", "low", "high"))
    digits = 1 if high - low >= 0.5 else 2
    level = f"{100 * confidence:g} % interval"
    if low <= 0 <= high:
        return (
            f"No change could be shown: {name} moved by {_signed(difference, digits)} points, and the {level} "
            f"{_signed(low, digits)} to {_signed(high, digits)} points includes zero."
        )
    ends = sorted((abs(low), abs(high)))
    span = f"{level} {ends[0]:.{digits}f} to {ends[1]:.{digits}f}"
    if accuracy["mcnemar_p"] >= 1 - confidence:
        way = "rise" if difference > 0 else "fall"
        return (
            f"Not certain: {name} seems to {way} by {abs(difference):.{digits}f} points ({span}), but the exact "
            f"test does not confirm it (p = {accuracy['mcnemar_p']:.2g}); too few examples changed."
        )
    word = "Better" if difference > 0 else "Worse"
    return f"{word} than before by {abs(difference):.{digits}f} points of {name} ({span})."


def verdict_on_error(rmse: Mapping[str, Any], unit: str, confidence: float) -> str:
    """The sentence on a regressor, from its RMSE entry in comparison.json."""
    before, after = rmse["before"], rmse["after"]
    name, in_unit = "the typical error (RMSE)", f" {unit}" if unit else ""
    digits = decimals(min(before, after), max(before, after))
    if rmse["low"] is None:
        if before == after:
            return f"Nothing changed: {name} is {after:,.{digits}f}{in_unit} both times."
        return f"No change could be shown: {name} went from {before:,.{digits}f} to {after:,.{digits}f}{in_unit}, " + (
            "on too little data for an interval."
        )
    level = f"{100 * confidence:g} % interval"
    if rmse["low"] <= 0 <= rmse["high"]:
        return (
            f"No change could be shown: {name} went from {before:,.{digits}f} to {after:,.{digits}f}{in_unit}, and the "
            f"{level} of the difference, {_signed(rmse['low'], digits)} to {_signed(rmse['high'], digits)}, "
            "includes zero."
        )
    ends = sorted((abs(rmse["low"]), abs(rmse["high"])))
    way = "fell" if rmse["difference"] < 0 else "rose"
    return (
        f"The typical error (RMSE) {way} from {before:,.{digits}f} to {after:,.{digits}f}{in_unit}, "
        f"by {abs(rmse['difference']):,.{digits}f} ({level} {ends[0]:,.{digits}f} to {ends[1]:,.{digits}f})."
    )


def decimals(*values: float) -> int:
    """Decimals that show the smallest non-zero value with three digits: one to six, none from 1,000 on."""
    sizes = [abs(v) for v in values if v]
    digits = 0 if sizes and min(sizes) >= 1000 else 1
    while sizes and digits < 6 and min(sizes) * 10**digits < 100:
        digits += 1
    return digits


def _signed(value: float, digits: int) -> str:
    return f"{value:+,.{digits}f}".replace("-", "−")
