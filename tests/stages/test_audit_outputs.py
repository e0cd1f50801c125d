"""Which outputs of a foreign file hold the scores: one of all classes, one of each, and none of a regression."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from answering import classifier, told
from onnx import TensorProto, helper

from workbench.backbones.contract import Contract, Feed
from workbench.backbones.contract_outputs import choose_output, class_columns, kind_of, width_of
from workbench.backbones.foreign import ForeignBackbone
from workbench.backbones.signature import Port
from workbench.backbones.twin import Twin
from workbench.config_audit import Audit
from workbench.errors import UsageError
from workbench.modalities.table import TablePreparation
from workbench.stages.adopt import open_model
from workbench.types import Column

COLUMNS = tuple(Column(name, "numeric") for name in "abc")


# -- one output of each class ----------------------------------------------------------


@pytest.mark.parametrize("classes", [["no", "yes"], ["high", "low", "mid"]])
def test_an_output_of_each_class_is_read_as_its_own(classes: list[str], tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx", classes)
    signature, session = open_model(path)
    columns = class_columns(signature, "class")
    port = choose_output(signature, "class", Audit())
    assert columns == tuple(f"s{c}" for c in classes) and width_of(port) == len(classes)
    feed, kept = Feed("X", "float32", (None, 3), ("a", "b", "c"), True), TablePreparation(COLUMNS).to_json()
    contract = Contract((feed,), port.name, False, "probabilities", tuple(classes), kept, outputs=columns)
    assert Contract.from_json(contract.to_json()) == contract
    x = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)
    for batch in (0, 4):  # any number of rows, and a file that takes four
        backbone = ForeignBackbone(path, dataclasses.replace(contract, batch=batch), device="cpu")
        found = backbone.answers({"numeric": x})
        expected = session.run(list(columns), {"X": x})
        assert found == pytest.approx(np.stack(expected, axis=1))
        assert [classes[i] for i in found.argmax(axis=1)] == backbone.labels({"numeric": x}, "output_label")
    assert kind_of(found, len(classes), "class", "", Audit())[0] == "probabilities"
    import torch

    class Outs:
        def __call__(self, X: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(torch.tensor(v) for v in expected)

    twin = Twin(Outs(), contract)  # type: ignore[arg-type]
    assert twin(numeric=torch.tensor(x)).logits.numpy() == pytest.approx(backbone.outputs({"numeric": x}), abs=1e-6)


def test_the_output_of_one_class_alone_is_refused_but_for_the_second_of_two(tmp_path: Path) -> None:
    signature, _ = open_model(classifier(tmp_path / "m.onnx", ["no", "yes"]))
    with pytest.raises(UsageError, match="output sno holds the score of one class alone: no") as e:
        choose_output(signature, "class", Audit(output="sno"))
    assert "sno, syes" in e.value.hint
    assert choose_output(signature, "class", Audit(output="syes")).name == "syes"


def test_the_order_of_the_classes_goes_before_that_of_the_outputs() -> None:
    label, one = Port("label", "str", (None,)), ("float32", (None, 1))
    turned = told((label, Port("sb", *one), Port("sa", *one)), ("a", "b"))
    assert class_columns(turned, "class") == ("sa", "sb")
    assert class_columns(turned, "value") == ()
    taken = told((label, Port("sa_b", *one), Port("sc1", *one)), ("a b", "c"))
    assert class_columns(taken, "class") == ("sa_b", "sc1")
    assert class_columns(told((label, Port("s0_0", *one), Port("s1_0", *one)), (0, 1)), "class") == ("s0_0", "s1_0")
    other = told((label, Port("score", *one), Port("doubt", *one)), ("a", "b"))
    assert class_columns(other, "class") == ()
    assert class_columns(told((label, Port("p1", *one), Port("p2", "float32", (None, 2))), ("a", "b")), "class") == ()


def test_outputs_of_unknown_classes_are_asked_for_truthfully() -> None:
    ports = tuple(Port(f"p{i}", "float32", (None, 1)) for i in range(3))
    with pytest.raises(UsageError, match="several outputs") as e:
        choose_output(told(ports[:2]), "class", Audit())
    assert "of two classes" in e.value.hint and "output=p1" in e.value.hint
    with pytest.raises(UsageError, match="several outputs") as e:
        choose_output(told(ports), "class", Audit())
    assert "zipmap=False" in e.value.hint
    with pytest.raises(UsageError, match="several outputs") as e:
        choose_output(told(ports[:2]), "value", Audit())
    assert "output=p0" in e.value.hint


# -- regressions --------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["LinearRegressor", "TreeEnsembleRegressor", "SVMRegressor"])
def test_a_regression_is_no_classifier(last: str) -> None:
    signature = told((Port("variable", "float32", (None, 1)),), last=last)
    with pytest.raises(UsageError, match=f"the file is a regression: .* {last}") as e:
        choose_output(signature, "class", Audit())
    assert "tabular-regression" in e.value.hint
    assert choose_output(signature, "value", Audit()) and choose_output(signature, "class", Audit(scores="logit"))


@pytest.mark.parametrize(("after", "passes"), [("NONE", False), ("LOGISTIC", True), ("Sigmoid", True)])
def test_boosted_trees_with_a_sigmoid_after_them_are_classifiers(after: str, passes: bool, tmp_path: Path) -> None:
    trees = helper.make_node(
        "TreeEnsembleRegressor", ["X"], ["z"], domain="ai.onnx.ml", n_targets=1, nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        target_ids=[0, 0], target_nodeids=[1, 2], target_treeids=[0, 0], target_weights=[-1.0, 1.0],
        post_transform="NONE" if after == "Sigmoid" else after,
    )  # fmt: skip
    end = helper.make_node("Sigmoid" if after == "Sigmoid" else "Identity", ["z"], ["y"])
    graph = helper.make_graph(
        [trees, end], "g", [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), str(tmp_path / "m.onnx"))
    signature, _ = open_model(tmp_path / "m.onnx")
    if passes:
        assert choose_output(signature, "class", Audit()).name == "y"
    else:
        with pytest.raises(UsageError, match="regression"):
            choose_output(signature, "class", Audit())
