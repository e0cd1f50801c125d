"""Foreign files of every shape: what is inferred, what is asked for, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.auditing import read_labels, read_preprocess
from workbench.backbones.contract import FLOOR, Contract, Feed
from workbench.backbones.contract_inputs import infer_inputs
from workbench.backbones.contract_outputs import choose_output, kind_of
from workbench.backbones.foreign import ForeignBackbone, fed, pixels, rows_of, scores_of
from workbench.config_audit import Audit
from workbench.errors import StageError, UnknownName, UsageError
from workbench.modalities.image import ImagePreparation
from workbench.stages.adopt import open_model
from workbench.stages.matching import features_of, labels_of
from workbench.types import Column, Dataset, Example

NUMBERS = tuple(Column(name, "numeric") for name in ("age", "income", "debt"))


def write(path: Path, nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], tensors: Any = ()) -> Path:
    """A file of a few operators; inputs and outputs are {name: (type, shape)}."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()],
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in outputs.items()],
        [numpy_helper.from_array(v, n) for n, v in dict(tensors).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def linear(path: Path, width: int = 3, classes: int = 2, dtype: int = TensorProto.FLOAT, first: str = "X") -> Path:
    """softmax(X W) of one matrix."""
    weight = np.linspace(-1, 1, width * classes).reshape(width, classes)
    own = weight.astype({TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}[dtype])
    nodes = [helper.make_node("MatMul", [first, "w"], ["z"]), helper.make_node("Softmax", ["z"], ["probabilities"])]
    shapes = {first: (dtype, ["n", width])}, {"probabilities": (dtype, ["n", classes])}
    return write(path, nodes, *shapes, {"w": own})


def picture(path: Path, shape: list[Any], dtype: int = TensorProto.FLOAT, before: Sequence[Any] = ()) -> Path:
    """A mean over places, whatever the layout; `before` are nodes that give "x" from "image"."""
    start = list(before) or [helper.make_node("Identity", ["image"], ["x"])]
    axes = {"axes": [1, 2, 3][: len(shape) - 1], "keepdims": 0}
    nodes = [*start, helper.make_node("ReduceMean", ["x"], ["m"], **axes), helper.make_node("Neg", ["m"], ["y"])]
    return write(path, nodes, {"image": (dtype, shape)}, {"y": (TensorProto.FLOAT, ["n"])})


def inferred(path: Path, modality: str, columns: tuple[Column, ...] = (), **wanted: Any) -> Any:
    return infer_inputs(open_model(path)[0], modality, Audit(**wanted), columns, path.parent)


# -- tables ----------------------------------------------------------------------------


def test_a_matrix_takes_the_columns_in_their_order(tmp_path: Path) -> None:
    found = inferred(linear(tmp_path / "m.onnx"), "table", NUMBERS)
    assert [f.takes for f in found.feeds] == [("age", "income", "debt")]
    assert found.preparation.dtype == "float32"


def test_a_matrix_takes_the_columns_in_the_order_that_is_given(tmp_path: Path) -> None:
    """The rows' own order stays, so that runs on the same data can be compared."""
    given = ("debt", "age", "income")
    path = linear(tmp_path / "m.onnx")
    by_features = infer_inputs(open_model(path)[0], "table", Audit(), NUMBERS, tmp_path, given)
    by_input = inferred(path, "table", NUMBERS, inputs={"X": given})
    for found in (by_features, by_input):
        assert [f.takes for f in found.feeds] == [given]
        assert found.said[0] == "Input X takes the columns in this order: debt, age, income."
        assert [c.name for c in found.preparation.columns] == ["age", "income", "debt"]
    rows = {"numeric": np.array([[1, 2, 3]], np.float32)}
    contract = Contract(by_features.feeds, "y", False, "logits", (), by_features.preparation.to_json())
    assert fed(by_features.feeds[0], rows, contract, by_features.preparation).tolist() == [[3, 1, 2]]


def test_double_inputs_are_fed_in_double_precision(tmp_path: Path) -> None:
    found = inferred(linear(tmp_path / "m.onnx", dtype=TensorProto.DOUBLE), "table", NUMBERS)
    assert (found.feeds[0].dtype, found.preparation.dtype) == ("float64", "float64")


def test_another_number_of_columns_is_named_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes 5 columns, and the data have 3") as e:
        inferred(linear(tmp_path / "m.onnx", width=5), "table", NUMBERS)
    assert "data.features" in e.value.hint


def test_categories_for_a_matrix_of_numbers_are_refused(tmp_path: Path) -> None:
    columns = (*NUMBERS[:2], Column("town", "categorical", ("a", "b")))
    with pytest.raises(UsageError, match="'town' holds categories"):
        inferred(linear(tmp_path / "m.onnx"), "table", columns)


def test_the_numeric_columns_are_taken_where_they_are_as_many_as_the_matrix_takes(tmp_path: Path) -> None:
    signature, _ = open_model(linear(tmp_path / "m.onnx"))
    columns = (Column("town", "categorical"), *NUMBERS)

    class Wanted:
        audit = Audit()

    assert features_of(signature, columns, Wanted()) == ["age", "income", "debt"]  # type: ignore[arg-type]


def test_inputs_named_after_columns_take_those(tmp_path: Path) -> None:
    nodes = [helper.make_node("Concat", ["debt", "Annual_income"], ["y"], axis=1)]
    one = (TensorProto.FLOAT, ["n", 1])
    path = write(tmp_path / "m.onnx", nodes, {"debt": one, "Annual_income": one}, {"y": (TensorProto.FLOAT, ["n", 2])})
    columns = (Column("annual income", "numeric"), Column("debt", "numeric"))
    found = inferred(path, "table", columns)
    assert {f.name: f.takes for f in found.feeds} == {"debt": ("debt",), "Annual_income": ("annual income",)}


# -- pictures --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "layout", "channels"),
    [(["n", 3, 8, 9], "NCHW", "rgb"), (["n", 8, 9, 3], "NHWC", "rgb"), ([1, 1, 8, 9], "NCHW", "grey"),
     (["n", 8, 9], "NHW", "grey")],
)  # fmt: skip
def test_the_layout_follows_from_the_shape(tmp_path: Path, shape: list[Any], layout: str, channels: str) -> None:
    found = inferred(picture(tmp_path / "m.onnx", shape), "image", scale=255)
    assert (found.layout, found.channels) == (layout, channels)
    assert (found.preparation.height, found.preparation.width) == (8, 9)
    assert found.batch == (1 if shape[0] == 1 else 0)


def test_a_file_of_the_workbenchs_own_says_how_it_is_asked(tmp_path: Path) -> None:
    path = picture(tmp_path / "m.onnx", ["n", 3, 8, 8])
    kept = ImagePreparation(8, 8, (8, 8), (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    model = onnx.load(str(path))
    name = model.graph.input[0].name
    for node in model.graph.node:
        node.input[:] = ["pixel_values" if i == name else i for i in node.input]
    model.graph.input[0].name = "pixel_values"
    says = {"labels": ["cat", "dog"], "preparation": kept.to_json(), "workbench": "9.9"}
    model.metadata_props.add(key="workbench", value=json.dumps(says))
    onnx.save(model, str(path))
    found = inferred(path, "image")
    assert found.preparation == kept and (found.layout, found.channels) == ("NCHW", "rgb")
    assert found.said == ("How inputs are prepared is read from the file's own metadata, written by workbench 9.9.",)
    signature, _ = open_model(path)
    assert (signature.classes, signature.classes_from) == (("cat", "dog"), "the file's own metadata")
    told = inferred(path, "image", scale=255.0)
    assert told.preparation.mean != kept.mean  # what the user says goes first
    for damaged in ("{", "[]", '{"preparation": {"modality": "image"}}', '{"preparation": 3, "labels": {}}'):
        del model.metadata_props[:]
        model.metadata_props.add(key="workbench", value=damaged)
        onnx.save(model, str(path))
        assert inferred(path, "image", scale=255.0).preparation.scale == pytest.approx(1 / 255)
        assert not open_model(path)[0].classes


def test_an_ambiguous_layout_is_asked_for(tmp_path: Path) -> None:
    path = picture(tmp_path / "m.onnx", ["n", 3, 3, 3])
    with pytest.raises(UsageError, match="layout") as e:
        inferred(path, "image", scale=255)
    assert "layout=nchw" in e.value.hint
    assert inferred(path, "image", scale=255, layout="nhwc").layout == "NHWC"


def test_a_wrong_layout_is_named_with_the_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="9 channels") as e:
        inferred(picture(tmp_path / "m.onnx", ["n", 3, 8, 9]), "image", scale=255, layout="nhwc")
    assert "layout=nchw" in e.value.hint


def test_pixels_of_a_float_input_are_asked_for_by_name(tmp_path: Path) -> None:
    path = picture(tmp_path / "m.onnx", ["n", 3, 8, 8])
    with pytest.raises(UsageError, match="pixels") as e:
        inferred(path, "image")
    assert "scale=255" in e.value.hint and "scale=1" in e.value.hint
    found = inferred(path, "image", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)).preparation
    white = found.normalise(np.full((1, 8, 8, 3), 255, np.uint8))
    assert white[0, :, 0, 0] == pytest.approx((1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rel=1e-5)


def test_raw_pixels_go_where_the_file_scales_them_itself(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.float32(255.0)))
    own = picture(
        tmp_path / "a.onnx", ["n", 3, 8, 8], before=[constant, helper.make_node("Div", ["image", "c"], ["x"])]
    )
    assert inferred(own, "image").preparation.scale == 1.0
    cast = [helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT)]
    whole = picture(tmp_path / "b.onnx", ["n", 8, 8, 3], TensorProto.UINT8, cast)
    assert inferred(whole, "image").preparation.scale == 1.0


@pytest.mark.parametrize(
    ("steps", "divisor"),
    [
        ([("Sub", [0.5, 0.45, 0.4]), ("Div", [0.25, 0.24, 0.23])], 255),
        ([("Mul", 2.0), ("Sub", 1.0)], 255),
        ([("Mul", 255.0), ("Sub", [123.7, 116.8, 103.9])], 255),
        ([("Sub", 0.0), ("Mul", 4.0)], 255),
        ([("Sub", [123.7, 116.8, 103.9])], 1),
        ([("Add", [-123.7, -116.8, -103.9]), ("Mul", 0.017)], 1),
        ([("Mul", 1 / 255), ("Sub", [0.485, 0.456, 0.406]), ("Div", 0.226)], 1),
        ([("Div", 127.5), ("Sub", 1.0)], 1),
        ([("Mul", 1.0)], None),
        ([("Add", 1.0), ("Div", 2.0)], None),
    ],
)
@pytest.mark.parametrize("kept", ["weights", "constants"])
def test_the_files_own_constants_say_whether_pixels_are_divided(
    steps: Any, divisor: float | None, kept: str, tmp_path: Path
) -> None:
    values = {f"c{i}": np.array(v, np.float32).reshape((-1, 1, 1) if np.size(v) > 1 else ()) for i, (_, v) in enumerate(steps)}  # fmt: skip  # noqa: E501
    names = ["image", *(f"v{i}" for i in range(len(steps) - 1)), "x"]
    nodes = [helper.make_node(op, [names[i], f"c{i}"], [names[i + 1]]) for i, (op, _) in enumerate(steps)]
    path = picture(tmp_path / "m.onnx", ["n", 3, 8, 8], before=nodes)
    model = onnx.load(str(path))
    for i, (name, value) in enumerate(values.items()):
        tensor = numpy_helper.from_array(value, name)
        if kept == "weights":
            model.graph.initializer.append(tensor)
        else:
            model.graph.node.insert(i, helper.make_node("Constant", [], [name], value=tensor))
    onnx.save(model, str(path))
    if divisor is None:
        with pytest.raises(UsageError, match="does not say how pixels"):
            inferred(path, "image")
    else:
        found = inferred(path, "image")
        assert found.preparation.scale == pytest.approx(1 / divisor)
        assert f"({steps[0][0]} " in found.said[-1]


def test_constants_that_cannot_be_read_are_of_raw_pixels(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMax", ["image"], ["top"]), helper.make_node("Div", ["image", "top"], ["x"])]
    assert not open_model(picture(tmp_path / "a.onnx", ["n", 3, 8, 8], before=nodes))[0].arithmetic
    whole = np.full((3, 8, 8), 0.5, np.float32)
    path = picture(tmp_path / "b.onnx", ["n", 3, 8, 8], before=[helper.make_node("Sub", ["image", "c"], ["x"])])
    model = onnx.load(str(path))
    model.graph.initializer.append(numpy_helper.from_array(whole, "c"))
    onnx.save(model, str(path))
    assert inferred(path, "image").preparation.scale == 1.0


def test_a_size_that_the_file_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="8 pixels high"):
        inferred(picture(tmp_path / "m.onnx", ["n", 3, 8, 8]), "image", scale=255, size=(16, 8))
    path = picture(tmp_path / "i.onnx", ["n", 3, 8, 8], before=[helper.make_node("Identity", ["image"], ["x"])])
    model = onnx.load(str(path))
    model.graph.input[0].name = model.graph.node[0].input[0] = "input"
    onnx.save(model, str(path))
    with pytest.raises(UsageError, match=r"but input \(any, 3, 8, 8\) takes pictures 8 pixels high"):
        inferred(path, "image", scale=255, size=(16, 8))
    with pytest.raises(UsageError, match="any size"):
        inferred(picture(tmp_path / "m.onnx", ["n", 3, "h", "w"]), "image", scale=255)


def test_pixels_reach_the_file_in_its_layout_and_colours() -> None:
    values = np.arange(24, dtype=np.float32).reshape(1, 3, 2, 4)
    made = {"feeds": (), "output": "y", "keyed": False, "kind": "logits", "labels": (), "preparation": {}}
    assert np.array_equal(
        pixels(values, Contract(**made, layout="NHWC", channels="bgr"))[0, 1, 2], values[0, ::-1, 1, 2]
    )
    grey = pixels(values, Contract(**made, layout="NCHW", channels="grey"))
    assert grey.shape == (1, 1, 2, 4)
    assert grey[0, 0, 1, 2] == pytest.approx(
        0.299 * values[0, 0, 1, 2] + 0.587 * values[0, 1, 1, 2] + 0.114 * values[0, 2, 1, 2]
    )


# -- outputs ---------------------------------------------------------------------------


def test_what_the_numbers_are_is_seen_in_them() -> None:
    p = np.array([[0.2, 0.8], [0.5, 0.5]])
    plain = Audit()
    assert kind_of(p, 2, "class", "Softmax", plain)[0] == "probabilities"
    assert kind_of(p[:, :1], 2, "class", "Sigmoid", plain)[0] == "probability"
    assert kind_of(p[:, :1] * 9 - 3, 2, "class", "Gemm", plain)[0] == "logit"
    assert kind_of(p * 9 - 3, 2, "class", "Gemm", plain)[0] == "logits"
    assert kind_of(p / 2, 2, "class", "Sigmoid", plain)[0] == "sigmoid"
    assert kind_of(p, 2, "labels", "Sigmoid", plain)[0] == "sigmoid"
    assert kind_of(p[:, :1], 0, "value", "", plain)[0] == "value"
    assert kind_of(p, 2, "class", "", Audit(scores="logits"))[0] == "logits"


def test_outputs_that_fit_nothing_are_refused() -> None:
    rows = np.array([[0.2, 0.3, 0.5]])
    with pytest.raises(UsageError, match="3 scores for an example, and there are 2 labels"):
        kind_of(rows, 2, "class", "", Audit())
    with pytest.raises(UsageError, match="regression has one"):
        kind_of(rows, 0, "value", "", Audit())
    with pytest.raises(UsageError, match="scores=probabilities"):
        kind_of(rows * 9, 3, "class", "", Audit(scores="probabilities"))
    with pytest.raises(StageError, match="not finite, first for example number 2"):
        kind_of(np.array([[1.0], [np.nan]]), 0, "value", "", Audit())


def test_scores_give_the_files_probabilities_back() -> None:
    made = {"feeds": (), "output": "y", "keyed": False, "labels": ("a", "b"), "preparation": {}}
    p = np.array([[0.2, 0.8], [1.0, 0.0]])
    for kind, rows in (("probabilities", p), ("probability", p[:, 1:])):
        scores = scores_of(rows, Contract(**made, kind=kind))
        again = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        assert again == pytest.approx(p, abs=2 * FLOOR)
    z = np.array([[1.5], [-0.3]])
    scores = scores_of(z, Contract(**made, kind="logit"))
    assert np.exp(scores[:, 1]) / np.exp(scores).sum(axis=1) == pytest.approx(1 / (1 + np.exp(-z[:, 0])))
    several = scores_of(p, Contract(**made, kind="sigmoid", facts={"several": True}))
    assert 1 / (1 + np.exp(-several)) == pytest.approx(p, abs=2 * FLOOR)


def test_a_list_of_mappings_is_read_in_the_order_of_the_labels() -> None:
    made = {"feeds": (), "output": "y", "kind": "probabilities", "labels": ("0", "1"), "preparation": {}}
    rows = rows_of([{1: 0.75, 0: 0.25}, {0: 1.0, 1: 0.0}], Contract(**made, keyed=True, keys=(0, 1)))
    assert rows.tolist() == [[0.25, 0.75], [1.0, 0.0]]


def test_an_output_is_chosen_by_what_it_can_hold(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ArgMax", ["X"], ["label"], axis=1, keepdims=0),
        helper.make_node("Softmax", ["X"], ["probabilities"]),
        helper.make_node("Identity", ["X"], ["hidden"]),
    ]
    outputs = {
        "label": (TensorProto.INT64, ["n"]),
        "probabilities": (TensorProto.FLOAT, ["n", 3]),
        "hidden": (TensorProto.FLOAT, ["n", 3]),
    }
    signature, _ = open_model(write(tmp_path / "m.onnx", nodes, {"X": (TensorProto.FLOAT, ["n", 3])}, outputs))
    assert choose_output(signature, "class", Audit()).name == "probabilities"
    assert choose_output(signature, "class", Audit(output="hidden")).name == "hidden"
    with pytest.raises(UnknownName, match="output"):
        choose_output(signature, "class", Audit(output="probs"))
    alone, _ = open_model(
        write(tmp_path / "l.onnx", nodes[:1], {"X": (TensorProto.FLOAT, ["n", 3])}, {"label": outputs["label"]})
    )
    with pytest.raises(UsageError, match="labels alone"):
        choose_output(alone, "class", Audit())


def test_a_fixed_batch_is_asked_piece_by_piece(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["X", "w"], ["y"])]
    path = write(
        tmp_path / "m.onnx",
        nodes,
        {"X": (TensorProto.FLOAT, [2, 2])},
        {"y": (TensorProto.FLOAT, [2, 2])},
        {"w": np.eye(2, dtype=np.float32)},
    )
    columns = (Column("a", "numeric"), Column("b", "numeric"))
    found = inferred(path, "table", columns)
    contract = Contract(found.feeds, "y", False, "logits", ("a", "b"), found.preparation.to_json(), batch=found.batch)
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    assert found.batch == 2
    assert np.array_equal(ForeignBackbone(path, contract, device="cpu").outputs({"numeric": rows}), rows)


# -- labels, and what is typed -----------------------------------------------------------


def data_of(*labels: str) -> Dataset:
    return Dataset("d", "table", (Example("1", {}, 0, "test"),), labels)


def test_labels_come_from_the_file_in_the_datas_spelling(tmp_path: Path) -> None:
    signature, _ = open_model(linear(tmp_path / "m.onnx"))
    assert labels_of(signature, data_of("no", "yes"), 2)[0] == ["no", "yes"]
    named = type(signature)(**{**vars_of(signature), "classes": (1, 0), "classes_from": "its operator ZipMap"})
    assert labels_of(named, data_of("0.0", "1.0"), 2)[0] == ["1.0", "0.0"]
    with pytest.raises(UsageError, match="classes are 1, 0") as e:
        labels_of(named, data_of("no", "yes"), 2)
    assert "--labels no,yes" in e.value.hint
    with pytest.raises(UsageError, match="gives 3 scores"):
        labels_of(signature, data_of("no", "yes"), 3)
    assert labels_of(signature, data_of("0", "2"), 4)[0] == ["0", "1", "2", "3"]


def vars_of(signature: Any) -> dict[str, Any]:
    return {name: getattr(signature, name) for name in signature.__dataclass_fields__}


def test_what_is_typed_is_read(tmp_path: Path) -> None:
    text = "scale=255 mean=0.5 std=0.2,0.3,0.4 size=8x9 layout=NCHW channels=bgr tokenizer=some/dir"
    found = Audit(**read_preprocess(text))
    assert (found.scale, found.mean, found.std, found.size) == (255, (0.5,), (0.2, 0.3, 0.4), (8, 9))
    assert (found.layout, found.channels, found.tokenizer) == ("nchw", "bgr", "some/dir")
    (tmp_path / "p.toml").write_text("[audit]\nscale = 1\n")
    assert read_preprocess(str(tmp_path / "p.toml")) == {"scale": 1}
    with pytest.raises(UsageError, match="'255' is no pair"):
        read_preprocess("255")
    with pytest.raises(UsageError, match="holds no numbers"):
        read_preprocess("size=big")
    (tmp_path / "l.txt").write_text("cat\ndog\n")
    assert read_labels(str(tmp_path / "l.txt")) == ["cat", "dog"] == read_labels("cat, dog")
    with pytest.raises(UsageError, match="no such file"):
        read_labels("labels.txt")


def test_feeds_are_of_the_files_type() -> None:
    feed = Feed("x", "uint8", (None, 3, 1, 1), ("pixel_values",))
    from workbench.modalities.image import ImagePreparation

    contract = Contract((feed,), "y", False, "logits", (), {}, layout="NCHW", channels="rgb")
    plain = ImagePreparation(1, 1, (1, 1), (0.0,) * 3, (1.0,) * 3, scale=1.0)
    found = fed(feed, {"pixel_values": np.array([[[[0.6]], [[254.7]], [[300.0]]]], np.float32)}, contract, plain)
    assert found.dtype == np.uint8
    assert found.reshape(-1).tolist() == [1, 255, 255]
