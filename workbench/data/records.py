"""Tables and picture folders as records: an id, an input, a raw target and a place for each row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.cells import booleans, category, number, numbers
from workbench.data.label_cells import label_sets
from workbench.data.pictures import inside
from workbench.data.roles import Roles, find_roles, require
from workbench.data.splits import SPLIT_NAMES
from workbench.data.tables import Table
from workbench.errors import DataError
from workbench.types import Column, Skipped

if TYPE_CHECKING:
    from workbench.config import Data

Target = str | float | tuple[str, ...] | None
MISSING = "missing"  # what stands in `meta` for an empty cell
EVIDENCE = "evidence"  # key of `meta`: what a person, or the maker of the data, says decides


@dataclass(frozen=True, slots=True)
class Record:
    """One row before splits and class indices: `target` is a label's name, several, a value or None."""

    id: str
    input: Any
    target: Target
    split: str  # "" where none is given
    where: str
    meta: dict[str, str] = field(default_factory=dict)


@dataclass
class Records:
    """What a source holds, and what was left out of it."""

    rows: list[Record]
    target: str
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: tuple[Column, ...] = ()  # categories, but for how true and false are spelt, are filled in later
    class_names: tuple[str, ...] = ()  # order of coded classes, where the source has one

    def skip(self, reasons: Sequence[str]) -> None:
        """Leave out the rows whose reason is not empty."""
        self.skipped += [Skipped(r.where, why) for r, why in zip(self.rows, reasons, strict=True) if why]
        self.rows = [r for r, why in zip(self.rows, reasons, strict=True) if not why]


def sufficient_share(skipped: int, kept: int) -> float:
    """The share of examples that were skipped, rounded up to two digits."""
    total = kept + skipped
    unit = 10.0 ** (math.floor(math.log10(skipped / total)) - 1)
    up = math.ceil(skipped / total / unit - 1e-9)
    return next(v for k in (up, up + 1) if (v := float(f"{k * unit:.2g}")) * total >= skipped)


def table_records(
    parts: Sequence[tuple[str, Table]], data: Data, modality: str, kind: str, exact: bool = False
) -> Records:
    """The rows of one table, or of one table a split, as records.

    Roles and kinds of columns are taken from the training table. `exact` keeps blanks around categories.

    Raises:
        DataError: a column is missing, an id is there twice, a cell is not what it must be.
    """
    training = next((table for split, table in parts if split in ("", "train")), parts[0][1])
    roles = find_roles(training, data, modality, kind)
    notes = [*roles.notes, *(note for _, table in parts for note in table.notes)]
    named = roles.target or ", ".join(roles.targets)
    records = Records([], named, notes=notes, class_names=training.class_names.get(roles.target, ()))
    if modality == "table":
        records.columns = _columns(training, roles, data, records, exact)
    spelt = {name: booleans(map(category, cells)) for name, cells in training.columns.items() if name in roles.slices}
    needed = (
        roles.target,
        *roles.targets,
        *([c.name for c in records.columns] or roles.inputs),
        roles.split,
        roles.group,
        data.id,
        data.rationale,
    )
    for split, table in parts:
        for name in dict.fromkeys((*needed, *roles.slices)):
            if name:
                require(table, name, f"a column of {training.where}")
        inputs, reasons = table_inputs(table, roles, records.columns, modality)
        targets = _targets(table, roles.target, data, kind)
        ids = row_ids(table, split, roles.id)
        splits = _splits(table, roles.split) if roles.split else [split] * len(table)
        meta_names = dict.fromkeys((*roles.slices, roles.group))
        meta = {name: _names(table, name, spelt.get(name, {})) for name in meta_names if name}
        if data.rationale:
            meta[EVIDENCE] = list(map(_rationale, table.columns[data.rationale]))
        rows = [
            Record(
                *(ids[i], inputs[i], targets[i], splits[i], table.row(i)),
                {k: v[i] or ("" if k == EVIDENCE else MISSING) for k, v in meta.items()},
            )
            for i in range(len(table))
            if not reasons[i]
        ]
        records.rows += rows
        records.skipped += [Skipped(table.row(i), why) for i, why in enumerate(reasons) if why]
    _unique_ids(records)
    return records


def _rationale(cell: Any) -> str | None:
    """Places in a list or array as "3,7", anything else as it is written."""
    if isinstance(cell, list | tuple):
        return ",".join(str(part) for part in cell) or None
    return category(cell)


def _columns(table: Table, roles: Roles, data: Data, records: Records, exact: bool) -> tuple[Column, ...]:
    """Name and kind of each feature column; columns without any value are left out."""
    columns = []
    for name in roles.inputs:
        cells = table.columns[name]
        if all(category(cell) is None for cell in cells):
            records.notes.append(f"Column {name!r} of {table.where} is empty and is left out.")
            continue
        typed = table.as_text or not any(isinstance(cell, str) for cell in cells)  # "5" in JSON is meant as text
        values = numbers(cells) if typed and name not in data.categorical else None
        numeric = values is not None and not all(map(math.isnan, values))
        # An audited file is asked what the data say, letter by letter.
        spelt = () if numeric or exact else tuple(booleans(map(category, cells)).values())
        kind, meant = "numeric" if numeric else "categorical", name in data.categorical
        columns.append(Column(name, kind, spelt, exact=exact and not numeric, meant=meant))
    if not columns:
        raise DataError(f"{table.where}: every feature column is empty", hint="check the file's content")
    return tuple(columns)


def _names(table: Table, name: str, spelt: Mapping[str, str], exact: bool = False) -> list[str | None]:
    """The categories of a column, true and false as they are `spelt` where the column has nothing else."""
    pool: dict[str | None, str | None] = {}
    names = [pool.setdefault(c, c) for c in (category(cell, exact) for cell in table.columns[name])]
    return [spelt.get(c.lower(), c) if c else c for c in names] if spelt else names


def _rows(table: Table, roles: Roles, columns: Sequence[Column]) -> tuple[list[Any], list[str]]:
    reasons = [""] * len(table)
    converted: list[list[Any]] = []
    for column in columns:
        cells = table.columns[column.name]
        if column.kind == "categorical":
            spelt = {} if column.exact else booleans(column.categories)
            spelt = spelt if len(spelt) == len(column.categories) else {}
            converted.append(_names(table, column.name, spelt, column.exact))
            continue
        values: list[float | None] = []
        for i, cell in enumerate(cells):
            try:
                value = number(cell)
            except ValueError:
                raise DataError(
                    f"{table.row(i)}, column {column.name!r}: {cell!r} is not a number, as in the training split",
                    hint=f"repair the cell, or list {column.name!r} in data.categorical",
                ) from None
            if math.isinf(value):
                reasons[i] = f"infinity in column {column.name!r}"
            values.append(None if math.isnan(value) else value)
        converted.append(values)
    names = [column.name for column in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*converted, strict=True)], reasons


def _texts(table: Table, roles: Roles, columns: Sequence[Column]) -> tuple[list[Any], list[str]]:
    texts = []
    for i, cell in enumerate(table.columns[roles.inputs[0]]):
        if cell is not None and not isinstance(cell, str):
            raise DataError(
                f"{table.row(i)}, column {roles.inputs[0]!r}: {type(cell).__name__}, not text",
                hint="name the column of the text with data.text",
            )
        texts.append(cell or "")
    return texts, ["" if text.strip() else "empty text" for text in texts]


def _pictures(table: Table, roles: Roles, columns: Sequence[Column]) -> tuple[list[Any], list[str]]:
    pictures: list[Any] = []
    reasons = []
    for cell in table.columns[roles.inputs[0]]:
        content = cell.get("bytes") or cell.get("path") if isinstance(cell, dict) else cell
        reason = "" if content else "no picture"
        if isinstance(content, str):
            content = (table.folder or Path()) / content
            if table.folder is not None and not inside(content, table.folder):
                reason = f"{cell!r} lies outside the data folder"
        pictures.append(content)
        reasons.append(reason)
    return pictures, reasons


_INPUTS: dict[str, Callable[[Table, Roles, Sequence[Column]], tuple[list[Any], list[str]]]] = {
    "table": _rows,
    "text": _texts,
    "image": _pictures,
}


def table_inputs(table: Table, roles: Roles, columns: Sequence[Column], modality: str) -> tuple[list[Any], list[str]]:
    """The input of every row, and why it cannot be used ("" where it can).

    Raises:
        DataError: a cell is not what the column must hold.
    """
    return _INPUTS[modality](table, roles, columns)


def _targets(table: Table, name: str, data: Data, kind: str) -> list[Target]:
    """The target of every row as `kind` reads it."""
    if kind == "labels":
        return [*label_sets(table, data, name)]
    return _values(table, name) if kind == "value" else list(map(category, table.columns[name]))


def _values(table: Table, name: str) -> list[Target]:
    """Regression targets; NaN stays (it is skipped later, and counted)."""
    values: list[Target] = []
    for i, cell in enumerate(table.columns[name]):
        try:
            values.append(number(cell))
        except ValueError:
            raise DataError(
                f"{table.row(i)}, column {name!r}: target {cell!r} is not a number",
                hint="repair the cell, name another column with data.target, or use a classification task",
            ) from None
    return values


def _splits(table: Table, name: str) -> list[str]:
    splits = []
    for i, cell in enumerate(table.columns[name]):
        split = SPLIT_NAMES.get((category(cell) or "").lower())
        if split is None:
            raise DataError(
                f"{table.row(i)}, column {name!r}: {cell!r} is no split", hint=f"allowed: {', '.join(SPLIT_NAMES)}"
            )
        splits.append(split)
    return splits


def row_ids(table: Table, split: str, name: str) -> list[str]:
    """The ids in the column `name`, or the rows' numbers where there is none.

    Raises:
        DataError: an id is missing or there twice.
    """
    if not name or name not in table.columns:
        return [f"{split or 'row'}-{i + 1}" for i in range(len(table))]
    ids: dict[str, int] = {}
    for i, cell in enumerate(table.columns[name]):
        key = category(cell)
        if key is None:
            raise DataError(
                f"{table.row(i)}, column {name!r}: the id is missing", hint="give every row an id of its own"
            )
        if key in ids:
            raise DataError(
                f"{table.row(i)}, column {name!r}: id {key!r} is also that of row {ids[key] + 1}",
                hint="give every row an id of its own, or leave data.id empty",
            )
        ids[key] = i
    return list(ids)


def _unique_ids(records: Records) -> None:
    """Ids that are unique in each file only are told apart by the split's name."""
    counts = Counter(r.id for r in records.rows)
    if not counts or max(counts.values()) == 1:
        return
    records.rows = [Record(f"{r.split}-{r.id}", r.input, r.target, r.split, r.where, r.meta) for r in records.rows]
    records.notes.append("Ids repeat from file to file, so the split's name stands before each.")
