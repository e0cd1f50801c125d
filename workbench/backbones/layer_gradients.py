"""Gradients of ONNX operators that mix entries: products, norms, sums, and convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from workbench.backbones.convolution_gradients import CONVOLUTIONS
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


# -- the largest, sums and norms ------------------------------------------------------------


def _global_max(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    return [_to_largest(t, g[0], node.input[0], node.output[0], list(range(2, t.rank(node.input[0]))))]


def _to_largest(t: Tape, gradient: str, x: str, y: str, axes: Sequence[int]) -> str:
    reached = t.op("Cast", t.op("Equal", x, y), to=onnx.TensorProto.FLOAT)
    count = t.op("ReduceSum", reached, t.ints(*axes), keepdims=1)
    return t.op("Mul", t.op("Div", gradient, count), reached)


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
    **CONVOLUTIONS,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
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
