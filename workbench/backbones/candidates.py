"""Other ways to write the same model as ONNX: the exporters and opsets that are known to be good.

The canonical file is that of torch's dynamo exporter at `[export] opset`. Opset 23 has attention
as one operator; the older exporter at opset 17 with plain attention is the one whose graphs ONNX
Runtime's transformer optimiser fuses most. Which is the fastest depends on the model and the machine.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from workbench.backbones.export import export_onnx, quiet, trace, with_metadata
from workbench.backbones.narrowing import narrowed
from workbench.backbones.torch import TorchBackbone
from workbench.errors import ExportError

CANONICAL = "dynamo"
NAMES = {
    CANONICAL: "torch.onnx (dynamo)",
    "dynamo-23": "torch.onnx (dynamo), opset 23, attention as one operator",
    "dynamo-20": "torch.onnx (dynamo), opset 20",
    "fused-17": "torch.onnx (TorchScript), opset 17, fused by onnxruntime.transformers",
}
_LEGACY_OPSET = 17
_FUSED_AS = {"bert": "bert", "roberta": "bert", "distilbert": "bert", "electra": "bert", "vit": "vit", "deit": "vit"}


def candidates(backbone: TorchBackbone, opset: int) -> tuple[str, ...]:
    """The names worth trying for a model, the canonical one first.

    Where nothing is an attention or a normalisation, all of them write the same operators.
    """
    if not getattr(backbone, "has_attention", False):
        return (CANONICAL,)
    return tuple(n for n in NAMES if n != f"dynamo-{opset}")


def write_candidate(
    name: str, backbone: TorchBackbone, example: Mapping[str, np.ndarray], metadata: Mapping[str, Any], opset: int
) -> bytes:
    """The model as one of `NAMES`: the bytes of its file.

    Raises:
        ExportError: this exporter or the fusion cannot write the model.
    """
    if name.startswith("dynamo") and name != "dynamo-23":
        return export_onnx(backbone, example, metadata, opset if name == CANONICAL else int(name.partition("-")[2]))
    if name not in NAMES:
        raise ExportError(f"there is no export candidate {name!r}", hint=f"choose one of {', '.join(NAMES)}")
    try:
        if name == "dynamo-23":
            # What was traced before has attention as separate products, which the gradient graph needs.
            with _attention(backbone.module, "sdpa"):
                return with_metadata(narrowed(trace(backbone, example, 23)), metadata)
        return _fused(backbone, example, metadata)
    except ExportError:
        raise
    except Exception as e:  # both tools raise many kinds, all meaning the same to the caller
        reason = (str(e).strip().splitlines() or [type(e).__name__])[0][:300]
        raise ExportError(f"the model could not be written as {name}: {reason}") from e


def _fused(backbone: TorchBackbone, example: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> bytes:
    from onnxruntime.transformers.optimizer import optimize_model

    config = backbone.module.config
    kind = _FUSED_AS.get(str(getattr(config, "model_type", "")))
    if kind is None:
        raise ExportError(f"onnxruntime.transformers fuses no models of type {getattr(config, 'model_type', '')!r}")
    wrapped = _Positional(backbone.module, backbone.inputs).eval()
    tensors = backbone.tensors(example)
    free = {0: "batch", 1: "sequence"} if backbone.modality == "text" else {0: "batch"}
    with (
        tempfile.TemporaryDirectory(prefix="workbench-") as folder,
        quiet(),
        torch.no_grad(),
        _attention(backbone.module, "eager"),  # separate products and a softmax, which is what the fusion looks for
    ):
        path = Path(folder) / "traced.onnx"
        torch.onnx.export(
            wrapped,
            tuple(tensors[n] for n in backbone.inputs),
            path,
            dynamo=False,
            input_names=list(backbone.inputs),
            output_names=["logits"],
            dynamic_axes={**dict.fromkeys(backbone.inputs, free), "logits": {0: "batch"}},
            opset_version=_LEGACY_OPSET,
        )
        model = onnx.load(path)
        # The runtime's own rewriting (opt_level above 0) would depend on the machine it runs on.
        fused = optimize_model(
            model, kind, num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=0
        )
        fused.topological_sort()
    for node in fused.model.graph.node:
        node.doc_string = ""
    return with_metadata(fused.model, metadata)


class _Positional(nn.Module):
    """The model with positional inputs and only its scores."""

    def __init__(self, module: nn.Module, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.inputs = module, inputs

    def forward(self, *values: Tensor) -> Tensor:
        found: Tensor = self.module(**dict(zip(self.inputs, values, strict=True))).logits
        return found


@contextlib.contextmanager
def _attention(module: Any, how: str) -> Iterator[None]:
    """Within, a model computes attention as `how` says: "eager" in separate products, "sdpa" in one operator."""
    before = getattr(module.config, "_attn_implementation", None)
    module.set_attn_implementation(how)
    try:
        yield
    finally:
        if before is not None:
            module.set_attn_implementation(before)
