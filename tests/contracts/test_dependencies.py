"""Which licences `make audit` lets pass, and what its bill lists."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("packaging")
PATH = Path(__file__).resolve().parents[2] / ".ci" / "dependencies.py"


def script() -> Any:
    spec = importlib.util.spec_from_file_location("dependencies", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Package:
    """What is asked of a distribution."""

    version = "1.0"

    def __init__(self, expression: str = "", classifier: str = "") -> None:
        self.metadata = Message()
        if expression:
            self.metadata["License-Expression"] = expression
        if classifier:
            self.metadata["Classifier"] = f"License :: OSI Approved :: {classifier}"


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        *(("MIT", True), ("BSD-3-Clause AND MIT", True), ("MIT OR GPL-2.0-only", True)),
        *(("GPL-3.0-only", False), ("AGPL-3.0-or-later AND MIT", False), ("", False), ("Proprietary", False)),
    ],
)
def test_a_licence_passes_that_goes_with_apache(expression: str, passes: bool) -> None:
    assert (script().doubtful({"x": Package(expression)}) == []) == passes


def test_classifiers_speak_where_there_is_no_expression() -> None:
    assert not script().doubtful({"x": Package(classifier="MIT License")})
    (said,) = script().doubtful({"x": Package(classifier="GNU General Public License v3 (GPLv3)")})
    assert said.startswith("x 1.0: GNU General Public License")


def test_the_bill_lists_what_is_needed_and_nothing_of_the_tests() -> None:
    listed = {c["name"] for c in script().bill(script().needed())["components"]}
    assert {"torch", "numpy", "captum", "shap", "lime", "typer"} <= listed and not {"pytest", "ruff"} & listed


@pytest.mark.parametrize(
    ("code", "out", "err", "exit_code", "says"),
    [
        (0, "No known vulnerabilities found", "", 0, "No known vulnerabilities"),
        (0, "Name Skip Reason\nwrapt  Dependency not found on PyPI and could not be audited: wrapt", "", 3, "1 of "),
        (1, "x 1.0 PYSEC-1", "Found 1 known vulnerability in 1 package", 1, "PYSEC-1"),
        (1, "", "Traceback ...\nConnectionError: no route", 3, "were not looked up"),
        (1, "", "No module named pip_audit", 3, "pip-audit is missing"),
    ],
)
def test_what_was_not_looked_up_is_said_and_is_no_success(
    code: int,
    out: str,
    err: str,
    exit_code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Licences and the bill are written all the same."""
    audit = script()
    answer = subprocess.CompletedProcess([], code, out, err)
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: answer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dependencies.py", "--sbom", "bill.json"])
    assert audit.main() == exit_code
    said = capsys.readouterr().out
    assert says in said and "typer" in said
    assert len(json.loads(Path("bill.json").read_text(encoding="utf-8"))["components"]) > 30
    monkeypatch.setattr(sys, "argv", ["dependencies.py", "--offline"])
    assert audit.main() == 0
