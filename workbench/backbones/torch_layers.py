"""Rules of ONNX operators with weights: convolutions and norms."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.backbones.torch_node import Node, Rule, whole
from workbench.errors import Unsupported

_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_BACK: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def padding_of(node: Node, sizes: list[int], kernel: list[int], strides: list[int], dilations: list[int]) -> list[int]:
    """(begins, ends) of the padded axes: as given, or what keeps ceil(size / stride) places (SAME_...)."""
    way, axes = node.get("auto_pad", "NOTSET"), len(kernel)
    if way in ("NOTSET", ""):
        return whole(node.get("pads")) or [0] * (2 * axes)
    if way == "VALID":
        return [0] * (2 * axes)
    begins, ends = [], []
    for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((math.ceil(size / s) - 1) * s + (k - 1) * d + 1 - size, 0)
        small, large = total // 2, total - total // 2
        begins.append(small if way == "SAME_UPPER" else large)
        ends.append(large if way == "SAME_UPPER" else small)
    return begins + ends


def padded(x: Tensor, pads: list[int], value: float = 0.0) -> Tensor:
    """The last axes padded by (begins, ends)."""
    half = len(pads) // 2
    flat = [v for axis in reversed(range(half)) for v in (pads[axis], pads[axis + half])]
    return F.pad(x, flat, value=value) if any(flat) else x


def conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution of one to three axes, padded at either end as asked."""
    axes = x.dim() - 2
    strides, dilations = (whole(node.get(k)) or [1] * axes for k in ("strides", "dilations"))
    pads = padding_of(node, list(x.shape[2:]), list(weight.shape[2:]), strides, dilations)
    group = node.get("group", 1)
    if pads[:axes] == pads[axes:]:
        even: Tensor = _CONV[axes](x, weight, bias, strides, pads[:axes], dilations, group)
        return even
    uneven: Tensor = _CONV[axes](padded(x, pads), weight, bias, strides, 0, dilations, group)
    return uneven


def conv_transpose(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A transposed convolution; what is padded is cut from the result."""
    axes = x.dim() - 2
    strides, dilations = (whole(node.get(k)) or [1] * axes for k in ("strides", "dilations"))
    extra, shape = whole(node.get("output_padding")) or [0] * axes, whole(node.get("output_shape"))
    pads = whole(node.get("pads")) or [0] * (2 * axes)
    way = node.get("auto_pad", "NOTSET")
    if shape or way.startswith("SAME"):
        for i in range(axes):
            full = (x.shape[2 + i] - 1) * strides[i] + (weight.shape[2 + i] - 1) * dilations[i] + 1 + extra[i]
            total = max(full - (shape[i] if shape else x.shape[2 + i] * strides[i]), 0)
            small = total // 2
            begin = total - small if way != "SAME_LOWER" and shape and way != "SAME_UPPER" else small
            begin = total - small if way == "SAME_LOWER" else begin
            pads[i], pads[i + axes] = begin, total - begin
    out = _BACK[axes](x, weight, bias, strides, 0, extra, node.get("group", 1), dilations)
    return padded(out, [-p for p in pads])


def batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """With the statistics of training."""
    if node.get("training_mode", 0):
        raise Unsupported("BatchNormalization in training mode")
    return F.batch_norm(x, mean, var, scale, bias, False, 0.0, node.get("epsilon", 1e-5))


def layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
    """Over all axes from one on."""
    axis = node.get("axis", -1) % x.dim()
    axes = list(range(axis, x.dim()))
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    inverse = torch.rsqrt(centred.square().mean(axes, keepdim=True) + node.get("epsilon", 1e-5))
    out = centred * inverse * scale
    out = out if bias is None else out + bias
    return out if node.outputs == 1 else (out, mean, inverse)


def rms_norm(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    """By the root mean square over all axes from one on."""
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + node.get("epsilon", 1e-5)) * scale


def instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Each channel of each example by itself."""
    return F.instance_norm(x, None, None, scale, bias, True, 0.0, node.get("epsilon", 1e-5))


def group_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Scale and bias are of each group before opset 21, of each channel from then on."""
    groups, channels = node.get("num_groups"), x.shape[1]
    if len(scale) != channels:
        scale, bias = (v.repeat_interleave(channels // groups) for v in (scale, bias))
    return F.group_norm(x, groups, scale, bias, node.get("epsilon", 1e-5))


def local_norm(node: Node, x: Tensor) -> Tensor:
    """Over neighbouring channels (LRN)."""
    size, alpha = node.get("size"), node.get("alpha", 1e-4)
    return F.local_response_norm(x, size, alpha, node.get("beta", 0.75), node.get("bias", 1.0))


def lp_norm(node: Node, x: Tensor) -> Tensor:
    """Each line along one axis over its length; zeros stay."""
    size = x.norm(p=node.get("p", 2), dim=node.get("axis", -1), keepdim=True)
    return x / torch.where(size > 0, size, torch.ones_like(size))


LAYERS: dict[str, Rule] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "BatchNormalization": batch_norm, "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm, "InstanceNormalization": instance_norm, "GroupNormalization": group_norm,
    "LRN": local_norm, "LpNormalization": lp_norm,
}  # fmt: skip
