"""Gradients of ONNX operators: every rule against torch's autograd of the same function on the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from workbench.backbones.gradient_graph import RULES, gradient_graph
from workbench.errors import Unsupported

RNG = np.random.default_rng(0)
W = {
    "conv": RNG.normal(size=(6, 2, 3, 3)).astype(np.float32),
    "whole": RNG.normal(size=(5, 4, 3, 2)).astype(np.float32),
    "each": RNG.normal(size=(4, 1, 2, 3)).astype(np.float32),
    "place": RNG.normal(size=(3, 4, 1, 1)).astype(np.float32),
    "row": RNG.normal(size=(3, 4, 1, 3)).astype(np.float32),
    "up": RNG.normal(size=(4, 3, 3, 3)).astype(np.float32),
    "matrix": RNG.normal(size=(5, 3)).astype(np.float32),
    "vector": RNG.normal(size=(5,)).astype(np.float32),
    "scale": RNG.normal(size=(4,)).astype(np.float32),
    "shift": RNG.normal(size=(4,)).astype(np.float32),
    "variance": RNG.uniform(0.5, 2, size=(4,)).astype(np.float32),
}
T = {name: torch.as_tensor(value) for name, value in W.items()}
Made = tuple[str, list[str], dict[str, Any], Callable[[torch.Tensor], torch.Tensor], tuple[int, ...]]


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


MAP, ROWS, TOKENS = (4, 9, 8), (5,), (6, 5)  # sizes behind a batch of 3
# Test name: operator, inputs behind x (constants by value), attributes, the same in torch, shape without the batch.
CASES: dict[str, Any] = {
    "Relu": ([], {}, F.relu, ROWS),
    "LeakyRelu": ([], {"alpha": 0.2}, lambda x: F.leaky_relu(x, 0.2), ROWS),
    "Elu": ([], {"alpha": 0.7}, lambda x: F.elu(x, 0.7), ROWS),
    "Sigmoid": ([], {}, torch.sigmoid, ROWS),
    "Tanh": ([], {}, torch.tanh, ROWS),
    "Gelu": ([], {}, F.gelu, ROWS),
    "Gelu tanh": ([], {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh"), ROWS),
    "HardSigmoid": ([], {"alpha": 1 / 6, "beta": 0.5}, F.hardsigmoid, ROWS),
    "HardSwish": ([], {}, F.hardswish, ROWS),
    "Softplus": ([], {}, F.softplus, ROWS),
    "Erf": ([], {}, torch.erf, ROWS),
    "Exp": ([], {}, torch.exp, ROWS),
    "Abs": ([], {}, torch.abs, ROWS),
    "Neg": ([], {}, torch.neg, ROWS),
    "Sin": ([], {}, torch.sin, ROWS),
    "Cos": ([], {}, torch.cos, ROWS),
    "Identity": ([], {}, lambda x: x, ROWS),
    "Dropout": ([], {}, lambda x: x, ROWS),
    "Cast": ([], {"to": TensorProto.FLOAT}, lambda x: x, ROWS),
    "Clip": ([np.float32(-0.5), np.float32(0.8)], {}, lambda x: x.clamp(-0.5, 0.8), ROWS),
    "Add": ([W["vector"]], {}, lambda x: x + T["vector"], ROWS),
    "Sub": ([W["vector"]], {}, lambda x: x - T["vector"], TOKENS),
    "Mul": ([W["vector"]], {}, lambda x: x * T["vector"], TOKENS),
    "Div": ([W["vector"]], {}, lambda x: x / T["vector"], TOKENS),
    "Mul itself": (["x"], {}, lambda x: x * x, ROWS),
    "Pow": ([np.float32(3)], {}, lambda x: x**3, ROWS),
    "Max": ([np.zeros(5, np.float32)], {}, lambda x: torch.maximum(x, torch.zeros(5)), ROWS),
    "Min": ([np.zeros(5, np.float32)], {}, lambda x: torch.minimum(x, torch.zeros(5)), ROWS),
    "Sum": (["x", W["vector"]], {}, lambda x: 2 * x + T["vector"], ROWS),
    "Reshape": ([ints(-1, 30)], {}, lambda x: x.reshape(-1, 30), TOKENS),
    "Flatten": ([], {}, lambda x: x.flatten(1), MAP),
    "Unsqueeze": ([ints(1)], {}, lambda x: x[:, None], ROWS),
    "Squeeze": ([ints(1)], {}, lambda x: x[:, 0], (1, 5)),
    "Transpose": ([], {"perm": [0, 2, 1]}, lambda x: x.transpose(1, 2), TOKENS),
    "Expand": ([ints(1, 6, 5)], {}, lambda x: x.expand(-1, 6, 5), (1, 5)),
    "Concat": ([W["matrix"][None, :3].repeat(3, 0)], {"axis": 1}, None, (2, 3)),
    "Slice": ([ints(1), ints(4), ints(1)], {}, lambda x: x[:, 1:4], TOKENS),
    "Slice from the end": ([ints(-2), ints(100), ints(1)], {}, lambda x: x[:, -2:], TOKENS),
    "Slice two axes": ([ints(2, 0), ints(9, -3), ints(2, 3)], {}, lambda x: x[:, :, 2:, :-3], MAP),
    "Slice every other": (
        [ints(0, 0), ints(99, 99), ints(2, 3), ints(2, 2)],
        {},
        lambda x: x[:, :, ::2, ::2],
        MAP,
    ),
    "Gather": ([ints(0)[0]], {"axis": 1}, lambda x: x[:, 0], TOKENS),
    "Gather the last": ([ints(-1)], {"axis": 1}, lambda x: x[:, -1:], TOKENS),
    "Gather twice the same": ([ints(2, 0, 2)], {"axis": 1}, lambda x: x[:, [2, 0, 2]], TOKENS),
    "GatherElements": (
        [RNG.integers(0, 6, (3, 2, 5))],
        {"axis": 1},
        lambda x: x.gather(1, torch.as_tensor(CASES["GatherElements"][0][0])),
        TOKENS,
    ),
    "GatherND": ([ints(0, 3, 3)[:, None]], {"batch_dims": 1}, lambda x: x[torch.arange(3), [0, 3, 3]], TOKENS),
    "Pad": ([ints(0, 0, 1, 2, 0, 0, 0, 1)], {}, lambda x: F.pad(x, (2, 1, 1, 0)), MAP),
    "Tile": ([ints(1, 2, 1)], {}, lambda x: x.repeat(1, 2, 1), TOKENS),
    "MatMul": ([W["matrix"]], {}, lambda x: x @ T["matrix"], TOKENS),
    "Gemm": ([W["matrix"].T.copy(), W["scale"][:3]], {"transB": 1, "alpha": 0.5}, None, ROWS),
    "Einsum": ([W["matrix"]], {"equation": "btd,dk->btk"}, lambda x: x @ T["matrix"], TOKENS),
    "Conv": (
        [W["conv"]],
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 2},
        lambda x: F.conv2d(x, T["conv"], stride=2, padding=1, groups=2),
        MAP,
    ),
    "Conv dilated": (
        [W["conv"]],
        {"strides": [1, 3], "dilations": [2, 1], "group": 2},
        lambda x: F.conv2d(x, T["conv"], stride=(1, 3), dilation=(2, 1), groups=2),
        MAP,
    ),
    "Conv of one step": (
        [W["conv"]],
        {"pads": [0, 1, 2, 1], "dilations": [1, 2], "group": 2},
        lambda x: F.conv2d(F.pad(x, (1, 1, 0, 2)), T["conv"], dilation=(1, 2), groups=2),
        MAP,
    ),
    "Conv of all channels": (
        [W["whole"]],
        {"pads": [1, 1, 1, 1]},
        lambda x: F.conv2d(x, T["whole"], padding=1),
        MAP,
    ),
    "Conv of each channel": (
        [W["each"]],
        {"group": 4},
        lambda x: F.conv2d(x, T["each"], groups=4),
        MAP,
    ),
    "Conv of single places, with more around them than they reach": (
        [W["place"]],
        {"pads": [1, 0, 1, 0]},
        lambda x: F.conv2d(x, T["place"], padding=(1, 0)),
        MAP,
    ),
    "Conv of rows": (
        [W["row"]],
        {"pads": [0, 1, 0, 0]},
        lambda x: F.conv2d(F.pad(x, (1, 0)), T["row"]),
        MAP,
    ),
    "ConvTranspose": (
        [W["up"]],
        {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        lambda x: F.conv_transpose2d(x, T["up"], stride=2, padding=1),
        MAP,
    ),
    "MaxPool": (
        [],
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
        MAP,
    ),
    "MaxPool padded": (
        [],
        {"kernel_shape": [3, 3], "strides": [1, 2], "pads": [1, 1, 1, 1]},
        lambda x: F.max_pool2d(x, 3, (1, 2), 1),
        MAP,
    ),
    "AveragePool": (
        [],
        {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        lambda x: F.avg_pool2d(x, (3, 2), 2, 1),
        MAP,
    ),
    "AveragePool of what is there": (
        [],
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        MAP,
    ),
    "GlobalAveragePool": ([], {}, lambda x: x.mean((2, 3), keepdim=True), MAP),
    "GlobalMaxPool": ([], {}, lambda x: x.amax((2, 3), keepdim=True), MAP),
    "ReduceSum": ([ints(1)], {"keepdims": 0}, lambda x: x.sum(1), TOKENS),
    "ReduceMean": ([ints(-1, 2)], {}, lambda x: x.mean((2, 3), keepdim=True), MAP),
    "ReduceMax": ([ints(1)], {"keepdims": 0}, lambda x: x.amax(1), TOKENS),
    "ReduceL2": ([ints(-1)], {}, lambda x: x.norm(dim=-1, keepdim=True), TOKENS),
    "Softmax": ([], {"axis": 1}, lambda x: x.softmax(1), TOKENS),
    "LogSoftmax": ([], {"axis": -1}, lambda x: x.log_softmax(-1), TOKENS),
    "LayerNormalization": (
        [W["vector"], W["vector"]],
        {"axis": -1, "epsilon": 1e-5},
        lambda x: F.layer_norm(x, (5,), T["vector"], T["vector"]),
        TOKENS,
    ),
    "BatchNormalization": (
        [W["scale"], W["shift"], W["shift"], W["variance"]],
        {},
        lambda x: F.batch_norm(x, T["shift"], T["variance"], T["scale"], T["shift"]),
        MAP,
    ),
    "InstanceNormalization": (
        [W["scale"], W["shift"]],
        {},
        lambda x: F.instance_norm(x, weight=T["scale"], bias=T["shift"]),
        MAP,
    ),
}
CASES["Concat"] = (
    CASES["Concat"][0],
    CASES["Concat"][1],
    lambda x: torch.cat([x, T["matrix"][None, :3].repeat(3, 1, 1)], 1),
    (2, 3),
)
CASES["Gemm"] = (CASES["Gemm"][0], CASES["Gemm"][1], lambda x: 0.5 * x @ T["matrix"] + T["scale"][:3], ROWS)


def model(kind: str, constants: list[Any], attributes: dict[str, Any], shape: tuple[int, ...], out: int) -> Any:
    """`logits` = the operator of x, flattened behind the batch, of which only the batch varies."""
    names, initializers = ["x"], [numpy_helper.from_array(ints(0, -1), "flat")]
    for i, value in enumerate(constants):
        names.append(value if isinstance(value, str) else f"c{i}")
        if not isinstance(value, str):
            initializers.append(numpy_helper.from_array(np.asarray(value), f"c{i}"))
    nodes = [helper.make_node(kind, names, ["y"], **attributes), helper.make_node("Reshape", ["y", "flat"], ["logits"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", out])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def slopes(graph: bytes, x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    logits, gradient = session.run(["logits", "gradient"], {"x": x, "target": target})
    return logits, gradient


@pytest.mark.parametrize("name", list(CASES))
def test_the_gradient_of_an_operator_is_torchs(name: str) -> None:
    constants, attributes, function, shape = CASES[name]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    point = torch.as_tensor(x).requires_grad_(True)
    y = function(point).reshape(3, -1)
    target = rng.normal(size=tuple(y.shape)).astype(np.float32)
    (expected,) = torch.autograd.grad((y * torch.as_tensor(target)).sum(), point)
    made = model(name.split()[0], constants, attributes, shape, y.shape[1])
    logits, gradient = slopes(gradient_graph(made, "x", {}), x, target)
    np.testing.assert_allclose(logits, y.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_positive_functions_too() -> None:
    """Logarithm, root and reciprocal, of which a negative input is none."""
    x = np.random.default_rng(2).uniform(0.5, 2, (3, 5)).astype(np.float32)
    target = np.ones((3, 5), np.float32)
    for kind, slope in (("Log", 1 / x), ("Sqrt", 0.5 / np.sqrt(x)), ("Reciprocal", -1 / x**2)):
        _, gradient = slopes(gradient_graph(model(kind, [], {}, (5,), 5), "x", {}), x, target)
        np.testing.assert_allclose(gradient, slope, rtol=1e-5)


def test_a_choice_and_pieces_of_a_tensor() -> None:
    """Where sends the gradient to what was chosen; of pieces, the ones that are not used get none."""
    rng = np.random.default_rng(4)
    x, target = (rng.normal(size=(3, 5)).astype(np.float32) for _ in range(2))
    chosen = rng.uniform(size=5) > 0.5
    made = model("Where", [chosen, np.zeros(5, np.float32)], {}, (5,), 5)
    made.graph.node[0].input[:] = ["c0", "x", "c1"]
    _, gradient = slopes(gradient_graph(made, "x", {}), x, target)
    np.testing.assert_allclose(gradient, np.where(chosen, target, 0), rtol=1e-6)
    made = model("Split", [ints(2, 3)], {"axis": 1}, (5,), 3)
    made.graph.node[0].output[:] = ["unused", "y"]
    _, gradient = slopes(gradient_graph(made, "x", {}), x, target[:, :3])
    np.testing.assert_allclose(gradient, np.concatenate([np.zeros((3, 2)), target[:, :3]], axis=1), rtol=1e-6)


def test_what_is_broadcast_along_a_varying_axis_is_summed_when_it_runs() -> None:
    """A tensor of (1, s) against one of (n, s) whose sizes have other names: only the run shows which is repeated."""
    names = [helper.make_tensor_value_info(k, TensorProto.FLOAT, [k + "0", k + "1"]) for k in ("x", "z")]
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "s"])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "z"], ["logits"])], "g", names, [out])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = ort.InferenceSession(gradient_graph(made, "x", {}), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(3)
    x, z, target = (rng.normal(size=s).astype(np.float32) for s in ((1, 4), (3, 4), (3, 4)))
    (gradient,) = session.run(["gradient"], {"x": x, "z": z, "target": target})
    np.testing.assert_allclose(gradient, (z * target).sum(axis=0, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "constants", "attributes", "named"),
    [
        ("CumSum", [ints(1)[0]], {}, "the operator CumSum has no gradient"),
        ("Einsum", [W["matrix"]], {"equation": "...d,dk->...k"}, "Einsum"),
        ("Pad", [ints(0, 1, 0, 1)], {"mode": "reflect"}, "Pad with mode reflect"),
    ],
)
def test_what_cannot_be_differentiated_is_named(kind: str, constants: list[Any], attributes: Any, named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        gradient_graph(model(kind, constants, attributes, (5,), 5), "x", {})


def test_an_operator_of_another_domain_is_named_and_a_step_has_no_slope() -> None:
    made = model("Relu", [], {}, (5,), 5)
    made.graph.node[0].domain = "their.own"
    with pytest.raises(Unsupported, match=r"their\.own\.Relu"):
        gradient_graph(made, "x", {})
    with pytest.raises(Unsupported, match="does not depend on x"):
        gradient_graph(model("Sign", [], {}, (5,), 5), "x", {})


def test_every_rule_is_tried_here() -> None:
    tried = {name.split()[0] for name in CASES} | {"Log", "Sqrt", "Reciprocal", "Where", "Split"}
    assert set(RULES) - tried == {"Swish"}  # an operator of opset 24, which ONNX Runtime does not run yet
