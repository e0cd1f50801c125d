"""The gradient of an ONNX model as an ONNX model: gradient methods need nothing but ONNX Runtime.

Reverse-mode differentiation, operator by operator, on the graph that ships. What is
differentiated is the deployed file itself and not the network it was exported from; weights
are used as they stand, so the file is hardly larger than the model's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import onnx
from onnx import TensorProto, helper

from workbench.backbones.elementwise_gradients import ELEMENTWISE, Rule
from workbench.backbones.layer_gradients import LAYERS
from workbench.backbones.moving_gradients import MOVING
from workbench.backbones.onnx import METADATA, METADATA_SCHEMA
from workbench.backbones.tape import Tape
from workbench.errors import Unsupported

LOGITS, TARGET, GRADIENT = "logits", "target", "gradient"
EMBEDDED, EMBEDDINGS, FEATURES = "embedded", "embeddings", "features"
LAYER, LAYER_GRADIENT = "layer", "layer_gradient"

RULES: dict[str, Rule] = ELEMENTWISE | MOVING | LAYERS
# Their answers step or count: the slope is zero, and nothing is lost by leaving them.
_FLAT = frozenset(
    {
        "And", "ArgMax", "ArgMin", "Ceil", "ConstantOfShape", "Equal", "Floor", "Greater", "GreaterOrEqual", "IsInf",
        "IsNaN", "Less", "LessOrEqual", "NonZero", "Not", "OneHot", "Or", "Range", "Round", "Shape", "Sign", "Size",
        "Xor",
    }
)  # fmt: skip


def gradient_graph(model: onnx.ModelProto, coordinates: str, metadata: Mapping[str, Any]) -> bytes:
    """A model with its gradient: `(inputs, embeddings, target) -> (logits, gradient, ...)`.

    Args:
        model: gives (n, K) `logits`. Where `coordinates` is no input of it but a tensor named
            "embedded", that becomes an output, and the model goes on from a new input "embeddings".
            Further outputs ("features", "layer") stay; of "layer" the gradient is given too.
        coordinates: the tensor by which is differentiated, (n, ...).
        metadata: JSON-able mapping for the file.

    Returns:
        The file: input "target" (n, K) weighs the scores, output "gradient" is that of their
        weighted sum by the coordinates.

    Raises:
        Unsupported: an operator has no rule here; it is named.
    """
    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    inner = coordinates not in {i.name for i in graph.input}
    wanted = _depending(graph, coordinates)
    if LOGITS not in wanted:
        raise Unsupported(f"{LOGITS} does not depend on {coordinates}", hint="the model can be explained with torch")
    tape = Tape(found, wanted)
    forward = list(graph.node)
    leading = _leading(graph, LOGITS)
    for node in forward:  # what has no rule is named before anything else is said
        if node.op_type not in _FLAT and coordinates not in node.output and wanted & leading & set(node.output):
            _rule(node)
    (score,) = (o for o in graph.output if o.name == LOGITS)
    target = helper.make_tensor_value_info(TARGET, TensorProto.FLOAT, [])
    target.type.CopyFrom(score.type)
    slopes: dict[str, list[str]] = {LOGITS: [TARGET]}
    totals: dict[str, str] = {}
    for node in reversed(forward):
        if not any(o in wanted for o in node.output) or coordinates in node.output:
            continue
        given = [_total(tape, slopes, totals, o) if o else "" for o in node.output]
        if not any(given) or node.op_type in _FLAT:
            continue
        for name, slope in zip(node.input, _rule(node)(tape, node, given), strict=True):
            if slope is not None and name in wanted:
                slopes.setdefault(name, []).append(slope)
    gradient = _total(tape, slopes, totals, coordinates)
    if not gradient:
        raise Unsupported(f"{LOGITS} does not change with {coordinates}", hint="the model can be explained with torch")
    graph.node.append(helper.make_node("Identity", [gradient], [GRADIENT]))
    graph.input.append(target)
    _declare(graph, GRADIENT, tape.shape(coordinates))
    if LAYER in {o.name for o in graph.output}:
        slope = _total(tape, slopes, totals, LAYER)
        if slope:
            graph.node.append(helper.make_node("Identity", [slope], [LAYER_GRADIENT]))
            _declare(graph, LAYER_GRADIENT, tape.shape(LAYER))
    if inner:
        _continue_from(graph, forward, coordinates, tape.shape(coordinates))
    del graph.value_info[:]  # what it says of the old inputs need not hold any more
    return _finished(found, metadata)


def _depending(graph: onnx.GraphProto, name: str) -> frozenset[str]:
    """The tensors that depend on one, itself included; only operators with a slope are followed."""
    reached = {name}
    for node in graph.node:
        if node.op_type not in _FLAT and reached & set(node.input):
            reached |= {o for o in node.output if o}
    return frozenset(reached)


def _leading(graph: onnx.GraphProto, name: str) -> frozenset[str]:
    """The tensors on which one depends, itself included."""
    reached = {name}
    for node in reversed(graph.node):
        if reached & set(node.output):
            reached |= set(node.input)
    return frozenset(reached)


def _rule(node: onnx.NodeProto) -> Rule:
    rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if rule is None:
        name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        raise Unsupported(f"the operator {name} has no gradient here", hint="the model can be explained with torch")
    return rule


def _total(tape: Tape, slopes: dict[str, list[str]], totals: dict[str, str], name: str) -> str:
    """The gradient of a tensor, summed over where it is used; empty where there is none."""
    if name not in totals:
        parts = slopes.get(name, [])
        totals[name] = "" if not parts else parts[0] if len(parts) == 1 else tape.op("Sum", *parts)
    return totals[name]


def _declare(graph: onnx.GraphProto, name: str, shape: tuple[Any, ...]) -> None:
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))


def _continue_from(graph: onnx.GraphProto, forward: list[onnx.NodeProto], name: str, shape: tuple[Any, ...]) -> None:
    """Every node that took a tensor takes a new input in its place."""
    for node in graph.node:
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = EMBEDDINGS
    graph.input.append(helper.make_tensor_value_info(EMBEDDINGS, TensorProto.FLOAT, list(shape)))


def _finished(model: onnx.ModelProto, metadata: Mapping[str, Any]) -> bytes:
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA, json.dumps({"schema": METADATA_SCHEMA, **metadata}, ensure_ascii=False)
    if model.ByteSize() >= 2**31:
        raise Unsupported("the gradient graph is over 2 GB", hint="the model can be explained with torch")
    return model.SerializeToString(deterministic=True)
