"""Sessions that do not fall back in silence, and the proof of what ran where."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.backbones import onnx_session
from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.onnx_session import (
    CPU,
    CUDA,
    SPINNING,
    assignment,
    open_session,
    providers_for,
    ran_on,
    runtime_reason,
)
from workbench.errors import StageError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x (n, 2) through two products, a soft maximum and a sum that shapes something."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    w = numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float32), "w")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Tanh", ["a"], ["b"], name="bend"),
        helper.make_node("MatMul", ["b", "w"], ["c"], name="second"),
        helper.make_node("Softmax", ["c"], ["logits"], name="soft"),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [w])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    found = tmp_path_factory.mktemp("session") / "m.onnx"
    onnx.save(made, found)
    return found


def test_every_node_is_accounted_for(path: Path) -> None:
    proof = assignment(open_session(path, "cpu"))
    assert proof == {
        "nodes": {CPU: 4},
        "heavy": {"MatMul": {CPU: 2}, "Softmax": {CPU: 1}},
        "fell_back": [],
    }
    described = OnnxBackbone(path, device="cpu").describe()
    assert described["nodes"] == {CPU: 4} and described["tf32"] is False


def gpu_session(*parts: tuple[str, list[tuple[str, str]]], first: str = CUDA) -> Any:
    """Stands for a session on a GPU, as the runtime describes one."""
    made = [
        SimpleNamespace(
            ep_name=ep, get_nodes=lambda nodes=nodes: [SimpleNamespace(op_type=k, name=n) for k, n in nodes]
        )
        for ep, nodes in parts
    ]
    return SimpleNamespace(get_providers=lambda: [first, CPU], get_provider_graph_assignment_info=lambda: made)


def test_heavy_operators_that_fell_back_are_named() -> None:
    session = gpu_session(
        (CUDA, [("MatMul", "a"), ("Add", "b")]), (CPU, [("Attention", "c"), ("Shape", "d"), ("Attention", "e")])
    )
    proof = assignment(session)
    assert proof["fell_back"] == [{"operator": "Attention", "name": "c"}, {"operator": "Attention", "name": "e"}]
    assert proof["nodes"] == {CPU: 3, CUDA: 2}
    assert ran_on(session, "cuda", proof).endswith("by CUDA in ONNX Runtime; left to the CPU, and slow: 2 Attention")


def test_a_change_of_provider_in_the_middle_of_a_run_is_an_error(path: Path) -> None:
    backbone = OnnxBackbone(path, device="cpu")
    backbone.outputs({"x": np.ones((3, 2))})
    backbone.providers = [CUDA, CPU]  # what it began with
    with pytest.raises(StageError, match=f"went over from {CUDA} to {CPU}") as caught:
        backbone.outputs({"x": np.ones((3, 2))})
    assert caught.value.exit_code == 6


def test_cuda_computes_in_fp32_and_tensorrt_keeps_its_engines(tmp_path: Path) -> None:
    assert providers_for("cpu", tmp_path) == [CPU]
    (name, options), last = providers_for("cuda", cuda_options={"enable_cuda_graph": "1"})
    assert (name, last, options["use_tf32"], options["enable_cuda_graph"]) == (CUDA, CPU, "0", "1")
    (name, options), *_ = providers_for("cuda", tmp_path)
    assert name == "TensorrtExecutionProvider"
    assert (options["trt_engine_cache_enable"], options["trt_engine_cache_path"]) == ("1", str(tmp_path))


def test_a_card_that_the_runtime_cannot_use_is_an_error_where_it_was_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that sees a card, with ONNX Runtime's CUDA libraries missing: it makes a CPU session in silence."""
    monkeypatch.setattr(onnx_session, "choose_device", lambda device: "cuda")
    monkeypatch.setattr(onnx_session, "cuda_devices", lambda: 1)
    monkeypatch.setattr(onnx_session, "missing_for_cuda", lambda: ["cuDNN 9 is missing (libcudnn.so.9)"])
    session = open_session(path, "auto")
    if session.get_providers()[0] == CUDA:
        pytest.skip("a CUDA device is here")
    assert "(ONNX Runtime could not start on CUDA: cuDNN 9 is missing" in ran_on(session, "auto", assignment(session))
    with pytest.raises(StageError, match=r"--device cuda: .*cuDNN 9 is missing") as caught:
        open_session(path, "cuda")
    assert "pip install" in caught.value.hint


def test_threads_wait_passively_unless_it_is_asked_otherwise(path: Path) -> None:
    for entries, expected in ((None, "0"), ({SPINNING: "1"}, "1")):
        session = OnnxBackbone(path, device="cpu", entries=entries)._session
        assert session.get_session_options().get_session_config_entry(SPINNING) == expected


def has_tensorrt() -> bool:
    try:
        ctypes.CDLL("libnvinfer.so.10")
    except OSError:
        return False
    return True


@pytest.mark.skipif(has_tensorrt(), reason="TensorRT is here and would start")
def test_tensorrt_that_does_not_start_is_an_error_as_it_was_asked_for(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_session, "choose_device", lambda device: "cuda")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with pytest.raises(StageError, match=r"predict\.gpu = 'tensorrt'.*libnvinfer") as caught:
        open_session(path, "auto", tensorrt=tmp_path)
    assert "pip install tensorrt" in caught.value.hint


def test_the_runtimes_messages_become_plain() -> None:
    said = "[ONNXRuntimeError] : 1 : FAIL : Load model from /a/m.onnx failed:/onnxruntime_src/onnxruntime/core/x.cc:25 "
    assert runtime_reason(RuntimeError(said + "void f(int, X&) Unsupported thing: 3")) == "Unsupported thing: 3"
    assert runtime_reason(RuntimeError("")) == "RuntimeError"
