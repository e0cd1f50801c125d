"""The gate's table, JUnit XML and Markdown: well-formed, complete and safe for foreign text."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from judged import contents, judged_run, policy

from workbench.stages.gate import gate
from workbench.stages.gate_output import junit_xml, markdown, table_text

ASKED = "[[measure]]\nname='accuracy'\nat_least=0.9\n[parity]\n[latency]\nmax_ms=1\nstatistic='p50'\n"


def judged(folder: Path, text: str = ASKED) -> dict[str, Any]:
    return gate(judged_run(folder / "run").path, policy(folder / "p.toml", text))


def test_the_table_has_what_failed_first_and_by_how_much(tmp_path: Path) -> None:
    lines = table_text(judged(tmp_path)).splitlines()
    assert lines[0].startswith("FAIL  measure.onnx.test.accuracy") and lines[0].endswith("fails by 0.07")
    assert lines[1].startswith("?     latency") and "not checked: onnx/latency.json has no p50" in lines[1]
    assert [line[:2] for line in lines[2:4]] == ["ok", "ok"]
    assert lines[-1] == "Failed: 1 of 4 rules failed and 1 could not be checked."


@pytest.mark.parametrize(("allow", "failures", "skipped"), [("", 2, 0), ("allow_missing = true\n", 1, 1)])
def test_junit_counts_what_it_holds(allow: str, failures: int, skipped: int, tmp_path: Path) -> None:
    root = Xml.fromstring(junit_xml(judged(tmp_path, allow + ASKED)))
    assert root.tag == "testsuites"
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    assert [c.get("name") for c in cases] == ["files", "measure.onnx.test.accuracy", "parity.passed", "latency"]
    assert all(c.get("classname", "").startswith("run.") and c.get("time") for c in cases)
    for node in (root, suite):
        assert (node.get("tests"), node.get("failures"), node.get("errors"), node.get("skipped")) == (
            "4", str(failures), "0", str(skipped),
        )  # fmt: skip
    assert (len(root.findall(".//failure")), len(root.findall(".//skipped"))) == (failures, skipped)
    failure = cases[1].find("failure")
    assert failure is not None and "fails by 0.07" in failure.get("message", "")
    assert "stands in: onnx/metrics.json" in (failure.text or "") and failure.get("type") == "failed"


def test_markdown_shows_what_failed_and_folds_the_rest(tmp_path: Path) -> None:
    text = markdown(judged(tmp_path))
    assert text.startswith("### ❌ Gate “p” on `run`") and "<summary>2 rules hold</summary>" in text
    rows = [line for line in text.splitlines() if line.startswith("| ❌")]
    assert len(rows) == 1 and rows[0].count(" | ") == 5 and "| 0.07 |" in rows[0]
    (tmp_path / "a").mkdir()
    assert markdown(judged(tmp_path / "a", "[parity]\n")).startswith("### ✅")


def test_foreign_text_breaks_neither(tmp_path: Path) -> None:
    files = contents()
    hostile = "a|b\n<script>alert(1)</script> `x` \x00\x1b]]> & \ufffe"
    files["data/checks.json"][0] |= {"level": "warning", "sentence": hostile}
    run = judged_run(tmp_path / "run", files)
    found = gate(run.path, policy(tmp_path / "p.toml", f"name = {'[x](y)|`z`'!r}\n[data]\n"))
    node = Xml.fromstring(junit_xml(found)).find(".//failure")
    assert node is not None and "<script>alert(1)</script>" in (node.text or "") and "\x00" not in (node.text or "")
    text = markdown(found)
    (row,) = [line for line in text.splitlines() if line.startswith("| ❌")]
    assert "<script" not in text and "a\\|b" in row and "](y)" not in text.replace("\\](y)", "")
