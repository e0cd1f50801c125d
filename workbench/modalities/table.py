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
from workbench.markup import brief
from workbench.types import Column, Feature

FILLERS = {
    "background": "values of training rows (the mean answer over them)",
    "kmeans": "values of typical training rows, one for each cluster (the mean answer over them, weighted by size)",
}


@dataclass(frozen=True)
class TablePreparation:
    """What turns a row into `numeric` (raw values, NaN missing, of `dtype`) and `categorical` (codes)."""

    columns: tuple[Column, ...]
    dtype: str = "float32"

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
            **({} if self.dtype == "float32" else {"dtype": self.dtype}),
            "columns": [
                {"name": c.name, "kind": c.kind, "categories": list(c.categories), "unit": c.unit}
                | ({"exact": True} if c.exact else {})
                for c in self.columns
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TablePreparation:
        return cls(
            tuple(
                Column(c["name"], c["kind"], tuple(c["categories"]), c.get("unit", ""), c.get("exact", False))
                for c in value["columns"]
            ),
            value.get("dtype", "float32"),
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
            [[_number(row.get(columns[i].name)) for i in preparation.numeric] for row in inputs],
            dtype=preparation.dtype,
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
        return brief(str(value))
    return f"{float(value):.6g}" + (f" {column.unit}" if column.unit else "")


def choose_filler(name: str, preparation: TablePreparation) -> str:
    """The filler to use: the asked one, else background rows."""
    if name and name not in FILLERS:
        raise ConfigError(f"explain.filler = {name!r} is none for tables", hint=f"allowed: {', '.join(FILLERS)}")
    return name or "background"


def summarise(
    arrays: Mapping[str, np.ndarray], rows: int, seed: int, preparation: TablePreparation
) -> tuple[np.ndarray, np.ndarray]:
    """The rows nearest to the centres of `rows` clusters, and the clusters' shares of all rows.

    Real rows, where `shap.kmeans` gives centres that no row may have. Numbers are
    standardised, categories one-hot; a missing number counts as the mean.

    Returns:
        (k,) places of rows and (k,) shares that sum to 1; k is `rows`, or fewer where rows are alike.
    """
    from sklearn.cluster import KMeans

    points = _points(arrays, preparation)
    k = min(rows, len(np.unique(points, axis=0)))
    fitted = KMeans(n_clusters=k, n_init=4, random_state=seed).fit(points)
    nearest = np.array([int(np.argmin(((points - c) ** 2).sum(axis=1))) for c in fitted.cluster_centers_])
    order = np.argsort(nearest, kind="stable")
    shares = np.bincount(fitted.labels_, minlength=k) / len(points)
    return nearest[order], np.asarray(shares[order])


def hierarchy(arrays: Mapping[str, np.ndarray], preparation: TablePreparation) -> np.ndarray:
    """Which columns belong together: average linkage by 1 - |correlation| over rows, (M - 1, 4).

    Correlation of ranks between numbers; a category counts as its one-hot columns, by the largest.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    ranked = {k: np.apply_along_axis(_ranks, 0, v) if k == "numeric" else v for k, v in arrays.items()}
    owner = np.concatenate(
        [
            np.array(preparation.numeric, dtype=int),
            *(np.full(len(preparation.columns[i].categories) + 1, i) for i in preparation.categorical),
        ]
    )
    points = _points(ranked, preparation)
    spread = points.std(axis=0)
    standard = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    strength = np.abs(standard.T @ standard) / max(len(points), 1)
    m = len(preparation.columns)
    near = np.zeros((m, m))
    np.maximum.at(near, (owner[:, None], owner[None, :]), strength)
    distance = 1 - np.clip((near + near.T) / 2, 0, 1)
    np.fill_diagonal(distance, 0)
    return np.asarray(linkage(squareform(distance, checks=False), "average"))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties sharing the mean of theirs; missing values stay missing."""
    found = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    _, place, count = np.unique(values[known], return_inverse=True, return_counts=True)
    found[known] = (np.cumsum(count) - (count - 1) / 2)[place]
    return found


def _points(arrays: Mapping[str, np.ndarray], preparation: TablePreparation) -> np.ndarray:
    """Rows as standardised numbers and one-hot categories, (n, d) float64; missing numbers are the mean, 0."""
    parts = []
    if preparation.numeric:
        numbers = np.asarray(arrays["numeric"], dtype=np.float64)
        known = np.isfinite(numbers)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, numbers, 0).sum(axis=0) / count
        centred = np.where(known, numbers - mean, 0)
        scale = np.sqrt((centred**2).sum(axis=0) / count)
        parts.append(centred / np.where(scale > 0, scale, 1.0))
    for place, column in enumerate(preparation.categorical):
        kinds = len(preparation.columns[column].categories) + 1
        parts.append(np.eye(kinds)[arrays["categorical"][:, place]])
    return np.concatenate(parts, axis=1)


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
