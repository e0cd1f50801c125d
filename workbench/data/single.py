"""One new input from the command line or from Python, read by the rules of the data a model learnt from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.fingerprint import input_hash
from workbench.data.pictures import why_unreadable
from workbench.data.records import table_inputs
from workbench.data.roles import Roles, require
from workbench.data.tables import READERS, Table
from workbench.data.unlabelled import new_inputs
from workbench.errors import DataError
from workbench.types import Column

if TYPE_CHECKING:
    from workbench.config import Data

_WHAT = {
    "image": "a picture's file",
    "text": "the text itself, or a file that holds one",
    "table": 'a row as JSON ({"column": value, ...}), or a file that holds one',
}


def single_input(value: Any, data: Data, modality: str, columns: Sequence[Column] = ()) -> tuple[str, Any]:
    """A name and the input of one example.

    Args:
        value: a path, or for a text the text, for a row its JSON; from Python also a picture
            as (H, W, 3) uint8 and a row as a mapping.
        data: the section of the config that the model was trained with.
        modality: "text", "image" or "table".
        columns: the model's feature columns (tables).

    Raises:
        DataError: nothing is there, it holds more than one example, a column is missing, or
            it cannot be used.
    """
    if isinstance(value, np.ndarray) and modality == "image":
        return f"picture-{input_hash(value)[:8]}", value
    if isinstance(value, Mapping) and modality == "table":
        return _row(value, "the row", columns)
    if not isinstance(value, str | Path):
        raise DataError(f"a {type(value).__name__} is no {modality}", hint=f"give {_WHAT[modality]}")
    text = str(value)
    if modality == "table" and text.lstrip().startswith("{"):
        return _row(_object(text, "--input"), "--input", columns)
    path = Path(text) if len(text) < 4096 and "\0" not in text else None
    if path is not None and _is_file(path):
        return _from_file(path, data, modality, columns)
    if modality != "text" or isinstance(value, Path) or _looks_like_a_file(text):
        raise DataError(f"no file at {text[:200]!r}", hint=f"give {_WHAT[modality]}")
    if not text.strip():
        raise DataError("the text is empty", hint="give at least one word")
    return f"text-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}", text


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text too long or too odd to be a name
        return False


def _looks_like_a_file(text: str) -> bool:
    return not any(c.isspace() for c in text) and Path(text).suffix.lower() in (*READERS, ".txt")


def _from_file(path: Path, data: Data, modality: str, columns: Sequence[Column]) -> tuple[str, Any]:
    if modality == "image":
        if reason := why_unreadable(path):
            raise DataError(f"picture {path}: {reason}", hint="give a picture that can be read")
        return path.stem, path
    if modality == "text" and path.suffix.lower() not in READERS:
        try:
            text = path.read_text(encoding=data.encoding).removeprefix("\ufeff").strip()
        except (UnicodeError, LookupError) as e:
            raise DataError(f"{path} is not {data.encoding} text: {e}", hint="save the file as UTF-8") from None
        if not text:
            raise DataError(f"{path} holds no text", hint="write the text into it")
        return path.stem, text
    if modality == "table" and path.suffix.lower() == ".json":
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as e:
            raise DataError(f"{path} is not UTF-8 text: {e}", hint="save the file as UTF-8") from None
        if text.lstrip().startswith("{"):
            return path.stem, _row(_object(text, str(path)), str(path), columns)[1]
    ids, inputs = new_inputs(path, data, modality, columns)
    if len(inputs) != 1:
        raise DataError(
            f"{path} holds {len(inputs):,} examples, and one is inspected at a time",
            hint="give a file of one, or use `workbench predict RUN --input FILE` for all of them",
        )
    return f"{path.stem}-{ids[0]}", inputs[0]


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as e:
        raise DataError(f"{where} is not JSON: {e}", hint=f"give {_WHAT['table']}") from None
    if not isinstance(found, dict) or not found:
        raise DataError(f"{where} holds no row", hint=f"give {_WHAT['table']}")
    return found


def _row(row: Mapping[str, Any], where: str, columns: Sequence[Column]) -> tuple[str, Any]:
    table = Table(where, {str(k): [v] for k, v in row.items()}, as_text=True)
    for column in columns:
        require(table, column.name, "a column that the model takes; null where it is not known")
    roles = Roles("", tuple(c.name for c in columns), "", "", "", ())
    (found,), (reason,) = table_inputs(table, roles, columns, "table")
    if reason:
        raise DataError(f"{where}: {reason}", hint="repair the value")
    return f"row-{input_hash(found)[:8]}", found
