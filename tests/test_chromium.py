"""Chromium: how it is found, and what is said where it is missing or fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import copy_of
from typer.testing import CliRunner

from workbench import chromium
from workbench.cli import app
from workbench.errors import MissingDependency, MissingProgram, StageError


def test_a_missing_browser_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = copy_of("values", tmp_path)
    before = {name: (run.path / name).read_bytes() for name in run.files()}
    monkeypatch.setattr(chromium, "NAMES", ("no-such-browser",))
    monkeypatch.delenv("WORKBENCH_CHROMIUM", raising=False)
    result = CliRunner().invoke(app, ["report", str(run.path), "--pdf"])
    assert result.exit_code == MissingDependency.exit_code == 5
    assert "error: a PDF needs Chromium" in result.stderr and "no-such-browser" in result.stderr
    assert "hint: apt-get install chromium" in result.stderr
    assert {name: (run.path / name).read_bytes() for name in run.files()} == before


def test_a_browser_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "browser"
    named.write_text("#!/bin/sh\nexit 3\n")
    named.chmod(0o755)
    monkeypatch.setenv("WORKBENCH_CHROMIUM", str(named))
    assert chromium.find_chromium() == str(named)
    with pytest.raises(StageError, match="Chromium"), chromium.open_tab(20):  # it ends at once
        pass
    monkeypatch.setattr(chromium, "NAMES", ())
    monkeypatch.setenv("WORKBENCH_CHROMIUM", str(tmp_path / "nothing"))
    with pytest.raises(MissingProgram):
        chromium.known_chromium()


def test_a_new_page_leaves_no_old_print(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    (run.path / "report.pdf").write_bytes(b"%PDF-1.4 of another page")
    assert run.verify() == []  # it belongs to no manifest
    assert CliRunner().invoke(app, ["report", str(run.path), "-q"]).exit_code == 0
    assert (run.path / "report.html").is_file() and not (run.path / "report.pdf").exists()
