"""Rows of a table: codes, missing values, and hiding against a loop."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import tiny

from workbench.errors import ConfigError
from workbench.modalities import table
from workbench.types import Column

PREPARATION = table.TablePreparation(tiny.COLUMNS)
ROW: dict[str, Any] = {"age": 31.5, "colour": "red", "income": None, "town": "west"}


def test_missing_is_nan_and_unseen_is_zero() -> None:
    arrays = table.encode([ROW, {"age": "7", "colour": math.nan}], PREPARATION).arrays
    np.testing.assert_array_equal(arrays["numeric"], np.array([[31.5, np.nan], [7, np.nan]], np.float32))
    assert arrays["categorical"].tolist() == [[3, 0], [0, 0]]
    assert arrays["numeric"].dtype == np.float32
    assert arrays["categorical"].dtype == np.int64


def test_a_kind_without_columns_has_no_input() -> None:
    for kind, name in ((0, "numeric"), (1, "categorical")):
        preparation = table.TablePreparation((tiny.COLUMNS[kind],))
        assert preparation.inputs == (name,)
        assert list(table.encode([ROW], preparation).batch([0])) == [name]
    assert table.encode([], PREPARATION).arrays["numeric"].shape == (0, 2)


def test_preparation_travels_as_json() -> None:
    assert table.TablePreparation.from_json(json.loads(json.dumps(PREPARATION.to_json()))) == PREPARATION
    assert PREPARATION.order == (0, 2, 1, 3)


def test_cells_are_shown_with_unit() -> None:
    cut = table.segment(ROW, PREPARATION)
    assert [(f.name, f.value) for f in cut.features] == [
        ("age", "31.5 years"),
        ("colour", "red"),
        ("income", "missing"),
        ("town", "west"),
    ]
    assert table.show(math.nan, Column("x", "numeric")) == "missing"
    assert table.show(1234567.0, Column("x", "numeric")) == "1.23457e+06"


def test_hiding_takes_each_hidden_column_from_the_background() -> None:
    dataset = tiny.table(20)
    others = [e.input for e in dataset.examples[:5]]
    background = table.encode(others, PREPARATION).arrays
    cut = table.segment(ROW, PREPARATION)
    masks = np.array([[bool(i >> j & 1) for j in range(4)] for i in range(16)])
    found = table.hide(cut, masks, PREPARATION, filler="background", background=background)
    expected = [
        {c.name: (ROW if kept else other)[c.name] for c, kept in zip(tiny.COLUMNS, mask, strict=True)}
        for mask in masks
        for other in others
    ]
    again = table.encode(expected, PREPARATION).arrays
    for name in PREPARATION.inputs:
        np.testing.assert_array_equal(found[name], again[name])


def test_pool_puts_columns_back_into_the_tables_order() -> None:
    cut = table.segment(ROW, PREPARATION)
    values = np.random.default_rng(0).normal(size=(4, 6))
    found = table.pool(cut, values, PREPARATION.order)
    for position, column in enumerate(PREPARATION.order):
        assert found[column] == pytest.approx(values[position].sum(), rel=1e-12)
    assert found.sum() == pytest.approx(values.sum(), rel=1e-12)


def test_tables_have_one_filler() -> None:
    assert table.choose_filler("", PREPARATION) == "background"
    with pytest.raises(ConfigError, match="none for tables"):
        table.choose_filler("mask", PREPARATION)
