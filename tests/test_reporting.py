"""How a page was asked for stays with its run: its language, and what it keeps out."""

from __future__ import annotations

from pathlib import Path

import pytest
from judged import policy
from runs import copy_of
from typer.testing import CliRunner

from workbench.cli import app
from workbench.run import Run
from workbench.verification import verify_run


def test_a_page_that_fails_does_not_make_the_next_one_plain(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    assert CliRunner().invoke(app, ["report", str(run.path), "--redact", "-q"]).exit_code == 0
    small = CliRunner().invoke(app, ["report", str(run.path), "--max-mb", "0.001", "-q"])
    assert small.exit_code == 6 and "MB without any case" in small.stderr
    assert CliRunner().invoke(app, ["report", str(run.path), "--lang", "zh-CN", "-q"]).exit_code == 0
    page, about = (run.path / "report.html").read_text(encoding="utf-8"), Run.open(run.path).manifest
    assert "输入已隐去" in page and '<html lang="zh-CN">' in page
    assert about["redacted"] is True and about["stages"]["report"]["redacted"] is True
    assert about["stages"]["report"]["lang"] == "zh-CN"
    judged = CliRunner().invoke(
        app, ["gate", str(run.path), "--policy", str(policy(tmp_path / "p.toml", "[parity]\n"))]
    )
    assert judged.exit_code in (0, 1), judged.stderr
    page = (run.path / "report.html").read_text(encoding="utf-8")  # written again as it was
    assert "输入已隐去" in page and '<html lang="zh-CN">' in page
    assert CliRunner().invoke(app, ["report", str(run.path), "--no-redact", "-q"]).exit_code == 0
    assert "redacted" not in Run.open(run.path).manifest and verify_run(run.path)["problems"] == []


@pytest.mark.parametrize(
    "command", [["demo"], ["compare", "a", "b"], ["audit", "m.onnx", "--task", "t", "--data", "d"]]
)
def test_a_language_that_is_not_there_is_refused_before_any_work(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--lang", "zh-TW", "-q"])
    assert result.exit_code == 2 and "zh-TW" in result.stderr and "zh-CN" in result.stderr
