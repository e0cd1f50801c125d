"""The data as a file from elsewhere is asked: nothing is learnt from them, so every value reaches it as it stands."""

from __future__ import annotations

import dataclasses

from workbench.data.cells import in_order
from workbench.types import Column, Dataset


def for_file(dataset: Dataset) -> Dataset:
    """The dataset with the categories of all its rows.

    The file has its own encoder: which categories it knows no split of these rows can tell.
    """
    return dataclasses.replace(dataset, columns=tuple(_with_all(column, dataset) for column in dataset.columns))


def _with_all(column: Column, dataset: Dataset) -> Column:
    if column.kind != "categorical":
        return column
    cells = (e.input.get(column.name) for e in dataset.examples)
    rest = {str(cell) for cell in cells if cell is not None and cell == cell} - set(column.categories)
    return dataclasses.replace(column, categories=in_order({*column.categories, *rest})) if rest else column
