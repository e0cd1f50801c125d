"""Of a model's last layers, what is read: the head of a transformer reads one token, so only that one goes on.

A classifier on a transformer takes one position of the last layer (`[CLS]`) and leaves the rest, which
exporters still compute. Here the taking is moved towards the input, through everything that treats
positions alone and through an attention's queries, to the keys and values, which do need every position.
The function stays the same, term by term. Of a model of L layers nearly one L-th of the work goes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

Dim = int | str | None
Shape = tuple[Dim, ...]
Demands = list[int | None]  # of each input the axis that is taken, None: all of it

_ALONE = frozenset({"Cast", "Elu", "Erf", "Exp", "Gelu", "Identity", "LeakyRelu", "Log", "Neg", "Reciprocal", "Relu",
                    "Sigmoid", "Silu", "Softplus", "Sqrt", "Swish", "Tanh"})  # fmt: skip
_JOINED = frozenset({"Add", "Div", "Max", "Min", "Mul", "Pow", "Sub", "Where"})


def narrowed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that computes a position only where it, or one that attends to it, is read.

    Args:
        model: any; its outputs stay what they are.

    Returns:
        A copy; of a model whose every position is read, an equal one.
    """
    found = onnx.ModelProto()
    found.CopyFrom(model)
    if any(a.type in (a.GRAPH, a.GRAPHS) for n in found.graph.node for a in n.attribute):
        return found  # a branch may read what no node names as its input
    taking = next((n for n in found.graph.node if _position(found.graph, n) is not None), None)
    if taking is not None and found.ByteSize() < 2**31:  # a head reads one token; what is larger cannot be one file
        _narrow(found, taking)
    return found


def _position(graph: onnx.GraphProto, node: onnx.NodeProto) -> np.ndarray | None:
    """The one position that a node takes along a computed tensor's second axis; None of any other node."""
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    if node.op_type != "Gather" or axis != 1 or not any(node.input[0] in n.output for n in graph.node):
        return None
    index = next((numpy_helper.to_array(i) for i in graph.initializer if i.name == node.input[1]), None)
    return index if index is not None and index.ndim == 0 else None


def _narrow(model: onnx.ModelProto, taking: onnx.NodeProto) -> None:
    graph, shapes = model.graph, _shapes(model)
    shape = shapes.get(taking.input[0], ())
    if len(shape) != 3 or shape[1] == 1:
        return
    outputs = {o.name for o in graph.output}
    takers: dict[str, list[tuple[str, int]]] = {}  # by a node's first output, and the place among its inputs
    for node in graph.node:
        for place, name in enumerate(node.input):
            takers.setdefault(name, []).append((node.output[0], place))
    demands: dict[str, Demands] = {taking.output[0]: [1, None]}
    narrow: dict[str, int] = {}  # tensors of one position, and the axis along which
    moved: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if len(node.output) != 1 or node.output[0] in outputs:
            continue
        (name,) = node.output
        asked = {demands[by][place] if by in demands else None for by, place in takers.get(name, [])}
        axis = asked.pop() if len(asked) == 1 else None
        wanted = None if axis is None else _demands(node, axis, shapes)
        if axis is not None and wanted is not None:
            demands[name], narrow[name] = wanted, axis
            moved.append(node)
    if taking.input[0] not in narrow:
        return
    index = _position(graph, taking)
    assert index is not None
    _take(graph, [(node, demands[node.output[0]]) for node in moved], narrow, int(index))
    _reshape(graph, moved, narrow, shapes)
    taking.input[1] = _constant(graph, "read/first", np.array(0))
    for value in graph.value_info:
        if value.name in narrow:
            value.type.tensor_type.shape.dim[narrow[value.name]].dim_value = 1


def _take(
    graph: onnx.GraphProto, nodes: Sequence[tuple[onnx.NodeProto, Demands]], narrow: Mapping[str, int], at: int
) -> None:
    """Where a node needs one position of a tensor that is whole, the taking is put before it."""
    index = _constant(graph, "read/position", np.array([at]))
    taken: dict[tuple[str, int], str] = {}
    for node, wanted in nodes:
        for place, axis in enumerate(wanted):
            name = node.input[place]
            if axis is not None and name not in narrow:
                node.input[place] = taken.setdefault((name, axis), f"read/{name}_{axis}")
    made = {o: i for i, n in enumerate(graph.node) for o in n.output}
    for (name, axis), new in sorted(taken.items(), key=lambda item: -made.get(item[0][0], -1)):  # the last first
        graph.node.insert(made.get(name, -1) + 1, helper.make_node("Gather", [name, index], [new], axis=axis))


def _reshape(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], narrow: Mapping[str, int], shapes: Mapping[str, Shape]
) -> None:
    """Reshapes to sizes that were computed of the whole: up to the axis a size stays as it comes, then it is fixed."""
    for node in nodes:
        if node.op_type != "Reshape":
            continue
        (name,) = node.output
        target = [0 if i <= narrow[name] else d for i, d in enumerate(shapes[name])]
        node.input[1] = _constant(graph, f"read/shape_{name}", np.array(target))
        del node.attribute[:]  # with `allowzero` 0 would be a size


def _constant(graph: onnx.GraphProto, name: str, value: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(value.astype(np.int64), name))
    return name


def _demands(node: onnx.NodeProto, axis: int, shapes: Mapping[str, Shape]) -> Demands | None:
    """What a node needs of its inputs to give one position along an axis; None where it needs them whole."""
    out = shapes.get(node.output[0])
    ins = [shapes.get(name) for name in node.input]
    if out is None or any(s is None for s, name in zip(ins, node.input, strict=True) if name):
        return None
    given = [s or () for s in ins]
    kind = node.op_type if node.domain in ("", "ai.onnx") else ""
    own: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if kind in _ALONE:
        return [axis]
    if kind in _JOINED:
        return _joined(out, given, axis)
    if kind == "LayerNormalization":
        after = axis < own.get("axis", -1) % len(out)
        return [axis, *(None for _ in given[1:])] if after and len(node.output) == 1 else None
    if kind == "Softmax":
        return [axis] if own.get("axis", -1) % len(out) != axis else None
    if kind == "Transpose":
        perm = own.get("perm") or list(reversed(range(len(out))))
        return [int(perm[axis])]
    if kind == "MatMul" and len(given[0]) == len(out) and axis == len(out) - 2:
        return [axis, None]
    if kind == "Reshape":
        before = given[0]
        same = before[: axis + 1] == out[: axis + 1] and None not in out[: axis + 1]
        return [axis, None] if same and all(isinstance(d, int) and d > 0 for d in out[axis + 1 :]) else None
    return None


def _joined(out: Shape, given: Sequence[Shape], axis: int) -> Demands | None:
    """Of operators that go entry by entry: inputs without the axis, or with one entry there, stay whole."""
    found: Demands = []
    for shape in given:
        own = axis - (len(out) - len(shape))
        if own < 0 or shape[own] == 1:
            found.append(None)
        elif shape[own] is not None and shape[own] == out[axis]:
            found.append(own)
        else:
            return None
    return found


def _shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """The dimensions of every tensor, where they are known."""
    graph = model.graph
    with contextlib.suppress(onnx.shape_inference.InferenceError):  # an operator that it does not know
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found: dict[str, Shape] = {}
    for value in [*graph.value_info, *graph.input, *graph.output]:
        if value.type.tensor_type.HasField("shape"):
            found[value.name] = tuple(
                d.dim_value if d.HasField("dim_value") else d.dim_param or None
                for d in value.type.tensor_type.shape.dim
            )
    for i in model.graph.initializer:
        found[i.name] = tuple(i.dims)
    return found
