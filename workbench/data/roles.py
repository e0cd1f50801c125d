"""Which column of a table means what: as the config says, or where only one reading is possible."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.cells import is_nested, number
from workbench.data.pictures import SUFFIXES
from workbench.data.tables import Table
from workbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from workbench.config import Data

_TARGETS = ("target", "label", "class", "y")
_LABEL_SETS = ("labels", "tags", *_TARGETS)  # what a column of several labels may be called
_INPUT_ROLE = {"text": "text", "image": "image"}


@dataclass(frozen=True)
class Roles:
    """Column names by what they mean; empty where there is none."""

    target: str
    inputs: tuple[str, ...]  # the text column, the picture column, or the feature columns
    id: str
    split: str
    group: str
    slices: tuple[str, ...]
    notes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()  # multi-label: one column for each label, where there is no `target`


def find_roles(table: Table, data: Data, modality: str, kind: str = "class") -> Roles:
    """The roles of a training table's columns.

    Raises:
        DataError: a named column is not there, or an unnamed one cannot be told for sure.
        ConfigError: one column is given two roles that exclude each other.
    """
    for key in ("text", "image", "target", "id", "split", "group", "rationale"):
        if name := getattr(data, key):
            require(table, name, f"data.{key}")
    for key in ("features", "categorical", "ignore", "slices", "targets"):
        for name in getattr(data, key):
            require(table, name, f"data.{key}")
    _check_targets(data, kind)
    target = "" if data.targets else data.target or _find_target(table, _LABEL_SETS if kind == "labels" else _TARGETS)
    if (data.target and data.target in data.ignore) or target in data.features:
        raise ConfigError(
            f"column {target!r} is the target and also in data.{'ignore' if target in data.ignore else 'features'}",
            hint="a target is neither a feature nor left out",
        )
    notes: list[str] = []
    id_column = data.id or find_id(table, {target, *data.targets, *data.features, *data.ignore}, notes)
    taken = {target, *data.targets, id_column, data.split, data.group, data.rationale, *data.ignore} - {""}
    if modality == "table":
        inputs = _features(table, data, taken, notes)
    else:
        key = _INPUT_ROLE[modality]
        inputs = (getattr(data, key) or _find_input(table, key, taken | set(data.slices)),)
        if inputs[0] in taken:
            raise ConfigError(f"column {inputs[0]!r} is data.{key} and has another role too", hint="one role a column")
    return Roles(target, inputs, id_column, data.split, data.group, data.slices, tuple(notes), data.targets)


def _check_targets(data: Data, kind: str) -> None:
    if data.targets and kind != "labels":
        raise ConfigError("data.targets is for multi-label tasks", hint="name the one target with data.target")
    if data.targets and data.target:
        raise ConfigError("data.target and data.targets are both given", hint="keep the one that is meant")
    twice = [name for name in data.targets if data.targets.count(name) > 1 or name in (*data.features, *data.ignore)]
    if twice:
        raise ConfigError(
            f"column {twice[0]!r} is in data.targets and is named a second time", hint="one role a column"
        )


def require(table: Table, name: str, key: str) -> None:
    """Raise `DataError` with a suggestion unless the table has the column."""
    if name in table.columns:
        return
    close = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.5)
    suggestion = f"did you mean {close[0]!r}? " if close else ""
    raise DataError(f"{table.where} has no column {name!r} ({key})", hint=suggestion + _columns(table))


def _columns(table: Table) -> str:
    names = list(table.columns)
    more = f" and {len(names) - 40} more" if len(names) > 40 else ""
    return f"columns: {', '.join(names[:40])}{more}"


def _find_target(table: Table, names: tuple[str, ...]) -> str:
    found = [name for name in table.columns if name.lower() in names]
    if len(found) == 1:
        return found[0]
    why = f"{' and '.join(map(repr, found))} could be it" if found else f"none is called {', '.join(names)}"
    raise DataError(f"{table.where}: which column is the target? {why}", hint=f"set data.target; {_columns(table)}")


def input_column(table: Table, data: Data, modality: str) -> str:
    """The column of the text or picture in a table that may have no target.

    Raises:
        DataError: the named column is not there, or an unnamed one cannot be told for sure.
    """
    if name := getattr(data, _INPUT_ROLE[modality]):
        require(table, name, f"data.{_INPUT_ROLE[modality]}")
        return str(name)
    named = {data.target, *data.targets} - {""}
    targets = named or {name for name in table.columns if name.lower() in _LABEL_SETS}
    id_column = data.id or find_id(table, targets, [])
    others = {id_column, data.split, data.group, data.rationale, *data.slices, *data.ignore}
    return _find_input(table, _INPUT_ROLE[modality], targets | others)


def find_id(table: Table, taken: set[str], notes: list[str]) -> str:
    """The column called "id" whose values are all different, with a note; "" where there is none."""
    for name, cells in table.columns.items():
        if name.lower() == "id" and name not in taken and not is_nested(cells) and len(set(cells)) == len(cells):
            notes.append(f"Column {name!r} of {table.where} is used as the examples' id.")
            return name
    return ""


def _find_input(table: Table, key: str, taken: set[str]) -> str:
    free = {name: cells for name, cells in table.columns.items() if name not in taken}
    found = [name for name, cells in free.items() if (_is_text(table, cells) if key == "text" else _is_picture(cells))]
    named = [name for name in found if name.lower() == key]
    if len(found) == 1 or len(named) == 1:
        return (named or found)[0]
    why = f"{' and '.join(map(repr, found))} could be it" if found else "no other column holds one"
    raise DataError(f"{table.where}: which column is the {key}? {why}", hint=f"set data.{key}; {_columns(table)}")


def _is_text(table: Table, cells: Sequence[Any]) -> bool:
    present = [c for c in cells if c is not None]
    return bool(present) and all(isinstance(c, str) for c in present) and not (table.as_text and _all_numbers(present))


def _all_numbers(cells: Sequence[Any]) -> bool:
    try:
        for cell in cells:
            number(cell)
    except ValueError:
        return False
    return True


def _is_picture(cells: Sequence[Any]) -> bool:
    present = [c for c in cells if c is not None]
    return bool(present) and all(
        isinstance(c, bytes | dict) or (isinstance(c, str) and Path(c).suffix.lower() in SUFFIXES) for c in present
    )


def _features(table: Table, data: Data, taken: set[str], notes: list[str]) -> tuple[str, ...]:
    """Feature columns: those listed, or all that have no other role and hold single values."""
    for name in data.features:
        if name in taken - {data.group} or is_nested(table.columns[name]):
            why = "has another role too" if name in taken else "holds lists, objects or bytes"
            raise ConfigError(f"column {name!r} is in data.features and {why}", hint=_columns(table))
    names = []
    for name, cells in table.columns.items():
        if name not in (data.features or table.columns.keys() - taken):
            continue
        if is_nested(cells):
            notes.append(f"Column {name!r} of {table.where} holds lists, objects or bytes and is left out.")
        else:
            names.append(name)
    if not names:
        others = ", ".join(map(repr, sorted(taken)))
        raise DataError(f"{table.where} has no feature column beside {others}", hint=_columns(table))
    for name in data.categorical:
        if name not in names:
            raise ConfigError(f"column {name!r} is in data.categorical and is not a feature", hint=_columns(table))
    return tuple(names)
