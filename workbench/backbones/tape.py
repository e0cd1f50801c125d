"""A graph that is being written: nodes appended to a model's own, with the shapes that are known."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from workbench.errors import Unsupported

Dim = int | str | None


class Tape:
    """Nodes that are appended to an ONNX model, to compute gradients of its outputs.

    Args:
        model: the model; its graph is extended in place, existing nodes at most gain outputs.
        wanted: names of the tensors on the way from the coordinates to the scores: only their
            gradients are computed.
    """

    def __init__(self, model: onnx.ModelProto, wanted: frozenset[str]) -> None:
        self.graph, self.wanted = model.graph, wanted
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        self._shapes: dict[str, tuple[Dim, ...]] = {}
        known = model.graph
        with contextlib.suppress(onnx.shape_inference.InferenceError):  # an operator that it does not know
            known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        for value in [*known.value_info, *known.input, *known.output]:
            if value.type.tensor_type.HasField("shape"):
                self._shapes[value.name] = tuple(
                    d.dim_value if d.HasField("dim_value") else d.dim_param or None
                    for d in value.type.tensor_type.shape.dim
                )
        self._values = {i.name: i for i in self.graph.initializer}
        for i in self.graph.initializer:
            self._shapes[i.name] = tuple(i.dims)
        for node in self.graph.node:
            if node.op_type == "Constant" and any(a.name == "value" for a in node.attribute):
                self._values[node.output[0]] = next(a.t for a in node.attribute if a.name == "value")
                self._shapes[node.output[0]] = tuple(self._values[node.output[0]].dims)
        self._constants: dict[tuple[str, bytes, tuple[int, ...]], str] = {}
        self._count = 0

    # -- writing ------------------------------------------------------------------------

    def name(self, of: str) -> str:
        self._count += 1
        return f"gradient/{of}_{self._count}"

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output; its name."""
        out = self.name(kind)
        self.graph.node.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """An initializer of this value."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.tobytes(), array.shape)
        if key not in self._constants:
            name = self.name("constant")
            self.graph.initializer.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64), np.int64)

    # -- what is known --------------------------------------------------------------------

    def shape(self, name: str) -> tuple[Dim, ...]:
        """The dimensions of a tensor: numbers, or names of what varies.

        Raises:
            Unsupported: not even its rank is known.
        """
        if name not in self._shapes:
            raise Unsupported(f"the shape of {name} is not known", hint="the model can be explained with torch")
        return self._shapes[name]

    def rank(self, name: str) -> int:
        return len(self.shape(name))

    def sizes(self, name: str, axes: Sequence[int]) -> list[int]:
        """Sizes along axes that have to be fixed.

        Raises:
            Unsupported: one of them varies.
        """
        shape = self.shape(name)
        found = [shape[a] for a in axes]
        if not all(isinstance(s, int) for s in found):
            raise Unsupported(f"the size of {name} varies along an axis", hint="the model can be explained with torch")
        return [int(s) for s in found if isinstance(s, int)]

    def value(self, name: str) -> np.ndarray | None:
        """A constant tensor's value; None of one that is computed."""
        return numpy_helper.to_array(self._values[name]) if name in self._values else None

    def known(self, name: str) -> np.ndarray:
        """A tensor's value where it has to be constant.

        Raises:
            Unsupported: it is computed.
        """
        value = self.value(name)
        if value is None:
            raise Unsupported(f"{name} is computed, where only a constant is supported", hint="explain it with torch")
        return value

    def shape_of(self, name: str) -> str:
        """The shape as a tensor of integers: constant, with -1 for the one dimension that varies, else computed."""
        shape = self.shape(name)
        if sum(not isinstance(d, int) for d in shape) <= 1:
            return self.ints(*(d if isinstance(d, int) else -1 for d in shape))
        return self.op("Shape", name)

    # -- what every rule needs ----------------------------------------------------------------

    def like(self, gradient: str, name: str) -> str:
        """A gradient reshaped to a tensor's shape."""
        return self.op("Reshape", gradient, self.shape_of(name))

    def summed(self, gradient: str, name: str, of: str) -> str:
        """A gradient of the shape of `of` summed over what broadcasting `name` to it repeated."""
        mine, full = self.shape(name), self.shape(of)
        if mine == full and None not in mine:
            return gradient
        padded = (1,) * (len(full) - len(mine)) + mine
        axes = [i for i, (a, b) in enumerate(zip(padded, full, strict=True)) if a == 1 and b != 1]
        plain = all(a == 1 or (a == b and a is not None) for a, b in zip(padded, full, strict=True))
        if not plain:  # which dimensions are 1 is only known when the graph runs
            ones = self.op("Equal", self._padded_shape(name, len(full)), self.ints(1))
            places = self.op("Squeeze", self.op("NonZero", ones), self.ints(0))
            return self._reshaped(self.op("ReduceSum", gradient, places, keepdims=1, noop_with_empty_axes=1), name)
        if axes:
            gradient = self.op("ReduceSum", gradient, self.ints(*axes), keepdims=1)
        return gradient if len(mine) == len(full) else self._reshaped(gradient, name)

    def _padded_shape(self, name: str, rank: int) -> str:
        missing = rank - self.rank(name)
        shape = self.op("Shape", name)
        return self.op("Concat", self.ints(*[1] * missing), shape, axis=0) if missing else shape

    def _reshaped(self, gradient: str, name: str) -> str:
        return self.op("Reshape", gradient, self.op("Shape", name))

    def scattered(self, gradient: str, name: str, places: str) -> str:
        """Zeros of a tensor's shape with a gradient added at flat places (any shape, int64)."""
        everything = self.op("Shape", name)
        size = self.op("ReduceProd", everything, keepdims=1)
        zeros = self.op("ConstantOfShape", size)
        flat = (self.op("Reshape", v, self.ints(-1)) for v in (places, gradient))
        return self.op("Reshape", self.op("ScatterElements", zeros, *flat, axis=0, reduction="add"), everything)

    def places(self, name: str) -> str:
        """The flat place of every entry of a tensor, in its shape."""
        size = self.op("Size", name)
        counted = self.op("Range", self.constant(0, np.int64), size, self.constant(1, np.int64))
        return self.op("Reshape", counted, self.op("Shape", name))

    def outputs(self, node: onnx.NodeProto, count: int) -> list[str]:
        """The first `count` outputs of a node, asked for where they are not yet."""
        while len(node.output) < count:
            node.output.append(self.name(node.op_type))
        for i in range(count):
            if not node.output[i]:
                node.output[i] = self.name(node.op_type)
        return list(node.output[:count])


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value, strings decoded."""
    for a in node.attribute:
        if a.name == name:
            value = helper.get_attribute_value(a)
            return value.decode() if isinstance(value, bytes) else value
    return default


def axes_of(tape: Tape, node: onnx.NodeProto, rank: int) -> list[int]:
    """The axes of a reduction, from its second input or its attribute; all of them where none are named."""
    if len(node.input) > 1 and node.input[1]:
        found = [int(a) for a in np.ravel(tape.known(node.input[1]))]
    else:
        found = list(attribute(node, "axes", ()))
    if not found:
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted(a % rank for a in found)
