"""`workbench gate` and `workbench init policy`: exit codes, files that are written, one JSON document."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from judged import judged_run, policy
from runs import copy_of
from typer.testing import CliRunner, Result

import workbench
from workbench.cli import app
from workbench.policy import read_policy

GOOD, BAD = "[parity]\n", "[size]\nmax_mb = 1\n"


def call(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def test_a_policy_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = call("init", "policy")
    assert made.exit_code == 0 and "workbench gate RUN --policy policy.toml" in made.stdout
    assert read_policy("policy.toml").policy.measure
    again = call("init", "policy")
    assert again.exit_code == 2 and "is there already" in again.stderr
    assert call("init", "policy", "other.toml").exit_code == 0
    close = call("init", "polcy", "x.toml")
    assert close.exit_code == 2 and "did you mean 'policy'?" in close.stderr
    assert call("init", "tabular-regression").exit_code == 0 and Path("workbench.toml").is_file()


def test_a_gate_that_is_passed(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    result = call("gate", run.path, "--policy", policy(tmp_path / "p.toml", GOOD))
    assert result.exit_code == 0 and result.stderr == "" and result.stdout.endswith("Passed: 2 of 2 rules hold.\n")
    assert run.read_json("gate.json")["passed"] is True


def test_a_gate_that_is_not_passed_writes_its_files_first(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    junit, summary = tmp_path / "out" / "j.xml", tmp_path / "out" / "m.md"
    words = ("gate", run.path, "--policy", policy(tmp_path / "p.toml", BAD), "--junit", junit, "--markdown", summary)
    result = call(*words)
    assert result.exit_code == 1 and "FAIL  size" in result.stdout and "fails by 1.5" in result.stdout
    assert result.stderr.startswith("error: ") and "hint: gate.json" in result.stderr
    assert Xml.parse(junit).getroot().get("failures") == "1" and "❌" in summary.read_text(encoding="utf-8")
    found = call(*words, "--json")
    assert found.exit_code == 1 and json.loads(found.stdout) == run.read_json("gate.json")


def test_a_changed_byte_is_exit_code_1(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    path = run.path / "onnx/model.onnx"
    path.write_bytes(b"M" + path.read_bytes()[1:])
    result = call("gate", run.path, "--policy", policy(tmp_path / "p.toml", GOOD))
    assert result.exit_code == 1 and "onnx/model.onnx has changed" in result.stdout


def test_wrong_usage_and_no_run(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    bad = call("gate", run.path, "--policy", policy(tmp_path / "p.toml", "[size]\nmax_mbs = 1\n"))
    assert bad.exit_code == 2 and "did you mean 'max_mb'?" in bad.stderr
    assert call("gate", run.path, "--policy", tmp_path / "none.toml").exit_code == 2
    assert call("gate", run.path).exit_code == 2
    asked = policy(tmp_path / "p.toml", GOOD)
    assert call("gate", tmp_path / "nowhere", "--policy", asked).exit_code == 4
    assert call("gate", run.path, "--policy", asked, "--reference", tmp_path / "nowhere").exit_code == 4


def test_a_whole_run_is_judged_and_its_report_says_so(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    asked = policy(tmp_path / "p.toml", "[parity]\n[data]\n[[measure]]\nname='mae'\nat_most=1e9\n")
    found = workbench.gate(run.path, asked)
    assert found["passed"] and run.verify() == []
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert 'href="#gate"' in page and "was passed" in page
    assert call("verify", run.path).exit_code == 0


def test_a_gate_loads_no_torch(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    asked = policy(tmp_path / "p.toml", GOOD)
    code = f"import workbench, sys; workbench.gate({str(run.path)!r}, {str(asked)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "transformers", "onnxruntime", "captum", "shap", "lime"}
