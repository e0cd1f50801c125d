"""Operations against counts by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from workbench.backbones.cost import cost


class Small(nn.Module):
    """A convolution of 4 kernels of 3x3 on 2 channels, and a product."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3, bias=False), nn.Linear(4 * 6 * 6, 5)

    def forward(self, x: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.head(self.conv(x).flatten(1)))


def test_operations_and_parameters_are_those_counted_by_hand() -> None:
    backbone = SimpleNamespace(module=Small(), tensors=lambda b: {k: torch.from_numpy(v) for k, v in b.items()})
    found = cost(backbone, {"x": np.zeros((1, 2, 8, 8), np.float32)})
    convolution = 2 * (6 * 6) * 4 * (2 * 3 * 3)  # places, kernels, numbers of each
    product = 2 * (4 * 6 * 6) * 5
    assert found["flops"] == convolution + product
    assert found["parameters"] == 4 * 2 * 9 + (4 * 36 * 5 + 5)
    assert found["parameter_bytes"] == 4 * found["parameters"]


def test_what_is_no_network_says_so() -> None:
    found = cost(SimpleNamespace(), {})
    assert found["flops"] is None and found["reason"]
