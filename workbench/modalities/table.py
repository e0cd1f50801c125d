"""Rows of a table: numbers and codes for the model, named columns for the reader.

A hidden column takes its values from background rows, the others stay: the interventional
conditional expectation of Shapley values for tables (Janzing et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from workbench.errors import ConfigError
from workbench.types import Column, Feature

FILLERS = {"background": "values of training rows (the mean answer over them)"}


@dataclass(frozen=True)
class TablePreparation:
    """What turns a row into `numeric` (raw values, NaN missing) and `categorical` (codes)."""

    columns: tuple[Column, ...]

    modality = "table"

    @cached_property
    def numeric(self) -> tuple[int, ...]:
        return tuple(i for i, c in enumerate(self.columns) if c.kind == "numeric")

    @cached_property
    def categorical(self) -> tuple[int, ...]:
        return tuple(i for i, c in enumerate(self.columns) if c.kind == "categorical")

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Columns in the order of the network's embedding: numeric first, then categorical."""
        return self.numeric + self.categorical

    @cached_property
    def codes(self) -> dict[int, dict[str, int]]:
        """Code of each category, from 1; 0 is a missing or unseen value."""
        return {i: {v: k + 1 for k, v in enumerate(self.columns[i].categories)} for i in self.categorical}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs; a kind without columns has none."""
        return ("numeric",) * bool(self.numeric) + ("categorical",) * bool(self.categorical)

    def to_json(self) -> dict[str, Any]:
        return {
            "modality": self.modality,
            "inputs": list(self.inputs),
            "columns": [
                {"name": c.name, "kind": c.kind, "categories": list(c.categories), "unit": c.unit} for c in self.columns
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TablePreparation:
        return cls(
            tuple(Column(c["name"], c["kind"], tuple(c["categories"]), c.get("unit", "")) for c in value["columns"])
        )


class EncodedRows:
    """Rows as arrays."""

    def __init__(self, arrays: dict[str, np.ndarray], n: int) -> None:
        self.arrays, self._n = arrays, n
        self.lengths = np.ones(n, dtype=np.int64)

    def __len__(self) -> int:
        return self._n

    def batch(self, rows: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Model inputs of some rows: `numeric` float32, `categorical` int64."""
        index = np.asarray(rows, dtype=np.int64)
        return {name: array[index] for name, array in self.arrays.items()}


@dataclass(frozen=True)
class Row:
    """One row with its named columns."""

    features: tuple[Feature, ...]
    arrays: dict[str, np.ndarray]


def encode(inputs: Sequence[Mapping[str, Any]], preparation: TablePreparation) -> EncodedRows:
    """Rows (column to value; None and NaN are missing) as the model's arrays."""
    columns = preparation.columns
    arrays: dict[str, np.ndarray] = {}
    if preparation.numeric:
        arrays["numeric"] = np.array(
            [[_number(row.get(columns[i].name)) for i in preparation.numeric] for row in inputs], dtype=np.float32
        ).reshape(len(inputs), len(preparation.numeric))
    if preparation.categorical:
        arrays["categorical"] = np.array(
            [
                [_code(row.get(columns[i].name), preparation.codes[i]) for i in preparation.categorical]
                for row in inputs
            ],
            dtype=np.int64,
        ).reshape(len(inputs), len(preparation.categorical))
    return EncodedRows(arrays, len(inputs))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _code(value: Any, codes: Mapping[str, int]) -> int:
    return 0 if value is None or value != value else codes.get(str(value), 0)


def segment(row: Mapping[str, Any], preparation: TablePreparation, **_: Any) -> Row:
    """The named columns of a row."""
    features = tuple(Feature(c.name, value=show(row.get(c.name), c)) for c in preparation.columns)
    return Row(features, encode([row], preparation).arrays)


def show(value: Any, column: Column) -> str:
    """A cell as a person reads it."""
    if value is None or value != value:
        return "missing"
    if column.kind == "categorical":
        return str(value)
    return f"{float(value):.6g}" + (f" {column.unit}" if column.unit else "")


def choose_filler(name: str, preparation: TablePreparation) -> str:
    """The filler to use; tables have one."""
    if name and name not in FILLERS:
        raise ConfigError(f"explain.filler = {name!r} is none for tables", hint=f"allowed: {', '.join(FILLERS)}")
    return "background"


def hide(
    row: Row,
    masks: np.ndarray,
    preparation: TablePreparation,
    *,
    filler: str,
    background: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Model inputs of n masks times B background rows: kept columns from the row, the rest from the background."""
    batch = {}
    for name, indices in (("numeric", preparation.numeric), ("categorical", preparation.categorical)):
        if not indices:
            continue
        keep = masks[:, None, list(indices)]
        mixed = np.where(keep, row.arrays[name][None], background[name][None])
        batch[name] = mixed.reshape(-1, len(indices))
    return batch


def pool(row: Row, attributions: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Sum (columns, d) attributions of embedded columns to (M,) columns in the table's order."""
    values = np.zeros(len(row.features))
    values[list(order)] = attributions.reshape(len(order), -1).sum(axis=1)
    return values
