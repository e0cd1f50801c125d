"""What a comparison found, in one sentence for a person who knows no machine learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def verdict_on_accuracy(
    accuracy: Mapping[str, Any], n: int, changed: int, confidence: float, name: str = "accuracy"
) -> str:
    """The sentence on a classifier.

    Args:
        accuracy: `difference`, `low`, `high` and `p` (else `mcnemar_p`), as in comparison.json;
            `groups` where whole groups of examples were compared.
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
    p = accuracy.get("p", accuracy["mcnemar_p"])
    if p >= 1 - confidence:
        way = "rise" if difference > 0 else "fall"
        test = "test over whole groups" if accuracy.get("groups") else "exact test"
        return (
            f"Not certain: {name} seems to {way} by {abs(difference):.{digits}f} points ({span}), but the {test} "
            f"does not confirm it (p = {p:.2g}); too few {'groups' if accuracy.get('groups') else 'examples'} changed."
        )
    word = "Better" if difference > 0 else "Worse"
    return f"{word} than before by {abs(difference):.{digits}f} points of {name} ({span})."


def calibration_change(accuracy: Mapping[str, Any], measures: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Whether the probabilities became more honest: changes of ECE, Brier score and log loss, and a sentence.

    Two models whose ECE is within what chance shows of a perfectly calibrated one are not told apart by it.

    Args:
        accuracy: as in comparison.json.
        measures: entries of comparison.json, with paired-bootstrap intervals.
    """
    found = {m["name"]: m for m in measures if m["name"] in ("ece", "brier", "log_loss")}
    ece = found.get("ece")
    if ece is None or ece["low"] is None or ece["high"] is None or accuracy.get("low") is None:
        return None
    rises = "More accurate" if accuracy["low"] > 0 else "Less accurate" if accuracy["high"] < 0 else ""
    span = f"ECE {_signed(ece['difference'], 3)}, {_signed(ece['low'], 3)} to {_signed(ece['high'], 3)}"
    # Its p-value is of the draws, its interval corrected for their bias: both have to say so.
    unsure = ece["low"] <= 0 <= ece["high"] or (ece.get("p") is not None and ece["p"] >= 0.05)
    if unsure or ece.get("within_chance"):
        text = "not demonstrably better or worse calibrated"
    else:
        text = "better calibrated" if ece["high"] < 0 else "worse calibrated"
    if ece.get("within_chance"):
        text += ": both errors are within what chance alone shows"
    joined = f"{rises}{', ' if text.startswith('not') or (rises[:4] == 'Less') == (text[:5] == 'worse') else ', but '}"
    sentence = f"{joined}{text} ({span})." if rises else f"{text[:1].upper()}{text[1:]} ({span})."
    return {"moved": [n for n, m in found.items() if m["low"] is not None and m["low"] * m["high"] > 0]} | {
        "sentence": sentence
    }


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
