"""Every rule passing, failing and without its evidence; tampering; references; comparisons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged import contents, judged_run, policy, rehash
from statsmodels.stats.proportion import proportion_confint

from workbench.errors import ArtefactError, ConfigError
from workbench.records import write_predictions
from workbench.run import Run
from workbench.stages.gate import gate
from workbench.types import ClassScores


def judge(folder: Path, text: str, files: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """The gate's result on the invented run, with rules by id beside it."""
    run = judged_run(folder / "run", files)
    found = gate(run.path, policy(folder / "p.toml", text), **options)
    assert run.read_json("gate.json") == json.loads(json.dumps(found)) and run.verify() == []
    return {**found, "by": {r["id"]: r for r in found["rules"]}}


# rule, policy that passes, policy that fails, by how much, the file that it stands in
RULES = [
    (
        "measure.onnx.test.accuracy",
        "[[measure]]\nname='accuracy'\nat_least=0.83",
        "[[measure]]\nname='accuracy'\nat_least=0.9",
        0.07,
        "onnx/metrics.json",
    ),
    (
        "measure.onnx.test.log_loss",
        "[[measure]]\nname='log_loss'\nat_most=0.36",
        "[[measure]]\nname='log_loss'\nat_most=0.3",
        0.06,
        "onnx/metrics.json",
    ),
    (
        "measure.onnx.train.accuracy",
        "[[measure]]\nname='accuracy'\nsplit='train'\nat_least=0.9\nat_most=1",
        "[[measure]]\nname='accuracy'\nsplit='train'\nat_least=0.9\nat_most=0.98",
        0.02,
        "onnx/metrics.json",
    ),
    (
        "measure.onnx.test.recall.malignant",
        "[[measure]]\nname='recall'\nlabel='malignant'\nat_least=0.6",
        "[[measure]]\nname='recall'\nlabel='malignant'\nat_least=0.7",
        0.04,
        "onnx/metrics.json",
    ),
    (
        "noninferior.accuracy.base",
        "[[noninferior]]\nmargin=0.02",
        "[[noninferior]]\nmargin=0.01",
        0.005,
        "comparison.json",
    ),
    (
        "noninferior.log_loss.base",
        "[[noninferior]]\nmeasure='log_loss'\nmargin=0.05",
        "[[noninferior]]\nmeasure='log_loss'\nmargin=0.03",
        0.01,
        "comparison.json",
    ),
    (
        "flips",
        "[flips]\nmax_rate=0.06",
        "[flips]\nmax_rate=0.03",
        proportion_confint(4, 200, method="wilson")[1] - 0.03,
        "comparison.json",
    ),
    ("slices.min_lower_bound", "[slices]\nmin_lower_bound=0.6", "[slices]\nmin_lower_bound=0.8", 0.15, "slices.json"),
    ("slices.max_difference", "[slices]\nmax_difference=0.25", "[slices]\nmax_difference=0.2", 0.05, "slices.json"),
    (
        "slices.max_difference",
        "[slices]\nmax_difference=0.12\njudge='value'",
        "[slices]\nmax_difference=0.1\njudge='value'",
        0.02,
        "slices.json",
    ),
    ("slices.max_gap", "[slices]\nmax_gap=0.2", "[slices]\nmax_gap=0.1", 0.02, "slices.json"),
    (
        "slices.max_gap",
        "[slices]\nmax_gap=0.3\nbeyond_chance=false",
        "[slices]\nmax_gap=0.2\nbeyond_chance=false",
        0.1,
        "slices.json",
    ),
    ("parity.max_error", "[parity]\nmax_error=1e-4", "[parity]\nmax_error=1e-6", 1e-6, "onnx/parity.json"),
    ("explanations.shap", "[explanations]\nmin_share=0.75", "[explanations]\nmin_share=0.8", 0.05, "quality.json"),
    (
        "explanations.shap",
        "[explanations]\nmin_share=0.25\nlight='good'\nmethods=['shap']",
        "[explanations]\nmin_share=0.5\nlight='good'\nmethods=['shap']",
        0.25,
        "quality.json",
    ),
    (
        "explanations.controls",
        "[explanations]\ncontrols_caught=0.75",
        "[explanations]\ncontrols_caught=1",
        0.25,
        "quality.json",
    ),
    ("shift", "[shift]\nno_shift_to=['age', 'corner*']", "[shift]\nno_shift_to=['Water*']", 0.2, "comparison.json"),
    ("size", "[size]\nmax_mb=2.5", "[size]\nmax_mb=2", 0.5, "onnx/model.onnx"),
    ("latency", "[latency]\nmax_ms=13", "[latency]\nmax_ms=10", 2.5, "onnx/latency.json"),
    (
        "latency",
        "[latency]\nmax_ms=9\nstatistic='median_ms'",
        "[latency]\nmax_ms=50\nbatch=8",
        10.0,
        "onnx/latency.json",
    ),
    ("data.max_warnings", "[data]\nmax_warnings=1", "[data]\nmax_warnings=0", 1.0, "data/checks.json"),
]


@pytest.mark.parametrize(("name", "good", "bad", "by", "where"), RULES)
def test_a_rule_passes_and_fails_by_the_right_amount(
    name: str, good: str, bad: str, by: float, where: str, tmp_path: Path
) -> None:
    passed = judge(tmp_path / "a" if (tmp_path / "a").mkdir() is None else tmp_path, good)
    assert passed["passed"] and passed["by"][name]["status"] == "passed" and passed["by"][name]["by"] is None
    assert passed["sentence"].startswith("Passed: ") and passed["counts"]["failed"] == 0
    (tmp_path / "b").mkdir()
    failed = judge(tmp_path / "b", bad)
    rule = failed["by"][name]
    assert not failed["passed"] and rule["status"] == "failed" and failed["sentence"].startswith("Failed: 1 of")
    assert rule["by"] == pytest.approx(by) and rule["where"] == where and rule["asked"] and rule["limit"] is not None


def test_parity_and_leaks_are_yes_or_no(tmp_path: Path) -> None:
    files = contents()
    text = "[parity]\n[data]\n"
    (tmp_path / "a").mkdir()
    assert judge(tmp_path / "a", text)["passed"]
    files["onnx/parity.json"]["passed"] = False
    files["data/checks.json"][0] |= {"level": "warning", "n": 2, "sentence": "2 of 90 test inputs also occur in train."}
    found = judge(tmp_path, text, files)
    assert found["by"]["parity.passed"]["status"] == found["by"]["data.no_leaks"]["status"] == "failed"
    assert "also occur in train" in found["by"]["data.no_leaks"]["found"]


@pytest.mark.parametrize(("name", "good", "bad", "by", "where"), RULES)
def test_a_missing_artefact_fails_unless_the_policy_allows_it(
    name: str, good: str, bad: str, by: float, where: str, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    files = {"data/fingerprint.json": {}}
    found = judge(tmp_path, good, files)
    (rule,) = [r for r in found["rules"] if r["status"] == "not checked"]
    assert not found["passed"] and rule["where"] == where and where in rule["reason"]
    assert rule["by"] is None and "could not be checked" in found["sentence"]
    allowed = judge(tmp_path / "a", f"allow_missing = true\n{good}", files)
    assert allowed["passed"] and "which the policy allows" in allowed["sentence"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[measure]]\nname='acuracy'\nat_least=0.5", "no measure 'acuracy'; did you mean 'accuracy'?"),
        ("[[measure]]\nname='recall'\nlabel='malign'\nat_least=0.5", "no class 'malign'; did you mean 'malignant'?"),
        ("[[measure]]\nname='auroc'\nat_least=0.5", "one class only"),
        ("[[measure]]\nname='accuracy'\nmodel='tuned'\nat_least=0.5", "tuned/metrics.json is not in this run"),
        ("[[noninferior]]\nmeasure='auroc'\nmargin=0.1", "one class only"),
        ("[[noninferior]]\nmargin=0.1\nagainst='reference'", "no reference was given"),
        ("[slices]\nat_least_n=500\nmin_lower_bound=0.1", "no slice has 500 examples"),
        ("[slices]\nmax_upper_bound=10", "not measured by mean absolute error"),
        ("[explanations]\nmin_share=0.5\nmethods=['lime']", "no explanation by 'lime'; there are ig, shap"),
        ("[shift]\nno_shift_to=['zq7']", "what is noise is not known for zq7"),
        ("[latency]\nmax_ms=5\nbatch=64", "no p95_ms of batch size 64"),
    ],
)
def test_what_cannot_be_judged_says_why(text: str, reason: str, tmp_path: Path) -> None:
    found = judge(tmp_path, text)
    assert not found["passed"] and any(reason in r["reason"] for r in found["rules"])


def test_slices_of_another_task_and_without_columns(tmp_path: Path) -> None:
    for i, change in enumerate(({"reason": "slices are not computed for this task"}, {"slices": []})):
        files = contents()
        files["slices.json"] |= change
        (tmp_path / str(i)).mkdir()
        rule = judge(tmp_path / str(i), "[slices]\nmax_gap=1", files)["by"]["slices"]
        assert rule["status"] == "not checked" and ("data.slices" in rule["reason"] or "this task" in rule["reason"])


def test_the_worst_slice_is_named_and_small_ones_are_not_judged(tmp_path: Path) -> None:
    rule = judge(tmp_path, "[slices]\nmin_lower_bound=0.8")["by"]["slices.min_lower_bound"]
    assert "ward = north: 0.8 (0.65 to 0.9, n 40)" in rule["found"] and "1 of 2 slices" in rule["found"]
    assert (rule["value"], rule["low"], rule["high"]) == (0.8, 0.65, 0.9)


def test_a_gap_within_chance_does_not_fail(tmp_path: Path) -> None:
    files = contents()
    files["slices.json"]["attributes"] = files["slices.json"]["attributes"][1:]
    rule = judge(tmp_path, "[slices]\nmax_gap=0.01", files)["by"]["slices.max_gap"]
    assert rule["status"] == "passed" and "no gap beyond chance" in rule["found"]


def test_two_few_examples_to_show_noninferiority_is_said(tmp_path: Path) -> None:
    rule = judge(tmp_path, "[[noninferior]]\nmargin=0.01")["by"]["noninferior.accuracy.base"]
    assert "underpowered: about" in rule["reason"] and "there are 200" in rule["reason"]


def test_a_regression_has_no_flips(tmp_path: Path) -> None:
    files = contents()
    files["comparison.json"] |= {"flips": None, "accuracy": None}
    rule = judge(tmp_path, "[flips]\nmax_rate=0.1", files)["by"]["flips"]
    assert rule["status"] == "not checked" and "no right and wrong" in rule["reason"]


def test_shift_without_an_entry_and_without_explanations(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    files = contents()
    del files["comparison.json"]["moved_to"]
    assert "moved_to" in judge(tmp_path / "a", "[shift]\n", files)["by"]["shift"]["reason"]
    files["comparison.json"] |= {"moved_to": [], "shift": {"sentence": "The explanations were not compared: no data."}}
    rule = judge(tmp_path, "[shift]\n", files)["by"]["shift"]
    assert rule["status"] == "not checked" and "not compared" in rule["reason"]


@pytest.mark.parametrize("name", ["onnx/metrics.json", "onnx/model.onnx", "config.toml"])
def test_one_changed_byte_fails_the_gate_whatever_the_rules_say(name: str, tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    asked = policy(tmp_path / "p.toml", "allow_missing = true\n[parity]\n")
    assert gate(run.path, asked)["passed"]
    content = bytearray((run.path / name).read_bytes())
    content[-2] ^= 1
    (run.path / name).write_bytes(content)
    for _ in range(2):  # judging again does not make it right
        found = gate(run.path, asked)
        assert not found["passed"] and found["rules"][0]["id"] == "files"
        assert found["rules"][0]["status"] == "failed" and f"{name} has changed" in found["rules"][0]["found"]


def test_a_file_that_was_taken_away_is_missed_again_and_again(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    (run.path / "quality.json").unlink()
    asked = policy(tmp_path / "p.toml", "[parity]\n")
    for _ in range(2):
        found = gate(run.path, asked)
        assert "quality.json is missing" in found["rules"][0]["found"] and not found["passed"]


def test_a_file_that_nobody_vouches_for_is_no_evidence(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    manifest = run.manifest
    del manifest["files"]["onnx/parity.json"]
    run.write_manifest(manifest)
    found = gate(run.path, policy(tmp_path / "p.toml", "[parity]\n"))
    assert not found["passed"] and "not in the manifest" in found["rules"][1]["reason"]
    run.write_manifest({**manifest, "files": {}})
    assert "lists no file" in gate(run.path, tmp_path / "p.toml")["rules"][0]["found"]


def test_a_file_that_is_not_what_it_should_be_is_not_checked(tmp_path: Path) -> None:
    files = contents()
    files["onnx/parity.json"] = {"passed": True}
    files["data/checks.json"] = {}
    found = judge(tmp_path, "[parity]\nmax_error=1\n[data]\n", files)
    assert found["counts"]["not checked"] == 2 and "docs/artefacts.md" in found["by"]["parity"]["reason"]
    run = Run(tmp_path / "run")
    (run.path / "onnx/parity.json").write_text("{")
    rehash(run)
    assert "damaged" in gate(run.path, tmp_path / "p.toml")["rules"][1]["reason"]


def test_hashes_stay_when_a_run_is_judged_again_and_change_with_the_files(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    asked = policy(tmp_path / "p.toml", "[parity]\n")
    first, second = gate(run.path, asked), gate(run.path, asked)
    assert first == second and first["files_sha256"] == run.files_sha256()
    run.write_json("onnx/parity.json", {**contents()["onnx/parity.json"], "n": 201})
    rehash(run)
    assert gate(run.path, asked)["files_sha256"] != first["files_sha256"]


def test_two_rules_on_one_measure_have_names_of_their_own(tmp_path: Path) -> None:
    text = "[[measure]]\nname='accuracy'\nat_least=0.5\n[[measure]]\nname='accuracy'\nat_most=1\n"
    ids = [r["id"] for r in judge(tmp_path, text)["rules"]]
    assert len(set(ids)) == len(ids) == 3


def test_bad_policies_and_no_runs_are_errors(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    with pytest.raises(ConfigError):
        gate(run.path, policy(tmp_path / "p.toml", "[partiy]\n"))
    assert not run.has("gate.json")
    with pytest.raises(ArtefactError):
        gate(tmp_path / "nowhere", policy(tmp_path / "p.toml", "[parity]\n"))


def with_predictions(run: Run, right: float, seed: int) -> Run:
    truth = np.random.default_rng(0).integers(0, 2, 400)
    said = np.where(np.random.default_rng(seed).random(400) < right, truth, 1 - truth)
    ids = np.array([f"r{i}" for i in range(400)], dtype=object)
    splits = np.array(["test"] * 400, dtype=object)
    write_predictions(run, "onnx", ClassScores(ids, splits, truth, 4.0 * np.eye(2)[said], ("no", "yes")))
    rehash(run)
    return run


def test_a_reference_is_verified_and_compared_with(tmp_path: Path) -> None:
    run = with_predictions(judged_run(tmp_path / "run"), 0.97, 1)
    old = with_predictions(judged_run(tmp_path / "old"), 0.80, 2)
    asked = policy(
        tmp_path / "p.toml",
        "[[noninferior]]\nmargin=0.01\nagainst='reference'\n[flips]\nmax_rate=0.3\nagainst='reference'\n",
    )
    found = gate(run.path, asked, reference=old.path)
    assert found["passed"] and found["reference"]["name"] == "old"
    back = gate(old.path, asked, reference=run.path)
    by = {r["id"]: r for r in back["rules"]}
    assert not back["passed"] and by["noninferior.accuracy.reference"]["status"] == "failed"
    assert by["noninferior.accuracy.reference"]["value"] == pytest.approx(
        -next(r for r in found["rules"] if r["id"].startswith("noninferior"))["value"]
    )
    (old.path / "onnx/metrics.json").write_text("[]")
    tampered = gate(run.path, asked, reference=old.path)
    assert not tampered["passed"] and tampered["rules"][1]["id"] == "reference.files"


def test_a_reference_of_other_examples_cannot_be_compared_with(tmp_path: Path) -> None:
    run, old = (with_predictions(judged_run(tmp_path / n), 0.9, 1) for n in ("run", "old"))
    ids = np.array(["other"], dtype=object)
    few = ClassScores(ids, np.array(["test"], dtype=object), np.array([0]), np.eye(2)[:1], ("no", "yes"))
    write_predictions(old, "onnx", few)
    rehash(old)
    asked = policy(tmp_path / "p.toml", "[[noninferior]]\nmargin=0.01\nagainst='reference'\n")
    found = gate(run.path, asked, reference=old.path)
    assert not found["passed"] and "different examples" in found["rules"][-1]["reason"]


def test_a_comparison_of_two_runs_is_judged_by_its_own_file(tmp_path: Path) -> None:
    files = {"comparison.json": contents()["comparison.json"]}
    text = "[[noninferior]]\nmargin=0.02\nagainst='reference'\n[[noninferior]]\nmargin=0.02\n[flips]\nmax_rate=0.06\n"
    found = judge(tmp_path, text, files)
    assert found["passed"] and [r["where"] for r in found["rules"][1:]] == ["comparison.json"] * 3
