"""Rows of a table reach an audited file as they stand, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from test_audit import CHEAP

import workbench
from workbench.backbones.contract import Contract, Feed
from workbench.backbones.contract_rows import check_rows
from workbench.backbones.foreign import ForeignBackbone, fed
from workbench.backbones.twin import check_twin, load_twin
from workbench.data.column_checks import unseen_categories
from workbench.errors import DataError
from workbench.modalities.table import TablePreparation, encode
from workbench.records import read_predictions
from workbench.run import Run
from workbench.stages.apply import predict_new
from workbench.stages.session import Session
from workbench.types import Column

CODES = [f"C{k:02d}" for k in range(40)]


def written(path: Path, nodes: list[Any], inputs: dict[str, tuple[int, list[Any]]], tensors: dict[str, Any]) -> Path:
    """A file of operators of two domains with one output, "scores"."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(v, n) for n, v in tensors.items()],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    save(helper.make_model(graph, opset_imports=imports, ir_version=8), str(path))
    return path


def by_code(path: Path) -> Path:
    """Yes for every odd code, whatever the age; a code that it does not know scores like none."""
    values = [1.0 if k % 2 else -1.0 for k in range(len(CODES))]
    coded = {"keys_strings": CODES, "values_floats": values, "default_float": 0.0}
    nodes = [
        helper.make_node("LabelEncoder", ["code"], ["z"], domain="ai.onnx.ml", **coded),
        helper.make_node("Mul", ["age", "zero"], ["nothing"]),
        helper.make_node("Add", ["z", "nothing"], ["x"]),
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
    ]
    inputs = {"age": (TensorProto.FLOAT, ["n", 1]), "code": (TensorProto.STRING, ["n", 1])}
    return written(path, nodes, inputs, {"zero": np.float32([0]), "w": np.float32([[-2, 2]])})


def audit(model: Path, lines: list[str], *more: str) -> Run:
    data = model.with_suffix(".csv")
    data.write_text("\n".join(lines), encoding="utf-8")
    settings = (*CHEAP, *more)
    out = model.parent / "runs"
    return workbench.audit(model, task="tabular-classification", data=data, out=out, overrides=settings, device="cpu")


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Codes of two rows each: few of them are among the 15 % that stand for training."""
    rows = [(20 + i % 50, code) for i, code in enumerate(CODES * 2)]
    lines = ["age,code,answer", *(f"{age},{code},{'yes' if int(code[1:]) % 2 else 'no'}" for age, code in rows)]
    return audit(by_code(tmp_path_factory.mktemp("coded") / "codes.onnx"), lines)


def test_a_category_that_only_test_rows_hold_reaches_the_file(coded: Run) -> None:
    predictions: Any = read_predictions(coded, "onnx")
    assert (predictions.logits.argmax(axis=1) == predictions.targets).all()
    (column,) = [c for c in coded.read_json("onnx/contract.json")["preparation"]["columns"] if c["name"] == "code"]
    assert column["categories"] == CODES


def test_which_categories_the_training_rows_lack_is_still_said(coded: Run) -> None:
    finding = unseen_categories(Session.open(coded.path, device="cpu").dataset)
    assert finding.level == "note" and finding.n


def test_a_new_row_with_a_category_that_no_row_holds_is_refused(coded: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'code' is 'C-05', a category that no row") as e:
        workbench.inspect_one(coded.path, input={"age": 30, "code": "C-05"}, device="cpu")
    assert "did you mean 'C05'" in e.value.hint
    (tmp_path / "new.csv").write_text("age,code\n30,C01\n30,C02\n30,\n")
    assert [r["predicted"] for r in predict_new(coded.path, tmp_path / "new.csv", device="cpu")[:2]] == ["yes", "no"]
    (tmp_path / "new.csv").write_text("age,code\n30,C01\n30,Q1\n")
    with pytest.raises(DataError, match=r"'row-2': 'code' is 'Q1'"):
        predict_new(coded.path, tmp_path / "new.csv", device="cpu")


def test_blanks_around_a_category_reach_the_file(tmp_path: Path) -> None:
    """Those of the data and of new rows alike: to the file " a" and "a" are two words."""
    coded = {"keys_strings": [" a", "a"], "values_floats": [1.0, -1.0], "default_float": 0.0}
    nodes = [
        helper.make_node("LabelEncoder", ["X"], ["x"], domain="ai.onnx.ml", **coded),
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
    ]
    model = written(
        tmp_path / "blanks.onnx", nodes, {"X": (TensorProto.STRING, ["n", 1])}, {"w": np.float32([[-2, 2]])}
    )
    rows = [" a,yes" if i % 3 else "a,no" for i in range(60)]
    run = audit(model, ["word,answer", *rows], 'explain.methods=["lime"]')
    predictions: Any = read_predictions(run, "onnx")
    assert (predictions.logits.argmax(axis=1) == predictions.targets).all()
    (tmp_path / "new.csv").write_text("word\n a\na\n  \n")
    found = predict_new(run.path, tmp_path / "new.csv", device="cpu")
    assert [r["predicted"] for r in found[:2]] == ["yes", "no"] and found[2]["score.yes"] == pytest.approx(0.5)
    with pytest.raises(DataError, match="'word' is 'a ', a category"):
        check_rows(Session.open(run.path, device="cpu").onnx.contract, [("row-1", {"word": "a "})])


# -- whole numbers -----------------------------------------------------------------------


def of_whole_numbers(path: Path) -> Path:
    """Yes where the second of two whole numbers is 3 or more."""
    nodes = [
        helper.make_node("Cast", ["X"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Add", ["z", "b"], ["scores"]),
    ]
    weights = {"w": np.float32([[0, 0], [-1, 1]]), "b": np.float32([2.5, -2.5])}
    return written(path, nodes, {"X": (TensorProto.INT64, ["n", 2])}, weights)


def whole_rows(*changed: str) -> list[str]:
    rows = [f"{20 + i},{i % 6},{'yes' if i % 6 >= 3 else 'no'}" for i in range(60)]
    return ["age,grade,answer", *changed, *rows[len(changed) :]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return audit(of_whole_numbers(tmp_path_factory.mktemp("whole") / "whole.onnx"), whole_rows())


def test_a_file_of_whole_numbers_has_no_gradients_and_the_other_methods_go_on(whole: Run) -> None:
    twin = whole.read_json("onnx/twin.json")
    assert not twin["passed"] and twin["reason"] == (
        "the file takes whole numbers (X), along which there is no gradient"
    )
    assert whole.has("onnx/attributions/shap.parquet")
    predictions: Any = read_predictions(whole, "onnx")
    assert (predictions.logits.argmax(axis=1) == predictions.targets).all()


def test_a_file_that_makes_its_inputs_whole_is_seen_to_have_no_gradient(tmp_path: Path) -> None:
    """Its twin answers as it does, and nothing leads back to the inputs."""
    nodes = [
        helper.make_node("Cast", ["X"], ["k"], to=TensorProto.INT64),
        helper.make_node("Cast", ["k"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
    ]
    path = written(tmp_path / "m.onnx", nodes, {"X": (TensorProto.FLOAT, ["n", 1])}, {"w": np.float32([[-1, 1]])})
    preparation = TablePreparation((Column("age", "numeric"),))
    feed = Feed("X", "float32", (None, 1), ("age",), True)
    contract = Contract((feed,), "scores", False, "logits", ("no", "yes"), preparation.to_json())
    rows = encode([{"age": 1.5}, {"age": 2.0}], preparation)
    found = check_twin(load_twin(path, contract), ForeignBackbone(path, contract, device="cpu"), rows, 1e-3)
    assert not found["passed"] and found["max_error"] == 0
    assert found["reason"] == "the converted graph rounds or compares its inputs, so it has no gradient"


def test_fractions_are_refused_where_the_file_takes_whole_numbers(whole: Run, tmp_path: Path) -> None:
    model = of_whole_numbers(tmp_path / "whole.onnx")
    with pytest.raises(DataError, match=r"'row-2': 'grade' is 3\.9, and input X takes whole numbers$"):
        audit(model, whole_rows("20,0,no", "21,3.9,yes"))
    with pytest.raises(DataError, match="'row-1': 'age' is missing, and input X"):
        audit(model, whole_rows(",0,no"))
    for row, said in (({"age": 40.5, "grade": 1}, r"'age' is 40\.5"), ({"age": 40, "grade": None}, "'grade' is miss")):
        with pytest.raises(DataError, match=said):
            workbench.inspect_one(whole.path, input=row, device="cpu")
    (tmp_path / "new.csv").write_text("age,grade\n40,1\n40,2.5\n")
    with pytest.raises(DataError, match=r"'row-2': 'grade' is 2\.5"):
        predict_new(whole.path, tmp_path / "new.csv", device="cpu")


def test_a_number_that_an_input_cannot_hold_is_refused() -> None:
    columns = {"columns": [{"name": "age", "kind": "numeric", "categories": []}], "modality": "table"}
    feed = Feed("X", "uint8", (None, 1), ("age",), True)
    contract = Contract((feed,), "y", False, "value", (), columns)
    check_rows(contract, [("row-1", {"age": 255.0})])
    with pytest.raises(DataError, match="'age' is 300, and input X takes whole numbers from 0 to 255"):
        check_rows(contract, [("row-1", {"age": 255.0}), ("row-2", {"age": 300.0})])


def test_numbers_that_a_method_makes_up_are_rounded_not_cut() -> None:
    feed = Feed("X", "int64", (None, 1), ("age",), True)
    preparation = TablePreparation((Column("age", "numeric"),), "float64")
    found = fed(
        feed, {"numeric": np.array([[2.9999999], [-1.6]])}, Contract((feed,), "y", False, "value", (), {}), preparation
    )
    assert found.dtype == np.int64 and found[:, 0].tolist() == [3, -2]


def test_a_matrix_takes_its_columns_in_the_order_of_the_features(tmp_path: Path) -> None:
    model = of_whole_numbers(tmp_path / "whole.onnx")
    lines = [",".join(np.roll(line.split(",")[:2], 1).tolist() + line.split(",")[2:]) for line in whole_rows()]
    run = audit(model, lines, 'data.features=["age", "grade"]', 'explain.methods=["lime"]')
    predictions: Any = read_predictions(run, "onnx")
    assert lines[0] == "grade,age,answer"
    assert (predictions.logits.argmax(axis=1) == predictions.targets).all()
    assert run.read_json("onnx/contract.json")["said"][0] == "Input X takes the columns in this order: age, grade."
