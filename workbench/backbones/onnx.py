"""An ONNX file in ONNX Runtime as a backbone; needs neither torch nor transformers."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones.onnx_file import check_file
from workbench.errors import ArtefactError, StageError
from workbench.modalities import image, table, text

METADATA = "workbench"  # key of the JSON in the file's metadata
METADATA_SCHEMA = 1

PREPARATIONS: dict[str, Any] = {
    "text": text.TextPreparation,
    "image": image.ImagePreparation,
    "table": table.TablePreparation,
}


class OnnxBackbone:
    """A model file with its metadata: `outputs(batch)` runs it.

    Args:
        path: the ONNX file.
        device: "cpu", "cuda" or "auto" (CUDA where there truly is one).
        threads: of one operator; 0 leaves it to the runtime.

    Raises:
        ArtefactError: the file is missing, damaged or not a model.
        StageError: CUDA was asked for and is not there.
    """

    def __init__(self, path: Path, *, device: str = "auto", threads: int = 0) -> None:
        self.path = path
        self.contents = check_file(path)
        if "logits" not in {v.name for v in self.contents.outputs}:
            given = ", ".join(v.name for v in self.contents.outputs)
            raise ArtefactError(
                f"{path} gives {given or 'nothing'}; the deployed file of a run gives 'logits'",
                hint="run `workbench export RUN` again",
            )
        self.requested = device
        self._session = _session(path, device, threads)
        self.providers: list[str] = self._session.get_providers()
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self._types = {i.name: np.int64 if "int64" in i.type else np.float32 for i in self._session.get_inputs()}

    @property
    def metadata(self) -> dict[str, Any]:
        """What `export` wrote into the file: task, labels, preparation."""
        try:
            found = json.loads(self.contents.metadata[METADATA])
            schema = int(found["schema"])
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError):
            raise ArtefactError(
                f"{self.path} carries no workbench metadata", hint="it was not exported by `workbench export`"
            ) from None
        if schema > METADATA_SCHEMA:
            raise ArtefactError(
                f"{self.path} has metadata of schema {schema}, this program reads {METADATA_SCHEMA}",
                hint="update workbench, or export the model again",
            )
        return dict(found)

    @property
    def preparation(self) -> Any:
        """How inputs are prepared, from the file's own metadata."""
        try:
            value = self.metadata["preparation"]
            return PREPARATIONS[value["modality"]].from_json(value)
        except ArtefactError:
            raise
        except Exception as e:  # whatever a stranger wrote there, it is the file that is wrong
            raise ArtefactError(
                f"{self.path} does not say how inputs are prepared: {type(e).__name__}: {str(e)[:200]}",
                hint="run `workbench export RUN` again",
            ) from e

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of a batch: (n, K) float32."""
        missing = [n for n in self.inputs if n not in batch]
        if missing:
            raise ArtefactError(
                f"{self.path} asks for the input {missing[0]!r}, the data give {', '.join(batch)}: it is another model",
                hint="run `workbench export RUN` again",
            )
        feed = {n: np.ascontiguousarray(batch[n], dtype=self._types[n]) for n in self.inputs}
        shapes = {k: list(v.shape) for k, v in feed.items()}
        try:
            found = self._session.run(["logits"], feed)[0]
        except Exception as e:  # the runtime's errors share no base class
            raise StageError(f"ONNX Runtime could not run {self.path.name} on {shapes}: {runtime_reason(e)}") from e
        return _checked(found, shapes, self.path)

    def describe(self) -> dict[str, Any]:
        """Content of providers.json."""
        used = self._session.get_providers()
        cuda = used[0] == "CUDAExecutionProvider"
        reason = "ONNX Runtime could not start on CUDA" if cuda_devices() else "no CUDA device was found"
        why = "" if cuda or self.requested == "cpu" else f" ({reason})"
        return {
            "requested": self.requested,
            "used": used,
            "text": f"ran on the {'GPU, by CUDA' if cuda else 'CPU'} in ONNX Runtime{why}",
        }


def _checked(scores: np.ndarray, shapes: Mapping[str, list[int]], path: Path) -> np.ndarray:
    """Scores as they are, if there is a finite row for each example that was asked about."""
    rows = next(iter(shapes.values()))[0]
    if scores.ndim != 2 or len(scores) != rows:
        raise StageError(
            f"{path.name} answers {rows} examples with an array of shape {list(scores.shape)}: its sizes are not "
            "what it declares",
            hint="export the model again, with a free first dimension",
        )
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise StageError(
            f"{path.name} gives values that are not finite, first for row {row} of a batch of {rows}",
            hint="look for extreme values in the data; a variant of lower precision may overflow",
        )
    return scores


def cuda_devices() -> int:
    """How many CUDA devices the driver has; 0 without a driver. Loads neither torch nor the runtime."""
    names = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")
    for name in names:
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value
    return 0


def choose_device(device: str) -> str:
    """ "cpu" or "cuda" for a wish of "auto", "cpu" or "cuda"; the runtime's own list is not believed.

    ONNX Runtime names CUDA among its providers whenever the package was built with it.
    """
    found = cuda_devices()
    if device == "cuda" and not found:
        raise StageError("--device cuda: no CUDA device or driver was found", hint="use --device auto or cpu")
    return "cuda" if found and device in ("auto", "cuda") else "cpu"


def _session(path: Path, device: str, threads: int) -> Any:
    if choose_device(device) == "cuda":
        with contextlib.suppress(ImportError):
            import torch  # noqa: F401 - its CUDA libraries are loaded first, so the runtime finds them
    with _muted():
        import onnxruntime as ort

        ort.set_default_logger_severity(4)
        options = ort.SessionOptions()
        options.log_severity_level = 4  # a failing run raises; it need not print as well
        options.intra_op_num_threads = threads
        providers: list[Any] = ["CPUExecutionProvider"]
        if choose_device(device) == "cuda":
            ort.preload_dlls()
            providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}))
        try:
            session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as e:  # the runtime's errors share no base class
            raise ArtefactError(
                f"{path} cannot be loaded: {runtime_reason(e)}", hint="export it again, for an opset that is known"
            ) from e
    session.disable_fallback()
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise StageError(
            "--device cuda: ONNX Runtime could not start on CUDA",
            hint="pip install 'onnxruntime-gpu[cuda,cudnn]' of the CUDA major that torch has",
        )
    return session


def runtime_reason(error: Exception) -> str:
    """What ONNX Runtime objects to, without its file names and signatures.

    Its messages are one line of "[ONNXRuntimeError] : code : NAME : Load model from PATH failed:", often the
    place in its own source, and then the reason.
    """
    said = " ".join(str(error).split())
    unknown = re.search(r"No Op registered for (\S+) with domain_version of (\d+)", said)
    if unknown:
        return f"there is no operator {unknown[1]} in opset {unknown[2]}"
    unknown = re.search(r"Op registered for (\S+) is deprecated in domain_version of (\d+)", said)
    if unknown:
        return f"the operator {unknown[1]} is no longer in opset {unknown[2]}"
    unknown = re.search(r"Fatal error: (\S+?)(?:\(-?\d+\))? is not a registered function/op", said)
    if unknown:
        return f"there is no operator {unknown[1]} in this ONNX Runtime"
    unknown = re.search(r"Opset (\d+) is under development.*till opset (\d+)", said)
    if unknown:
        return f"it is of opset {unknown[1]}, this ONNX Runtime knows them up to {unknown[2]}"
    said = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", said)
    said = re.sub(r"^Load model from .*? failed:\s*", "", said)
    said = re.sub(r"^/\S+/onnxruntime/\S+:\d+ .*?\) (?=[A-Z])", "", said)
    return said[:300] or type(error).__name__


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Hold back what native code prints on stderr while libraries load."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
