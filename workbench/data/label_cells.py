"""Multi-label targets as they stand in a table: all labels in one cell, or a column of 0 and 1 for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.data.cells import category, is_nested, number
from workbench.data.tables import Table
from workbench.errors import DataError

if TYPE_CHECKING:
    from workbench.config import Data

_YES = frozenset({"true", "yes"})
_NO = frozenset({"false", "no"})


def label_sets(table: Table, data: Data, column: str) -> list[tuple[str, ...] | None]:
    """The labels of every row, sorted out of a cell or of the columns `data.targets`.

    In a cell of text labels stand between `data.label_separator` or as a JSON list; a cell of
    JSON or Parquet may also be a list itself. An empty text or list means that no label holds.

    Returns:
        One tuple of distinct names a row, in the order in which they stand; None where the
        cell (or one of the columns) is missing.

    Raises:
        DataError: a cell is not what it must be.
    """
    if data.targets:
        return _from_columns(table, data.targets)
    return [_from_cell(table, i, cell, data, column) for i, cell in enumerate(table.columns[column])]


def _from_columns(table: Table, names: Sequence[str]) -> list[tuple[str, ...] | None]:
    held = {name: [_holds(table, i, cell, name) for i, cell in enumerate(table.columns[name])] for name in names}
    rows = zip(*held.values(), strict=True)
    return [None if None in row else tuple(name for name, yes in zip(names, row, strict=True) if yes) for row in rows]


def _holds(table: Table, row: int, cell: Any, name: str) -> bool | None:
    if isinstance(cell, str) and cell.strip().lower() in _YES | _NO:
        return cell.strip().lower() in _YES
    try:
        value = float(cell) if isinstance(cell, bool) else number(cell)
    except ValueError:
        value = -1.0
    if value != value:
        return None
    if value not in (0.0, 1.0):
        raise DataError(
            f"{table.row(row)}, column {name!r}: {cell!r} does not say whether the label holds",
            hint="allowed are 0 and 1, true and false, yes and no; or name one column of labels with data.target",
        )
    return value == 1.0


def _from_cell(table: Table, row: int, cell: Any, data: Data, name: str) -> tuple[str, ...] | None:
    where = f"{table.row(row)}, column {name!r}"
    if isinstance(cell, str):
        text = cell.strip()
        if text.startswith("[") and text.endswith("]"):
            try:
                cell = json.loads(text)
            except ValueError as e:
                raise DataError(
                    f"{where}: {text[:80]!r} is not a JSON list: {e}",
                    hint=f'write ["first", "second"], or first{data.label_separator}second',
                ) from None
        else:
            cell = text.split(data.label_separator) if text else []
    if cell is None:
        return None
    if not isinstance(cell, list | tuple):
        if is_nested([cell]):
            raise DataError(f"{where}: {type(cell).__name__}, not labels", hint="write a list of names")
        cell = [cell]
    names = [None if is_nested([part]) else category(part) for part in cell]
    if None in names and names != [None]:  # a lone NaN is an empty cell
        raise DataError(
            f"{where}: {cell!r} holds something that is no label",
            hint=f"names stand between {data.label_separator!r} (data.label_separator)",
        )
    return tuple(dict.fromkeys(n for n in names if n is not None))
