"""The sentences that a comparison ends with."""

from __future__ import annotations

import pytest

from workbench.metrics.verdict import decimals, verdict_on_accuracy, verdict_on_error


def accuracy(difference: float, low: float, high: float, p: float = 0.001) -> dict[str, float]:
    return {"difference": difference, "low": low, "high": high, "mcnemar_p": p}


@pytest.mark.parametrize(
    ("entry", "changed", "sentence"),
    [
        (accuracy(0.08, 0.051, 0.11), 40, "Better than before by 8.0 points of accuracy (95 % interval 5.1 to 11.0)."),
        (accuracy(-0.03, -0.05, -0.01), 40, "Worse than before by 3.0 points of accuracy (95 % interval 1.0 to 5.0)."),
        (
            accuracy(0.005, -0.01, 0.021, 0.6),
            9,
            "No change could be shown: accuracy moved by +0.5 points, and the 95 % interval −1.0 to +2.1 points "
            "includes zero.",
        ),
        (
            accuracy(0.25, 0.03, 0.47, 0.0625),
            5,
            "Not certain: accuracy seems to rise by 25.0 points (95 % interval 3.0 to 47.0), but the exact test does "
            "not confirm it (p = 0.062); too few examples changed.",
        ),
        (accuracy(0.0, 0.0, 0.0, 1.0), 0, "Nothing changed: both models decide all 1,200 examples alike."),
        (
            accuracy(0.0008, 0.0002, 0.0014),
            40,
            "Better than before by 0.08 points of accuracy (95 % interval 0.02 to 0.14).",
        ),
    ],
)
def test_accuracy(entry: dict[str, float], changed: int, sentence: str) -> None:
    assert verdict_on_accuracy(entry, 1200, changed, 0.95) == sentence


def error(before: float, after: float, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"before": before, "after": after, "difference": after - before, "low": low, "high": high}


@pytest.mark.parametrize(
    ("entry", "unit", "sentence"),
    [
        (
            error(62.13, 54.02, -12.2, -4.0),
            "mg/dl",
            "The typical error (RMSE) fell from 62.1 to 54.0 mg/dl, by 8.1 (95 % interval 4.0 to 12.2).",
        ),
        (
            error(0.0512, 0.0634, 0.003, 0.021),
            "",
            "The typical error (RMSE) rose from 0.0512 to 0.0634, by 0.0122 (95 % interval 0.0030 to 0.0210).",
        ),
        (
            error(62.0, 60.0, -5.0, 1.2),
            "",
            "No change could be shown: the typical error (RMSE) went from 62.0 to 60.0, and the 95 % interval of the "
            "difference, −5.0 to +1.2, includes zero.",
        ),
        (error(5.0, 5.0, None, None), "kg", "Nothing changed: the typical error (RMSE) is 5.00 kg both times."),
        (
            error(5.0, 4.0, None, None),
            "kg",
            "No change could be shown: the typical error (RMSE) went from 5.00 to 4.00 kg, on too little data for an "
            "interval.",
        ),
    ],
)
def test_error(entry: dict[str, float | None], unit: str, sentence: str) -> None:
    assert verdict_on_error(entry, unit, 0.95) == sentence


def test_decimals_show_three_digits() -> None:
    assert [decimals(v) for v in (123.0, 12.3, 1.23, 0.0123, 0.0)] == [1, 1, 2, 4, 1]
    assert decimals(1e-12) == 6
