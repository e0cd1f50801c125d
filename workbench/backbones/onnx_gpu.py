"""An ONNX file run with buffers that stay on the device: for GPUs, and the same on the CPU.

ONNX Runtime's plain `run` copies inputs and outputs on every call and starts every kernel anew.
Here the buffers of one shape are kept and bound once; on CUDA the kernels of one shape can be
recorded as a graph and replayed. Perturbed pictures are composed on the device, so that of an
explanation only masks go up and only scores come down.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones.devices import choose_device
from workbench.backbones.onnx import OnnxBackbone, checked_scores
from workbench.backbones.onnx_session import open_session, runtime_reason
from workbench.errors import StageError
from workbench.run import hash_file

OUTPUT = "logits"
_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)  # rows; a batch is filled up to the next of them
_LENGTH = 16  # tokens; a text is filled up to a multiple of it
_SHAPES = 32  # whose buffers are kept


@dataclass
class _Bound:
    """Buffers of one shape, bound to the session."""

    binding: Any
    inputs: dict[str, Any]
    output: Any
    options: Any


class BoundBackbone(OnnxBackbone):
    """`OnnxBackbone` with inputs and scores in buffers on the device.

    Args:
        path: the ONNX file.
        device: "cpu", "cuda" or "auto" (CUDA where there truly is one).
        threads: of one operator; 0 leaves it to the runtime.
        graphs: on CUDA, record the kernels of each shape and replay them. Every node must run on
            CUDA, and batches are filled up to a few shapes: rows to a power of two, texts to a
            multiple of 16 tokens.
        tensorrt: folder of TensorRT's engines, which takes minutes to make; None: not used.

    Raises:
        ArtefactError, StageError: as `OnnxBackbone`.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "auto",
        threads: int = 0,
        graphs: bool = False,
        tensorrt: Path | None = None,
    ) -> None:
        self._where = choose_device(device)
        self.graphs = graphs
        self._options = {"enable_cuda_graph": "1"} if graphs and self._where == "cuda" else {}
        self._tensorrt = tensorrt
        self._shapes: OrderedDict[tuple[Any, ...], _Bound] = OrderedDict()
        self._recorded = 0
        self._width = 0
        super().__init__(path, device=device, threads=threads)
        self._where = "cpu" if self.providers[0] == "CPUExecutionProvider" else "cuda"

    def _open(self, path: Path, device: str, threads: int) -> Any:
        return open_session(path, device, threads, tensorrt=self._tensorrt, cuda_options=self._options)

    def outputs(self, batch: Mapping[str, Any]) -> np.ndarray:
        """Scores of a batch of arrays, or of torch tensors on the device: (n, K) float32."""
        if not all(isinstance(v, np.ndarray) for v in batch.values()):
            return self._outputs_of_tensors(batch)
        feed = self.feed(batch)
        shapes = {k: list(v.shape) for k, v in feed.items()}
        rows = len(next(iter(feed.values())))
        filled = {k: self._filled(k, v) for k, v in feed.items()} if self.graphs else feed
        try:
            found = self._run(filled)[:rows]
        except Exception as e:  # the runtime's errors share no base class
            raise StageError(f"ONNX Runtime could not run {self.path.name} on {shapes}: {runtime_reason(e)}") from e
        self.check_provider()
        return checked_scores(found, shapes, self.path)

    def _filled(self, name: str, array: np.ndarray) -> np.ndarray:
        """An array with rows and, for tokens, length of the next bucket; what is added is masked or cut off."""
        rows = len(array)
        more = next((b for b in _BUCKETS if b >= rows), rows) - rows
        pads = [(0, more), *((0, 0) for _ in array.shape[1:])]
        if array.ndim == 2 and array.dtype == np.int64 and "attention_mask" in self.inputs:
            pads[1] = (0, -array.shape[1] % _LENGTH)
        filled = np.pad(array, pads)
        if name == "attention_mask" and more:
            filled[rows:, 0] = 1  # a row without any token would be a softmax over nothing
        return filled

    def _run(self, feed: Mapping[str, np.ndarray]) -> np.ndarray:
        bound = self._bound({k: v.shape for k, v in feed.items()})
        for name, array in feed.items():
            bound.inputs[name].update_inplace(array)
        bound.binding.synchronize_inputs()
        self._session.run_with_iobinding(bound.binding, bound.options)
        bound.binding.synchronize_outputs()
        return np.array(bound.output.numpy())  # a copy: the buffer is written again

    def _bound(self, shapes: Mapping[str, Sequence[int]]) -> _Bound:
        import onnxruntime as ort

        key = tuple((n, tuple(s)) for n, s in sorted(shapes.items()))
        if key in self._shapes:
            self._shapes.move_to_end(key)
            return self._shapes[key]
        binding, inputs = self._session.io_binding(), {}
        for name, shape in shapes.items():
            inputs[name] = ort.OrtValue.ortvalue_from_shape_and_type(list(shape), self._types[name], self._where, 0)
            binding.bind_ortvalue_input(name, inputs[name])
        rows = next(iter(shapes.values()))[0]
        output = ort.OrtValue.ortvalue_from_shape_and_type([rows, self._classes(shapes)], np.float32, self._where, 0)
        binding.bind_ortvalue_output(OUTPUT, output)
        options = ort.RunOptions()
        if self._options:
            self._recorded += 1
            options.add_run_config_entry("gpu_graph_id", str(self._recorded))
        found = _Bound(binding, inputs, output, options)
        self._shapes[key] = found
        if len(self._shapes) > _SHAPES and not self._options:  # a recorded graph keeps its buffers
            self._shapes.popitem(last=False)
        return found

    def _classes(self, shapes: Mapping[str, Sequence[int]]) -> int:
        """K, which the file may not say: then one row of nothing is asked, outside of any recording."""
        if self._width:
            return self._width
        said = next(v.shape for v in self.contents.outputs if v.name == OUTPUT) or ()
        if len(said) == 2 and isinstance(said[1], int):
            self._width = said[1]
            return self._width
        import onnxruntime as ort

        options = ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", "-1")
        one = {n: np.ones((1, *s[1:]), dtype=self._types[n]) for n, s in shapes.items()}
        self._width = int(self._session.run([OUTPUT], one, options)[0].shape[1])
        return self._width

    # -- explanation without leaving the device -------------------------------------------

    def placed(self, *arrays: np.ndarray) -> tuple[Any, ...]:
        """Arrays as torch tensors on the device."""
        import torch

        return tuple(torch.from_numpy(np.ascontiguousarray(a)).to(self._where) for a in arrays)

    def composed(self, masks: np.ndarray, label: Any, picture: Any, filler: Any) -> Any:
        """A picture with segments hidden, composed on the device.

        Args:
            masks: (n, M) booleans, True keeps a segment.
            label: (H, W) torch int64 on the device: the segment of each pixel.
            picture: (C, H, W) torch float32 on the device.
            filler: (C, H, W) torch float32 on the device: what stands for a hidden segment.

        Returns:
            (n, C, H, W) torch float32 on the device.
        """
        import torch

        keep = torch.from_numpy(np.ascontiguousarray(masks)).to(label.device)[:, label]  # (n, H, W)
        return torch.where(keep[:, None], picture, filler)

    def masked_pictures(self, masks: np.ndarray, label: Any, picture: Any, filler: Any) -> Any:
        """Scores (n, K) of what `composed` gives, torch float32 on the device."""
        return self.outputs_of({self.inputs[0]: self.composed(masks, label, picture, filler)})

    def _outputs_of_tensors(self, batch: Mapping[str, Any]) -> np.ndarray:
        shapes = {k: list(v.shape) for k, v in batch.items()}
        try:
            found = self.outputs_of(batch).cpu().numpy()
        except StageError:
            raise
        except Exception as e:  # as of arrays
            raise StageError(f"ONNX Runtime could not run {self.path.name} on {shapes}: {runtime_reason(e)}") from e
        return checked_scores(found, shapes, self.path)

    def outputs_of(self, tensors: Mapping[str, Any]) -> Any:
        """Scores (n, K) of torch tensors, which are bound where they lie; the scores stay there too.

        Raises:
            StageError: the tensors lie on another device than the session.
        """
        import torch

        binding = self._session.io_binding()
        kept = {n: tensors[n].to(torch.int64 if self._types[n] is np.int64 else torch.float32) for n in self.inputs}
        kept = {n: t.contiguous() for n, t in kept.items()}
        first = next(iter(kept.values()))
        if first.device.type != self._where:
            raise StageError(f"the tensors lie on {first.device.type}, {self.path.name} runs on {self._where}")
        for name, tensor in kept.items():
            binding.bind_input(name, self._where, 0, self._types[name], list(tensor.shape), tensor.data_ptr())
        shape = [len(first), self._classes({n: list(t.shape) for n, t in kept.items()})]
        found = torch.empty(shape, dtype=torch.float32, device=first.device)
        binding.bind_output(OUTPUT, self._where, 0, np.float32, shape, found.data_ptr())
        if self._where == "cuda":
            torch.cuda.synchronize()  # torch and the runtime have streams of their own
        import onnxruntime as ort

        options = ort.RunOptions()
        if self._options:
            options.add_run_config_entry("gpu_graph_id", "-1")
        self._session.run_with_iobinding(binding, options)
        binding.synchronize_outputs()
        self.check_provider()
        return found


def opened(path: Path, device: str, how: str) -> BoundBackbone:
    """A file on a GPU as `predict.gpu` says: "plain", with "graphs", or by "tensorrt".

    TensorRT's engines are made for one file on one card and are kept by the file's hash in the user's cache.
    """
    if how != "tensorrt":
        return BoundBackbone(path, device=device, graphs=how == "graphs")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    engines = cache / "workbench" / "tensorrt" / hash_file(path)[:16]
    engines.mkdir(parents=True, exist_ok=True)
    return BoundBackbone(path, device=device, tensorrt=engines)
