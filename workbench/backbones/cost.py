"""What a prediction costs in arithmetic: floating-point operations and parameters of a torch model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def cost(backbone: Any, example: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Parameters, their bytes, and operations of one prediction.

    Operations are those of products, convolutions and attention, a multiplication and an addition
    counted as two; element by element work is not counted (`torch.utils.flop_counter`).

    Args:
        backbone: with a torch `module`; another kind of model has no such numbers.
        example: a batch of one.

    Returns:
        `parameters`, `parameter_bytes` and `flops`, each null with a `reason` where there is none.
    """
    import torch

    module = getattr(backbone, "module", None)
    if not isinstance(module, torch.nn.Module):
        return {"parameters": None, "parameter_bytes": None, "flops": None, "reason": "it is no neural network"}
    from torch.utils.flop_counter import FlopCounterMode

    weights = list(module.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()
        module(**backbone.tensors(example))
    return {
        "parameters": sum(p.numel() for p in weights),
        "parameter_bytes": sum(p.numel() * p.element_size() for p in weights),
        "flops": counter.get_total_flops(),
        "reason": "",
    }
