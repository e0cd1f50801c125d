"""Other number formats: what is written is what was meant, byte for byte each time."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.backbones.precision import bfloat16, convert
from workbench.errors import ExportError


def model(w: np.ndarray, op: str = "MatMul") -> bytes:
    sizes: list[Any] = ["n", w.shape[0]] if op == "MatMul" else ["n", w.shape[1], 8, 8]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)
    y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node(op, ["x", "w"], ["logits"])], "g", [x], [y])
    graph.initializer.append(numpy_helper.from_array(w, "w"))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(made, {"workbench": "kept"})
    return made.SerializeToString()


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["workbench"] == "kept"
    found: np.ndarray = session.run(["logits"], {"x": x})[0]
    return found


W = np.random.default_rng(0).normal(size=(32, 16)).astype(np.float32)
X = np.random.default_rng(1).normal(size=(5, 32)).astype(np.float32)


def test_bfloat16_rounds_to_the_nearest_and_to_even() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [rng.normal(size=5000) * 10.0 ** rng.integers(-30, 30, 5000), [0, -0.0, 1 + 2**-8, 1 + 3 * 2**-8]]
    )
    values = values.astype(np.float32)
    assert bfloat16(values) == values.astype(ml_dtypes.bfloat16).tobytes()


def test_bf16_weights_are_the_rounded_ones_and_half_the_size() -> None:
    content = model(W)
    made, how = convert(content, "bf16")
    rounded = W.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_allclose(run(made, X), X @ rounded, rtol=1e-5, atol=1e-5)
    assert len(made) < 0.7 * len(content)
    assert "bfloat16" in how
    assert convert(content, "bf16")[0] == made
    with pytest.raises(ExportError, match="large enough"):
        convert(model(W[:2, :2]), "bf16")


def test_fp16_is_near_and_refuses_weights_beyond_its_range() -> None:
    made, _ = convert(model(W), "fp16")
    assert any(w.data_type == TensorProto.FLOAT16 for w in onnx.load_from_string(made).graph.initializer)
    found = run(made, X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, X @ W, rtol=1e-2, atol=2e-2)
    with pytest.raises(ExportError, match="beyond fp16's range"):
        convert(model(W * 1e6), "fp16")


def test_int8_of_products_is_dynamic() -> None:
    made, how = convert(model(W), "int8")
    assert how.startswith("dynamic")
    assert {w.data_type for w in onnx.load_from_string(made).graph.initializer} & {TensorProto.INT8, TensorProto.UINT8}
    assert np.abs(run(made, X) - X @ W).max() < 0.3  # of values up to 10; sums that overflow 16 bits are off by 0.8
    assert convert(model(W), "int8")[0] == made


def test_int8_of_convolutions_takes_its_ranges_from_the_given_data() -> None:
    kernel = np.random.default_rng(2).normal(size=(4, 3, 3, 3)).astype(np.float32)
    x = np.random.default_rng(3).uniform(-1, 1, (6, 3, 8, 8)).astype(np.float32)
    expected = run(model(kernel, "Conv"), x)
    made, how = convert(model(kernel, "Conv"), "int8", [{"x": x[:3]}, {"x": x[3:]}])
    assert how == "static, ranges from 6 training examples; 7-bit weights by channel"
    assert np.abs(run(made, x) - expected).max() < 0.15 * np.abs(expected).max()
    # Ranges of data a tenth as large cut off what is larger: the calibration is really used.
    narrow, _ = convert(model(kernel, "Conv"), "int8", [{"x": x / 10}])
    assert np.abs(run(narrow, x) - expected).max() > 0.5 * np.abs(expected).max()
    with pytest.raises(ExportError, match="needs training data"):
        convert(model(kernel, "Conv"), "int8")


def test_a_model_without_weights_says_so() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["logits"])], "g", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    with pytest.raises(ExportError, match="8-bit form"):
        convert(made.SerializeToString(), "int8")
    with pytest.raises(ExportError, match="could not be written as fp16"):
        convert(b"nothing", "fp16")
