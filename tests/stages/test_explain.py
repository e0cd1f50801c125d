"""Explain: every method on every kind of input, refusals said, contrasts, fillers named."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import TINY, config_of, copy_of, made

from workbench import pipeline, registry
from workbench.engines.progress import Progress
from workbench.errors import ConfigError, ExplainError, UnknownName
from workbench.records import read_predictions
from workbench.run import Run
from workbench.stages.explain import Asked
from workbench.stages.session import Session

EVERY = [*registry.names("explainers"), *registry.names("controls")]
EVERYWHERE = {
    "integrated-gradients", "shap", "lime", "permutation-shap", "partition-shap", "gradient-shap",
    "gradient-times-input", "feature-ablation", "random", "magnitude",
}  # fmt: skip
MORE = {
    "pictures": {"occlusion", "grad-cam", "edges"},
    "texts": {"exact-shap", "attention-rollout"},
    "values": {"exact-shap"},
}


def explained(kind: str, folder: Path, *overrides: str) -> Run:
    """A finished tiny run, explained and reported again with other settings."""
    run = copy_of(kind, folder)
    options = (*TINY, f"out={str(folder)!r}", f"name={run.path.name!r}", *overrides)
    return pipeline.run_config(config_of(kind), options, device="cpu", progress=Progress(quiet=True))


def text_of(run: Run) -> str:
    """What a reader sees of the report."""
    page = (run.path / "report.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("kind", list(MORE))
def test_every_method_answers_or_says_why_not(kind: str, tmp_path: Path) -> None:
    run = explained(kind, tmp_path, f"explain.methods={EVERY}")
    written = {Path(n).stem for m in ("base", "tuned", "onnx") for n in run.files(f"{m}/attributions")}
    about = run.read_json("cases.json")
    refused = {e["explainer"] for e in about["refused"]}
    assert written >= EVERYWHERE | MORE[kind]
    assert written | refused == set(EVERY)
    assert all(e["reason"] and e["id"] in {c["id"] for c in about["cases"]} for e in about["refused"])
    assert run.verify() == []
    report = text_of(run)
    assert "could not be built" not in report
    for name in refused - written:
        entry = next(e for e in about["refused"] if e["explainer"] == name)
        assert f"{entry['title']} was not computed for any case" in report
    for name in written:
        model = next(m for m in ("tuned", "onnx", "base") if run.has(f"{m}/attributions/{name}.json"))
        facts = run.read_json(f"{model}/attributions/{name}.json")
        assert f"{facts['title']}." in report
        assert bool(facts["filler"]) != bool(facts["unitless"]), name
    shift = run.read_json("explanation_shift.json")
    assert set(shift["methods"]) >= EVERYWHERE and set(shift["methods"]) <= written
    assert len(shift["methods"]) + len(shift["left_out"]) == len(EVERY)
    assert all(text in report for text in shift["left_out"])
    for name in EVERYWHERE:
        for model in ("base", next(m for m in ("tuned", "onnx") if run.has(f"{m}/attributions/{name}.json"))):
            assert set(run.read_json(f"{model}/attributions/{name}.json")["cases"]) == {c["id"] for c in about["cases"]}


def test_every_method_asks_the_file_that_ships_where_it_can(tmp_path: Path) -> None:
    run = explained("pictures", tmp_path, "explain.methods=['occlusion','partition-shap','grad-cam','deep-lift']")
    assert run.has("onnx/attributions/occlusion.json") and run.has("onnx/attributions/partition-shap.json")
    assert run.has("onnx/attributions/grad-cam.json") and not run.has("tuned/attributions/grad-cam.json")
    # Its rules need the network's layers, which no file has.
    assert run.has("tuned/attributions/deep-lift.json") and not run.has("onnx/attributions/deep-lift.json")


def test_budgets_reach_the_methods_that_draw_their_own_coalitions(tmp_path: Path) -> None:
    run = explained("values", tmp_path, "explain.methods=['permutation-shap']", "explain.budget=12")
    cases = run.read_json("onnx/attributions/permutation-shap.json")["cases"]
    assert all(c["params"]["budget"] == 12 and c["evaluations"] <= 12 for c in cases.values())


def test_a_run_that_no_method_can_explain_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match="grad-cam needs layer and picture, which"):
        explained("values", tmp_path, "explain.methods=['grad-cam']")


def asked(run: Run) -> list[dict[str, Any]]:
    return [case["question"] for case in run.read_json("cases.json")["cases"]]


def test_an_input_of_too_many_features_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session.open(made("texts").path, device="cpu", progress=Progress(quiet=True))
    picked = [(row, "right") for row in range(len(read_predictions(session.run, "onnx").ids))]
    lengths = [len(case["cut"].features) for case in Asked(session, picked).cases]
    monkeypatch.setattr("workbench.stages.explain.MOST", 8)
    asked = Asked(session, picked)
    assert [len(case["cut"].features) for case in asked.cases] == [n for n in lengths if n <= 8]
    assert [e["reason"] for e in asked.left_out] == [
        f"it has {n} features to hide, at most 8 can be" for n in lengths if n > 8
    ]
    assert asked.cases and asked.left_out


def test_a_contrast_is_with_the_runner_up(tmp_path: Path) -> None:
    run = explained("texts", tmp_path, "explain.question=contrast")
    predictions = read_predictions(run, "onnx")
    cases = run.read_json("cases.json")["cases"]
    for case, question in zip(cases, asked(run), strict=True):
        logits = predictions.logits[list(predictions.ids).index(case["id"])]
        k, other = np.argsort(-logits, kind="stable")[:2]
        assert (question["kind"], question["target"], question["against"]) == ("contrast", k, other)
        labels = predictions.labels
        assert question["text"] == f"Why {labels[k]} and not {labels[other]}?" and question["text"] in text_of(run)
        found = run.read_json("onnx/attributions/shap.json")["cases"][case["id"]]
        assert found["question"] == question["id"]
        assert found["score"] == pytest.approx(logits[k] - logits[other], abs=1e-4)


def test_a_contrast_with_a_label_leaves_out_what_was_decided_so(tmp_path: Path) -> None:
    run = explained("texts", tmp_path, "explain.question=contrast", "explain.against=yes", "explain.samples=8")
    about = run.read_json("cases.json")
    predictions = read_predictions(run, "onnx")
    assert len(about["cases"]) + len(about["left_out"]) == 8
    assert all(q["against"] == predictions.labels.index("yes") for q in asked(run))
    assert all(e["reason"] == "it was decided yes, with which to contrast" for e in about["left_out"])


def test_contrasts_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gives no one class"):
        explained("values", tmp_path / "a", "explain.question=contrast")
    with pytest.raises(UnknownName, match="label 'yess'"):
        explained("texts", tmp_path / "b", "explain.question=contrast", "explain.against=yess")


@pytest.mark.parametrize(
    ("kind", "filler", "says"),
    [
        ("pictures", "neighbours", "the picture itself, moved sideways"),
        ("pictures", "grey", "middle grey"),
        ("texts", "pad", "the padding token in the word's place"),
        ("values", "kmeans", "values of typical training rows, one for each cluster"),
    ],
)
def test_the_filler_is_named_at_every_method(kind: str, filler: str, says: str, tmp_path: Path) -> None:
    run = explained(kind, tmp_path, f"explain.filler={filler}", "explain.background=5")
    facts = run.read_json("onnx/attributions/integrated-gradients.json")
    assert not run.has("tuned/attributions/integrated-gradients.json")
    assert says in facts["filler"] and says in text_of(run)
    if kind == "values":
        assert facts["filler"].endswith("; 5 rows")
        case = next(iter(facts["cases"].values()))
        other = next(iter(run.read_json("onnx/attributions/shap.json")["cases"].values()))
        assert case["base_score"] == pytest.approx(other["base_score"], rel=1e-4)
