"""Writing a torch backbone as one ONNX file that can be used alone, and proving it equal."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.backbones.narrowing import narrowed
from workbench.backbones.onnx import METADATA, METADATA_SCHEMA
from workbench.backbones.torch import TorchBackbone
from workbench.errors import ExportError

Taps = Mapping[str, tuple[str, bool]]


class _Scores(nn.Module):
    """The model with positional inputs; its scores, and what layers of it take or give."""

    def __init__(self, module: nn.Module, inputs: tuple[str, ...], taps: Taps) -> None:
        super().__init__()
        self.module, self.inputs, self.taps = module, inputs, taps
        self._seen: dict[str, Tensor] = {}

    def forward(self, *values: Tensor) -> Any:
        self._seen.clear()
        logits = self.module(**dict(zip(self.inputs, values, strict=True))).logits
        return (logits, *(self._seen.pop(name) for name in self.taps)) if self.taps else logits

    @contextlib.contextmanager
    def tapped(self) -> Iterator[None]:
        """Within, a forward pass keeps what the taps ask for."""
        handles: list[Any] = []
        for name, (layer, before) in self.taps.items():
            part = self.module.get_submodule(layer)
            if before:
                handles.append(part.register_forward_pre_hook(lambda _, args, k=name: self._keep(k, args[0])))
            else:
                handles.append(part.register_forward_hook(lambda _, __, out, k=name: self._keep(k, out)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, name: str, value: Tensor) -> None:
        self._seen[name] = value


def export_onnx(
    backbone: TorchBackbone, example: Mapping[str, np.ndarray], metadata: Mapping[str, Any], opset: int
) -> bytes:
    """The model as the bytes of one ONNX file with a dynamic batch (and sequence) dimension.

    Args:
        example: a batch for tracing. Its sizes must differ from every other dimension of the
            model, or the exporter would take them for that dimension.
        metadata: JSON-able mapping that goes into the file: task, labels, preparation.

    Raises:
        ExportError: torch's exporter failed, or the file is over 2 GB.
    """
    known = backbone.traced.get(opset)
    return with_metadata(narrowed(trace(backbone, example, opset) if known is None else scores_only(known)), metadata)


def trace(backbone: TorchBackbone, example: Mapping[str, np.ndarray], opset: int, taps: Taps | None = None) -> Any:
    """The model as an `onnx.ModelProto` without metadata.

    Args:
        example: see `export_onnx`.
        opset: version of ONNX's operators.
        taps: further outputs: name to the layer and whether what it takes (True) or gives is meant.

    Raises:
        ExportError: torch's exporter failed.
    """
    batch = torch.export.Dim("batch", min=1)
    sequence = torch.export.Dim("sequence", min=1)
    shapes = tuple({0: batch, 1: sequence} if backbone.modality == "text" else {0: batch} for _ in backbone.inputs)
    wrapped = _Scores(backbone.module, backbone.inputs, taps or {}).eval()
    tensors = backbone.tensors(example)
    try:
        with quiet(), torch.no_grad(), wrapped.tapped():
            program: Any = torch.onnx.export(
                wrapped,
                tuple(tensors[name] for name in backbone.inputs),
                dynamo=True,
                dynamic_shapes=(shapes,),
                input_names=list(backbone.inputs),
                output_names=["logits", *(taps or {})],
                opset_version=opset,
                external_data=False,
                optimize=True,
            )
    except Exception as e:  # the exporter raises many kinds, all meaning the same to the caller
        reason = str(e).strip().splitlines()
        raise ExportError(
            f"torch could not export the model to ONNX (opset {opset}): "
            f"{reason[0][:300] if reason else type(e).__name__}",
            hint="try another [export] opset, or WORKBENCH_DEBUG=1 for the whole story",
        ) from e
    proto = program.model_proto
    proto.producer_name = "workbench"
    for node in proto.graph.node:  # stack traces of the exporting machine do not belong in the file
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer]:
        with contextlib.suppress(AttributeError):
            del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    return proto


def scores_only(proto: Any) -> Any:
    """A copy of a traced model without the outputs of its taps."""
    import onnx

    found = onnx.ModelProto()
    found.CopyFrom(proto)
    kept = [o for o in found.graph.output if o.name == "logits"]
    taps = [o for o in found.graph.output if o.name != "logits"]
    del found.graph.output[:]
    found.graph.output.extend(kept)
    found.graph.value_info.extend(taps)
    return found


def with_metadata(proto: Any, metadata: Mapping[str, Any]) -> bytes:
    """The bytes of a traced model's file, with what is needed to use it alone.

    Raises:
        ExportError: the file is over 2 GB.
    """
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA, json.dumps({"schema": METADATA_SCHEMA, **metadata}, ensure_ascii=False)
    if proto.ByteSize() >= 2**31:
        raise ExportError("the model is over 2 GB, which one ONNX file cannot hold", hint="choose a smaller backbone")
    return proto.SerializeToString(deterministic=True)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's progress and deprecation chatter out of the user's terminal."""
    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        noisy.setLevel(level)


def tracing_batch(encoded: Any, modality: str) -> dict[str, np.ndarray]:
    """A batch of 5 real examples for tracing; texts brought to a length of 23.

    Both are primes unlikely to equal a count of classes, channels or heads, and more than
    one: a size of 0 or 1 is specialised by the exporter.
    """
    rows = np.resize(np.arange(len(encoded)), 5)
    batch: dict[str, np.ndarray] = encoded.batch(rows)
    if modality == "text":
        batch = {k: np.resize(v[:, : max(v.shape[1], 1)], (5, 23)) for k, v in batch.items()}
        if "attention_mask" in batch:
            batch["attention_mask"] = np.ones((5, 23), dtype=np.int64)
    return batch


def relative_error(onnx: np.ndarray, torch_: np.ndarray) -> float:
    """max |Δ| / (1 + |torch|) over all scores."""
    return float(np.max(np.abs(onnx - torch_) / (1 + np.abs(torch_)), initial=0.0))


def _decisions(
    expected: np.ndarray, found: np.ndarray, tolerance: float, thresholds: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Whether both models decide each row alike (n,), and whether the decision is a tie within tolerance (n,)."""
    if thresholds is not None:
        with np.errstate(divide="ignore"):
            cuts = np.log(thresholds) - np.log1p(-thresholds)  # as logits
        near = np.abs(expected - cuts) <= 2 * tolerance * (1 + np.abs(expected))
        return ((expected >= cuts) == (found >= cuts)).all(axis=1), near.any(axis=1)
    top = np.sort(expected, axis=1)
    runner_up = top[:, -2] if expected.shape[1] > 1 else np.full(len(expected), -np.inf)
    tied = top[:, -1] - runner_up <= 2 * tolerance * (1 + np.abs(top[:, -1]))
    return expected.argmax(1) == found.argmax(1), tied


def check_parity(
    torch_backbone: TorchBackbone,
    onnx_backbone: Any,
    encoded: Any,
    rows: np.ndarray,
    tolerance: float,
    thresholds: np.ndarray | None = None,
) -> dict[str, Any]:
    """Compare torch and ONNX Runtime on real examples at batch sizes 1, 2, 7 and 64, padded rows included.

    Returns the content of parity.json but for what only the exporter knows. The examples are
    batched in their own order, so a batch of texts holds padded rows.

    Args:
        thresholds: (K,) probabilities from which on a label is given (multi-label); an
            answer is then the whole set of labels.
    """
    per_batch, agree, ties, different, n = [], 0, 0, 0, 0
    worst_relative, worst_absolute = 0.0, 0.0
    for size in (1, 2, 7, 64):
        chosen = rows if size == 64 else rows[: max(16, 4 * size)]
        relative = absolute = 0.0
        padded = False
        for start in range(0, len(chosen), size):
            part = chosen[start : start + size]
            batch = encoded.batch(part)
            padded = padded or ("attention_mask" in batch and not batch["attention_mask"].all())
            expected, found = torch_backbone.outputs(batch), onnx_backbone.outputs(batch)
            for what, scores in (("trained", expected), ("ONNX", found)):
                if not np.isfinite(scores).all():
                    raise ExportError(
                        f"the {what} model gives values that are not finite",
                        hint="look for extreme values in the data, or fine-tune with a lower learning rate",
                    )
            relative = max(relative, relative_error(found, expected))
            absolute = max(absolute, float(np.abs(found - expected).max()))
            if size == 64:
                n += len(part)
                same, tied = _decisions(expected, found, tolerance, thresholds)
                agree, ties = agree + int(same.sum()), ties + int(tied.sum())
                different += int((~same & ~tied).sum())
        per_batch.append({"batch": size, "padded": bool(padded), "max_error": relative, "max_abs": absolute})
        worst_relative, worst_absolute = max(worst_relative, relative), max(worst_absolute, absolute)
    return {
        "passed": worst_relative <= tolerance and not different,
        "tolerance": tolerance,
        "n": n,
        "batch_sizes": [1, 2, 7, 64],
        "max_error": worst_relative,
        "max_abs": worst_absolute,
        "label_agreement": {"agree": agree, "n": n, "argmax_ties": ties},
        "per_batch": per_batch,
    }
