"""Which licences `make audit` lets pass, and what its bill lists."""

from __future__ import annotations

import importlib.util
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
