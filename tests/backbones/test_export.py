"""ONNX files: equal to torch at every batch size, usable alone, and checked when read."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny
import torch
from onnx import numpy_helper

from workbench.backbones import own, tabular
from workbench.backbones.devices import cuda_devices
from workbench.backbones.export import (
    check_parity,
    export_onnx,
    relative_error,
    scores_only,
    trace,
    tracing_batch,
    with_metadata,
)
from workbench.backbones.gradient_graph import gradient_graph
from workbench.backbones.gradient_parity import check_gradients, check_layer
from workbench.backbones.gradients import GradientBackbone
from workbench.backbones.hf import image_preparation
from workbench.backbones.narrowing import narrowed
from workbench.backbones.onnx import METADATA_SCHEMA, OnnxBackbone
from workbench.backbones.taps import facts_of, taps_of
from workbench.config import Backbone
from workbench.errors import ArtefactError, ExportError, StageError
from workbench.modalities import table

NAMES = ("bert", "roberta", "vit", "resnet", "own", "table", "table, value")


class Made:
    """A model, its inputs and its file."""

    def __init__(self, name: str, folder: Path, n: int = 70) -> None:
        self.inputs: list[Any]
        if name.startswith("table"):
            kind = "value" if "value" in name else "class"
            task = "tabular-classification" if kind == "class" else "tabular-regression"
            dataset = tiny.table(n, classes=kind == "class")
            self.torch, self.preparation = tabular.load_tabular(tiny.config(task), dataset, kind=kind)
            self.inputs = [e.input for e in dataset.examples]
            self.inputs[0] = {"age": None, "colour": "violet", "income": float("nan"), "town": None}
            self.modality: Any = table
        elif name == "own":
            torch.manual_seed(0)
            self.torch = own.load_own(Backbone(factory=f"{tiny.factory()}:five"), ("a", "b", "c", "d", "e"))
            self.preparation = image_preparation({}, Backbone(image_size=tiny.SIDE))
            self.inputs, self.modality = tiny.inputs(name, n), tiny.modality(name)
        else:
            self.torch, self.preparation = tiny.load(name)
            self.inputs, self.modality = tiny.inputs(name, n), tiny.modality(name)
        self.encoded = self.modality.encode(self.inputs, self.preparation)
        self.taps = taps_of(self.torch, self.encoded)
        self.graph = trace(self.torch, tracing_batch(self.encoded, self.torch.modality), 20, self.taps)
        self.content = self.export(narrowed(scores_only(self.graph)))
        self.path = folder / "model.onnx"
        self.path.write_bytes(self.content)

    def export(self, graph: Any = None) -> bytes:
        facts = {"task": "t", "labels": ["a", "é"], "preparation": self.preparation.to_json()}
        if graph is None:
            graph = trace(self.torch, tracing_batch(self.encoded, self.torch.modality), 20)
        return with_metadata(graph, facts)

    def with_gradients(self, change: Any = None) -> GradientBackbone:
        """The file with its gradient graph; `change` is made to the graph's file before it is read."""
        facts = facts_of(self.torch, self.taps)
        content = gradient_graph(narrowed(self.graph), facts["coordinates"], facts)
        if change is not None:
            content = change(content)
        path = self.path.with_name("explain.onnx")
        path.write_bytes(content)
        facts |= {"sha256": hashlib.sha256(content).hexdigest()}
        return GradientBackbone(self.path, path, facts, device="cpu", threads=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    done: dict[str, Made] = {}

    def get(name: str) -> Made:
        if name not in done:
            done[name] = Made(name, tmp_path_factory.mktemp("onnx"))
        return done[name]

    return get


@pytest.mark.parametrize("name", [*NAMES, pytest.param("distilbert", marks=pytest.mark.slow)])
def test_the_file_equals_the_model_at_every_batch_size(made: Any, name: str) -> None:
    m = made(name)
    file = OnnxBackbone(m.path, device="cpu", threads=1)
    assert file.inputs == m.torch.inputs
    found = check_parity(m.torch, file, m.encoded, np.arange(len(m.encoded)), 1e-4)
    assert found["passed"], found
    assert found["n"] == found["label_agreement"]["agree"] == 70
    assert [p["batch"] for p in found["per_batch"]] == found["batch_sizes"] == [1, 2, 7, 64]
    text = m.torch.modality == "text"
    assert [p["padded"] for p in found["per_batch"]] == [False, text, text, text]
    for n in (1, 2, 7, 64):  # and by hand
        batch = m.encoded.batch(np.arange(n))
        np.testing.assert_allclose(file.outputs(batch), m.torch.outputs(batch), rtol=2e-4, atol=2e-4)
    assert file.outputs(batch).dtype == np.float32


@pytest.mark.parametrize("name", ["bert", "roberta", "vit", "table"])
def test_the_file_alone_prepares_inputs_as_the_model_did(made: Any, name: str) -> None:
    m = made(name)
    file = OnnxBackbone(m.path, device="cpu")
    assert file.preparation == m.preparation
    assert file.metadata["labels"] == ["a", "é"]
    again = m.modality.encode(m.inputs, file.preparation).batch(np.arange(20))
    for key, value in m.encoded.batch(np.arange(20)).items():
        np.testing.assert_array_equal(again[key], value)


def test_equal_models_give_equal_bytes_without_traces_of_the_machine(made: Any) -> None:
    m = made("bert")
    again = trace(m.torch, tracing_batch(m.encoded, m.torch.modality), 20, m.taps)
    assert m.export(narrowed(scores_only(again))) == m.content
    text = m.content.decode("latin-1")
    assert str(Path.home()) not in text
    assert "site-packages" not in text
    onnx.checker.check_model(onnx.load_from_string(m.content), full_check=True)


def test_embeddings_are_asked_once_and_a_few_are_kept(made: Any) -> None:
    m = made("bert")
    file = m.with_gradients()
    graph, asked = file.graph, []
    plain = graph.run
    graph.run = lambda batch, outputs: asked.append(outputs) or plain(batch, outputs)  # type: ignore[method-assign]
    rows = [m.encoded.batch([i]) for i in range(6)]
    first = [file.coordinates(r) for r in rows]
    np.testing.assert_array_equal(file.coordinates(dict(reversed(rows[5].items()))), first[5])
    file.coordinates(rows[2])  # asked again: the last to go, though it came first
    assert len(asked) == 6 and not np.array_equal(first[4], first[5])
    np.testing.assert_array_equal(file.coordinates(rows[0]), first[0])  # forgotten, and asked anew
    file.coordinates(rows[2])
    assert len(asked) == 7 and len(file._embedded) == 4


@pytest.mark.parametrize("name", [*NAMES, pytest.param("distilbert", marks=pytest.mark.slow)])
def test_the_gradient_graph_equals_autograd(made: Any, name: str) -> None:
    """At several batch sizes and lengths, padded rows included, and against the file's own central differences."""
    m = made(name)
    file = m.with_gradients()
    found = check_gradients(m.torch, file, m.encoded, np.arange(64), 0)
    assert found["passed"] and found["max_error"] <= 1e-4 and found["binding"]["correlation"] > 0.999, found
    assert [p["padded"] for p in found["per_batch"]][1:] == [m.torch.modality == "text"] * 3
    batch = m.encoded.batch(np.arange(5))  # and by hand
    x = m.torch.coordinates(batch).detach().clone()
    np.testing.assert_allclose(file.coordinates(batch), x.numpy(), rtol=1e-5, atol=1e-6)
    x.requires_grad_(True)
    scores = m.torch.scores_at(x, batch)
    scores[:, -1].sum().backward()
    last = np.eye(file.classes, dtype=np.float32)[[-1] * 5]
    there = x.grad.numpy()
    np.testing.assert_allclose(file.gradients_of(batch, last), there, rtol=1e-3, atol=1e-4 * np.abs(there).max())
    np.testing.assert_allclose(file.embeddings(batch)[0], m.torch.embeddings(batch)[0], rtol=1e-3, atol=1e-4)
    pictures = m.torch.modality == "image"
    assert file.has_layer == pictures and (not pictures or check_layer(m.torch, file, m.encoded, np.arange(3)))


def test_a_tampered_gradient_graph_is_found_before_it_is_used(made: Any) -> None:
    m = made("own")
    batch = m.encoded.batch([0])

    def tampered(content: bytes) -> bytes:
        proto = onnx.load_from_string(content)
        head = next(w for w in proto.graph.initializer if list(w.dims) == [5])
        head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head) + np.float32(0.1), head.name))
        return proto.SerializeToString()

    file = m.with_gradients()
    path = m.path.with_name("explain.onnx")
    path.write_bytes(tampered(path.read_bytes()))  # after it was proved equal
    with pytest.raises(ArtefactError, match="is not the file whose gradients were compared") as caught:
        file.slopes(batch)
    assert caught.value.exit_code == 4
    file = m.with_gradients(tampered)  # and even if the hash were forged
    with pytest.raises(ArtefactError, match="whose gradient it should be"):
        file.slopes(batch)
    file = m.with_gradients()
    path.unlink()
    with pytest.raises(ArtefactError, match="no gradient graph"):
        file.slopes(batch)


def test_a_wrong_backward_pass_fails_the_comparison(made: Any) -> None:
    """Right scores are not enough: a graph whose gradient alone is wrong is not passed."""
    m = made("own")

    def halved(content: bytes) -> bytes:
        proto = onnx.load_from_string(content)
        last = next(n for n in proto.graph.node if n.output[0] == "gradient")
        last.op_type = "Mul"
        last.input.append("half")
        proto.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "half"))
        return proto.SerializeToString()

    found = check_gradients(m.torch, m.with_gradients(halved), m.encoded, np.arange(8), 0)
    assert not found["passed"] and found["max_error"] == pytest.approx(0.5, abs=1e-4) and not found["at_kinks"]
    assert found["binding"]["correlation"] > 0.999  # the length of a gradient does not show there


def test_a_tampered_weight_fails_the_parity(made: Any, tmp_path: Path) -> None:
    m = made("bert")
    proto = onnx.load_from_string(m.content)
    largest = max((w for w in proto.graph.initializer if w.data_type == onnx.TensorProto.FLOAT), key=lambda w: w.name)
    values = onnx.numpy_helper.to_array(largest).copy()
    values.flat[0] += 1
    largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
    head = next(w for w in proto.graph.initializer if list(w.dims) == [3])
    values = onnx.numpy_helper.to_array(head) + np.float32([0.01, 0, 0])
    head.CopyFrom(onnx.numpy_helper.from_array(values, head.name))
    (tmp_path / "t.onnx").write_bytes(proto.SerializeToString())
    found = check_parity(m.torch, OnnxBackbone(tmp_path / "t.onnx"), m.encoded, np.arange(70), 1e-4)
    assert not found["passed"]
    assert found["max_error"] > 1e-3


class _Fixed:
    """Stands for a model: scores by row number."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores.astype(np.float32)

    def __len__(self) -> int:
        return len(self.scores)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {"row": np.asarray(rows)}

    def outputs(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        return self.scores[batch["row"]]


def test_parity_counts_ties_and_refuses_what_is_not_finite() -> None:
    scores = np.random.default_rng(0).normal(size=(80, 3)) * 5
    scores[0] = [1, 1, 0]
    other = scores.copy()
    other[0] = [1, 1 + 1e-5, 0]  # another label, within the tolerance of a tie
    one: Any = _Fixed(scores)
    found = check_parity(one, _Fixed(other), one, np.arange(80), 1e-4)
    assert found["passed"]
    assert found["label_agreement"] == {"agree": 79, "n": 80, "argmax_ties": 1}
    assert found["max_abs"] == pytest.approx(1e-5, rel=0.05)
    for broken in (np.nan, np.inf):
        wrong = scores.copy()
        wrong[79, 1] = broken
        bad: Any = _Fixed(wrong)
        for pair in ((one, bad), (bad, one)):
            with pytest.raises(ExportError, match="not finite"):
                check_parity(*pair, one, np.arange(80), 1e-4)


def test_relative_error_is_its_formula() -> None:
    assert relative_error(np.array([[3.0, -9.5]]), np.array([[3.0, -9.0]])) == pytest.approx(0.5 / 10)
    assert relative_error(np.zeros((0, 2)), np.zeros((0, 2))) == 0


def test_a_model_that_cannot_be_traced_is_an_export_error() -> None:
    class Loop(torch.nn.Module):
        def forward(self, pixel_values: torch.Tensor) -> Any:
            if pixel_values.sum().item() > 0:
                return {"logits": torch.from_numpy(pixel_values.numpy())}
            raise RuntimeError("no way")

    from workbench.backbones.torch import TorchBackbone

    backbone = TorchBackbone(Loop(), ("pixel_values",), "image", "")
    with pytest.raises(ExportError, match="could not export") as caught:
        export_onnx(backbone, {"pixel_values": np.ones((5, 3, 4, 4), np.float32)}, {}, 20)
    assert caught.value.exit_code == 6


# -- reading --------------------------------------------------------------------------


def foreign(path: Path, **metadata: str) -> Path:
    """A small valid model that is not the workbench's."""
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 2])
    y = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", 2])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["logits"])], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_missing_or_damaged_file_is_named(made: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no ONNX model") as caught:
        OnnxBackbone(tmp_path / "none.onnx")
    assert caught.value.hint
    content = made("bert").content
    for damaged in (b"", b"not a model at all", content[: len(content) // 2], content[:100]):
        (tmp_path / "damaged.onnx").write_bytes(damaged)
        with pytest.raises(ArtefactError, match="cannot be loaded") as caught:
            OnnxBackbone(tmp_path / "damaged.onnx")
        assert caught.value.exit_code == 4


@pytest.mark.parametrize("entry", [{}, {"workbench": "{"}, {"workbench": "[]"}, {"workbench": "{}"}])
def test_a_foreign_file_is_named(tmp_path: Path, entry: dict[str, str]) -> None:
    backbone = OnnxBackbone(foreign(tmp_path / "f.onnx", **entry))
    np.testing.assert_array_equal(backbone.outputs({"x": np.array([[-1.0, 2.0]])}), [[0, 2]])
    with pytest.raises(ArtefactError, match="carries no workbench metadata"):
        _ = backbone.preparation


def test_newer_metadata_is_a_named_error(tmp_path: Path) -> None:
    newer = json.dumps({"schema": METADATA_SCHEMA + 1, "preparation": {}})
    with pytest.raises(ArtefactError, match=f"schema {METADATA_SCHEMA + 1}"):
        _ = OnnxBackbone(foreign(tmp_path / "f.onnx", workbench=newer)).metadata


def test_a_batch_of_the_wrong_shape_is_a_failed_stage_and_prints_nothing(
    made: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    backbone = OnnxBackbone(made("vit").path)
    backbone.outputs(made("vit").encoded.batch([0]))
    with pytest.raises(StageError, match=r"could not run model\.onnx on"):
        backbone.outputs({"pixel_values": np.zeros((1, 3, 9, 9), np.float32)})
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(cuda_devices() > 0, reason="a CUDA device is here")
def test_without_cuda_the_wish_for_it_fails_and_auto_says_so(made: Any) -> None:
    with pytest.raises(StageError, match="no CUDA device") as caught:
        OnnxBackbone(made("vit").path, device="cuda")
    assert caught.value.exit_code == 6
    found = OnnxBackbone(made("vit").path, device="auto").describe()
    assert found["requested"] == "auto"
    assert found["used"] == ["CPUExecutionProvider"]
    assert found["text"] == "ran on the CPU in ONNX Runtime (no CUDA device was found)"
    assert OnnxBackbone(made("vit").path, device="cpu").describe()["text"] == "ran on the CPU in ONNX Runtime"


def test_reading_a_file_needs_neither_torch_nor_transformers_and_prints_nothing(made: Any) -> None:
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from workbench.backbones.onnx import OnnxBackbone\n"
        "from workbench.modalities import text\n"
        "b = OnnxBackbone(Path(sys.argv[1]), device='auto')\n"
        "print(b.outputs(text.encode(['the cat', 'bad'], b.preparation).batch([0, 1])).shape)\n"
        "assert not {'torch', 'transformers', 'captum', 'shap'} & set(sys.modules), 'heavy imports'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, made("bert").path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "(2, 3)\n", "")
