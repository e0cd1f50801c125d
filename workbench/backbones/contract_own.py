"""What a file of the workbench's own says of its inputs in its metadata: nothing needs to be inferred or asked for."""

from __future__ import annotations

import json
from typing import Any

from workbench.backbones.contract import Feed
from workbench.backbones.contract_ports import Inputs
from workbench.backbones.signature import Signature
from workbench.modalities.image import ImagePreparation
from workbench.modalities.text import TextPreparation

KEY = "workbench"  # of the metadata
_KINDS: dict[str, Any] = {"image": ImagePreparation, "text": TextPreparation}


def own_inputs(signature: Signature, modality: str) -> Inputs | None:
    """How pictures or texts go into a file of the workbench's own; None for any other file.

    A stranger may have written anything there: what cannot be read counts as nothing.
    """
    try:
        value = json.loads(signature.metadata.get(KEY, "null"))
        kept = value["preparation"]
        if kept["modality"] != modality or modality not in _KINDS:
            return None
        preparation = _KINDS[modality].from_json(kept)
    except Exception:  # damaged or of another schema: the file is asked like one from elsewhere
        return None
    if {p.name for p in signature.inputs} != set(preparation.inputs):
        return None
    feeds = tuple(Feed(p.name, p.dtype, p.shape, (p.name,)) for p in signature.inputs)
    made = str(value.get("workbench", ""))
    said = f"How inputs are prepared is read from the file's own metadata, written by workbench {made}".rstrip() + "."
    layout, channels = ("NCHW", "rgb") if modality == "image" else ("", "")
    return Inputs(feeds, preparation, (said,), layout=layout, channels=channels)
