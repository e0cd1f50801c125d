"""New inputs without targets, read by the same rules as the data that a model learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.pictures import pictures_below, unreadable
from workbench.data.records import row_ids, table_inputs
from workbench.data.roles import Roles, find_id, input_column, require
from workbench.data.tables import read_table
from workbench.errors import DataError
from workbench.types import Column

if TYPE_CHECKING:
    from workbench.config import Data

_NAMED = 5  # of the rows or files that cannot be used


def new_inputs(
    source: Path, data: Data, modality: str, columns: Sequence[Column] = ()
) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Ids and inputs of new data.

    Args:
        source: pictures: one file or a folder; texts: a table, or a `.txt` with one text a
            line; tables: a file with the feature columns. Other columns are not read.
        data: the section of the config that the model was trained with.
        modality: "text", "image" or "table".
        columns: the model's feature columns (tables).

    Raises:
        DataError: nothing is there, a column is missing, or an input cannot be used; the
            message names the row.
    """
    if not source.exists():
        raise DataError(f"no data at {source}", hint="give a file or a folder")
    if modality == "image":
        files = [source] if source.is_file() else pictures_below(source)
        if not files:
            raise DataError(f"no picture below {source}", hint="give a picture, or a folder of them")
        if source.is_dir():  # all that is wrong at once: one by one would take as many attempts
            _refuse([(f"picture {p}", why) for p, why in zip(files, unreadable(files), strict=True) if why], "file")
        root = source.parent if source.is_file() else source
        return tuple(p.relative_to(root).as_posix() for p in files), tuple(files)
    if modality == "text" and source.suffix.lower() == ".txt":
        return _lines(source, data.encoding)
    table = read_table(source, delimiter=data.delimiter, encoding=data.encoding)
    if modality == "text":
        names: tuple[str, ...] = (input_column(table, data, "text"),)
    else:
        names = tuple(column.name for column in columns)
        for name in names:
            require(table, name, "a column that the model takes")
    own_id = (
        data.id if data.id in table.columns else find_id(table, {*names, data.target, *data.targets, *data.ignore}, [])
    )
    inputs, reasons = table_inputs(table, Roles("", names, own_id, "", "", ()), columns, modality)
    _refuse([(table.row(i), reason) for i, reason in enumerate(reasons) if reason], "row")
    return tuple(row_ids(table, "", own_id)), tuple(inputs)


def _refuse(bad: Sequence[tuple[str, str]], what: str) -> None:
    """Raise `DataError` on the first of what cannot be used, naming others."""
    if not bad:
        return
    (where, why), rest = bad[0], [place for place, _ in bad[1:]]
    named = f"{', '.join(rest[:_NAMED])}{', ...' if len(rest) > _NAMED else ''}"
    more = f"; {len(rest):,} more cannot be used: {named}" if rest else ""
    each = "" if not rest else f", and the other {len(rest):,}"
    raise DataError(f"{where}: {why}{more}", hint=f"repair or remove the {what}{each}")


def _lines(source: Path, encoding: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        lines = source.read_text(encoding=encoding).removeprefix("\ufeff").split("\n")  # \r\n and \r are read as \n
    except (UnicodeError, LookupError) as e:
        raise DataError(f"{source} is not {encoding} text: {e}", hint="save the file as UTF-8") from None
    kept = [(f"row-{i + 1}", line) for i, line in enumerate(lines) if line.strip()]
    if not kept:
        raise DataError(f"{source} holds no text", hint="write one text a line")
    return tuple(i for i, _ in kept), tuple(line for _, line in kept)
