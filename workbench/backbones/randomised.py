"""A model that learnt nothing: the same architecture with all its weights drawn anew."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch

from workbench.backbones.torch import TorchBackbone


def randomised(backbone: Any, seed: int) -> Any:
    """A copy in which every parameter tensor is drawn from a normal law of its own mean and deviation.

    Full model-parameter randomisation (Adebayo et al. 2018) that fits every architecture,
    with the scale of every layer kept. Buffers (means and bins of columns, running
    statistics) are those of the data and stay; so does a parameter of a single number.
    Trees draw what they ask by lot, and their leaves change places (`Trees.shuffled`).
    The generator is its own: equal seeds give equal weights, and the global one stays as it was.
    """
    if not isinstance(backbone, TorchBackbone):
        return backbone.randomised(seed)
    module = copy.deepcopy(backbone.module)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() < 2 or not parameter.is_floating_point():
                continue
            mean, deviation = float(parameter.float().mean()), float(parameter.float().std())
            drawn = torch.randn(parameter.shape, generator=generator) * deviation + mean
            parameter.copy_(drawn)
    return replace(backbone, module=module.eval())
