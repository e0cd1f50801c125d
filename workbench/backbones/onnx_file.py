"""What an ONNX file holds, read and checked before ONNX Runtime sees it.

An ONNX file is a protobuf message that a stranger may have made. Its structure is read here
field by field from a memory map, weights left out: a file of gigabytes is checked in the time
that its nodes take, nothing of it is executed, and the package `onnx` is not needed.

Refused are files that are no ONNX model, whose external data lies outside their folder, is
missing or too short, that need operators no runtime brings (custom libraries), operators that
load or run something else (compiled engines, Python), and models larger than the memory.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from workbench.backbones.onnx_contents import OnnxFile, Structure, read_structure
from workbench.errors import ArtefactError, StageError

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", "com.microsoft", "com.microsoft.nchwc")
_RUNS_OTHER_THINGS = {"EPContext", "PythonOp", "PythonOpGrad", "ATen", "PyOp", "TritonOp", "ExternalOp"}

# What a file that is no ONNX model looks like, by its first bytes.
_LOOKS = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"PK\x03\x04", "a zip archive (a torch checkpoint or an .npz, perhaps)"),
    (b"\x89HDF", "an HDF5 file (Keras, perhaps)"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PAR1", "a Parquet file"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched"),
    (b"<", "an HTML or XML page"),
    (b"{", "a JSON text"),
)


def check_file(path: Path) -> OnnxFile:
    """Read an ONNX file's structure and refuse what should not be opened.

    Cost: milliseconds for a thousand nodes, whatever the weights weigh.

    Args:
        path: the file. Weights beside it are looked for in its folder.

    Raises:
        ArtefactError: missing, empty, damaged, no ONNX file, external data that is missing, too
            short or outside the file's folder, oversized metadata, operators of a custom library.
        StageError: the model does not fit into the memory that is free.
    """
    size = _size(path)
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = content[:64]
    looks = next((what for magic, what in _LOOKS if start.startswith(magic)), "")
    if start[4:8] == b"ORTM":
        looks = "a file in ONNX Runtime's own format (.ort)"
    try:
        found, structure = read_structure(path, memoryview(content))
    except (ValueError, RecursionError) as e:
        raise _no_model(path, looks, "" if isinstance(e, RecursionError) else str(e)) from None
    if not found.operators and not found.outputs:
        raise _no_model(path, looks, "it has no graph")
    _check_operators(found, structure)
    found.external, beside = _check_external(path, structure)
    found.bytes = size + beside
    _check_memory(path, found.bytes)
    return found


def _size(path: Path) -> int:
    if path.is_dir():
        raise ArtefactError(f"{path} is a folder, not an ONNX file", hint="name the .onnx file in it")
    if not path.is_file():
        raise ArtefactError(
            f"no ONNX model at {path}", hint="check the path; a run's file is made by `workbench export RUN`"
        )
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as e:
        raise ArtefactError(f"{path} cannot be read: {e.strerror}", hint="check its permissions") from e
    if not size:
        raise ArtefactError(f"{path} cannot be loaded: it is empty", hint="export or copy it again")
    return size


def _no_model(path: Path, looks: str, why: str = "") -> ArtefactError:
    said = f"it looks like {looks}" if looks else why or "it is nested too deeply"
    return ArtefactError(
        f"{path} cannot be loaded: it is no whole ONNX model; {said}",
        hint="name an .onnx file; if it is one, copy or export it again",
    )


def _check_memory(path: Path, needed: int) -> None:
    free = free_memory()
    if free is not None and needed > free:
        raise StageError(
            f"{path} holds {needed / 1e9:.1f} GB of weights and {free / 1e9:.1f} GB of memory are free",
            hint="close other programs, use a larger machine, or a smaller variant (int8, fp16)",
        )


def free_memory() -> int | None:
    """Bytes of memory that can be had; None where the machine does not say."""
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def _check_operators(found: OnnxFile, structure: Structure) -> None:
    """Refuse operators that come from a custom library or run something beside the graph."""
    for domain, kind in found.operators:
        if kind in _RUNS_OTHER_THINGS and domain:
            raise ArtefactError(
                f"{found.path} holds the operator {kind} ({domain}), which loads or runs something outside it",
                hint="export the model as plain ONNX operators",
            )
        if domain not in _DOMAINS and (domain, kind) not in structure.functions:
            raise ArtefactError(
                f"{found.path} needs the operator {kind} of {domain!r}, from a library of custom operators; "
                "none is loaded",
                hint="export the model with ONNX's own operators",
            )
    if not found.opsets:
        raise ArtefactError(f"{found.path} does not say its opset", hint="export the model again")


def _check_external(model: Path, structure: Structure) -> tuple[tuple[Path, ...], int]:
    """The files beside the model that hold weights, and their bytes together."""
    folder = model.parent.resolve()
    found: dict[Path, int] = {}
    for entry in structure.external:
        location = entry.get("location", "")
        path = _beside(model, folder, location, entry["name"])
        size = found.setdefault(path, path.stat().st_size)
        try:
            offset, length = int(entry.get("offset") or 0), int(entry.get("length") or 0)
        except ValueError:
            raise _outside(model, location, entry["name"], "has an offset or length that is no number") from None
        if offset < 0 or length < 0 or offset + length > size:
            raise ArtefactError(
                f"{path} has {size:,} bytes, the weight {entry['name']!r} of {model.name} wants "
                f"{offset + length:,}: it is cut off or of another model",
                hint="copy or export the model with its weights again",
            )
    return tuple(sorted(found)), sum(found.values())


def _beside(model: Path, folder: Path, location: str, name: str) -> Path:
    named = Path(location.replace("\\", "/"))
    if not location or "\0" in location:
        raise _outside(model, location, name, "names no file")
    if named.is_absolute() or ".." in named.parts or ":" in location:
        raise _outside(model, location, name, "points outside the model's folder")
    path = folder / named
    try:
        there = path.exists()
    except OSError:  # a name longer than any disk allows
        raise _outside(model, location, name, "names no file") from None
    if not there:
        raise ArtefactError(
            f"{path} is missing, which holds the weight {name!r} of {model.name}",
            hint="put the weights beside the .onnx file",
        )
    if path.resolve() != path or not path.is_file():
        raise _outside(model, location, name, "is a link or no plain file")
    return path


def _outside(model: Path, location: str, name: str, why: str) -> ArtefactError:
    return ArtefactError(
        f"{model}: the external data {location[:200]!r} of the weight {name!r} {why}",
        hint="weights must lie in plain files in the folder of the .onnx file",
    )
