"""Variants of the deployed file: each is judged against fp32, and what is recommended passed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from runs import copy_of
from typer.testing import CliRunner

from workbench.cli import app
from workbench.pipeline import run_stage
from workbench.reporting import build_report
from workbench.run import Run
from workbench.stages import variants
from workbench.stages.session import Session

ALL = 'export.dtypes=["fp16","bf16","int8"]'


def scores_of(run: Run, name: str) -> np.ndarray:
    """Scores of a file on the test split, straight from ONNX Runtime, one example at a time."""
    session = Session.open(run.path, device="cpu")
    encoded = session.encode(session.preparation)
    runtime = ort.InferenceSession(str(run.path / name), providers=["CPUExecutionProvider"])
    names = [i.name for i in runtime.get_inputs()]
    rows = []
    for row in session.rows("test"):
        batch = encoded.batch(np.array([row]))
        rows.append(runtime.run(["logits"], {n: batch[n] for n in names})[0][0])
    return np.stack(rows)


@pytest.mark.parametrize("kind", ["texts", "pictures", "values"])
def test_each_variant_is_judged_against_fp32(kind: str, tmp_path: Path) -> None:
    run = copy_of(kind, tmp_path)
    deployed = (run.path / "onnx" / "model.onnx").read_bytes()
    stages = {k: v["seconds"] for k, v in run.manifest["stages"].items() if k != "variants"}
    run_stage(run.path, "variants", (ALL,), device="cpu")
    assert (run.path / "onnx" / "model.onnx").read_bytes() == deployed
    after = {k: v["seconds"] for k, v in run.manifest["stages"].items() if k != "variants"}
    assert after == stages  # nothing else was done again
    found = {v["name"]: v for v in run.read_json("onnx/variants.json")["variants"]}
    assert list(found) == ["fp32", "fp16", "bf16", "int8"]
    made = [v for v in found.values() if v["file"] and v["name"] != "fp32"]
    assert len(made) >= 2, found
    ours = scores_of(run, "onnx/model.onnx")
    for one in made:
        assert one["bytes"] == (run.path / one["file"]).stat().st_size
        theirs = scores_of(run, one["file"])
        error = float(np.max(np.abs(theirs - ours) / (1 + np.abs(ours))))
        assert one["scores"]["max_error"] == pytest.approx(error, rel=1e-2, abs=1e-4)
        if kind != "values":
            assert abs(one["scores"]["agree"] - int((theirs.argmax(1) == ours.argmax(1)).sum())) <= 1
        assert 0 <= one["attributions"]["overlap"] <= 1
        assert one["passed"] == (not one["reason"])
    for other in found.values():
        assert other["file"] or other["reason"]  # what is not there says why
    assert run.verify() == []
    build_report(run)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Variants of the deployed file" in page and "What a prediction costs" in page
    assert all(reason in page for reason in ("bf16 weights",))


def test_the_command_makes_and_times_variants(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    command = ["export", str(run.path), "--dtype", "bf16", "--set", "export.latency_seconds=0.01", "--device", "cpu"]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    latency = run.read_json("onnx/latency.json")
    assert [b["batch"] for b in latency["per_batch"]] == [1, 8, 64]
    for b in latency["per_batch"]:
        assert b["n"] >= 3 and b["p50"] > 0
        assert (b["p99"] is None) == (b["n"] < 100) and bool(b["reason"]) == (b["p99"] is None)
        assert b["examples_per_second"] == pytest.approx(1000 * b["batch"] / b["p50"], rel=0.01)
    assert latency["variants"]["fp32"]["load_ms"] > 0
    assert latency["recommended"] in latency["variants"] and latency["why"]
    cost = run.read_json("onnx/variants.json")["cost"]
    assert cost["tuned"]["flops"] > 0 and cost["tuned"]["parameters"] > 0
    refused = CliRunner().invoke(app, ["export", str(run.path), "--dtype", "int4"])
    assert refused.exit_code == 2 and "int4" in refused.output
    assert json.loads(done.stdout)["stage"] == "variants"


def measured(**times: float) -> dict[str, Any]:
    return {k: {"per_batch": [{"batch": b, "p50": v * b} for b in (1, 8, 64)]} for k, v in times.items()}


def made(name: str, size: int, passed: bool = True) -> dict[str, Any]:
    return {"name": name, "bytes": size, "passed": passed, "file": name}


def test_what_is_recommended_passed_and_gains_clearly() -> None:
    fp32, fp16, int8 = made("fp32", 100), made("fp16", 50), made("int8", 25)
    assert variants.recommend([fp32], measured(fp32=1))[0] == "fp32"
    assert variants.recommend([fp32, fp16, int8], measured(fp32=1, fp16=0.8, int8=0.5))[0] == "int8"
    failed = made("int8", 25, passed=False)
    assert variants.recommend([fp32, fp16, failed], measured(fp32=1, fp16=0.8, int8=0.5))[0] == "fp16"
    assert variants.recommend([fp32, failed], measured(fp32=1, int8=0.5))[0] == "fp32"
    # As fast and much smaller; slower is not worth it.
    assert variants.recommend([fp32, fp16], measured(fp32=1, fp16=1.05))[0] == "fp16"
    assert variants.recommend([fp32, fp16], measured(fp32=1, fp16=1.3))[0] == "fp32"
    assert variants.recommend([fp32, made("fp16", 90)], measured(fp32=1, fp16=1))[0] == "fp32"
    for others in ([fp16], [failed]):
        assert variants.recommend([fp32, *others], measured(fp32=1, fp16=2, int8=2))[1].endswith(".")
