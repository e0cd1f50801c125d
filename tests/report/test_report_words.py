"""Numbers and foreign text as they are printed."""

from __future__ import annotations

import pytest

from workbench.report import words
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
    assert words.count(1, "class", "classes") == "1 class"
    assert words.count(1200, "class", "classes") == "1,200 classes"
