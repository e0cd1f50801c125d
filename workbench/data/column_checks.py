"""Findings on the columns of a table: missing, constant, never seen, telling too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.data.cells import spelling
from workbench.data.fingerprint import is_missing
from workbench.types import Column, Dataset, indicators

NEARLY_CONSTANT = 0.99
NEARLY_DISTINCT = 0.95
NEARLY_NUMBERS, _FEW_ROWS = 0.8, 5  # share of a column's cells that read as numbers, and rows with one
_ENOUGH = 20  # training rows below which a coincidence looks like a rule
_SHOWN = 8  # names in a sentence


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: "ok", a "note" or a "warning", in one sentence."""

    check: str
    level: str
    sentence: str
    n: int = 0
    examples: Sequence[str] = ()


def listed(names: Iterable[str]) -> str:
    """Names for a sentence, shortened after a few."""
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _training(dataset: Dataset, column: Column) -> list[Any]:
    return [e.input[column.name] for e in dataset.examples if e.split == "train"]


def missing_values(dataset: Dataset) -> Finding:
    """Missing cells by column, and how many rows have one."""
    total = len(dataset.examples)
    counts = {c.name: sum(is_missing(e.input[c.name]) for e in dataset.examples) for c in dataset.columns}
    holes = {name: n for name, n in counts.items() if n}
    if not holes:
        return Finding("missing_values", "ok", "No cell is missing.")
    rows = [e.id for e in dataset.examples if any(is_missing(e.input[name]) for name in holes)]
    worst = sorted(holes.items(), key=lambda item: -item[1])
    columns = listed(f"{name} {n:,} ({n / total:.1%})" for name, n in worst)
    level = "warning" if worst[0][1] > total / 2 else "note"
    sentence = f"{len(rows):,} of {total:,} rows have a missing cell; by column: {columns}."
    return Finding("missing_values", level, sentence, len(rows), rows)


def constant_columns(dataset: Dataset) -> Finding:
    """Columns with one value in nearly every training row."""
    constant, nearly = [], []
    for column in dataset.columns:
        cells = [None if is_missing(c) else c for c in _training(dataset, column)]
        value, n = Counter(cells).most_common(1)[0] if cells else (None, 0)
        said = "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else value
        if cells and n == len(cells):
            constant.append(f"{column.name} ({said})")
        elif cells and n >= NEARLY_CONSTANT * len(cells):
            nearly.append(f"{column.name} ({said} in {min(n / len(cells), 0.999):.1%})")
    if not constant and not nearly:
        return Finding("constant_columns", "ok", "No column is constant or nearly so in training.")
    if constant:
        sentence = f"Constant in training: {listed(constant)}{f'; nearly so: {listed(nearly)}' if nearly else ''}."
    else:
        sentence = f"Nearly constant in training: {listed(nearly)}."
    return Finding("constant_columns", "note", sentence, len(constant) + len(nearly))


def unseen_categories(dataset: Dataset) -> Finding:
    """Categories of validation and test rows that no training row has."""
    columns, ids = [], []
    for column in dataset.columns:
        if column.kind != "categorical":
            continue
        known = {e.input[column.name] for e in dataset.examples if e.split == "train"}
        rows = [
            (e.id, e.input[column.name])
            for e in dataset.examples
            if e.split != "train" and not is_missing(e.input[column.name]) and e.input[column.name] not in known
        ]
        if rows:
            columns.append(f"{column.name} ({listed(sorted({repr(value) for _, value in rows}))})")
            ids += [i for i, _ in rows]
    ids = list(dict.fromkeys(ids))
    if not ids:
        return Finding("unseen_categories", "ok", "Every category of validation and test occurs in training.")
    sentence = f"{len(ids):,} rows of validation and test hold a category never seen in training: {listed(columns)}."
    held = sum(e.split != "train" for e in dataset.examples)
    audited = any(c.exact for c in dataset.columns)  # what such a file was trained on is another matter
    grave = len(ids) > held / 2 and not audited
    return Finding("unseen_categories", "warning" if grave else "note", sentence, len(ids), ids)


def id_columns(dataset: Dataset) -> Finding:
    """Columns that name each training row: a model can learn them by heart and nothing from them."""
    found = []
    for column in dataset.columns:
        cells = [c for c in _training(dataset, column) if not is_missing(c)]
        distinct = len(set(cells))
        if len(cells) < _ENOUGH or distinct < NEARLY_DISTINCT * len(cells):
            continue
        if _no_numbers(dataset, column)[0]:  # told by another check
            continue
        if column.kind == "categorical":
            found.append(f"{column.name} ({distinct:,} / {len(cells):,})")
        elif distinct == len(cells):  # a number that counts rows up: consecutive over all splits
            every = sorted(e.input[column.name] for e in dataset.examples if not is_missing(e.input[column.name]))
            if every[0].is_integer() and np.all(np.diff(every) == 1):
                found.append(column.name)
    if not found:
        return Finding("id_columns", "ok", "No column names each row.")
    sentence = (
        f"A value of its own in every training row or nearly so, as an id has (distinct values / training rows): "
        f"{listed(found)}; list it in data.ignore."
    )
    return Finding("id_columns", "warning", sentence, len(found))


def numbers_as_categories(dataset: Dataset) -> Finding | None:
    """Columns that are numbers but for some cells, or for how these are written, and were not listed as categories."""
    found: list[str] = []
    ids: dict[str, None] = {}
    for column in dataset.columns:
        strange, total = _no_numbers(dataset, column)
        if not strange:
            continue
        first = strange[0]
        found.append(f"{column.name} ({len(strange):,} / {total:,}; {first[1]!r} in {first[0]})")
        ids |= dict.fromkeys(id_ for id_, _ in strange)
    if not found:
        return None
    sentence = (
        f"Columns of numbers that are read as categories because of cells that are no plain numbers, "
        f"with their count, that of all cells and the first: {listed(found)}; repair these cells, list the column in "
        "data.ignore, or in data.categorical if it is meant so."
    )
    return Finding("numbers_as_categories", "warning", sentence, len(ids), [*ids])


def _no_numbers(dataset: Dataset, column: Column) -> tuple[list[tuple[str, str]], int]:
    """Ids and cells that make categories of a column of numbers, and how many cells it has; none of another column."""
    if column.kind != "categorical" or column.meant:
        return [], 0
    cells = [(e.id, e.input[column.name]) for e in dataset.examples if not is_missing(e.input[column.name])]
    spelt = {cell: spelling(cell) for cell in {cell for _, cell in cells}}
    cells = [(id_, cell) for id_, cell in cells if spelt[cell] != "missing"]
    strange = [(id_, cell) for id_, cell in cells if spelt[cell] != "number"]
    enough = sum(bool(spelt[cell]) for _, cell in cells) >= max(_FEW_ROWS, NEARLY_NUMBERS * len(cells))
    return (strange if enough else []), len(cells)


def target_leak(dataset: Dataset) -> Finding:
    """Columns that alone give the target away in training."""
    training = [e.target for e in dataset.examples if e.split == "train"]
    if dataset.kind == "labels":  # a column may tell one label and nothing of the others
        columns = [*indicators(training, len(dataset.labels)).astype(np.float64).T]
    else:
        columns = [np.array(training, dtype=np.float64)]
    found = []
    if len(training) >= _ENOUGH:
        tells = _tells_class if dataset.labels else _tells_value
        for c in dataset.columns:
            cells = _training(dataset, c)
            found += [c.name] if any(tells(c, cells, targets) for targets in columns) else []
    if not found:
        return Finding("target_leak", "ok", "No column alone gives the target.")
    sentence = f"The target follows from one column alone: {listed(found)}; is it known before the target is?"
    return Finding("target_leak", "warning", sentence, len(found))


def _tells_class(column: Column, cells: Sequence[Any], targets: np.ndarray) -> bool:
    """Whether every value goes with one class, by a few values or by ranges that do not overlap."""
    pairs = {(c, t) for c, t in zip(cells, targets, strict=True) if not is_missing(c)}
    values = {c for c, _ in pairs}
    if len(pairs) > len(values) or len({t for _, t in pairs}) < 2 or _share_missing(cells) > 0.05:
        return False
    if len(values) <= len(cells) / 10:
        return True
    if column.kind == "categorical":
        return False
    ordered = [t for _, t in sorted(pairs)]
    return 1 + int(np.count_nonzero(np.diff(ordered))) == len(set(ordered))


def _tells_value(column: Column, cells: Sequence[Any], targets: np.ndarray) -> bool:
    """Whether the target is a straight line in the column (|r| above 0.99999)."""
    if column.kind == "categorical" or _share_missing(cells) > 0.05:
        return False
    values = np.array([np.nan if c is None else c for c in cells], dtype=np.float64)
    there = np.isfinite(values)
    if np.ptp(values[there]) == 0 or np.ptp(targets[there]) == 0:
        return False
    return bool(abs(np.corrcoef(values[there], targets[there])[0, 1]) > 0.99999)


def _share_missing(cells: Sequence[Any]) -> float:
    return sum(map(is_missing, cells)) / max(len(cells), 1)


COLUMN_CHECKS: tuple[Callable[[Dataset], Finding | None], ...] = (
    missing_values,
    constant_columns,
    unseen_categories,
    numbers_as_categories,
    id_columns,
    target_leak,
)
