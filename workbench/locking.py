"""One writer at a time: the lock of a run's directory, given back when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import StageError

LOCK = ".lock"


def cannot_write(path: Path, error: OSError) -> StageError:
    """What is said where a path cannot be written."""
    return StageError(
        f"cannot write {path}: {error.strerror or error}",
        hint="free some space or choose another folder with --set out=FOLDER; earlier artefacts are intact",
    )


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; a second process is told who holds it."""
    path = folder / LOCK
    handle = _locked(path)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        for rest in folder.rglob(".*.partial"):  # of a process that was killed while it wrote
            if rest.is_file():
                rest.unlink()
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not remove what is open
            path.unlink()
        os.close(handle)


def _locked(path: Path) -> int:
    """A handle of the lock file, held."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as e:
            refused = cannot_write(path, e)
            raise refused from e
        if not _try_lock(handle):
            holder = os.read(handle, 64).decode(errors="replace").strip()
            os.close(handle)
            who = f"process {holder}" if holder else "another process"
            raise StageError(f"{path.parent} is in use by {who}", hint="wait for it, or stop it")
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)  # its last holder removed the file between opening and locking: take the new one


def _try_lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: no advisory lock there
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
