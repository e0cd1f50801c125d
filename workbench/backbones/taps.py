"""Which tensors of a network its gradient graph has to show: coordinates, the head's input, Grad-CAM's layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.backbones.autograd import layer_map
from workbench.backbones.export import Taps
from workbench.backbones.torch import TorchBackbone
from workbench.errors import ExportError, Refusal


def taps_of(backbone: TorchBackbone, encoded: Any) -> Taps:
    """The taps of a network, for `workbench.backbones.export.trace`.

    Raises:
        ExportError: it has no embedding or no head by name.
    """
    taps = {"features": (backbone.head, True)}
    if backbone.modality == "text":
        embedding = backbone.module.get_input_embeddings()
        name = next((n for n, part in backbone.module.named_modules() if part is embedding), "")
        taps["embedded"] = (name, False)
    elif backbone.modality == "table":
        taps["embedded"] = ("columns", False)
    else:
        layer = _layer(backbone, encoded)
        if layer:
            taps["layer"] = (layer, False)
    if any(not name for name, _ in taps.values()):
        raise ExportError(
            "a layer that the gradient graph needs has no name in the model", hint="explain it with torch"
        )
    return taps


def facts_of(backbone: TorchBackbone, taps: Taps) -> dict[str, Any]:
    """What a `GradientBackbone` needs to know of the graph that is made from them."""
    return {
        "coordinates": "pixel_values" if backbone.modality == "image" else "embedded",
        "layer": taps["layer"][0] if "layer" in taps else "",
        "head": "maps" if isinstance(backbone.head_layer, nn.Conv2d) else "vectors",
    }


def _layer(backbone: TorchBackbone, encoded: Any) -> str:
    """The layer that Grad-CAM reads of the first example; empty where it finds none."""
    batch = encoded.batch([0])
    frame = batch["pixel_values"].shape[2], batch["pixel_values"].shape[3]
    best = int(np.argmax(backbone.outputs(batch)[0]))
    try:
        return layer_map(backbone, batch, lambda scores: scores[:, best], "", frame).name
    except Refusal:
        return ""
