"""The gate in the report: a line on the first screen, a section, and what is said once the run has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from judged import policy

from workbench.report.build import build_report
from workbench.report.sections.gate import gate as section_of
from workbench.report.sections.gate import gate_finding
from workbench.report.shapes import Fold, Table
from workbench.report.view import RunView
from workbench.run import Run
from workbench.stages.gate import gate


def judge(run: Run, folder: Path, text: str) -> RunView:
    gate(run.path, policy(folder / "p.toml", f'name = "night"\n{text}'))
    return RunView(Run.open(run.path))


def test_a_passed_gate_is_the_first_line(copied: Callable[[str], Run], tmp_path: Path) -> None:
    view = judge(copied("table"), tmp_path, "[parity]\n")
    (line,) = gate_finding(view)
    assert (line.level, line.strong) == ("good", "The gate “night” was passed:") and line.rest == "2 of 2 rules hold."
    section = section_of(view)
    assert section is not None and section.finding == "Passed: 2 of 2 rules hold."
    (table,) = [b for b in section.blocks if isinstance(b, Table)]
    assert [row[0].text for row in table.rows] == ["files", "parity.passed"] and "fails by" not in table.head
    page = build_report(view.run).read_text(encoding="utf-8")
    assert page.index("The gate “night”") < page.index("Right in ")


def test_what_fails_stands_first_with_by_how_much(copied: Callable[[str], Run], tmp_path: Path) -> None:
    text = "[parity]\nmax_error=1e-9\n[latency]\nmax_ms=1\n[[noninferior]]\nmargin=0.0001\n"
    view = judge(copied("table"), tmp_path, text)
    (line,) = gate_finding(view)
    assert line.level == "poor" and "was not passed" in line.strong and "parity.max_error" in line.rest
    section = section_of(view)
    assert section is not None
    first = section.blocks[0]
    assert isinstance(first, Table) and "fails by" in first.head
    marks = [row[1].text for row in first.rows]
    assert marks == sorted(marks) and set(marks) == {"failed", "not checked"}
    missing = next(row for row in first.rows if row[0].text == "latency")
    assert "onnx/latency.json is not in this run" in missing[3].text
    assert isinstance(section.blocks[1], Fold)


def test_a_gate_of_other_files_is_no_verdict_on_these(copied: Callable[[str], Run], tmp_path: Path) -> None:
    run = copied("table")
    judge(run, tmp_path, "[parity]\n")
    manifest = run.manifest
    manifest["files"]["onnx/parity.json"] = "0" * 64
    run.write_manifest(manifest)
    (line,) = gate_finding(RunView(Run.open(run.path)))
    assert line.level == "open" and "other files" in line.strong


@pytest.mark.parametrize("kind", ["table", "regression"])
def test_without_a_gate_there_is_no_line(kind: str, samples: dict[str, Run]) -> None:
    view = RunView(samples[kind])
    assert gate_finding(view) == [] and section_of(view) is None
