"""What columns may become: seen values, given ranges, fixed columns, wishes that make no sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.config import Explain
from workbench.errors import ConfigError, UnknownName
from workbench.tasks.ranges import check_ranges, ranges_of
from workbench.types import Column

COLUMNS = (Column("age", "numeric"), Column("income", "numeric"), Column("town", "categorical", ("north", "south")))
ROWS = [{"age": float(20 + i % 40), "income": 1000.5 + 7.3 * i, "town": "north"} for i in range(200)]


def test_values_were_seen_and_whole_numbers_stay_whole() -> None:
    age, income, town = ranges_of(COLUMNS, [*ROWS, {"age": None, "income": float("nan"), "town": None}], Explain())
    assert age.integer and not income.integer
    assert set(age.values) <= {r["age"] for r in ROWS} and set(income.values) <= {r["income"] for r in ROWS}
    assert (age.values[0], age.values[-1]) == (20, 59) and len(income.values) == 16
    assert town.values == ("north", "south")
    assert age.scale == np.subtract(*np.quantile([r["age"] for r in ROWS], (0.75, 0.25)))


def test_given_ranges_and_fixed_columns() -> None:
    wishes = Explain(ranges={"age": (30.5, 70.2), "income": (900, 1200)}, immutable=("town",))
    age, income, town = ranges_of(COLUMNS, ROWS, wishes)
    assert (age.values[0], age.values[-1]) == (31, 70) and all(v == round(v) for v in age.values)
    assert (income.values[0], income.values[-1]) == (900, 1200) and town.values == ()
    assert ranges_of(COLUMNS, ROWS, Explain(immutable=("age",)))[0].values == ()


@pytest.mark.parametrize(
    ("wishes", "modality", "error", "named"),
    [
        ({"immutable": ("aeg",)}, "table", UnknownName, "age"),
        ({"ranges": {"incom": (0, 1)}}, "table", UnknownName, "income"),
        ({"ranges": {"town": (0, 1)}}, "table", ConfigError, "category"),
        ({"ranges": {"age": (5, 5)}}, "table", ConfigError, "empty"),
        ({"immutable": ("age",)}, "text", ConfigError, "texts"),
    ],
)
def test_wishes_that_make_no_sense(wishes: dict[str, Any], modality: str, error: type, named: str) -> None:
    with pytest.raises(error) as raised:
        check_ranges(Explain(**wishes), modality, COLUMNS)
    assert named in f"{raised.value.message} {raised.value.hint}"
