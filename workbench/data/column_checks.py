"""Findings on the columns of a table: missing, constant, never seen, telling too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.data.cells import as_value
from workbench.data.fingerprint import is_missing
from workbench.types import Column, Dataset, indicators

NEARLY_CONSTANT = 0.99
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
    found = []
    for column in dataset.columns:
        cells = [None if is_missing(c) else c for c in _training(dataset, column)]
        value, n = Counter(cells).most_common(1)[0] if cells else (None, 0)
        if cells and n >= NEARLY_CONSTANT * len(cells):
            found.append(f"{column.name} ({'missing' if value is None else value} in {n / len(cells):.1%})")
    if not found:
        return Finding("constant_columns", "ok", "No column is constant or nearly so in training.")
    return Finding("constant_columns", "note", f"Nearly constant in training: {listed(found)}.", len(found))


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
    return Finding("unseen_categories", "note", sentence, len(ids), ids)


def id_columns(dataset: Dataset) -> Finding:
    """Columns that name each training row: a model can learn them by heart and nothing from them."""
    found = []
    for column in dataset.columns:
        cells = [c for c in _training(dataset, column) if not is_missing(c)]
        if len(cells) < _ENOUGH or len(set(cells)) < len(cells):
            continue
        if column.kind == "categorical":
            found.append(column.name)
        else:  # a number that counts rows up: consecutive over all splits, or rising in file order
            every = sorted(e.input[column.name] for e in dataset.examples if not is_missing(e.input[column.name]))
            if every[0].is_integer() and np.all(np.diff(every) == 1):
                found.append(column.name)
    if not found:
        return Finding("id_columns", "ok", "No column names each row.")
    sentence = f"A value of its own in every training row, as an id has: {listed(found)}; list it in data.ignore."
    return Finding("id_columns", "warning", sentence, len(found))


def numbers_as_categories(dataset: Dataset) -> Finding | None:
    """Categorical columns that are numbers but for a few cells."""
    found = []
    for column in dataset.columns:
        strange = [c for c in column.categories if as_value(c) is None]
        if len(column.categories) > _ENOUGH and 0 < len(strange) < 0.1 * len(column.categories):
            found.append(f"{column.name} (but for {listed(map(repr, strange))})")
    if not found:
        return None
    sentence = f"Columns of numbers that are read as categories because of single cells: {listed(found)}."
    return Finding("numbers_as_categories", "warning", sentence, len(found))


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
