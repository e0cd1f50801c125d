"""Gradients of ONNX's convolutions and of pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx

from workbench.backbones.elementwise_gradients import Rule
from workbench.backbones.tape import Tape, attribute
from workbench.errors import Unsupported

_HINT = "explain it with torch"


def _window(t: Tape, node: onnx.NodeProto, kernel: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations and pads (begins, then ends) of a convolution or a pool."""
    n = len(kernel)
    strides = list(attribute(node, "strides", [1] * n))
    dilations = list(attribute(node, "dilations", [1] * n))
    if attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unsupported(f"{node.op_type} with auto_pad {attribute(node, 'auto_pad')}", hint=_HINT)
    return strides, dilations, list(attribute(node, "pads", [0] * 2 * n))


def _conv(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, weight = node.input[:2]
    if weight in t.wanted:
        raise Unsupported("Conv whose weights are computed from the input", hint=_HINT)
    spatial = range(2, t.rank(x))
    kernel = t.sizes(weight, spatial)
    strides, dilations, pads = _window(t, node, kernel)
    there, here = t.sizes(x, spatial), t.sizes(node.output[0], spatial)
    n, group = len(kernel), int(attribute(node, "group", 1))
    rest: list[None] = [None] * (len(node.input) - 1)
    reach = [dilations[i] * (kernel[i] - 1) for i in range(n)]
    if strides == [1] * n and all(pads[i] <= reach[i % n] for i in range(2 * n)):
        # A convolution too, by the kernel turned about: runtimes have far better code for it than for ConvTranspose.
        turned = _turned(t, weight, group, t.sizes(x, [1])[0])
        around = [reach[i % n] - pads[i] for i in range(2 * n)]
        found = t.op("Conv", g[0], turned, dilations=dilations, pads=around, kernel_shape=kernel, group=group)
        return [found, *rest]
    missing = [
        there[i] - ((here[i] - 1) * strides[i] - pads[i] - pads[n + i] + dilations[i] * (kernel[i] - 1) + 1)
        for i in range(n)
    ]
    found = t.op(
        "ConvTranspose", g[0], weight, strides=strides, dilations=dilations, pads=pads, kernel_shape=kernel,
        output_padding=missing, group=group,
    )  # fmt: skip
    return [found, *rest]


def _turned(t: Tape, weight: str, group: int, channels: int) -> str:
    """A convolution's kernel (out, in / groups, *kernel) as its gradient's (in, out / groups, *kernel), back to front.

    It is left to the runtime to do this once, when it loads the file, which so holds the weights once.
    """
    shape = t.shape(weight)
    spatial, kernel = list(range(2, len(shape))), t.sizes(weight, range(2, len(shape)))
    each = t.sizes(weight, [0])[0] // group
    if group == 1:
        turned = t.op("Transpose", weight, perm=[1, 0, *spatial])
    elif each == channels // group == 1:
        turned = weight
    else:
        parted = t.op("Reshape", weight, t.ints(group, each, channels // group, *kernel))
        swapped = t.op("Transpose", parted, perm=[0, 2, 1, *(a + 1 for a in spatial)])
        turned = t.op("Reshape", swapped, t.ints(channels, each, *kernel))
    wide = [a for a, size in zip(spatial, kernel, strict=True) if size > 1]
    if not wide:
        return turned
    # From the last entry to before the first; ONNX counts an end of -1 from behind, so the end lies far below.
    ends = t.ints(*[-(2**31)] * len(wide))
    return t.op("Slice", turned, t.ints(*[-1] * len(wide)), ends, t.ints(*wide), t.ints(*[-1] * len(wide)))


def _conv_transpose(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, weight = node.input[:2]
    if weight in t.wanted or attribute(node, "output_shape") is not None:
        raise Unsupported("ConvTranspose with computed weights or an output_shape", hint=_HINT)
    kernel = t.sizes(weight, range(2, t.rank(x)))
    strides, dilations, pads = _window(t, node, kernel)
    found = t.op(
        "Conv", g[0], weight, strides=strides, dilations=dilations, pads=pads, kernel_shape=kernel,
        group=attribute(node, "group", 1),
    )  # fmt: skip
    return [found, *[None] * (len(node.input) - 1)]


def _max_pool(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    if attribute(node, "storage_order", 0):
        raise Unsupported("MaxPool in column order", hint=_HINT)
    _, places = t.outputs(node, 2)  # of the largest entries, counted through the whole tensor
    return [t.scattered(g[0], node.input[0], places)]


def _average_pool(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    """Each entry has its share of every window it lies in; windows at the border may have fewer entries."""
    x, y = node.input[0], node.output[0]
    spatial = range(2, t.rank(x))
    kernel = list(attribute(node, "kernel_shape"))
    strides, dilations, pads = _window(t, node, kernel)
    (channels,) = t.sizes(x, [1])
    there, here = t.sizes(x, spatial), t.sizes(y, spatial)
    n, padded_counts = len(kernel), bool(attribute(node, "count_include_pad", 0))
    counts, missing, ends = [], [], []
    for i in range(n):
        reach = dilations[i] * (kernel[i] - 1)
        inside = np.zeros(here[i])
        for place in range(here[i]):
            taps = place * strides[i] - pads[i] + dilations[i] * np.arange(kernel[i])
            low, high = (-pads[i], there[i] + pads[n + i]) if padded_counts else (0, there[i])
            inside[place] = ((taps >= low) & (taps < high)).sum()
        counts.append(inside)
        full = (here[i] - 1) * strides[i] - pads[i] + reach + 1  # as far as the windows reach, pads at the end unseen
        missing.append(max(there[i] - full, 0))
        ends.append(max(full - there[i], 0))
    total = counts[0]
    for more in counts[1:]:
        total = total[..., None] * more
    share = t.op("Div", g[0], t.constant(total[None, None]))
    found = t.op(
        "ConvTranspose", share, t.constant(np.ones((channels, 1, *kernel))), strides=strides, dilations=dilations,
        pads=[*pads[:n], *ends], kernel_shape=kernel, output_padding=missing, group=channels,
    )  # fmt: skip
    return [found]


def _global_average(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    sizes = t.sizes(node.input[0], range(2, t.rank(node.input[0])))
    share = t.op("Mul", g[0], t.constant(1 / math.prod(sizes)))
    return [t.op("Expand", share, t.op("Shape", node.input[0]))]


CONVOLUTIONS: dict[str, Rule] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
}
