"""Numbers and foreign text as they are printed."""

from __future__ import annotations

import pytest

from workbench.metrics.catalogue import MEASURES
from workbench.report import words
from workbench.report.pages import lower_first
from workbench.types import Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.000"),
        (0.8871, "0.887"),
        (-0.3, "−0.300"),
        (-0.0, "0.000"),
        (12.345, "12.3"),
        (86.84, "86.8"),
        (123.4, "123"),
        (11213.2, "11,213"),
        (2.1e-6, "2.1·10⁻⁶"),
        (float("inf"), "∞"),
        (float("nan"), "not a number"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert words.number(value) == text


def test_the_ends_of_an_interval_have_the_same_decimals() -> None:
    assert words.between(7.0, 13.0) == "7.0 to 13.0"
    assert words.between(-0.05, 0.1) == "−0.050 to 0.100"
    assert words.between(2e-7, 4e-6) == "2.0·10⁻⁷ to 4.0·10⁻⁶"
    assert words.between(None, 1.0) == ""
    cell = words.estimate(Estimate(9.8, 8.7, 11.2, 40), n=False)
    assert (cell.text, cell.note) == ("9.8", "8.7 to 11.2")


def test_differences_carry_their_sign() -> None:
    assert words.signed(0.08) == "+0.080"
    assert words.signed(-0.3) == "−0.300"
    assert words.signed(0.0) == "0.000"


def test_p_is_never_zero() -> None:
    assert words.p_value(0.0) == "p < .001"
    assert words.p_value(0.0341) == "p = .034"
    assert words.p_value(1.0) == "p = 1.000"


def test_a_value_that_is_none_says_why() -> None:
    assert words.estimate(Estimate(None, reason="one class only")).text == "not computed: one class only"
    assert words.estimate(None, why="not measured").text == "not computed: not measured"
    cell = words.estimate(Estimate(0.5, 0.4, 0.6, 100))
    assert (cell.text, cell.note) == ("0.500", "0.400 to 0.600 · n 100")
    assert "no interval" in words.estimate(Estimate(0.5, n=3)).note


def test_clean_keeps_the_length_and_stops_overrides() -> None:
    text = "a\u202eb\x00c\u2066d\ud800e\n\tf\u05d0\u200f"
    cleaned = words.clean(text)
    assert len(cleaned) == len(text)
    assert not set(cleaned) & set("\u202e\x00\u2066\ud800")
    assert "\n\tf\u05d0\u200f" in cleaned
    cleaned.encode("utf-8")


def test_dates_are_read_by_people() -> None:
    assert words.date("2026-11-23T10:00:00+00:00") == "23 November 2026, 10:00 UTC"
    assert words.date("yesterday") == "yesterday"


def test_listing_and_count() -> None:
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.listing(["a"]) == "a"
    assert words.listing([]) == ""
    assert words.count(1, "{n} class", "{n} classes") == "1 class"
    assert words.count(1200, "{n} class", "{n} classes") == "1,200 classes"


def test_a_probability_is_never_rounded_to_a_certainty() -> None:
    shown = {1.0: "100 %", 0.99999: "> 99.9 %", 0.998: "99.8 %", 0.55: "55 %", 0.0004: "< 0.1 %", 0.0: "0 %"}
    assert {p: words.chance(p) for p in shown} == shown


def test_a_change_and_its_interval_have_the_same_decimals_and_signs() -> None:
    assert words.change(1.813, -1.281, 4.418) == ("+1.81", "−1.28 to +4.42")
    assert words.change(-22554.1, -24568.2, -20583.6) == ("−22,554", "−24,568 to −20,584")
    assert words.change(0.0, -0.0433, 0.0433) == ("0.000", "−0.043 to +0.043")
    assert words.change(0.0162, 0.00085, 0.038) == ("+0.016", "+0.001 to +0.038")
    assert words.change(2e-7, None, None) == ("+2.0·10⁻⁷", "")


def test_estimates_take_the_decimals_of_their_row() -> None:
    assert words.estimate(Estimate(0.784, 0.665, 0.929, 9), n=False, beside=[1.05]).text == "0.78"


def test_measures_are_named_by_the_catalogue_and_share_axes_by_kind() -> None:
    assert words.measure_name("mcc").title == MEASURES["mcc"].title
    assert all(words.measure_name(name).meaning == info.text for name, info in MEASURES.items())
    assert words.measure_name("ece").scale == words.measure_name("ece_floor").scale != "share"
    assert words.measure_name("rmse").scale == words.measure_name("mae").scale == "unit"
    assert len({words.measure_name(name).scale for name in ("mse", "r2", "bias", "mcc", "log_loss", "accuracy")}) == 6
    assert words.measure_name("of_a_plugin").title == "of a plugin"


def test_intervals_are_named() -> None:
    assert words.interval_name("paired bootstrap-bca") == "paired bootstrap, BCa"
    assert words.interval_name("of-a-plugin") == "of-a-plugin"


def test_a_title_inside_of_a_sentence_keeps_the_capital_of_a_name() -> None:
    titles = ("Accuracy", "Matthews correlation", "F1, all classes alike", "ROC", "Brier score", "R²")
    assert [lower_first(title) for title in titles] == ["accuracy", *titles[1:]]
