"""Files that other frameworks wrote: answered as the framework itself does, and rebuilt where that can be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny
import torch
from torch import nn

from workbench.backbones.contract import Contract
from workbench.backbones.contract_inputs import infer_inputs
from workbench.backbones.contract_outputs import choose_output, kind_of
from workbench.backbones.foreign import ForeignBackbone
from workbench.backbones.onnx_to_torch import Graph
from workbench.backbones.twin import check_twin, load_twin
from workbench.config_audit import Audit
from workbench.errors import Refusal
from workbench.modalities import text
from workbench.stages.adopt import open_model
from workbench.types import Column

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ROOT / "fixtures" / "foreign"
FLOWERS = tuple(Column(name, "numeric") for name in ("a", "b", "c", "d"))
PICTURES = ("keras_digits", "tensorflow_digits")
TABLES = ("sklearn_forest", "sklearn_mlp", "xgboost_iris")


def adopted(path: Path, modality: str, columns: tuple[Column, ...], labels: int, raw: Any) -> ForeignBackbone:
    """A file with the contract that is inferred of it; `raw` makes a batch of a preparation."""
    signature, _ = open_model(path)
    inputs = infer_inputs(signature, modality, Audit(), columns, path.parent)
    port = choose_output(signature, "class", Audit())
    names = tuple(map(str, range(labels)))
    keyed = port.dtype == "map"
    keys = signature.classes if keyed else ()
    known: dict[str, Any] = {"keyed": keyed, "keys": keys, "layout": inputs.layout, "channels": inputs.channels}
    contract = Contract(inputs.feeds, port.name, kind="logits", labels=names, preparation=inputs.preparation.to_json(),
                        batch=inputs.batch, **known)  # fmt: skip
    rows = ForeignBackbone(path, contract, device="cpu").answers(raw(inputs.preparation))
    kind, _ = kind_of(rows, labels, "class", signature.last.get(port.name, ""), Audit())
    import dataclasses

    return ForeignBackbone(path, dataclasses.replace(contract, kind=kind), device="cpu")


def flowers(x: np.ndarray) -> Any:
    return lambda preparation: {"numeric": x.astype(np.float32)}


def pictures(x: np.ndarray) -> Any:
    return lambda preparation: {"pixel_values": preparation.normalise(np.repeat(x, 3, axis=3))}


class Encoded:
    """A batch as encoded inputs."""

    def __init__(self, batch: dict[str, np.ndarray]) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(next(iter(self._batch.values())))

    def batch(self, rows: Any) -> dict[str, np.ndarray]:
        return {k: v[list(rows)] for k, v in self._batch.items()}


def probabilities(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("name", PICTURES)
def test_a_network_of_keras_is_asked_in_its_layout_and_rebuilt(name: str, folder: Path = FOREIGN) -> None:
    kept = np.load(folder / f"{name}.npz")
    backbone = adopted(folder / f"{name}.onnx", "image", (), 10, pictures(kept["x"]))
    assert (backbone.contract.layout, backbone.contract.channels, backbone.contract.kind) == (
        "NHWC",
        "grey",
        "probabilities",
    )
    assert backbone.preparation.scale == 1.0  # it scales its own pixels
    batch = pictures(kept["x"])(backbone.preparation)
    assert probabilities(backbone.outputs(batch)) == pytest.approx(kept["answers"], abs=1e-4)
    twin = load_twin(folder / f"{name}.onnx", backbone.contract)
    assert check_twin(twin, backbone, Encoded(batch), 1e-3)["passed"]
    x = twin.coordinates({k: v[:1] for k, v in batch.items()}).requires_grad_(True)
    (slope,) = torch.autograd.grad(twin.from_coordinates(batch)(x)[0, 0], x)
    assert slope.shape == x.shape and bool((slope != 0).any())


@pytest.mark.parametrize("name", TABLES)
def test_a_classical_model_is_answered_as_its_library_does(name: str, folder: Path = FOREIGN) -> None:
    kept = np.load(folder / f"{name}.npz")
    path, raw = folder / f"{name}.onnx", flowers(kept["x"])
    backbone = adopted(path, "table", FLOWERS, 3, raw)
    assert backbone.contract.kind == "probabilities"
    assert probabilities(backbone.outputs(raw(None))) == pytest.approx(kept["answers"], abs=1e-5)
    if name == "sklearn_mlp":
        assert check_twin(load_twin(path, backbone.contract), backbone, Encoded(raw(None)), 1e-3)["passed"]
    else:
        with pytest.raises(Refusal, match="TreeEnsembleClassifier"):
            load_twin(path, backbone.contract)


def test_a_pipeline_takes_its_columns_one_by_one_texts_among_them(folder: Path = FOREIGN) -> None:
    from workbench.data.tables import read_table
    from workbench.modalities import table

    rows = read_table(folder / "sklearn_pipeline.csv").columns
    towns = ("Bonn", "Kiel", "Ulm")
    columns = (Column("age", "numeric"), Column("town", "categorical", towns), Column("debt", "numeric"))
    read = [{"age": float(a), "town": t, "debt": float(d)} for a, t, d in zip(*(rows[c] for c in ("age", "town", "debt")), strict=True)][:16]  # fmt: skip  # noqa: E501
    backbone = adopted(
        folder / "sklearn_pipeline.onnx", "table", columns, 2, lambda p: table.encode(read, p).batch(range(16))
    )
    assert {f.name: f.dtype for f in backbone.contract.feeds} == {"age": "float32", "town": "str", "debt": "float32"}
    found = probabilities(backbone.outputs(table.encode(read, backbone.preparation).batch(range(16))))
    assert found == pytest.approx(np.load(folder / "sklearn_pipeline.npz")["answers"], abs=1e-5)
    with pytest.raises(Refusal, match="text"):
        load_twin(folder / "sklearn_pipeline.onnx", backbone.contract)


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["keras", "tensorflow", "sklearn", "xgboost"])
def test_files_that_are_exported_now_are_asked_alike(framework: str, tmp_path: Path) -> None:
    """By the exporters of `WORKBENCH_EXPORTERS` (a Python that has them), else by those that are installed here."""
    python = os.environ.get("WORKBENCH_EXPORTERS") or sys.executable
    command = [python, str(ROOT / "fixtures" / "make_foreign.py"), str(tmp_path), framework]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"{done.stderr.strip().splitlines()[-1]}; see fixtures/make_foreign.py")
    assert done.returncode == 0, done.stderr[-2000:]
    made = {p.stem for p in tmp_path.glob("*.onnx")}
    for name in made & set(PICTURES):
        test_a_network_of_keras_is_asked_in_its_layout_and_rebuilt(name, tmp_path)
    for name in made & set(TABLES):
        test_a_classical_model_is_answered_as_its_library_does(name, tmp_path)
    if "sklearn_pipeline" in made:
        test_a_pipeline_takes_its_columns_one_by_one_texts_among_them(tmp_path)
    assert made


def test_a_network_of_tokens_has_gradients_at_its_embeddings(tmp_path: Path) -> None:
    """The file looks tokens up, averages those that are not padding, and weighs them."""
    machine = tiny.bert_tokenizer()
    machine.save(str(tmp_path / "tokenizer.json"))
    rng = np.random.default_rng(0)
    table = rng.normal(size=(machine.get_vocab_size(), 5)).astype(np.float32)
    weights = rng.normal(size=(5, 3)).astype(np.float32)
    node = onnx.helper.make_node
    nodes = [
        node("Cast", ["attention_mask"], ["mask"], to=onnx.TensorProto.FLOAT),
        node("Gather", ["table", "input_ids"], ["words"]),
        node("Tanh", ["words"], ["bent"]),
        node("Unsqueeze", ["mask", "last"], ["wide"]),
        node("Mul", ["bent", "wide"], ["kept"]),
        node("ReduceSum", ["kept", "first"], ["sum"], keepdims=0),
        node("ReduceSum", ["mask", "first"], ["length"], keepdims=1),
        node("Div", ["sum", "length"], ["mean"]),
        node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    tensors = {"table": table, "weights": weights, "last": np.array([2]), "first": np.array([1])}
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [info(name, onnx.TensorProto.INT64, ["n", "t"]) for name in ("input_ids", "attention_mask")],
        [info("logits", onnx.TensorProto.FLOAT, ["n", 3])],
        [onnx.numpy_helper.from_array(v, name) for name, v in tensors.items()],
    )
    path = tmp_path / "words.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), str(path))
    texts = tiny.texts(6)
    backbone = adopted(path, "text", (), 3, lambda p: text.encode(texts, p).batch(range(6)))
    batch = text.encode(texts, backbone.preparation).batch(range(6))
    twin = load_twin(path, backbone.contract)
    assert check_twin(twin, backbone, Encoded(batch), 1e-3)["passed"]
    one = {k: v[:1] for k, v in batch.items()}
    x = twin.coordinates(one)
    assert x.numpy() == pytest.approx(table[one["input_ids"]])
    x = x.clone().requires_grad_(True)
    scores = twin.from_coordinates(one)(x)
    assert scores.detach().numpy() == pytest.approx(backbone.outputs(one), abs=1e-5)
    (slope,) = torch.autograd.grad(scores[0, 1], x)
    share = one["attention_mask"][0] / one["attention_mask"].sum()
    by_hand = (1 - np.tanh(table[one["input_ids"][0]]) ** 2) * share[:, None] * weights[:, 1]
    assert slope[0].numpy() == pytest.approx(by_hand, abs=1e-6)


class Net(nn.Module):
    """What exporters of different opsets write differently: pools, flattening, norms, splits, clips."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.layer, self.head = nn.LayerNorm(32), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.hardtanh(self.norm(self.conv(x)), -1.0, 2.0)
        x = nn.functional.interpolate(nn.functional.max_pool2d(x, 2), scale_factor=2, mode="nearest")
        a, b = x.chunk(2, dim=1)
        x = (a * torch.sigmoid(b)).mean(dim=(3,)).flatten(1)
        return torch.softmax(self.head(self.layer(x)), dim=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opset", "dynamo"), [*[(o, False) for o in range(9, 21)], *[(o, True) for o in (18, 20, 21, 23)]]
)
def test_every_opset_of_torchs_exporters_is_rebuilt(opset: int, dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Net().eval()
    x, path = torch.randn(3, 3, 8, 8), tmp_path / "net.onnx"
    options: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}}} if not dynamo else {"dynamic_shapes": ({0: torch.export.Dim("n")},), "external_data": False}  # fmt: skip  # noqa: E501
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (x,), str(path), opset_version=opset, dynamo=dynamo, input_names=["x"], output_names=["y"], **options
        )
    model = onnx.load(str(path))
    assert next(o.version for o in model.opset_import if not o.domain) == opset
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    more = torch.randn(5, 3, 8, 8)
    (expected,) = session.run(None, {"x": more.numpy()})
    with torch.no_grad():
        (found,) = Graph(model, ("y",)).eval()(x=more)
    assert found.numpy() == pytest.approx(expected, abs=1e-5)
    assert expected == pytest.approx(net(more).detach().numpy(), abs=1e-5)
