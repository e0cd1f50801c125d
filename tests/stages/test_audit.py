"""A whole audit of a file that was made elsewhere: the same stages, without training."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from typer.testing import CliRunner

import workbench
from workbench.cli import app
from workbench.errors import ArtefactError, StageError, UsageError
from workbench.records import read_predictions
from workbench.report.view import RunView
from workbench.run import Run
from workbench.stages.session import Session
from workbench.stages.two_runs import AFTER, BEFORE, usable_methods

WEIGHT = np.array([[2.0, -2.0], [-1.0, 1.0], [0.0, 0.0]], np.float32)
CHEAP = (
    "data.target=answer",
    "explain.samples=2",
    "explain.budget=16",
    "explain.background=4",
    "explain.global_samples=4",
    "evaluate.resamples=100",
    "assess.seeds=0",
    "assess.randomised=1",
    "assess.other_class=1",
    "assess.perturbed=1",
    "assess.draws=1",
    "assess.masked=4",
)


def table(path: Path, rows: int = 60) -> Path:
    """Rows of three numbers whose answer is that of the model, but for every seventh."""
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    said = (x @ WEIGHT).argmax(axis=1)
    said[::7] = 1 - said[::7]
    lines = ["a,b,c,answer", *(f"{r[0]},{r[1]},{r[2]},{'yes' if y else 'no'}" for r, y in zip(x, said, strict=True))]
    path.write_text("\n".join(lines))
    return path


def model(path: Path, last: str = "Softmax", domain: str = "", classes: str = "") -> Path:
    """softmax(X W), with the names of its classes in its metadata where they are given."""
    nodes = [
        helper.make_node("MatMul", ["X", "w"], ["z"]),
        helper.make_node(last, ["z"], ["probabilities"], domain=domain),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    imports = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    made = helper.make_model(graph, opset_imports=imports, ir_version=8, producer_name="elsewhere")
    if classes:
        helper.set_model_props(made, {"labels": classes})
    save(made, str(path))
    return path


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("audit")
    table(folder / "rows.csv")
    made = model(folder / "model.onnx", classes='["no", "yes"]')
    return workbench.audit(
        made, task="tabular-classification", data=folder / "rows.csv", out=folder, overrides=CHEAP, device="cpu"
    )


def test_the_file_is_kept_as_it_is_and_its_answers_are_its_own(audited: Run) -> None:
    given = audited.path.parent / "model.onnx"
    assert (audited.path / "onnx" / "model.onnx").read_bytes() == given.read_bytes()
    predictions: Any = read_predictions(audited, "onnx")
    assert predictions.labels == ("no", "yes")
    rows = np.genfromtxt(audited.path.parent / "rows.csv", delimiter=",", skip_header=1, usecols=(0, 1, 2))
    z = rows.astype(np.float32) @ WEIGHT
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    place = [int(str(i).removeprefix("row-")) - 1 for i in predictions.ids]
    assert predictions.probabilities == pytest.approx(p[place], abs=1e-5)
    assert (predictions.splits == "test").mean() == pytest.approx(0.7, abs=0.05)


def test_the_contract_says_how_each_part_is_known(audited: Run) -> None:
    contract = audited.read_json("onnx/contract.json")
    assert contract["kind"] == "probabilities"
    assert contract["facts"]["producer"] == "elsewhere"
    assert any("metadata (labels)" in line for line in contract["said"])
    assert audited.read_json("onnx/twin.json")["passed"]


def test_gradients_of_the_twin_are_those_of_the_file(audited: Run) -> None:
    """The logarithm of a softmax of two has a slope that is known."""
    table_ = json.loads((audited.path / "tuned/attributions/integrated-gradients.json").read_text())
    assert all(case["gap"] < 1e-3 for case in table_["cases"].values())


def test_there_is_no_model_before_and_the_report_says_so(audited: Run) -> None:
    assert not (audited.path / "base").exists() or not list((audited.path / "base").rglob("*.parquet"))
    page = (audited.path / "report.html").read_text()
    text = re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL))
    for said in (
        "trained elsewhere",
        "no model before",
        "What was found out about the file",
        "elsewhere wrote this file",
    ):
        assert said in text
    for wrong in ("never saw", "not in this run", "unseen example", "base/metrics.json", "model after customisation"):
        assert wrong not in text
    assert RunView(audited).audited


def test_a_second_call_does_nothing_again_and_every_file_is_hashed(audited: Run) -> None:
    before = {n: e["seconds"] for n, e in audited.manifest["stages"].items() if n != "report"}
    workbench.run_stage(audited.path, "contrast", device="cpu")
    assert {n: e["seconds"] for n, e in audited.manifest["stages"].items() if n != "report"} == before
    assert audited.verify() == []


def test_stages_that_train_or_compare_are_refused(audited: Run) -> None:
    with pytest.raises(UsageError, match="not trained here"):
        workbench.run_stage(audited.path, "finetune", device="cpu")


def test_new_rows_and_single_predictions_are_asked_of_the_file(audited: Run) -> None:
    found = CliRunner().invoke(
        app, ["predict", str(audited.path), "--input", str(audited.path.parent / "rows.csv"), "--json"]
    )
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)
    assert len(rows) == 60
    assert rows[0]["score.yes"] + rows[0]["score.no"] == pytest.approx(1)
    shown = workbench.inspect_one(audited.path, input={"a": 1.0, "b": 0.5, "c": 0.0}, device="cpu")
    page = Path(shown["page"]).read_text(encoding="utf-8")
    assert "Before customisation" not in page and "takes as long again" not in page  # there is no such model


def test_two_audits_are_compared_by_gradients_too_where_both_have_them(audited: Run, tmp_path: Path) -> None:
    shutil.copytree(audited.path, tmp_path / "b")
    sessions = {
        side: Session.open(path, device="cpu") for side, path in ((BEFORE, audited.path), (AFTER, tmp_path / "b"))
    }
    for session in sessions.values():
        wanted = session.config.explain.model_copy(update={"methods": ("shap", "integrated-gradients")})
        session.config = session.config.model_copy(update={"explain": wanted})
    notes: list[str] = []
    assert usable_methods(sessions, notes) == ("shap", "integrated-gradients") and not notes
    none = {"passed": False, "reason": "the file takes text, which has no gradient", "n": 0}
    sessions[AFTER].run.write_json("onnx/twin.json", none)
    assert usable_methods(sessions, notes) == ("shap",)
    assert notes[0].endswith("were left out: the file takes text, which has no gradient.")


def test_names_that_do_not_match_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv")
    made = model(tmp_path / "m.onnx", classes="['cat', 'dog']")
    with pytest.raises(UsageError, match="classes are cat, dog"):
        workbench.audit(made, task="tabular-classification", data=data, out=tmp_path / "out", overrides=CHEAP)
    assert not (tmp_path / "out").exists()


def test_no_onnx_file_is_an_artefact_error(tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv")
    for content in (b"", b"PK\x03\x04" + b"0" * 40):
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(ArtefactError, match="cannot be loaded"):
            workbench.audit(tmp_path / "m.onnx", task="tabular-classification", data=data, overrides=CHEAP)


def test_missing_values_that_the_model_cannot_take_are_named(tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv")
    lines = data.read_text().split("\n")
    lines[3] = ",0.5,1.0,yes"
    data.write_text("\n".join(lines))
    made = model(tmp_path / "m.onnx")
    with pytest.raises(StageError, match="not finite"):
        workbench.audit(made, task="tabular-classification", data=data, out=tmp_path, overrides=CHEAP, device="cpu")


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    found = CliRunner().invoke(
        app, ["audit", str(tmp_path / "none.onnx"), "--task", "tabular-classification", "--data", "x.csv"]
    )
    assert found.exit_code == 4
    assert "none.onnx" in found.stderr
    found = CliRunner().invoke(app, ["audit", str(model(tmp_path / "m.onnx")), "--task", "tabular", "--data", "x.csv"])
    assert found.exit_code == 2
    assert "did you mean" in found.stderr
