"""A run as one file, and back: the same run gives the same bytes, and an archive is not trusted.

The archive is a gzip-compressed tar (POSIX ustar with PAX names) of regular files in order of
their names, without times, owners or permissions.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from workbench.errors import ArtefactError, GateFailed, StageError, UsageError
from workbench.run import INSPECTED, MANIFEST, Run

SUFFIX = ".workbench.tar.gz"
_BLOCK = 1 << 20


def pack(run: Run, out: Path | None = None) -> Path:
    """Write a run, checked against its manifest, as one archive; equal runs give equal bytes.

    Pages of single predictions (`inspect/`) are not part of a run and stay out.

    Args:
        out: the archive; None: beside the run, by its name.

    Raises:
        GateFailed: a file is not what the manifest says.
        UsageError: the archive is there already, or would lie inside the run.
    """
    path = out or run.path.resolve().parent / f"{run.path.resolve().name}{SUFFIX}"
    if path.exists():
        raise UsageError(f"{path} is there already", hint="give another name with --out")
    if run.path.resolve() in path.resolve().parents:
        raise UsageError(f"{path} lies inside the run that it would hold", hint="give another name with --out")
    problems = run.verify()
    if problems:
        raise GateFailed(f"{run.path} is not packed: {'; '.join(problems[:5])}", hint="mend the run first")
    names = sorted([MANIFEST, *(n for n in run.files() if not n.startswith(INSPECTED))])
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            partial.open("wb") as file,
            gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name in names:
                info = tarfile.TarInfo(name)
                info.size, info.mode = (run.path / name).stat().st_size, 0o644
                with (run.path / name).open("rb") as content:
                    archive.addfile(info, content)
        partial.replace(path)
    except OSError as e:
        raise StageError(f"cannot write {path}: {e.strerror or e}", hint="free some space or give another --out") from e
    finally:
        with contextlib.suppress(OSError):  # its folder could not even be made
            partial.unlink(missing_ok=True)
    return path


def unpack(archive: Path, out: Path | None = None, *, max_gb: float = 20.0) -> Run:
    """Bring a run back from an archive and check it against its manifest.

    Everything is refused that a run's own archive never holds: absolute names, `..`, links,
    devices, two entries of one name, more than `max_gb` gigabytes once unpacked. The run appears
    under its name only when it is whole and verified.

    Args:
        out: the run's directory, which must not exist; None: beside the archive, by its name.

    Raises:
        ArtefactError: the file is no archive of a run, or holds what it must not.
        GateFailed: a file is not what the manifest says.
    """
    if not archive.is_file():
        raise ArtefactError(f"there is no archive at {archive}", hint="name a file that `workbench pack` wrote")
    name = archive.name.removesuffix(SUFFIX)
    target = out or archive.parent / (name if name != archive.name else f"{archive.name}.run")
    if target.exists():
        raise UsageError(f"{target} is there already", hint="give another folder with --out")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        _extract(archive, partial, int(max_gb * 1e9))
        run = Run.open(partial)
        problems = run.verify()
        if problems:
            raise GateFailed(
                f"{archive} holds a run that is not what its manifest says: {'; '.join(problems[:5])}",
                hint="ask whoever sent it for another copy",
            )
        partial.rename(target)
    except OSError as e:
        raise StageError(f"cannot unpack {archive} to {target}: {e.strerror or e}", hint="free some space") from e
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Run.open(target)


def _extract(archive: Path, folder: Path, most: int) -> None:
    seen: set[str] = set()
    total = 0
    try:
        # a stream: nothing is read ahead of the check, and a bomb stops at `most`
        with gzip.open(archive) as packed:
            bounded: Any = _Bounded(packed, most)  # of a stream, tarfile asks `read` alone
            with tarfile.open(fileobj=bounded, mode="r|") as entries:
                for entry in entries:
                    _check(entry, archive, seen)
                    total += entry.size
                    if total > most:
                        raise _too_large(archive, most)
                    content = entries.extractfile(entry)
                    assert content is not None  # regular files alone come this far
                    path = folder / entry.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("xb") as file:
                        for block in _blocks(content):
                            file.write(block)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, UnicodeError) as e:
        raise ArtefactError(f"{archive} is no whole archive: {e}", hint="ask for another copy of it") from None


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


class _Bounded:
    """A reader that gives up after so many bytes: also headers can be a bomb."""

    def __init__(self, file: gzip.GzipFile, most: int) -> None:
        self._file, self._left, self._most = file, most + 64 * _BLOCK, most

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(min(size, _BLOCK) if size > 0 else _BLOCK)
        self._left -= len(content)
        if self._left < 0:
            raise _too_large("the archive", self._most)
        return content


def _too_large(archive: Path | str, most: int) -> ArtefactError:
    return ArtefactError(
        f"{archive} unpacks to more than {most / 1e9:g} GB", hint="allow more with --max-gb, if you trust it"
    )


def _check(entry: tarfile.TarInfo, archive: Path, seen: set[str]) -> None:
    parts = PurePosixPath(entry.name).parts
    outside = not parts or entry.name.startswith("/") or ".." in parts or "\\" in entry.name or ":" in parts[0]
    reason = (
        "is not a regular file"
        if not entry.isreg()
        else "leads out of the folder"
        if outside
        else "is hidden"
        if any(part.startswith(".") for part in parts)
        else "is there twice"
        if entry.name.casefold() in seen
        else ""
    )
    if reason:
        raise ArtefactError(
            f"{archive}: the entry {entry.name[:200]!r} {reason}", hint="this is no archive that `workbench pack` wrote"
        )
    seen.add(entry.name.casefold())
