"""An ONNX file in ONNX Runtime as a backbone; needs neither torch nor transformers."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
        if not path.is_file():
            raise ArtefactError(f"no ONNX model at {path}", hint="run `workbench export RUN`")
        self.requested = device
        self._session = _session(path, device, threads)
        self.providers: list[str] = self._session.get_providers()
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self._types = {i.name: np.int64 if "int64" in i.type else np.float32 for i in self._session.get_inputs()}
        self.shapes: dict[str, list[int | str]] = {i.name: list(i.shape) for i in self._session.get_inputs()}

    @property
    def metadata(self) -> dict[str, Any]:
        """What `export` wrote into the file: task, labels, preparation."""
        try:
            found = json.loads(self._session.get_modelmeta().custom_metadata_map[METADATA])
            schema = int(found["schema"])
        except (KeyError, TypeError, ValueError):
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
        value = self.metadata["preparation"]
        return PREPARATIONS[value["modality"]].from_json(value)

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of a batch: (n, K) float32."""
        return self.run(batch, ["logits"])[0]

    def run(self, batch: Mapping[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
        """Some of the file's outputs for a batch.

        Raises:
            StageError: the runtime failed.
        """
        feed = {n: np.ascontiguousarray(batch[n], dtype=self._types[n]) for n in self.inputs}
        try:
            return list(self._session.run(outputs, feed))
        except Exception as e:  # the runtime's errors share no base class
            shapes = {k: list(v.shape) for k, v in feed.items()}
            raise StageError(f"ONNX Runtime could not run {self.path.name} on {shapes}: {str(e)[:300]}") from e

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
            reason = str(e).strip().splitlines()[0][:300]
            raise ArtefactError(f"{path} cannot be loaded: {reason}", hint="run `workbench export RUN` again") from e
    session.disable_fallback()
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise StageError(
            "--device cuda: ONNX Runtime could not start on CUDA",
            hint="pip install 'onnxruntime-gpu[cuda,cudnn]' of the CUDA major that torch has",
        )
    return session


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
