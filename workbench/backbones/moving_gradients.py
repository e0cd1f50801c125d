"""Gradients of ONNX operators that move, repeat or leave out entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from workbench.backbones.elementwise_gradients import Rule
from workbench.backbones.tape import Tape, attribute
from workbench.errors import Unsupported


def _reshape(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    return [t.like(g[0], node.input[0]), *[None] * (len(node.input) - 1)]


def _transpose(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    order = list(attribute(node, "perm", range(t.rank(node.input[0]))[::-1]))
    return [t.op("Transpose", g[0], perm=[int(i) for i in np.argsort(order)])]


def _expand(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    return [t.summed(g[0], node.input[0], node.output[0]), None]


def _concat(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    axis = attribute(node, "axis") % t.rank(node.output[0])
    sizes = [_size(t, name, axis) for name in node.input]
    pieces = t.name("Split")
    names = [f"{pieces}.{i}" for i in range(len(node.input))]
    split = t.op("Concat", *sizes, axis=0) if len(sizes) > 1 else sizes[0]
    t.graph.node.append(onnx.helper.make_node("Split", [g[0], split], names, axis=axis))
    return [piece if name in t.wanted else None for name, piece in zip(node.input, names, strict=True)]


def _split(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    axis = attribute(node, "axis", 0) % t.rank(node.input[0])
    pieces = [piece or t.op("Sub", name, name) for name, piece in zip(node.output, g, strict=True)]
    return [t.op("Concat", *pieces, axis=axis), *[None] * (len(node.input) - 1)]


def _size(t: Tape, name: str, axis: int) -> str:
    """The size along one axis as a tensor of one integer."""
    size = t.shape(name)[axis]
    return t.ints(size) if isinstance(size, int) else t.op("Shape", name, start=axis, end=axis + 1)


def _slice(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    """Zeros around the gradient; with steps, or places only known when the graph runs, it is scattered."""
    x = node.input[0]
    rest: list[str | None] = [None] * (len(node.input) - 1)
    starts, axes, steps = (t.value(node.input[i]) if len(node.input) > i else None for i in (1, 3, 4))
    plain = len(node.input) < 4 or axes is not None
    if starts is None or not plain or (len(node.input) > 4 and (steps is None or (steps != 1).any())):
        taken = t.op("Slice", t.places(x), *node.input[1:])
        return [t.scattered(g[0], x, taken), *rest]
    along = [int(a) % t.rank(x) for a in (axes if axes is not None else range(len(starts)))]
    for axis, start in zip(along, starts.tolist(), strict=True):
        size = _size(t, x, axis)
        begin = t.ints(start)
        if start < 0:
            begin = t.op("Max", t.op("Add", size, begin), t.ints(0))
        g = [_padded(t, g[0], axis, begin, size)]
    return [g[0], *rest]


def _padded(t: Tape, gradient: str, axis: int, begin: str, size: str) -> str:
    """Zeros before and after along one axis, so that it is of `size` again."""
    own = t.op("Shape", gradient, start=axis, end=axis + 1)
    end = t.op("Sub", t.op("Sub", size, begin), own)
    return t.op("Pad", gradient, t.op("Concat", begin, end, axis=0), "", t.ints(axis), mode="constant")


def _gather(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, picked = node.input
    axis = attribute(node, "axis", 0) % t.rank(x)
    index = t.value(picked)
    if index is None or index.size != 1 or t.opset < 18:
        return [t.scattered(g[0], x, t.op("Gather", t.places(x), picked, axis=axis)), None]
    size, place = _size(t, x, axis), int(index.ravel()[0])
    begin = t.ints(place) if place >= 0 else t.op("Add", size, t.ints(place))
    one = t.op("Unsqueeze", g[0], t.ints(axis)) if index.ndim == 0 else g[0]
    if index.ndim > 1:
        one = t.op("Squeeze", g[0], t.ints(*range(axis + 1, axis + index.ndim)))
    return [_padded(t, one, axis, begin, size), None]


def _picked(kind: str) -> Rule:
    """GatherElements, GatherND: the gradient goes where the entries came from."""

    def rule(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
        x, index = node.input
        own = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        return [t.scattered(g[0], x, t.op(kind, t.places(x), index, **own)), None]

    return rule


def _pad(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    if attribute(node, "mode", "constant") != "constant":
        raise Unsupported(f"Pad with mode {attribute(node, 'mode')}", hint="explain it with torch")
    x = node.input[0]
    rank = t.rank(x)
    pads = t.known(node.input[1]).tolist()
    named = len(node.input) > 3 and bool(node.input[3])
    axes = [int(a) % rank for a in t.known(node.input[3])] if named else list(range(rank))
    begins, ends = pads[: len(axes)], pads[len(axes) :]
    last = 2**62
    found = t.op(
        "Slice",
        g[0],
        t.ints(*[max(b, 0) for b in begins]),
        t.ints(*[-e if e > 0 else last for e in ends]),
        t.ints(*axes),
    )
    if any(p < 0 for p in pads):  # cropped: nothing came from there
        around = [[max(-p, 0) for p in part] for part in (begins, ends)]
        found = t.op("Pad", found, t.ints(*around[0], *around[1]), "", t.ints(*axes), mode="constant")
    return [found, *[None] * (len(node.input) - 1)]


def _tile(t: Tape, node: onnx.NodeProto, g: Sequence[str]) -> list[str | None]:
    x, repeats = node.input
    return [t.scattered(g[0], x, t.op("Tile", t.places(x), repeats)), None]


MOVING: dict[str, Rule] = {
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": _transpose,
    "Expand": _expand,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _picked("GatherElements"),
    "GatherND": _picked("GatherND"),
    "Pad": _pad,
    "Tile": _tile,
}
