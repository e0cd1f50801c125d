"""Table files as named columns of cells: CSV, TSV, JSON, JSON Lines and Parquet.

A file that does not have the shape of a table (ragged rows, duplicate column names, a wrong
encoding) is refused with the place; what the cells mean is decided in `records`.
Rows are counted from 1, the header not included.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from workbench.errors import ConfigError, DataError

MAX_CELL = 10_000_000  # characters; longer is a broken quote or no table at all
_BLOCK = 1 << 24  # bytes that the CSV parser holds at a time; also the longest possible row
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_REFUSED = {  # what else is often given as data, and why it is not opened
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin"), "may hold pickled code, which is never run"),
    **dict.fromkeys((".npy", ".npz"), "is a NumPy file, in which pickled code can lie"),
    **dict.fromkeys((".py",), "is a program; no code that comes with data is run"),
    **dict.fromkeys((".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar", ".7z", ".rar"), "is an archive: unpack it"),
}
_WRITE_UTF8 = "save the file as UTF-8"


@dataclass(frozen=True)
class Table:
    """Named columns of equal length.

    `where` is the file's name in messages; `folder` is where relative picture paths start
    and what they may not leave; `as_text` says that every cell is text, so that numbers are
    recognised by their spelling; `class_names` are the names of coded classes, in order.
    """

    where: str
    columns: dict[str, list[Any]]
    folder: Path | None = None
    as_text: bool = False
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def row(self, index: int) -> str:
        """The place of a row in words."""
        return f"{self.where}, row {index + 1}"


def read_table(path: Path, *, delimiter: str = "", encoding: str = "utf-8") -> Table:
    """Read a table file; its kind is told by the suffix.

    Args:
        path: a .csv, .tsv, .tab, .json, .jsonl, .ndjson, .parquet or .pq file.
        delimiter: the field separator of a CSV; empty: by suffix.
        encoding: the encoding of a text file.

    Raises:
        DataError: the file is missing, empty, has no rows or is not such a table.
        ConfigError: the encoding is unknown or the delimiter longer than one character.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        why = _REFUSED.get(path.suffix.lower(), "is not a table file")
        raise DataError(f"{path} {why}", hint=f"allowed are {', '.join(READERS)}")
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes)", hint="name a file with a header and rows")
        table = reader(path, delimiter, encoding)
    except FileNotFoundError:
        raise DataError(f"no file at {path}", hint="check data.source, data.validation and data.test") from None
    except (OSError, pa.ArrowException) as e:
        raise DataError(f"cannot read {path}: {e}", hint="check that the file is whole and readable") from None
    if not len(table):
        raise DataError(f"{path} has columns and no rows", hint="name a file that holds examples")
    for name, cells in table.columns.items():
        for i, cell in enumerate(cells):
            if isinstance(cell, str) and len(cell) > MAX_CELL:
                raise DataError(
                    f"{table.row(i)}, column {name!r}: a cell of {len(cell):,} characters, at most {MAX_CELL:,}",
                    hint="look for a quote that is never closed, or shorten the cell",
                )
    return table


def _read_csv(path: Path, delimiter: str, encoding: str) -> Table:
    separator = delimiter or _DELIMITERS[path.suffix.lower()]
    if len(separator) != 1:
        raise ConfigError(f"data.delimiter = {delimiter!r} is not one character", hint='for example ";" or "\\t"')
    _check_encoding(path, encoding)
    names = _header(path, separator, encoding)
    ragged: list[Any] = []

    def remember(row: Any) -> str:
        ragged.append(row)
        return "skip" if len(ragged) < 2 else "error"

    try:
        table = pa_csv.read_csv(
            str(path),
            read_options=pa_csv.ReadOptions(
                use_threads=False,  # only then does the parser know row numbers
                block_size=_BLOCK,
                column_names=[str(i) for i in range(len(names))],
                skip_rows_after_names=1,
                encoding=encoding,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=remember
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={str(i): pa.string() for i in range(len(names))}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as e:
        if not ragged:
            raise DataError(f"{path} is not a CSV: {e}", hint="look for a quote that is never closed") from None
    if ragged:
        first = ragged[0]
        raise DataError(
            f"{path}, row {first.number - 1}: {first.actual_columns} fields, the header has {len(names)}: "
            f"{first.text[:80]!r}",
            hint='quote fields that hold the separator, or set data.delimiter (";" or "\\t")',
        )
    columns, unnamed = {}, []
    for i, name in enumerate(names):
        if not name:
            unnamed.append(i + 1)  # what a saved row index looks like
            continue
        pool: dict[str, str] = {}  # equal cells share one string: categories cost eight bytes a row
        columns[name] = [pool.setdefault(cell, cell) for cell in table.column(i).to_pylist()]
    notes = tuple(f"Column {i} of {path.name} has no name and is left out." for i in unnamed)
    return Table(path.name, columns, path.parent, as_text=True, notes=notes)


def _check_encoding(path: Path, encoding: str) -> None:
    """Decode the file once, a piece at a time, so that an error can name the byte."""
    try:
        "".encode(encoding)  # refuses what turns no text into bytes, such as rot13
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError):
        raise ConfigError(f"data.encoding = {encoding!r} is not known", hint="utf-8, latin-1, cp1252, ...") from None
    offset = lines = pending = 0
    with path.open("rb") as file:
        while True:
            piece = file.read(1 << 20)
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as e:
                at = offset - pending + e.start
                line = lines + piece.count(b"\n", 0, max(0, e.start - pending)) + 1
                utf16 = e.object[:2] in (b"\xff\xfe", b"\xfe\xff") and at == 0
                raise DataError(
                    f"{path} is not {encoding} text: byte {at:,} (line {line:,}): {e.reason}",
                    hint=f'{_WRITE_UTF8}, or set data.encoding = "{"utf-16" if utf16 else "latin-1"}"',
                ) from None
            except UnicodeError as e:  # utf-16 without its mark
                raise DataError(f"{path} is not {encoding} text: {e}", hint=_WRITE_UTF8) from None
            if not piece:
                return
            offset += len(piece)
            lines += piece.count(b"\n")
            pending = len(decoder.getstate()[0])


def _header(path: Path, separator: str, encoding: str) -> list[str]:
    with path.open(encoding="utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding, newline="") as file:
        try:
            names = next((row for row in csv.reader(file, delimiter=separator) if row), [])
        except csv.Error as e:
            raise DataError(
                f"{path}: the header cannot be read: {e}", hint="the first line names the columns"
            ) from None
    names = [name.strip() for name in names]
    if not any(names):
        raise DataError(f"{path} has no header", hint="the first line names the columns")
    twice = [name for name, n in Counter(names).items() if n > 1 and name]
    if twice:
        places = ", ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise DataError(
            f"{path}: column name {twice[0]!r} stands at {places} of the header", hint="give each column its own name"
        )
    other = [c for c in ";\t|," if c != separator and c in names[0]]
    if len(names) == 1 and other:
        raise DataError(
            f"{path} has one column only, {names[0][:80]!r}", hint=f"set data.delimiter = {json.dumps(other[0])}"
        )
    return names


def _read_json_lines(path: Path, delimiter: str, encoding: str) -> Table:
    _check_encoding(path, encoding)
    rows = []
    with path.open(encoding=encoding) as file:
        for number, line in enumerate(file, start=1):
            if text := line.strip().removeprefix("\ufeff"):
                rows.append(_json(text, f"{path}, line {number}"))
    return _from_rows(path, rows)


def _read_json(path: Path, delimiter: str, encoding: str) -> Table:
    _check_encoding(path, encoding)
    content = _json(path.read_text(encoding=encoding).removeprefix("\ufeff"), str(path))
    if isinstance(content, dict) and content and all(isinstance(v, list) for v in content.values()):
        lengths = {len(v) for v in content.values()}
        if len(lengths) > 1:
            raise DataError(f"{path}: columns of different lengths: {sorted(lengths)}", hint="write a list of objects")
        return Table(path.name, content, path.parent)
    if not isinstance(content, list):
        raise DataError(f"{path} is neither a list of objects nor columns of lists", hint='[{"text": ...}, ...]')
    return _from_rows(path, content)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as e:
        raise DataError(f"{where} is not JSON: {e}", hint="one JSON object a line in .jsonl, a list in .json") from None


def _from_rows(path: Path, rows: Iterable[Any]) -> Table:
    rows = list(rows)
    names: dict[str, None] = {}
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, row {i + 1} is {type(row).__name__}, not an object", hint='{"text": ..., "label": ...}'
            )
        names.update(dict.fromkeys(row))
    return Table(path.name, {name: [row.get(name) for row in rows] for name in names}, path.parent)


def _read_parquet(path: Path, delimiter: str, encoding: str) -> Table:
    content = pq.read_table(path)
    twice = [name for name, n in Counter(content.column_names).items() if n > 1]
    if twice:
        raise DataError(f"{path}: column name {twice[0]!r} stands twice", hint="give each column its own name")
    columns = {name: content.column(name).to_pylist() for name in content.column_names}
    return Table(path.name, columns, path.parent)


READERS: dict[str, Callable[[Path, str, str], Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".tab": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
}
