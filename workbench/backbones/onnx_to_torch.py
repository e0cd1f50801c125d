"""An ONNX graph as a torch module, so that a file from elsewhere has gradients.

Operators are those of the tables in `torch_*.py`; one that is in none of them is a `Refusal`
with its name. What comes out is believed only after it was compared with ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from workbench.backbones.torch_activations import ACTIVATIONS
from workbench.backbones.torch_arithmetic import ARITHMETIC
from workbench.backbones.torch_indexing import INDEXING
from workbench.backbones.torch_layers import LAYERS
from workbench.backbones.torch_node import Node, Rule
from workbench.backbones.torch_pooling import POOLING
from workbench.backbones.torch_reductions import REDUCTIONS
from workbench.backbones.torch_shapes import SHAPES
from workbench.errors import Refusal

RULES: dict[str, Rule] = {**ARITHMETIC, **INDEXING, **LAYERS, **POOLING, **REDUCTIONS, **SHAPES}
OPSETS = (7, 25)  # of the standard operators, first and last
_ONES = ("", "ai.onnx")
_ML = "ai.onnx.ml"
# Inputs of these that are constants are what training has found; the others are not redrawn.
_LEARNT = {
    "Conv": (1, 2), "ConvTranspose": (1, 2), "Gemm": (1, 2), "MatMul": (0, 1), "Gather": (0,), "Add": (0, 1),
    "Mul": (0, 1), "BatchNormalization": (1, 2), "LayerNormalization": (1, 2), "InstanceNormalization": (1, 2),
    "GroupNormalization": (1, 2), "RMSNormalization": (1,), "PRelu": (1,),
}  # fmt: skip
_WEIGHTED = ("Gemm", "MatMul", "Conv")


class Operator(nn.Module):
    """One operator of the graph as a layer of its own, so that hooks can see what goes in and comes out."""

    def __init__(self, node: Node, rule: Rule) -> None:
        super().__init__()
        self.node, self.rule = node, rule

    def forward(self, *inputs: Any) -> Any:
        return self.rule(self.node, *inputs)

    def extra_repr(self) -> str:
        return self.node.op


class Lookup(Operator):
    """A look-up in a table of the graph's own: called with the places alone it takes that table."""

    def __init__(self, node: Node, rule: Rule, graph: Graph, table: str) -> None:
        super().__init__(node, rule)
        self.table = table
        self._graph = [graph]  # in a list, or it would count as a part of this module

    def forward(self, *inputs: Any) -> Any:
        return super().forward(*((self._graph[0].constant(self.table), *inputs) if len(inputs) == 1 else inputs))


class Norm(Operator):
    """An operator that norms: its output can be compared between channels."""


class Graph(nn.Module):
    """The operators of one graph in their order; `forward(**inputs)` gives the asked outputs.

    Args:
        model: the file, with its weights.
        outputs: names of the outputs; operators that none of them needs are left out.

    Raises:
        Refusal: an operator, an opset or a type that is not known here, by name.
    """

    def __init__(self, model: onnx.ModelProto, outputs: tuple[str, ...]) -> None:
        super().__init__()
        model = _inlined(model)
        self.opset = next((o.version for o in model.opset_import if o.domain in _ONES), OPSETS[1])
        if not OPSETS[0] <= self.opset <= OPSETS[1]:
            raise Refusal(f"the file has opset {self.opset}; those from {OPSETS[0]} to {OPSETS[1]} can be converted")
        self.outputs = outputs
        self._constants: dict[str, str] = {}
        self.layers = nn.ModuleList()
        self.plan: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self._add(model.graph, outputs)

    def _add(self, graph: onnx.GraphProto, outputs: tuple[str, ...]) -> None:
        kept = _needed(graph, outputs)
        unknown = sorted({_name(n) for n in _every(kept) if rule_of(n) is None})
        if unknown:
            many = len(unknown) > 1
            raise Refusal(
                f"the operator{'s' if many else ''} {', '.join(unknown)} {'are' if many else 'is'} not among those "
                "that can be converted to torch",
                hint="methods that ask the file alone (shap, lime, ...) go on",
            )
        tensors = {t.name: t for t in graph.initializer}
        learnt = {
            name
            for node in kept
            for place, name in enumerate(node.input)
            if place in _LEARNT.get(node.op_type, ()) and name in tensors
        }
        used = {name for node in _every(kept) for name in node.input} | set(outputs)
        for name, tensor in tensors.items():
            if name in used:
                self._keep(name, _tensor(tensor), name in learnt)
        for node in kept:
            self._append(node)

    def _keep(self, name: str, value: Tensor, learnt: bool) -> None:
        own = f"constant_{len(self._constants)}"
        self._constants[name] = own
        if learnt and value.is_floating_point() and value.numel() > 1:
            self.register_parameter(own, nn.Parameter(value))
        else:
            self.register_buffer(own, value)

    def _append(self, node: onnx.NodeProto) -> None:
        rule = rule_of(node)
        assert rule is not None
        known = Node(node.op_type, self.opset, _attributes(node), len(node.output))
        if node.op_type == "Constant":
            self._keep(node.output[0], constant_of(known), False)
            return
        if node.op_type == "If":
            known.attributes["branches"] = {
                a.name: Branch(self, a.g) for a in node.attribute if a.name.endswith("branch")
            }
            for name, branch in known.attributes["branches"].items():
                self.add_module(f"{name}_{len(self.layers)}", branch)
        made = ACTIVATIONS.get(node.op_type)
        if made is not None:
            layer: nn.Module = made(known)
        elif node.op_type == "Gather" and node.input[0] in self._constants:
            layer = Lookup(known, rule, self, node.input[0])
        else:
            layer = (Norm if "Norm" in node.op_type else Operator)(known, rule)
        self.layers.append(layer)
        self.plan.append((tuple(node.input), tuple(node.output)))

    def constant(self, name: str) -> Tensor | None:
        own = self._constants.get(name)
        return None if own is None else getattr(self, own)

    def run(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """The outputs for named values; every value on the way is put among them."""
        for layer, (inputs, outputs) in zip(self.layers, self.plan, strict=True):
            given = [self.value(name, values) for name in inputs]
            if isinstance(layer, Operator) and layer.node.op == "If":
                found = layer.node.attributes["branches"][branch_of(given[0])](values)
            else:
                found = layer(*given)
            for name, value in zip(outputs, found if isinstance(found, tuple) else (found,), strict=False):
                values[name] = value
        return tuple(self.value(name, values) for name in self.outputs)

    def value(self, name: str, values: Mapping[str, Any]) -> Any:
        if not name:
            return None
        return values[name] if name in values else self.constant(name)

    def forward(self, **inputs: Tensor) -> tuple[Any, ...]:
        return self.run(dict(inputs))

    @property
    def head(self) -> str:
        """The last layer with weights of its own: what its input is, the network has made of an example."""
        for i in reversed(range(len(self.layers))):
            layer, (inputs, _) = self.layers[i], self.plan[i]
            weighs = isinstance(layer, Operator) and layer.node.op in _WEIGHTED and len(inputs) > 1
            if weighs and self.constant(inputs[1]) is not None and self.constant(inputs[0]) is None:
                return f"layers.{i}"
        return ""

    def embedding(self, ids: str) -> str:
        """The layer that looks up the tokens of input `ids`; "" where there is none."""
        follow = {ids}
        for i, (inputs, outputs) in enumerate(self.plan):
            layer = self.layers[i]
            if isinstance(layer, Lookup) and inputs[1] in follow:
                table = self.constant(layer.table)
                if table is not None and table.dim() == 2 and table.is_floating_point():
                    return f"layers.{i}"
            if isinstance(layer, Operator) and layer.node.op in ("Cast", "Identity", "Reshape", "Squeeze"):
                follow |= set(outputs) if inputs and inputs[0] in follow else set()
        return ""


class Branch(Graph):
    """One branch of an If: it sees the values around it."""

    def __init__(self, around: Graph, graph: onnx.GraphProto) -> None:
        nn.Module.__init__(self)
        self.opset = around.opset
        self.outputs = tuple(o.name for o in graph.output)
        self._constants = {}
        self.layers, self.plan = nn.ModuleList(), []
        self._outside = [around]  # in a list, or it would count as a part of this module
        self._add(graph, self.outputs)

    def value(self, name: str, values: Mapping[str, Any]) -> Any:
        found = super().value(name, values)
        return self._outside[0].value(name, values) if found is None and name else found

    def forward(self, values: dict[str, Any]) -> tuple[Any, ...]:  # type: ignore[override]
        return self.run(dict(values))


def branch_of(condition: Tensor) -> str:
    """Which branch of an If is taken."""
    return "then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"


def rule_of(node: onnx.NodeProto) -> Rule | None:
    """The function of an operator; None where it is not known."""
    if node.op_type in ("Constant", "If") and node.domain in _ONES:
        return lambda node, *inputs: inputs
    if node.domain in _ONES or (node.domain == _ML and node.op_type in _OF_ML):
        return ACTIVATIONS.get(node.op_type) or RULES.get(node.op_type)
    return None


_OF_ML = ("Scaler", "LinearClassifier", "LinearRegressor", "Normalizer", "ZipMap")


def _name(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in _ONES else f"{node.domain}.{node.op_type}"


def _every(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes with those of their branches."""
    found = list(nodes)
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += _every(list(attribute.g.node))
    return found


def _needed(graph: onnx.GraphProto, outputs: tuple[str, ...]) -> list[onnx.NodeProto]:
    wanted, kept = set(outputs), []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= {name for inner in _every([node]) for name in inner.input}
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    wanted |= {o.name for o in attribute.g.output}
    return kept[::-1]


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    if not model.functions:
        return model
    from onnx import inliner

    return inliner.inline_local_functions(model)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.HasField("g"):
            continue
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = _tensor(value)
        found[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return found


def constant_of(node: Node) -> Tensor:
    """The value of a Constant."""
    for name, value in node.attributes.items():
        if name == "value":
            return torch.as_tensor(value)
        if name in ("value_float", "value_floats"):
            return torch.tensor(value, dtype=torch.float32)
        if name in ("value_int", "value_ints"):
            return torch.tensor(value, dtype=torch.int64)
    raise Refusal(f"a Constant of {', '.join(node.attributes) or 'nothing'} cannot be converted to torch")


def _tensor(proto: onnx.TensorProto) -> Tensor:
    if proto.data_type == onnx.TensorProto.STRING:
        raise Refusal("the graph works on strings, which torch does not hold")
    array = numpy_helper.to_array(proto)
    if array.dtype.name in ("float16", "bfloat16"):
        array = array.astype(np.float32)
    if array.dtype.kind == "u" and array.dtype != np.uint8:
        array = array.astype(np.int64)
    return torch.from_numpy(np.array(array))
