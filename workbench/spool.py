"""Files that are written as their content comes, so that memory does not grow with it.

Each is written beside its place under a name that no reader takes for one of the run's, and
appears under its own when it is whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from workbench.jsontext import json_text
from workbench.locking import cannot_write
from workbench.run import json_bytes

_DTYPES = {"float32": "F32", "float64": "F64"}


class Partial:
    """A file that is being written; `place` gives it its name.

    Attributes:
        path: where it is written meanwhile.
    """

    def __init__(self, path: Path, kind: str = "") -> None:
        self._whole = path
        self.path = path.with_name(f".{path.name}{kind}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            refused = cannot_write(path, e)
            raise refused from e

    def open(self) -> IO[bytes]:
        """The file, to write and read again."""
        try:
            return self.path.open("w+b")
        except OSError as e:
            refused = cannot_write(self._whole, e)
            raise refused from e

    def place(self) -> None:
        """The file is whole."""
        try:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
            self.path.replace(self._whole)
        except OSError as e:
            refused = cannot_write(self._whole, e)
            raise refused from e

    def discard(self) -> None:
        """Leave nothing behind but a file that has its place."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


class _Spill:
    """Content that waits for what stands before it in the file."""

    def __init__(self, path: Path) -> None:
        self._place, self._whole, self._waiting = path, Partial(path), Partial(path, ".waiting")
        self._file = self._waiting.open()

    def write(self, content: bytes) -> None:
        try:
            self._file.write(content)
        except OSError as e:
            refused = cannot_write(self._place, e)
            raise refused from e

    def close(self, before: bytes, after: bytes = b"") -> None:
        """Write the file: what stands before, the content, what comes after."""
        try:
            self._file.seek(0)
            with self._whole.open() as out:
                out.write(before)
                shutil.copyfileobj(self._file, out, 1 << 20)
                out.write(after)
        except OSError as e:
            refused = cannot_write(self._place, e)
            raise refused from e
        self._whole.place()
        self.discard()

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._waiting.discard()
        self._whole.discard()


class Items:
    """The items of one key of a JSON document, a list or, with names, a mapping.

    Args:
        path: of the document.
        key: of the items.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._key, self._n, self._spill = key, 0, _Spill(path)

    def add(self, item: Any, name: str | None = None) -> None:
        """The next item; with a name in a mapping."""
        text = json_text(item, level=2)
        head = "" if name is None else f"{json.dumps(name, ensure_ascii=False)}: "
        self._spill.write(f"{',' if self._n else ''}\n  {head}{text}".encode())
        self._n += 1

    def close(self, before: Mapping[str, Any], after: Mapping[str, Any] | None = None, *, named: bool = False) -> None:
        """Write the document: `before`, the items under their key, `after`; as `json_bytes` would write it."""
        empty = "{}" if named else "[]"
        mark = f'\n "{self._key}": {empty}'
        whole = json_bytes({**before, self._key: {} if named else [], **(after or {})}).decode()
        inside = whole.index(mark) + len(mark) - 1
        self._spill.close(whole[:inside].encode(), (("\n " if self._n else "") + whole[inside:]).encode())

    def discard(self) -> None:
        """Leave nothing behind but a document that was closed."""
        self._spill.discard()


class Tensors:
    """A safetensors file of arrays by name.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._at, self._spill = 0, _Spill(path)
        self._places: dict[str, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, name: str, array: np.ndarray) -> None:
        """An array of float32 or float64."""
        content = np.ascontiguousarray(array)
        end = self._at + content.nbytes
        kind = _DTYPES[str(content.dtype)]
        self._places[name] = {"dtype": kind, "shape": list(content.shape), "data_offsets": [self._at, end]}
        self._spill.write(content.tobytes())
        self._at = end

    def close(self) -> None:
        """Write the file; the header in the order of the names."""
        header = json.dumps(dict(sorted(self._places.items())), separators=(",", ":"), ensure_ascii=False).encode()
        header += b" " * (-len(header) % 8)
        self._spill.close(len(header).to_bytes(8, "little") + header)

    def discard(self) -> None:
        """Leave nothing behind but a file that was closed."""
        self._spill.discard()
