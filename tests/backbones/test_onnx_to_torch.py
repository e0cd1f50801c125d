"""Every operator of the converter against ONNX Runtime, and some gradients against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.backbones.operator_cases import CASES, ML_CASES, X, floats
from workbench.backbones.onnx_to_torch import RULES, Graph
from workbench.backbones.torch_activations import ACTIVATIONS
from workbench.errors import Refusal


def model_of(
    op: str,
    inputs: list[np.ndarray | None],
    attributes: dict[str, Any],
    opset: int,
    outputs: int = 1,
    constants: tuple[int, ...] = (),
    domain: str = "",
) -> onnx.ModelProto:
    """A file of one operator; inputs whose places are in `constants` are its weights."""
    inputs = [None if v is None else np.asarray(v) for v in inputs]
    names = ["" if v is None else f"x{i}" for i, v in enumerate(inputs)]
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, outs, domain=domain, **attributes)
    tensors = [numpy_helper.from_array(inputs[i], names[i]) for i in constants if inputs[i] is not None]
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for i, (n, v) in enumerate(zip(names, inputs, strict=True))
        if v is not None and i not in constants
    ]
    empty = [helper.make_empty_tensor_value_info(n) for n in outs]
    graph = helper.make_graph([node], "one", values, empty, tensors)
    imports = [helper.make_opsetid("", opset)]
    if domain:
        imports.append(helper.make_opsetid(domain, 3))
    made = helper.make_model(graph, opset_imports=imports, ir_version=11 if opset > 22 else 8)
    return onnx.shape_inference.infer_shapes(made) if not domain else made


def both(made: onnx.ModelProto, feeds: dict[str, np.ndarray], outputs: int = 1) -> tuple[list[Any], list[Any]]:
    """What ONNX Runtime answers, and what the converted graph does."""
    names = [f"y{i}" for i in range(outputs)]
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(names, feeds)
    graph = Graph(made, tuple(names)).eval()
    with torch.no_grad():
        found = graph(**{k: torch.from_numpy(np.array(v)) for k, v in feeds.items()})
    return expected, [v.numpy() for v in found]


def compare(op: str, inputs: list[Any], attributes: dict[str, Any], opset: int, **more: Any) -> None:
    constants = more.get("constants", ())
    made = model_of(op, inputs, attributes, opset, **more)
    feeds = {f"x{i}": np.asarray(v) for i, v in enumerate(inputs) if v is not None and i not in constants}
    expected, found = both(made, feeds, more.get("outputs", 1))
    for e, f in zip(expected, found, strict=True):
        assert e.shape == f.shape
        assert e.dtype == f.dtype
        np.testing.assert_allclose(f, e, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[3]}-{'-'.join(map(str, c[2]))}")
def test_an_operator_answers_as_onnx_runtime_does(case: tuple[Any, ...]) -> None:
    op, inputs, attributes, opset = case[:4]
    compare(op, inputs, attributes, opset, **(case[4] if len(case) > 4 else {}))


@pytest.mark.parametrize("case", ML_CASES, ids=lambda c: c[0])
def test_an_operator_of_classical_models_answers_as_onnx_runtime_does(case: tuple[Any, ...]) -> None:
    op, inputs, attributes = case
    compare(op, inputs, attributes, 17, domain="ai.onnx.ml")


@pytest.mark.parametrize(("rows", "way"), [(1, "NONE"), (1, "LOGISTIC"), (2, "NONE"), (2, "LOGISTIC"), (2, "SOFTMAX")])
def test_a_linear_classifier_gives_the_scores_of_both_classes(rows: int, way: str) -> None:
    coefficients = floats(2, 4).reshape(-1)[: 4 * rows].tolist()
    attributes = {
        "classlabels_ints": [0, 1],
        "coefficients": coefficients,
        "intercepts": [0.2, -0.4][:rows],
        "post_transform": way,
    }
    made = model_of("LinearClassifier", [floats(3, 4)], attributes, 17, 2, domain="ai.onnx.ml")
    feeds = {"x0": floats(3, 4)}
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(["y1"], feeds)
    (found,) = Graph(made, ("y1",))(x0=torch.from_numpy(feeds["x0"]))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_every_operator_of_the_tables_is_tested() -> None:
    tested = {c[0] for c in (*CASES, *ML_CASES)} | {"LinearClassifier", "ZipMap", "Swish"}
    assert set(RULES) | set(ACTIVATIONS) <= tested


@pytest.mark.parametrize(
    "op", ["Gelu", "Conv", "LayerNormalization", "Softmax", "AveragePool", "Resize", "Attention", "Pow"]
)
def test_gradients_are_those_of_finite_differences(op: str) -> None:
    case = next(c for c in CASES if c[0] == op and not (len(c) > 4 and 0 in c[4].get("constants", ())))
    inputs, attributes, opset, more = case[1], case[2], case[3], case[4] if len(case) > 4 else {}
    made = model_of(op, inputs, attributes, opset, **more)
    graph = Graph(made, ("y0",)).double()
    rest = {f"x{i}": torch.from_numpy(np.array(v, dtype=np.float64)) for i, v in enumerate(inputs)
            if i and v is not None and i not in more.get("constants", ())}  # fmt: skip
    x = torch.from_numpy(inputs[0].astype(np.float64)).requires_grad_(True)
    weights = torch.linspace(-1, 1, graph(x0=x, **rest)[0].numel(), dtype=torch.float64)

    def answer(point: torch.Tensor) -> torch.Tensor:
        return (graph(x0=point, **rest)[0].reshape(-1) * weights).sum()

    (slope,) = torch.autograd.grad(answer(x), x)
    direction = torch.from_numpy(np.random.default_rng(5).normal(size=inputs[0].shape))
    step = 1e-6
    with torch.no_grad():
        difference = (answer(x + step * direction) - answer(x - step * direction)) / (2 * step)
    assert float((slope * direction).sum()) == pytest.approx(float(difference), rel=1e-6, abs=1e-7)


def test_a_branch_is_taken_by_its_condition() -> None:
    then = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["t"])], "then", [], [helper.make_empty_tensor_value_info("t")]
    )
    other = helper.make_graph(
        [helper.make_node("Sub", ["x", "one"], ["e"])], "else", [], [helper.make_empty_tensor_value_info("e")]
    )
    node = helper.make_node("If", ["c"], ["y0"], then_branch=then, else_branch=other)
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    for said, expected in ((True, 3.0), (False, 1.0)):
        condition = numpy_helper.from_array(np.array(said), "c")
        graph = helper.make_graph(
            [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
            [helper.make_tensor_value_info("y0", TensorProto.FLOAT, [1])], [one, condition],
        )  # fmt: skip
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (runtime,), (found,) = both(made, {"x": np.array([2.0], np.float32)})
        assert float(found[0]) == float(runtime[0]) == expected


def test_an_unknown_operator_is_named_and_one_that_no_output_needs_is_passed_over() -> None:
    made = model_of("NonMaxSuppression", [floats(1, 4, 4), floats(1, 1, 4)], {}, 13)
    with pytest.raises(Refusal, match="NonMaxSuppression"):
        Graph(made, ("y0",))
    node = helper.make_node("Relu", ["x0"], ["z"])
    made.graph.node.append(node)
    (found,) = Graph(made, ("z",))(x0=torch.tensor([-1.0, 2.0]))
    assert found.tolist() == [0.0, 2.0]


def test_an_operator_of_another_domain_is_named_with_it() -> None:
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y0"], domain="ai.onnx.ml")
    graph = helper.make_graph([node], "g", [], [helper.make_empty_tensor_value_info("y0")])
    with pytest.raises(Refusal, match=r"ai\.onnx\.ml\.TreeEnsembleRegressor"):
        Graph(helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)]), ("y0",))


def test_what_training_has_found_is_a_parameter_and_what_it_has_not_is_none() -> None:
    inputs = [X, floats(3), floats(3), floats(3), floats(3, low=0.2)]
    graph = Graph(model_of("BatchNormalization", inputs, {}, 15, constants=(1, 2, 3, 4)), ("y0",))
    assert len(list(graph.parameters())) == 2  # scale and shift; mean and variance are of the data
    assert len(list(graph.buffers())) == 2
