"""Gradients of ONNX operators that mix entries: products, convolutions, pooling, norms, sums."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx

from workbench.backbones.elementwise_gradients import Rule
from workbench.backbones.tape import Tape, attribute, axes_of
from workbench.errors import Unsupported

_HINT = "explain it with torch"


# -- products ----------------------------------------------------------------------------


def _flipped(t: Tape, name: str) -> str:
    rank = t.rank(name)
    return t.op("Transpose", name, perm=[*range(rank - 2), rank - 1, rank - 2])


def _matmul(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    a, b = node.input
    if t.rank(a) < 2 or t.rank(b) < 2:
        raise Unsupported("MatMul of a vector", hint=_HINT)
    found: list[str | None] = [None, None]
    if a in t.wanted:
        found[0] = _as_factor(t, t.op("MatMul", g[0], _flipped(t, b)), a, node.output[0])
    if b in t.wanted:
        found[1] = _as_factor(t, t.op("MatMul", _flipped(t, a), g[0]), b, node.output[0])
    return found


def _as_factor(t: Tape, gradient: str, name: str, of: str) -> str:
    """Summed over the leading axes along which a factor was repeated."""
    mine, full = t.shape(name)[:-2], t.shape(of)[:-2]
    if mine == full and None not in mine:
        return gradient
    padded = (1,) * (len(full) - len(mine)) + mine
    axes = [i for i, (a, b) in enumerate(zip(padded, full, strict=True)) if a == 1 and b != 1]
    if any(a != 1 and (a != b or a is None) for a, b in zip(padded, full, strict=True)):
        raise Unsupported("MatMul whose factors are repeated along an axis of varying size", hint=_HINT)
    if axes:
        gradient = t.op("ReduceSum", gradient, t.ints(*axes), keepdims=1)
    return gradient if len(mine) == len(full) else t.like(gradient, name)


def _gemm(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    a, b, *c = node.input
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    left, right = attribute(node, "transA", 0), attribute(node, "transB", 0)
    found: list[str | None] = [None] * len(node.input)
    if a in t.wanted:
        factors = (b, g[0]) if left else (g[0], b)
        how = {"transA": int(right), "transB": 1} if left else {"transB": int(not right)}
        found[0] = t.op("Gemm", *factors, alpha=alpha, **how)
    if b in t.wanted:
        factors = (g[0], a) if right else (a, g[0])
        how = {"transA": 1, "transB": int(left)} if right else {"transA": int(not left)}
        found[1] = t.op("Gemm", *factors, alpha=alpha, **how)
    if c and c[0] in t.wanted:
        found[2] = t.summed(t.op("Mul", g[0], t.constant(beta)), c[0], node.output[0])
    return found


def _einsum(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    equation = attribute(node, "equation").replace(" ", "")
    terms, arrow, out = equation.partition("->")
    letters = terms.split(",")
    if not arrow or "." in equation or any(len(set(w)) < len(w) for w in (*letters, out)):
        raise Unsupported(f"Einsum {equation}", hint=_HINT)
    found: list[str | None] = []
    for i, (name, mine) in enumerate(zip(node.input, letters, strict=True)):
        if name not in t.wanted:
            found.append(None)
            continue
        others = [(n, w) for j, (n, w) in enumerate(zip(node.input, letters, strict=True)) if j != i]
        if set(mine) - set(out).union(*(w for _, w in others)):
            raise Unsupported(f"Einsum {equation}", hint=_HINT)
        given = ",".join([out, *(w for _, w in others)])
        found.append(t.op("Einsum", g[0], *(n for n, _ in others), equation=f"{given}->{mine}"))
    return found


# -- convolutions and pooling --------------------------------------------------------------


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


def _global_max(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    return [_to_largest(t, g[0], node.input[0], node.output[0], list(range(2, t.rank(node.input[0]))))]


def _to_largest(t: Tape, gradient: str, x: str, y: str, axes: Sequence[int]) -> str:
    reached = t.op("Cast", t.op("Equal", x, y), to=onnx.TensorProto.FLOAT)
    count = t.op("ReduceSum", reached, t.ints(*axes), keepdims=1)
    return t.op("Mul", t.op("Div", gradient, count), reached)


# -- sums and norms ------------------------------------------------------------------------


def _kept(t: Tape, node: onnx.NodeProto, name: str, axes: Sequence[int]) -> str:
    """A reduced tensor with the axes back that were reduced, of size 1."""
    return name if attribute(node, "keepdims", 1) or not axes else t.op("Unsqueeze", name, t.ints(*axes))


def _reduce_sum(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x = node.input[0]
    axes = axes_of(t, node, t.rank(x))
    return [t.op("Expand", _kept(t, node, g[0], axes), t.op("Shape", x)), *[None] * (len(node.input) - 1)]


def _reduce_mean(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, y = node.input[0], node.output[0]
    sizes = [t.op("Cast", t.op("Size", name), to=onnx.TensorProto.FLOAT) for name in (y, x)]
    share = t.op("Mul", g[0], t.op("Div", *sizes))
    return _reduce_sum(t, node, [share])


def _reduce_max(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x = node.input[0]
    axes = axes_of(t, node, t.rank(x))
    gradient, y = (_kept(t, node, name, axes) for name in (g[0], node.output[0]))
    return [_to_largest(t, gradient, x, y, axes), *[None] * (len(node.input) - 1)]


def _reduce_l2(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x = node.input[0]
    axes = axes_of(t, node, t.rank(x))
    gradient, y = (_kept(t, node, name, axes) for name in (g[0], node.output[0]))
    return [t.op("Div", t.op("Mul", gradient, x), y), *[None] * (len(node.input) - 1)]


def _softmax(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    if t.opset < 13:
        raise Unsupported("Softmax of an opset before 13", hint="export with a newer opset")
    y, axis = node.output[0], attribute(node, "axis", -1)
    weighted = t.op("ReduceSum", t.op("Mul", g[0], y), t.ints(axis), keepdims=1)
    return [t.op("Mul", y, t.op("Sub", g[0], weighted))]


def _log_softmax(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    y, axis = node.output[0], attribute(node, "axis", -1)
    total = t.op("ReduceSum", g[0], t.ints(axis), keepdims=1)
    return [t.op("Sub", g[0], t.op("Mul", t.op("Exp", y), total))]


def _layer_norm(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, scale = node.input[:2]
    rank = t.rank(x)
    axes = t.ints(*range(attribute(node, "axis", -1) % rank, rank))
    _, mean, inverse = t.outputs(node, 3)
    normed = t.op("Mul", t.op("Sub", x, mean), inverse)
    scaled = t.op("Mul", g[0], scale)
    along = t.op("Mul", normed, t.op("ReduceMean", t.op("Mul", scaled, normed), axes, keepdims=1))
    centred = t.op("Sub", scaled, t.op("ReduceMean", scaled, axes, keepdims=1))
    return [t.op("Mul", t.op("Sub", centred, along), inverse), *[None] * (len(node.input) - 1)]


def _batch_norm(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    if attribute(node, "training_mode", 0):
        raise Unsupported("BatchNormalization in training mode", hint="export the model in evaluation mode")
    scale, variance = t.known(node.input[1]), t.known(node.input[4])
    factor = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    shaped = factor.reshape(-1, *[1] * (t.rank(node.input[0]) - 2))
    return [t.op("Mul", g[0], t.constant(shaped)), None, None, None, None]


def _instance_norm(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    """Each channel of each example is normed over its places."""
    x, scale = node.input[:2]
    rank = t.rank(x)
    axes = t.ints(*range(2, rank))
    centred = t.op("Sub", x, t.op("ReduceMean", x, axes, keepdims=1))
    variance = t.op("ReduceMean", t.op("Mul", centred, centred), axes, keepdims=1)
    deviation = t.op("Sqrt", t.op("Add", variance, t.constant(attribute(node, "epsilon", 1e-5))))
    normed = t.op("Div", centred, deviation)
    scaled = t.op("Mul", g[0], t.op("Reshape", scale, t.ints(-1, *[1] * (rank - 2))))
    along = t.op("Mul", normed, t.op("ReduceMean", t.op("Mul", scaled, normed), axes, keepdims=1))
    level = t.op("Sub", scaled, t.op("ReduceMean", scaled, axes, keepdims=1))
    return [t.op("Div", t.op("Sub", level, along), deviation), None, None]


LAYERS: dict[str, Rule] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "ReduceSum": _reduce_sum,
    "ReduceMean": _reduce_mean,
    "ReduceMax": _reduce_max,
    "ReduceL2": _reduce_l2,
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "LayerNormalization": _layer_norm,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
}
