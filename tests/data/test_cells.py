"""One cell: number, category, label, or missing."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal

import pytest

from workbench.data.cells import as_value, category, in_order, is_nested, number, numbers


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.5", 1.5), (" -2e3 ", -2000.0), (3, 3.0), (Decimal("0.5"), 0.5), ("inf", math.inf), (10**400, math.inf)],
)
def test_numbers(cell, value):
    assert number(cell) == value


@pytest.mark.parametrize("cell", [None, "", " ", "NA", "n/a", "NaN", "null", "None", "?", math.nan])
def test_missing_numbers(cell):
    assert math.isnan(number(cell))


@pytest.mark.parametrize("cell", ["abc", "1_000", "1,5", True, b"1", [1], "0x10"])
def test_no_numbers(cell):
    with pytest.raises(ValueError):
        number(cell)
    assert numbers(["1", cell]) is None


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (" a ", "a"),
        ("NA", "NA"),  # Namibia
        ("None", "None"),
        (1, "1"),
        (1.0, "1"),
        (0.5, "0.5"),
        (True, "True"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        ("", None),
        ("nan", None),
        (None, None),
        (math.nan, None),
    ],
)
def test_categories(cell, name):
    assert category(cell) == name


def test_blanks_stay_where_a_category_is_taken_as_it_stands():
    assert category(" a ", exact=True) == " a "
    assert category("  ", exact=True) is category(" nan", exact=True) is None
    assert category(1.0, exact=True) == "1"


def test_labels_are_sorted_by_value_where_all_are_numbers():
    assert in_order(["10", "9", "-1", "9"]) == ("-1", "9", "10")
    assert in_order(["10", "9", "x"]) == ("10", "9", "x")
    assert as_value("1e3") == 1000
    assert as_value("inf") is None
    assert as_value("x") is None


def test_lists_and_bytes_are_nested():
    assert is_nested(["a", ["b"]])
    assert is_nested([b"a"])
    assert not is_nested(["a", None, 1.0])
