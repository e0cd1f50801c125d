"""What the libraries raise when a model cannot be written, as an error of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from workbench.errors import StageError

_TORCH_WRITER = ("PytorchStreamWriter", "inline_container", "File too large", "No space left")


@contextlib.contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Within, a model is written below `folder`.

    Raises:
        StageError: it could not be: the disk is full, or the folder takes no files. Neither
            safetensors nor torch raises an `OSError` for that.
    """
    try:
        yield
    except SafetensorError as e:
        raise _cannot(folder, e) from e
    except RuntimeError as e:
        if not any(name in str(e) for name in _TORCH_WRITER):
            raise
        raise _cannot(folder, e) from e


def _cannot(folder: Path, error: Exception) -> StageError:
    said = str(error).strip().splitlines()[0][:200]
    why = "only a part of it could be written, as on a full disk" if "inline_container" in said else said
    return StageError(
        f"cannot write the model in {folder}: {why}",
        hint="free some space or choose another folder with --set out=FOLDER; earlier artefacts are intact",
    )
