"""Of the last layers only what is read: the same function, and less of it computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from workbench.backbones.export import trace, tracing_batch
from workbench.backbones.narrowing import narrowed

WIDTH, HEADS = 8, 2


def lengths(model: onnx.ModelProto) -> dict[str, Any]:
    """Size of every tensor's second axis, as onnx's own inference of shapes finds it."""
    found = onnx.shape_inference.infer_shapes(model, data_prop=True, strict_mode=True).graph
    shapes = {v.name: v.type.tensor_type.shape.dim for v in [*found.value_info, *found.input, *found.output]}
    return {k: (d[1].dim_value or d[1].dim_param) for k, d in shapes.items() if len(d) > 1}


def products(model: onnx.ModelProto) -> list[Any]:
    """On how many positions each product with a matrix of weights is computed, in order."""
    weights = {i.name for i in model.graph.initializer}
    size = lengths(model)
    return [size[n.output[0]] for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in weights]


@pytest.mark.parametrize("name", ["bert", "roberta", "vit", pytest.param("distilbert", marks=pytest.mark.slow)])
def test_a_transformer_gives_the_same_and_its_last_layer_one_position(name: str) -> None:
    backbone, preparation = tiny.load(name)
    encoded = tiny.modality(name).encode(tiny.inputs(name, 20), preparation)
    model = trace(backbone, tracing_batch(encoded, backbone.modality), 20)
    found = narrowed(model)
    onnx.checker.check_model(found, full_check=True)
    before, after = (onnxruntime.InferenceSession(m.SerializeToString()) for m in (model, found))
    for n in (1, 2, 20):
        batch = encoded.batch(np.arange(n))
        feed = {i.name: batch[i.name] for i in before.get_inputs()}
        expected = before.run(["logits"], feed)[0]
        np.testing.assert_allclose(after.run(["logits"], feed)[0], expected, rtol=1e-5, atol=1e-6)
    whole, part = products(model), products(found)
    assert len(whole) == len(part)
    last = [b for a, b in zip(whole, part, strict=True) if a != b]
    assert last == [1] * 4  # queries, what the attention gives, and both of the two layers behind it
    assert part[-6:-3].count(1) == 1, "keys and values are asked of every position"
    assert narrowed(found).SerializeToString(deterministic=True) == found.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", ["resnet"])
def test_where_every_position_is_read_nothing_changes(name: str) -> None:
    backbone, preparation = tiny.load(name)
    encoded = tiny.modality(name).encode(tiny.inputs(name, 20), preparation)
    model = trace(backbone, tracing_batch(encoded, backbone.modality), 20)
    assert narrowed(model) == model


def block(ends: str, at: int = 0) -> onnx.ModelProto:
    """One attention over (batch, sequence, 8) with a mask, and a layer behind it; `ends`: how it is read."""
    rng = np.random.default_rng(0)
    constants = {
        **{n: rng.normal(size=(WIDTH, WIDTH)).astype(np.float32) for n in ("wq", "wk", "wv", "wo", "wf")},
        **{n: rng.normal(size=WIDTH).astype(np.float32) for n in ("bq", "scale", "shift")},
        "at": np.array(at, dtype=np.int64),
        "first": np.array([at], dtype=np.int64),
        "heads": np.array([0, 0, HEADS, WIDTH // HEADS], dtype=np.int64),
        "flat": np.array([0, 0, WIDTH], dtype=np.int64),
        "low": np.array(-1e4, dtype=np.float32),
        "one": np.array([1], dtype=np.int64),
    }
    op = helper.make_node
    nodes = [
        *(op("MatMul", ["x", f"w{n}"], [n]) for n in "qkv"),
        op("Add", ["q", "bq"], ["qb"]),
        *(op("Reshape", [a, "heads"], [f"{a}4"]) for a in ("qb", "k", "v")),
        op("Transpose", ["qb4"], ["qt"], perm=[0, 2, 1, 3]),
        op("Transpose", ["k4"], ["kt"], perm=[0, 2, 3, 1]),
        op("Transpose", ["v4"], ["vt"], perm=[0, 2, 1, 3]),
        op("MatMul", ["qt", "kt"], ["match"]),
        op("Unsqueeze", ["allowed", "one"], ["seen"]),  # (batch, 1, sequence, sequence): a mask that differs by row
        op("Where", ["seen", "match", "low"], ["masked"]),
        op("Softmax", ["masked"], ["shares"], axis=-1),
        op("MatMul", ["shares", "vt"], ["mixed"]),
        op("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]),
        op("Reshape", ["back", "flat"], ["joined"]),
        op("MatMul", ["joined", "wo"], ["out"]),
        op("Add", ["out", "x"], ["sum"]),
        op("LayerNormalization", ["sum", "scale", "shift"], ["normal"], axis=-1),
        op("MatMul", ["normal", "wf"], ["wide"]),
        op("Tanh", ["wide"], ["bent"]),
        op("Add", ["bent", "normal"], ["last"]),
    ]
    outputs = [("logits", ["batch", WIDTH])]
    if ends == "mean":
        nodes.append(op("ReduceMean", ["last", "one"], ["logits"], keepdims=0))
    elif ends == "list":
        nodes += [op("Gather", ["last", "first"], ["kept"], axis=1), op("Squeeze", ["kept", "one"], ["logits"])]
    else:
        nodes.append(op("Gather", ["last", "at"], ["logits" if ends != "both" else "token"], axis=1))
    if ends == "both":
        nodes += [op("ReduceMean", ["last", "one"], ["all"], keepdims=0), op("Add", ["token", "all"], ["logits"])]
    if ends == "softmax":  # over positions: one of them needs all
        nodes[-1:] = [op("Softmax", ["last"], ["over"], axis=1), op("Gather", ["over", "at"], ["logits"], axis=1)]
    if ends == "shown":
        outputs.append(("normal", ["batch", "sequence", WIDTH]))
    size = ["batch", "sequence"]
    graph = helper.make_graph(
        nodes,
        "block",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [*size, WIDTH]),
            helper.make_tensor_value_info("allowed", TensorProto.BOOL, [*size, "sequence"]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def answers(model: onnx.ModelProto, n: int, length: int) -> list[np.ndarray]:
    rng = np.random.default_rng(n * length)
    feed = {
        "x": rng.normal(size=(n, length, WIDTH)).astype(np.float32),
        "allowed": rng.random((n, length, length)) < 0.7,
    }
    return [np.asarray(a) for a in ReferenceEvaluator(model).run(None, feed)]


@pytest.mark.parametrize(("ends", "at"), [("token", 0), ("token", 3), ("token", -1), ("shown", 2)])
def test_by_onnx_s_own_reference_the_answers_are_the_same(ends: str, at: int) -> None:
    model = block(ends, at)
    found = narrowed(model)
    onnx.checker.check_model(found, full_check=True)
    size = lengths(found)
    assert size["last"] == size["wide"] == 1
    assert size["k"] == size["v"] == "sequence"
    # What is shown as well is computed of every position, and the one is taken of it.
    assert size["normal"] == size["q"] == ("sequence" if ends == "shown" else 1)
    for n, length in ((1, 4), (2, 5), (3, 9)):
        for expected, got in zip(answers(model, n, length), answers(found, n, length), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ends", ["mean", "list", "both", "softmax"])
def test_a_model_that_reads_otherwise_is_left_as_it_is(ends: str) -> None:
    model = block(ends)
    assert narrowed(model) == model


def test_what_a_branch_reads_is_not_taken_from_it() -> None:
    model = block("token")
    given = helper.make_tensor_value_info("kept", TensorProto.FLOAT, ["batch", "sequence", WIDTH])
    branch = helper.make_graph([helper.make_node("Identity", ["normal"], ["kept"])], "branch", [], [given])
    model.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    model.graph.node.append(helper.make_node("If", ["flag"], ["all"], then_branch=branch, else_branch=branch))
    model.graph.output.append(helper.make_tensor_value_info("all", TensorProto.FLOAT, ["batch", "sequence", WIDTH]))
    onnx.checker.check_model(model, full_check=True)
    assert narrowed(model) == model


def test_a_model_is_not_changed_by_being_asked() -> None:
    model = block("token")
    before = model.SerializeToString(deterministic=True)
    narrowed(model)
    assert model.SerializeToString(deterministic=True) == before
