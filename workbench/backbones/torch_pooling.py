"""Rules of ONNX operators that pool places."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.backbones.torch_layers import padded, padding_of
from workbench.backbones.torch_node import Node, Rule, whole
from workbench.errors import Unsupported

_MAX: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _windows(node: Node, x: Tensor) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """Kernel, strides, dilations, pads, and what is added at the ends so that every window is whole."""
    kernel = whole(node.get("kernel_shape"))
    strides, dilations = (whole(node.get(k)) or [1] * len(kernel) for k in ("strides", "dilations"))
    sizes = list(x.shape[2:])
    pads = padding_of(node, sizes, kernel, strides, dilations)
    axes, extra = len(kernel), []
    for i, (size, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        room = size + pads[i] + pads[i + axes] - (k - 1) * d - 1
        steps = math.ceil(room / s) if node.get("ceil_mode", 0) else room // s
        if node.get("ceil_mode", 0) and steps * s >= size + pads[i]:
            steps -= 1  # a window that begins in the padding at the end is none
        extra.append(max(steps * s - room, 0))
    return kernel, strides, dilations, pads, extra


def max_pool(node: Node, x: Tensor) -> Tensor:
    """The largest value of each window."""
    if node.outputs > 1:
        raise Unsupported("MaxPool with the places of its maxima")
    kernel, strides, dilations, pads, extra = _windows(node, x)
    axes = len(kernel)
    ends = [p + e for p, e in zip(pads[axes:], extra, strict=True)]
    x = padded(x, pads[:axes] + ends, float("-inf"))
    found: Tensor = _MAX[axes](x, kernel, strides, 0, dilations)
    return found


def average_pool(node: Node, x: Tensor) -> Tensor:
    """Padding counts only where `count_include_pad` says so; what ceil_mode adds never does."""
    kernel, strides, dilations, pads, extra = _windows(node, x)
    if any(d > 1 for d in dilations):
        raise Unsupported("AveragePool with dilations")
    axes = len(kernel)
    counted = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    counted = padded(counted, pads, 1.0 if node.get("count_include_pad", 0) else 0.0)
    more = [0] * axes + extra
    total, share = (_MEAN[axes](padded(v, more), kernel, strides) for v in (padded(x, pads), counted))
    shared: Tensor = total / share
    return shared


def _global(find: str) -> Rule:
    def rule(node: Node, x: Tensor) -> Tensor:
        axes = list(range(2, x.dim()))
        return x.mean(axes, keepdim=True) if find == "mean" else x.amax(axes, keepdim=True)

    return rule


POOLING: dict[str, Rule] = {
    "MaxPool": max_pool, "AveragePool": average_pool, "GlobalAveragePool": _global("mean"),
    "GlobalMaxPool": _global("max"),
}  # fmt: skip
