"""ONNX files of strangers: what they hold is read without running them, and what is unsafe is refused."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.backbones import onnx_contents, onnx_file
from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.onnx_file import check_file
from workbench.errors import ArtefactError, StageError

FOREIGN = Path("/work/shared/data/onnx_foreign")


def model(
    nodes: list[Any] | None = None, weights: list[Any] | None = None, *, opset: int = 20, ir: int = 10, **more: Any
) -> onnx.ModelProto:
    """x (n, 2) through some nodes to `logits` (n, 2)."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["logits"])]
    weights = [numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")] if weights is None else weights
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in more.get("domains", ()))]
    made = helper.make_model(graph, opset_imports=imports, ir_version=ir, functions=more.get("functions", []))
    helper.set_model_props(made, more.get("metadata", {}))
    return made


def written(folder: Path, made: onnx.ModelProto) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def external(location: str, **entries: str) -> onnx.TensorProto:
    """A weight `w` (2, 2) whose data lie in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def walk(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            for inner in [attribute.g] * attribute.HasField("g") + list(attribute.graphs):
                found += walk(inner)
    return found


def branching() -> onnx.ModelProto:
    """An If whose branches hold nodes and weights of their own, a model function, and an input with a default."""
    value = helper.make_tensor_value_info("r", TensorProto.FLOAT, None)
    then = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["r"])], "t", [], [value])
    other = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["q"]), helper.make_node("Mul", ["q", "v"], ["r"])],
        "o",
        [],
        [value],
        [numpy_helper.from_array(np.ones((1, 2), np.float32), "v")],
    )
    function = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 20)]
    )
    made = model(
        [
            helper.make_node("If", ["c"], ["s"], then_branch=then, else_branch=other),
            helper.make_node("Twice", ["s"], ["logits"], domain="own"),
        ],
        [numpy_helper.from_array(np.eye(2, dtype=np.float32), "w"), numpy_helper.from_array(np.array(True), "c")],
        domains=("own",),
        functions=[function],
        metadata={"a": "1", "ä": '{"b": [1]}'},
    )
    made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 2]))
    return made


def agrees(path: Path) -> None:
    """What is read field by field is what the package `onnx` reads."""
    found, proto = check_file(path), onnx.load(path)
    nodes = walk(proto.graph) + [n for f in proto.functions for n in f.node]
    assert found.operators == Counter((n.domain, n.op_type) for n in nodes)
    weights = {i.name for i in proto.graph.initializer}
    assert [v.name for v in found.inputs] == [i.name for i in proto.graph.input if i.name not in weights]
    assert [v.name for v in found.outputs] == [o.name for o in proto.graph.output]
    for value, expected in zip(found.outputs, proto.graph.output, strict=True):
        if expected.type.HasField("tensor_type"):
            tensor = expected.type.tensor_type
            assert value.type == np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
            assert value.shape == tuple(
                d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.shape.dim
            )
    assert found.parameters == sum(int(np.prod(i.dims, dtype=np.int64)) for i in proto.graph.initializer)
    assert found.opsets == {o.domain: o.version for o in proto.opset_import}
    assert (found.ir_version, found.bytes) == (proto.ir_version, path.stat().st_size)
    assert found.metadata == {p.key: p.value for p in proto.metadata_props}


def test_contents_are_those_that_the_onnx_package_reads(tmp_path: Path) -> None:
    agrees(written(tmp_path, model()))
    made = branching()
    onnx.checker.check_model(made)
    agrees(written(tmp_path, made))
    assert check_file(tmp_path / "m.onnx").entry("ä") == {"b": [1]}
    assert check_file(tmp_path / "m.onnx").entry("none") is None


@pytest.mark.parametrize(
    "content",
    [
        b"p\x00",  # metadata that are a number
        b"\x42\x03\x12\x01\x37",  # an opset whose version is text
        b"\x3a\x0b\x5a\x09\x12\x07\x0a\x05\x12\x03\x0a\x01\x37",  # a dimension whose size is text
        b"\x3a\x0e\x2a\x0c" + (b"\x08" + b"\xff" * 4 + b"\x0f") * 2,  # a weight of 2^64 numbers
    ],
)
def test_parts_of_the_wrong_kind_are_damage(content: bytes, tmp_path: Path) -> None:
    """Found by the fuzzer; each was a traceback, or numbers that grow without bound."""
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ArtefactError, match="it is no whole ONNX model"):
        check_file(tmp_path / "m.onnx")


def test_a_name_longer_than_any_disk_allows(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="names no file"):
        check_file(written(tmp_path, model(weights=[external("x" * 5000)])))


@pytest.mark.skipif(not FOREIGN.is_dir(), reason="the real data are not here")
def test_contents_of_files_that_other_frameworks_wrote() -> None:
    paths = sorted(FOREIGN.glob("*.onnx"))
    assert len(paths) == 3
    for path in paths:
        agrees(path)


def test_a_large_file_is_checked_without_reading_its_weights(tmp_path: Path) -> None:
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["logits"], domain="ai.onnx.ml")
    node.attribute.append(helper.make_attribute("nodes_values", np.arange(400_000, dtype=np.float32).tolist()))
    node.attribute.append(helper.make_attribute("nodes_nodeids", list(range(400_000))))
    weights = [numpy_helper.from_array(np.zeros((2, 3_000_000), np.float32), "w")]
    path = written(tmp_path, model([node], weights, domains=("ai.onnx.ml",)))
    begun = time.process_time()
    found = check_file(path)
    assert time.process_time() - begun < 2  # one by one, the 800,000 numbers alone would take longer
    assert found.parameters == 6_000_000
    assert found.operators == {("ai.onnx.ml", "TreeEnsembleRegressor"): 1}


# -- what is no model ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), "a PNG picture"),
        (b"PK\x03\x04" + bytes(90), "a zip archive"),
        (b"\x80\x04\x95" + bytes(90), "a pickle"),
        (b"<!DOCTYPE html><html>", "an HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\x18\x00\x00\x00ORTM" + bytes(90), "own format"),
        (b"not a model at all", "no whole ONNX model"),
        (b"\x08\x0a", "no graph"),
        (b"\x0a" * 200, "no whole ONNX model"),
        (bytes(200), "no whole ONNX model"),
    ],
)
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ArtefactError, match=said) as caught:
        check_file(tmp_path / "m.onnx")
    assert (caught.value.exit_code, bool(caught.value.hint)) == (4, True)
    assert "m.onnx" in caught.value.message


def test_a_folder_a_missing_file_and_every_cut_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no ONNX model at"):
        check_file(tmp_path / "none.onnx")
    with pytest.raises(ArtefactError, match="is a folder"):
        check_file(tmp_path)
    content = branching().SerializeToString()
    refused = 0
    for end in range(1, len(content)):
        (tmp_path / "cut.onnx").write_bytes(content[:end])
        try:
            check_file(tmp_path / "cut.onnx")
        except ArtefactError:
            refused += 1
    # A message that ends between two of its fields is whole to protobuf: only a few such places are left.
    assert refused > 0.9 * len(content)


def test_random_damage_never_ends_in_another_error(tmp_path: Path) -> None:
    content, rng = np.frombuffer(branching().SerializeToString(), np.uint8), np.random.default_rng(0)
    for _ in range(300):
        damaged = content.copy()
        damaged[rng.integers(0, len(content), 3)] = rng.integers(0, 256, 3)
        (tmp_path / "d.onnx").write_bytes(damaged.tobytes())
        try:
            check_file(tmp_path / "d.onnx")
        except (ArtefactError, StageError) as e:
            assert e.hint


# -- external data ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("../../etc/passwd", "outside the model's folder"),
        ("/etc/passwd", "outside the model's folder"),
        ("deep/../../w.bin", "outside the model's folder"),
        ("..\\w.bin", "outside the model's folder"),
        ("C:\\w.bin", "outside the model's folder"),
        ("file:w.bin", "outside the model's folder"),
        ("", "names no file"),
        (".", "no plain file"),
        ("w.bin", "is missing"),
        ("link.bin", "is a link"),
        ("inside/w.bin", "is a link"),
    ],
)
def test_external_data_must_lie_in_the_folder(tmp_path: Path, location: str, said: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "link.bin").symlink_to(tmp_path / "w.bin")
    (tmp_path / "m" / "inside").symlink_to(tmp_path)
    path = written(tmp_path / "m", model(weights=[external(location)]))
    for read in (check_file, OnnxBackbone):
        with pytest.raises(ArtefactError, match=said) as caught:
            read(path)
        assert caught.value.exit_code == 4
        assert "m.onnx" in caught.value.message


def test_external_data_in_a_constant_or_a_branch_is_seen_too(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["w"], value=external("/etc/passwd"))
    with pytest.raises(ArtefactError, match="outside"):
        check_file(written(tmp_path, model([constant, helper.make_node("MatMul", ["x", "w"], ["logits"])], [])))
    made = branching()
    branch = next(a for a in made.graph.node[0].attribute if a.name == "else_branch")
    branch.g.initializer[0].CopyFrom(external("/etc/passwd"))
    with pytest.raises(ArtefactError, match="outside"):
        check_file(written(tmp_path, made))


def test_external_data_is_measured(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(np.eye(2, dtype=np.float32).tobytes())
    whole = written(tmp_path, model(weights=[external("w.bin", offset="0", length="16")]))
    found = check_file(whole)
    assert found.external == (tmp_path / "w.bin",)
    assert found.bytes == whole.stat().st_size + 16
    np.testing.assert_array_equal(OnnxBackbone(whole).outputs({"x": np.array([[3.0, 4.0]])}), [[3, 4]])
    for entries in ({"length": "17"}, {"offset": "4", "length": "16"}, {"offset": "-1"}, {"length": "many"}):
        with pytest.raises(ArtefactError, match=r"w\.bin"):
            check_file(written(tmp_path, model(weights=[external("w.bin", **entries)])))
    (tmp_path / "w.bin").write_bytes(bytes(15))
    with pytest.raises(ArtefactError, match="cut off or of another model"):
        check_file(written(tmp_path, model(weights=[external("w.bin", length="16")])))


# -- operators, metadata, memory -------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "domain", "said"),
    [
        ("Anything", "acme.custom", "library of custom operators"),
        ("EPContext", "com.microsoft", "loads or runs something outside it"),
        ("PythonOp", "com.microsoft", "loads or runs something outside it"),
        ("aten", "org.pytorch.aten", "library of custom operators"),
    ],
)
def test_operators_that_need_more_than_the_file_are_refused(tmp_path: Path, kind: str, domain: str, said: str) -> None:
    node = helper.make_node(kind, ["x"], ["logits"], domain=domain)
    with pytest.raises(ArtefactError, match=said):
        check_file(written(tmp_path, model([node], [], domains=(domain,))))


def test_an_unknown_operator_or_opset_is_named_by_the_runtime(tmp_path: Path) -> None:
    for made, said in (
        (model([helper.make_node("Nonsense", ["x"], ["logits"])], []), "no operator Nonsense in opset 20"),
        (model(opset=99), "of opset 99"),
        (model(ir=99), "IR version: 99"),
    ):
        with pytest.raises(ArtefactError, match=said) as caught:
            OnnxBackbone(written(tmp_path, made))
        assert caught.value.hint
    none = model()
    del none.opset_import[:]
    with pytest.raises(ArtefactError, match="opset"):
        check_file(written(tmp_path, none))


def test_hostile_metadata_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, model(metadata={"workbench": "[" * 100_000}))
    with pytest.raises(ArtefactError, match="not readable JSON"):
        check_file(path).entry("workbench")
    with pytest.raises(ArtefactError, match="no workbench metadata"):
        _ = OnnxBackbone(path).metadata
    for said in ('{"schema": 1e999}', '{"schema": 1, "preparation": {"modality": "image", "size": "../../x"}}'):
        with pytest.raises(ArtefactError) as caught:
            _ = OnnxBackbone(written(tmp_path, model(metadata={"workbench": said}))).preparation
        assert caught.value.exit_code == 4
    with pytest.raises(ArtefactError, match="MB of metadata"):
        check_file(written(tmp_path, model(metadata={"workbench": "x" * (onnx_contents.MOST_METADATA + 1)})))


def test_a_model_larger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, model())
    monkeypatch.setattr(onnx_file, "free_memory", lambda: path.stat().st_size - 1)
    with pytest.raises(StageError, match="of memory are free") as caught:
        check_file(path)
    assert caught.value.exit_code == 6
    monkeypatch.setattr(onnx_file, "free_memory", lambda: path.stat().st_size)
    assert check_file(path).parameters == 4


# -- what only shows when it runs ------------------------------------------------------


def test_another_model_in_its_place_is_named(tmp_path: Path) -> None:
    other = model()
    other.graph.output[0].name = other.graph.node[0].output[0] = "scores"
    with pytest.raises(ArtefactError, match="gives scores"):
        OnnxBackbone(written(tmp_path, other))
    with pytest.raises(ArtefactError, match="asks for the input 'x'"):
        OnnxBackbone(written(tmp_path, model())).outputs({"pixel_values": np.zeros((1, 2))})


def test_axes_that_lie_and_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    two = [numpy_helper.from_array(np.array([1, -1], np.int64), "to")]
    joined = OnnxBackbone(written(tmp_path, model([helper.make_node("Reshape", ["x", "to"], ["logits"])], two)))
    np.testing.assert_array_equal(joined.outputs({"x": np.zeros((1, 2))}), [[0, 0]])
    with pytest.raises(StageError, match="answers 3 examples"):
        joined.outputs({"x": np.zeros((3, 2))})
    log = OnnxBackbone(written(tmp_path, model([helper.make_node("Log", ["x"], ["logits"])], [])))
    with pytest.raises(StageError, match="not finite, first for row 1 of a batch of 2"):
        log.outputs({"x": np.array([[1.0, 2.0], [1.0, -1.0]])})
