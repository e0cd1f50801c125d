"""Activations as torch's own layers, which methods that look for layers know."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.backbones.torch_node import Node


class Clip(nn.Module):
    """Between two bounds: attributes before opset 11, inputs from then on."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.low, self.high = node.get("min"), node.get("max")

    def forward(self, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        least, most = self.low if low is None else low, self.high if high is None else high
        if least is not None:
            x = torch.maximum(x, torch.as_tensor(least, dtype=x.dtype, device=x.device))
        return x if most is None else torch.minimum(x, torch.as_tensor(most, dtype=x.dtype, device=x.device))


class HardSigmoid(nn.Module):
    """max(0, min(1, alpha x + beta))."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.alpha, self.beta = node.get("alpha", 0.2), node.get("beta", 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return (self.alpha * x + self.beta).clamp(0, 1)


class Softmax(nn.Module):
    """Along one axis; before opset 13 along all axes from one on."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.flat, self.log = node.opset < 13, node.op == "LogSoftmax"
        self.axis = node.get("axis", 1 if self.flat else -1)

    def forward(self, x: Tensor) -> Tensor:
        find = F.log_softmax if self.log else F.softmax
        if not self.flat:
            return find(x, dim=self.axis)
        axis = self.axis % max(x.dim(), 1)
        rows = x.reshape(int(torch.tensor(x.shape[:axis]).prod()) if axis else 1, -1)
        return find(rows, dim=1).reshape(x.shape)


class PRelu(nn.Module):
    """The slope of negative values is an input."""

    def __init__(self, node: Node) -> None:
        super().__init__()

    def forward(self, x: Tensor, slope: Tensor) -> Tensor:
        return torch.where(x >= 0, x, x * slope)


class Celu(nn.Module):
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.alpha = node.get("alpha", 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return F.celu(x, self.alpha)


class Selu(nn.Module):
    """gamma (x or alpha (exp(x) - 1))."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.alpha, self.gamma = (
            node.get("alpha", 1.67326319217681884765625),
            node.get("gamma", 1.05070102214813232421875),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * torch.where(x > 0, x, self.alpha * torch.expm1(x.clamp(max=0)))


class Swish(nn.Module):
    """x sigmoid(alpha x)."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.alpha = node.get("alpha", 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.alpha * x)


# Operator to what makes its layer. `RULES` has all others.
ACTIVATIONS: dict[str, Callable[[Node], nn.Module]] = {
    "Relu": lambda n: nn.ReLU(),
    "Sigmoid": lambda n: nn.Sigmoid(),
    "Tanh": lambda n: nn.Tanh(),
    "Softplus": lambda n: nn.Softplus(threshold=1e9),
    "Softsign": lambda n: nn.Softsign(),
    "LeakyRelu": lambda n: nn.LeakyReLU(n.get("alpha", 0.01)),
    "Elu": lambda n: nn.ELU(n.get("alpha", 1.0)),
    "Selu": Selu,
    "Celu": Celu,
    "Gelu": lambda n: nn.GELU(approximate=n.get("approximate", "none")),
    "Mish": lambda n: nn.Mish(),
    "HardSwish": lambda n: nn.Hardswish(),
    "HardSigmoid": HardSigmoid,
    "ThresholdedRelu": lambda n: nn.Threshold(n.get("alpha", 1.0), 0.0),
    "PRelu": PRelu,
    "Swish": Swish,
    "Clip": Clip,
    "Softmax": Softmax,
    "LogSoftmax": Softmax,
}
