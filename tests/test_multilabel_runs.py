"""Whole runs where several labels may hold: every artefact, new data through the file, the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow.parquet as pq
import pytest
import sklearn.metrics as sk
from runs import LABELLED, contents, made
from scipy.special import expit
from typer.testing import CliRunner

from workbench.cli import app
from workbench.data.fingerprint import target_name
from workbench.metrics.label_thresholds import best_f1_threshold
from workbench.metrics.paired_labels import compare_labels
from workbench.pipeline import run_stage
from workbench.records import finite, read_predictions
from workbench.stages.apply import predict_new
from workbench.stages.reads import STAGES
from workbench.stages.session import Session
from workbench.types import LabelScores


@pytest.mark.parametrize("kind", LABELLED)
class TestWholeRuns:
    def test_predictions_are_of_the_data_and_of_the_same_examples(self, kind: str) -> None:
        run = made(kind)
        assert list(run.manifest["stages"]) == [*STAGES, "report"] and run.verify() == []
        start = run.read_json("tuned/finetune.json")["start"]
        assert ("head of the model before" in start) == (kind != "labelled-rows")
        dataset = Session.open(run.path).dataset
        for model in ("base", "tuned", "onnx"):
            found = read_predictions(run, model)
            assert isinstance(found, LabelScores) and found.labels == dataset.labels
            assert found.ids.tolist() == [e.id for e in dataset.examples]
            held = [tuple(np.flatnonzero(row == 1)) for row in found.targets]
            assert held == [e.target for e in dataset.examples]
        splits = pq.read_table(run.path / "data" / "splits.parquet").to_pydict()
        names = [target_name(dataset, e.target) for e in dataset.examples]
        assert [tuple(json.loads(t)) for t in splits["target"]] == names

    def test_the_table_of_predictions_says_what_was_decided(self, kind: str) -> None:
        run = made(kind)
        frame = pd.read_parquet(run.path / "onnx" / "predictions.parquet")
        for entry in run.read_json("tuned/thresholds.json")["labels"]:
            label = entry["label"]
            assert frame[f"target.{label}"].dtype == bool and frame[f"predicted.{label}"].dtype == bool
            np.testing.assert_allclose(frame[f"score.{label}"], expit(frame[f"logit.{label}"]))
            np.testing.assert_array_equal(frame[f"predicted.{label}"], frame[f"score.{label}"] >= entry["threshold"])

    def test_thresholds_are_chosen_on_the_validation_split(self, kind: str) -> None:
        run = made(kind)
        for model in ("base", "tuned"):
            scores = read_predictions(run, model)
            assert isinstance(scores, LabelScores)
            held_out = scores.where(scores.splits == "validation")
            chosen = run.read_json(f"{model}/thresholds.json")
            assert [e["threshold"] for e in chosen["labels"]] == scores.thresholds.tolist()
            for k, entry in enumerate(chosen["labels"]):
                y, p = held_out.targets[:, k] == 1, held_out.probabilities[:, k]
                assert (entry["n"], entry["holds"]) == (len(y), y.sum())
                if entry["how"] == "largest F1":
                    assert entry["f1"] == pytest.approx(best_f1_threshold(p, y)[1])
                    assert entry["f1"] == pytest.approx(sk.f1_score(y, p >= entry["threshold"]))
                else:
                    assert entry["threshold"] == 0.5 and min(y.sum(), (~y).sum()) < 10

    def test_the_deployed_file_can_be_used_alone(self, kind: str) -> None:
        run = made(kind)
        properties = {p.key: p.value for p in onnx.load(run.path / "onnx" / "model.onnx").metadata_props}
        metadata = json.loads(properties["workbench"])
        chosen = run.read_json("tuned/thresholds.json")["labels"]
        assert metadata["kind"] == "labels" and metadata["labels"] == [e["label"] for e in chosen]
        assert metadata["thresholds"] == [e["threshold"] for e in chosen]
        parity = run.read_json("onnx/parity.json")
        agreement = parity["label_agreement"]
        assert parity["passed"] and agreement["agree"] + agreement["argmax_ties"] >= agreement["n"]
        problem = json.loads((run.path / "tuned" / "checkpoint" / "config.json").read_text())["problem_type"]
        assert problem == "multi_label_classification"

    def test_metrics_are_those_of_the_predictions(self, kind: str) -> None:
        run = made(kind)
        scores = read_predictions(run, "onnx")
        assert isinstance(scores, LabelScores)
        test = scores.where(scores.splits == "test")
        found = {m["name"]: m for m in run.read_json("onnx/metrics.json") if m["split"] == "test"}
        assert found["hamming_loss"]["value"] == pytest.approx(sk.hamming_loss(test.targets == 1, test.predicted))
        assert found["subset_accuracy"]["value"] == pytest.approx(sk.accuracy_score(test.targets == 1, test.predicted))
        assert found["lrap"]["value"] == pytest.approx(
            sk.label_ranking_average_precision_score(test.targets == 1, test.logits)
        )
        before = read_predictions(run, "base")
        written = run.read_json("comparison.json")
        assert set(written.pop("sides")) == {"before", "after"}
        assert written == finite(compare_labels(before, scores, resamples=100))  # type: ignore[arg-type]

    def test_every_case_asks_for_a_label(self, kind: str) -> None:
        run = made(kind)
        scores = read_predictions(run, "onnx")
        assert isinstance(scores, LabelScores)
        cases = run.read_json("cases.json")["cases"]
        assert len(cases) == 2
        for case in cases:
            row = scores.ids.tolist().index(case["id"])
            given = [n for n, yes in zip(scores.labels, scores.predicted[row], strict=True) if yes]
            asked = scores.labels[case["question"]["target"]]
            assert case["after"]["labels"] == given
            if given:
                assert asked in given and case["question"]["text"] == f"Why {asked}?"
            else:
                assert case["question"]["text"] == f"Why not {asked}?"
            assert case["target"] == [n for n, y in zip(scores.labels, scores.targets[row], strict=True) if y]
            assert case["after"]["right"] == (case["after"]["labels"] == case["target"])

    def test_the_report_is_whole(self, kind: str) -> None:
        page = (made(kind).path / "report.html").read_text(encoding="utf-8")
        assert "could not be built" not in page
        assert page.count("Not part of this report") <= 1  # no gate has judged it
        for text in (
            "Every label right for",
            "Deployed: each label",
            "Label by label",
        ):
            assert text in page, text
        assert "Where the wrong decisions are" in page or "was decided right" in page

    def test_new_data_gets_the_same_answers(self, kind: str, tmp_path: Path) -> None:
        run = made(kind)
        source = run.path.parent.parent / {"labelled-pictures": "pictures", "labelled-texts": "texts.jsonl"}.get(
            kind, "table.csv"
        )
        rows = {str(r["id"]): r for r in predict_new(run.path, source, device="cpu")}
        scores = read_predictions(run, "onnx")
        assert isinstance(scores, LabelScores) and len(rows) == len(scores.ids)
        for i, name in enumerate(scores.ids):
            row = rows[f"{i:02d}.png" if kind == "labelled-pictures" else name]  # a folder's pictures go by their files
            given = [n for n, yes in zip(scores.labels, scores.predicted[i], strict=True) if yes]
            near = np.abs(scores.probabilities[i] - scores.thresholds).min() < 1e-5
            assert near or row["predicted"] == ";".join(given)
            for k, label in enumerate(scores.labels):
                assert row[f"score.{label}"] == pytest.approx(scores.probabilities[i, k], abs=1e-5)


def test_new_rows_are_written_with_all_their_labels_in_one_cell(tmp_path: Path) -> None:
    run = made("labelled-rows")
    out = tmp_path / "out.csv"
    table = run.path.parent.parent / "table.csv"
    result = CliRunner().invoke(app, ["predict", str(run.path), "--input", str(table), "--out", str(out)])
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(out, keep_default_na=False)
    assert list(frame.columns) == ["id", "predicted", "score.large", "score.warm"]
    assert set(frame["predicted"]) <= {"", "large", "warm", "large;warm"}


@pytest.mark.parametrize("task", ["text-multilabel", "image-multilabel", "tabular-multilabel"])
def test_init_writes_a_config_that_is_one(task: str, tmp_path: Path) -> None:
    from workbench.config import read_config

    path = tmp_path / "c.toml"
    assert CliRunner().invoke(app, ["init", task, str(path)]).exit_code == 0
    data = read_config(path).data
    assert data.target == "labels" or data.targets == ("first", "second")
    assert "label" in path.read_text(encoding="utf-8")


def test_bad_labels_end_with_an_error_and_a_hint(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,labels\n" + "\n".join(f"words {i}," for i in range(20)) + "\n")
    config = tmp_path / "c.toml"
    config.write_text(
        f'task = "text-multilabel"\nout = {str(tmp_path / "out")!r}\n[data]\nsource = "t.csv"\n'
        '[backbone]\nsource = "fixture:glyphs"\n'
    )
    result = CliRunner().invoke(app, ["run", str(config), "--quiet"])
    assert result.exit_code == 3
    assert "error: column 'labels' holds no label" in result.stderr and "hint: name another column" in result.stderr


def test_the_same_stage_again_gives_the_same_bytes(tmp_path: Path) -> None:
    import shutil

    from workbench.engines.progress import Progress
    from workbench.run import Run

    source = made("labelled-rows").path
    shutil.copytree(source, tmp_path / source.name)
    run = Run.open(tmp_path / source.name)
    before: dict[str, Any] = contents(run)
    for name in ("tuned/thresholds.json", "onnx/metrics.json", "comparison.json"):
        (run.path / name).unlink()
    run_stage(run.path, "assess", device="cpu", progress=Progress(quiet=True))
    after = contents(run)
    assert [n for n in before if before[n] != after.get(n)] == []
