"""The model before customisation as a file of a run on pictures: torch's answers, without torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import copy_of, made

from workbench.backbones.gradients import deployed, proved
from workbench.engines.progress import Progress
from workbench.errors import ExportError
from workbench.inspection import inspect_one
from workbench.records import read_predictions, read_table
from workbench.run import Run
from workbench.stages.before import write_before
from workbench.stages.explain import explain
from workbench.stages.export import parity_rows
from workbench.stages.lone_models import Models
from workbench.stages.reads import BEFORE
from workbench.stages.session import Session


def models(run: Run) -> Models:
    return Models(Session.open(run.path, device="cpu"))


def picture(run: Run) -> str:
    return str(sorted(run.path.parents[1].rglob("*.png"))[0])


@pytest.mark.parametrize("kind", ["pictures", "labelled-pictures"])
def test_it_says_what_the_network_says(kind: str) -> None:
    run = made(kind)
    assert run.read_json("base/parity.json")["passed"] and not run.verify()
    session = Session.open(run.path, device="cpu")
    encoded = session.encode(session.preparation)
    file = deployed(run.path / "base", "cpu", proved(run, "base/parity.json"))
    rows = np.arange(len(encoded))
    expected = session.base.outputs(encoded.batch(rows))
    np.testing.assert_allclose(file.outputs(encoded.batch(rows)), expected, rtol=1e-4, atol=1e-5)
    kept = read_predictions(run, "base")
    assert list(kept.ids) == [e.id for e in session.dataset.examples]
    np.testing.assert_allclose(kept.logits, expected, rtol=1e-4, atol=1e-5)  # type: ignore[union-attr]
    assert not np.allclose(expected, session.onnx.outputs(encoded.batch(rows)), atol=1e-2), "the model after is another"


def test_an_inspection_is_that_of_torch(tmp_path: Path) -> None:
    """With the file and without it."""
    run = copy_of("pictures", tmp_path)
    value = picture(made("pictures"))
    assert models(run).before is not None
    by_file = inspect_one(run.path, input=value, out=tmp_path / "file", device="cpu")
    (run.path / BEFORE[0]).unlink()
    assert models(run).before is None
    by_torch = inspect_one(run.path, input=value, out=tmp_path / "torch", device="cpu")
    assert by_file["before"]["probability"] == pytest.approx(by_torch["before"]["probability"], abs=1e-5)
    assert set(by_file["methods"]["before"]) == set(by_torch["methods"]["before"])
    for name, found in by_file["methods"]["before"].items():
        expected = by_torch["methods"]["before"][name]["values"]
        largest = max(abs(v) for v in expected)
        assert found["values"] == pytest.approx(expected, abs=1e-3 * largest), name


def test_a_run_is_explained_by_it_as_by_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's network is not even loaded; where the file is not proved, its answers are the same."""
    run = copy_of("pictures", tmp_path)

    def attributions(seconds: int) -> dict[str, Any]:
        session = Session.open(run.path, device="cpu", progress=Progress(quiet=True))
        settings = session.config.explain.model_copy(update={"max_seconds": seconds})  # a change: it is done again
        session.config = session.config.model_copy(update={"explain": settings})
        assert explain(session)
        paths = sorted((run.path / "base/attributions").glob("*.parquet"))
        return {p.stem: read_table(run, f"base/attributions/{p.name}").to_pandas()["value"].to_numpy() for p in paths}

    with monkeypatch.context() as m:
        m.setattr(Session, "base", property(lambda _: pytest.fail("torch was asked")))
        by_file = attributions(1000)
    changed(run, "base/parity.json", {"passed": False})
    by_torch = attributions(2000)
    assert set(by_file) == set(by_torch) == set(Session.open(run.path).config.explain.methods)
    for name, values in by_file.items():
        assert not np.array_equal(values, by_torch[name]), "one of them asked the other's model"
        np.testing.assert_allclose(values, by_torch[name], atol=1e-3 * np.abs(by_torch[name]).max(), err_msg=name)


def test_a_source_of_which_nothing_is_kept_has_its_file_too(tmp_path: Path) -> None:
    run = copy_of("pictures", tmp_path)
    shutil.rmtree(run.path / "base")
    session = Session.open(run.path, device="cpu")
    write_before(session, session.encode(session.preparation), {}, parity_rows(session))
    assert run.read_json("base/parity.json")["gradients"]["passed"] and run.has(BEFORE[0]) and run.has(BEFORE[1])


@pytest.mark.parametrize("kind", ["texts", "classes"])
def test_texts_and_tables_have_none(kind: str) -> None:
    run = made(kind)
    assert not any(run.has(name) for name in BEFORE)
    assert models(run).before is None


def changed(run: Run, name: str, change: dict[str, Any]) -> None:
    path = run.path / name
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_what_was_not_proved_is_not_asked(tmp_path: Path) -> None:
    run = copy_of("pictures", tmp_path)
    assert models(run).before
    changed(run, "base/parity.json", {"gradients": {"passed": False, "reason": "they differ"}})
    assert models(run).before is None, "a method of the run wants gradients"
    changed(run, "base/parity.json", {"passed": False})
    assert models(run).before is None


@pytest.mark.parametrize(("methods", "serves"), [(["shap"], True), (["shap", "deep-lift"], False)])
def test_methods_that_look_inside_ask_torch(methods: list[str], serves: bool) -> None:
    found = models(made("pictures"))
    explain = found._home.config.explain.model_copy(update={"methods": tuple(methods)})
    found._home.config = found._home.config.model_copy(update={"explain": explain})
    assert (found.before is not None) == serves


@pytest.mark.parametrize("how", ["another model's file", "no file"])
def test_a_model_that_cannot_be_written_is_said_to_be_so(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copy_of("pictures", tmp_path)
    session = Session.open(run.path, device="cpu")

    def exported(*_: Any) -> bytes:
        if how == "no file":
            raise ExportError("there is no such operator")
        return (run.path / "onnx" / "model.onnx").read_bytes()

    monkeypatch.setattr("workbench.backbones.export.export_onnx", exported)
    write_before(session, session.encode(session.preparation), {}, parity_rows(session))
    found = run.read_json("base/parity.json")
    assert not found["passed"] and ("difference" if how != "no file" else "no such operator") in found["reason"]
    assert not run.has(BEFORE[0]) and not run.has(BEFORE[1])
    assert not [p for p in (run.path / "base").iterdir() if "partial" in p.name]
    assert models(run).before is None
