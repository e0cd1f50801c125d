"""A run whose backbone is trees: every stage, and what only trees have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import runs
from opened import opened
from runs import contents

from workbench.errors import ArtefactError, ConfigError
from workbench.inspection import inspect_one
from workbench.pipeline import run_config
from workbench.records import read_predictions
from workbench.reporting import build_report
from workbench.run import Run
from workbench.stages.session import Session

SMALL = ("explain.samples=2", "explain.budget=32", "evaluate.resamples=100", "explain.global_samples=8")
FOREST = ("backbone.source='sklearn:random-forest'", "backbone.parameters={n_estimators = 8}")
BOOSTED = ("backbone.source='sklearn:hist-gradient-boosting'", "backbone.parameters={max_iter = 8}")


def made(kind: str, folder: Path, *more: str) -> Run:
    config = runs.write_data(kind, folder)
    return run_config(config, (*SMALL, *more, f"out={str(folder / 'out')!r}"), device="cpu")


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made("classes", tmp_path_factory.mktemp("forest"), *FOREST)


def attributions(run: Run, model: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(run.path / model / "attributions" / f"{name}.parquet")


def test_default_methods_are_those_of_trees(forest: Run) -> None:
    assert Session.open(forest.path).config.explain.methods == ("tree-shap", "shap", "lime")
    refused = forest.read_json("cases.json")["refused"]
    assert {(r["explainer"], r["model"]) for r in refused} == {("tree-shap", "base")}  # a linear model has no trees


def test_the_trees_and_the_deployed_file_play_one_game(forest: Run) -> None:
    trees, file = attributions(forest, "tuned", "tree-shap"), attributions(forest, "onnx", "shap")
    assert set(trees["question"]) == set(file["question"]) and trees["question"].str.startswith("probability").all()
    assert np.abs(trees["value"] - file["value"]).max() < 1e-5


def test_probabilities_are_what_a_forest_is_asked(forest: Run) -> None:
    """Mean answers of the bank are mean probabilities, not means of their logarithms."""
    case = forest.read_json("cases.json")["cases"][0]
    p = read_predictions(forest, "onnx")
    row = list(p.ids).index(case["id"])
    probability = p.probabilities[row, case["question"]["target"]]  # type: ignore[union-attr]
    about = json.loads((forest.path / "onnx/attributions/shap.json").read_text())["cases"][case["id"]]
    assert about["score"] == pytest.approx(probability, abs=1e-5) and case["question"]["unit"] == "probability"
    assert 0 <= about["base_score"] <= 1


def test_what_is_kept_is_arrays(forest: Run) -> None:
    names = sorted(p.name for p in (forest.path / "tuned/checkpoint").iterdir())
    assert names == ["estimator.json", "model.safetensors"]
    about = forest.read_json("tuned/finetune.json")
    assert about["strategy"] == "estimator" and about["estimator"]["trees"] == 8
    assert about["estimator"]["parameters"]["n_estimators"] == 8
    lines = [json.loads(line) for line in (forest.path / "tuned/history.jsonl").read_text().splitlines()]
    assert [line["trees"] for line in lines] == [1, 2, 4, 8]
    parity = forest.read_json("onnx/parity.json")
    assert parity["passed"] and parity["max_error"] < 1e-6


def test_an_interrupted_run_ends_with_equal_bytes(forest: Run, tmp_path: Path) -> None:
    again = Path(shutil.copytree(forest.path, tmp_path / "classes"))
    # As if the machine had gone down after the trees were written and before the stage was done.
    manifest = json.loads((again / "manifest.json").read_text())
    manifest["stages"] = {"prepare": manifest["stages"]["prepare"]}
    (again / "manifest.json").write_text(json.dumps(manifest))
    (again / "tuned/checkpoint/model.safetensors").write_bytes(b"half")
    config = forest.path.parent.parent / "classes.toml"
    done = run_config(config, (*SMALL, *FOREST, f"out={str(tmp_path)!r}"), device="cpu")
    first, second = contents(forest), contents(done)
    assert first.keys() == second.keys()
    assert not [name for name in first if first[name] != second[name]]


def test_the_report_says_what_a_forest_has(forest: Run) -> None:
    html = opened(build_report(Run.open(forest.path)).read_text(encoding="utf-8"))
    assert "random forest of scikit-learn" in html and "Loss by number of trees" in html
    assert "share of trees in which both end in the same leaf" in html
    assert "reads decision trees that add up to the answer, and this model has none" in html
    assert "this is a fault of the report" not in html


def test_a_new_row_is_inspected(forest: Run, tmp_path: Path) -> None:
    row = {"size": 0.4, "age": None, "colour": "blue"}
    found = inspect_one(forest.path, input=row, out=tmp_path, device="cpu")
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert "TreeSHAP" in page and "share of trees" in page


def test_a_damaged_checkpoint_is_named(forest: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(forest.path, tmp_path / "copy")
    (copy / "tuned/checkpoint/model.safetensors").write_bytes(b"\x00")
    with pytest.raises(ArtefactError, match="no trees that can be read"):
        Session.open(copy).load_tuned()


def test_settings_of_a_loop_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="training loop"):
        made("classes", tmp_path, *FOREST, "finetune.epochs=2")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["values", "labelled-rows"])
def test_other_tasks_have_boosted_trees(kind: str, tmp_path: Path) -> None:
    run = made(
        kind, tmp_path, *BOOSTED, "explain.methods=['tree-shap', 'path-tree-shap', 'shap', 'integrated-gradients']"
    )
    trees, file = attributions(run, "tuned", "tree-shap"), attributions(run, "onnx", "shap")
    scale = max(1.0, float(np.abs(file["value"]).max()))
    assert np.abs(trees["value"] - file["value"]).max() < 1e-5 * scale
    refused = run.read_json("cases.json")["refused"]
    assert {(r["explainer"], r["model"]) for r in refused if r["explainer"] == "integrated-gradients"} == {
        ("integrated-gradients", "tuned")
    }
    paths = json.loads((run.path / "tuned/attributions/path-tree-shap.json").read_text())
    assert "weighted by the training rows" in paths["filler"]
    assert "fault of the report" not in build_report(Run.open(run.path)).read_text(encoding="utf-8")
