"""What a report says to machines: every number at its address, the model card, JUnit, the regulatory map."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import hostile_sample
from sample_run import KINDS, build_sample

from workbench.markup import markdown_text, xml_text
from workbench.report.build import build_report
from workbench.report.junit import junit_xml
from workbench.report.machine import FILES
from workbench.report.model_card import model_card
from workbench.report.numbers import SOURCES, check_numbers, report_json
from workbench.report.sections import SECTIONS
from workbench.report.sections.regulation import evidence, regulation, regulation_map
from workbench.report.view import RunView
from workbench.run import Run, write_atomically


def leaves(value: Any) -> int:
    """Numbers below a JSON value."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    if isinstance(value, list):
        return sum(map(leaves, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


class TestNumbers:
    @pytest.mark.parametrize("kind", KINDS)
    def test_no_number_of_a_source_is_left_out(self, samples: dict[str, Run], kind: str) -> None:
        run = samples[kind]
        found = report_json(RunView(run))
        expected = sum(leaves(run.read_json(name)) for name in SOURCES if run.has(name))
        there = sum(leaves({k: e.get(k) for k in ("value", "low", "high", "n")}) for e in found["numbers"])
        assert there == expected > 100
        assert len({e["address"] for e in found["numbers"]}) == len(found["numbers"])
        assert set(found["files"]) <= set(SOURCES)

    def test_an_entry_carries_interval_signature_and_split(self, samples: dict[str, Run]) -> None:
        run = samples["table"]
        entries = {e["address"]: e for e in report_json(RunView(run))["numbers"]}
        stored = run.read_json("tuned/metrics.json")
        place = next(i for i, m in enumerate(stored) if m["name"] == "recall" and m["split"] == "test")
        whole = entries[f"tuned/metrics.json#/{place}/value"]
        assert (whole["value"], whole["low"], whole["n"]) == tuple(stored[place][k] for k in ("value", "low", "n"))
        assert whole["signature"] == stored[place]["signature"] and whole["split"] == "test"
        of_class = entries[f"tuned/metrics.json#/{place}/per_class/malignant/value"]
        assert of_class["name"] == "recall.per_class.malignant" and of_class["signature"] == whole["signature"]

    def test_a_value_that_was_not_computed_keeps_its_reason(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.begin(name="r")
        run.write_json("onnx/metrics.json", [{"name": "auroc", "value": None, "low": None, "reason": "one class"}])
        (entry,) = report_json(RunView(run))["numbers"]
        assert entry["value"] is None and entry["reason"] == "one class"

    def test_any_changed_number_is_found_and_odd_keys_are_followed(self, copied: Callable[[str], Run]) -> None:
        run = copied("text")
        run.write_json("comparison.json", {**run.read_json("comparison.json"), "a/b~c": {"value": 1.5}})
        run.write_json("report.json", report_json(RunView(run)))
        assert check_numbers(run) == []
        said = run.read_json("report.json")
        for entry in (said["numbers"][0], said["numbers"][-1]):
            true = entry["value"]
            entry["value"] = true + 0.25
            run.write_json("report.json", said)
            (problem,) = check_numbers(run)
            assert entry["address"] in problem
            entry["value"] = true
        whole = next(e for e in said["numbers"] if {"low", "high", "n"} <= set(e))
        for key in ("low", "high", "n"):
            true = whole.pop(key)
            for other in ({}, {key: true + 1}):
                run.write_json("report.json", {**said, "numbers": [{**whole, **other}]})
                (problem,) = check_numbers(run)
                assert whole["address"] in problem and f"says {key} {other.get(key)} of" in problem
            whole[key] = true
        for content in (None, [], 3, {}, {"numbers": 1}, {"numbers": [1]}):
            run.write_json("report.json", content)
            assert "cannot be followed" in check_numbers(run)[0]
        for address in ("comparison.json#/none", "../outside.json#/x", "comparison.json", "comparison.json#/n/3"):
            run.write_json("report.json", {**said, "numbers": [{"address": address, "name": "x", "value": 1}]})
            assert "cannot be followed" in check_numbers(run)[0]
        assert check_numbers(Run(run.path / "nowhere")) == []


class TestModelCard:
    @pytest.mark.parametrize("kind", KINDS)
    def test_metadata_and_results_are_those_of_the_run(self, samples: dict[str, Run], kind: str) -> None:
        view = RunView(samples[kind])
        text = model_card(view)
        head = yaml.safe_load(text.split("---\n")[1])
        (result,) = head["model-index"][0]["results"]
        assert result["task"]["type"] == head["pipeline_tag"] == view.task
        metrics = {m["type"]: m["value"] for m in result["metrics"]}
        stored = {m.name: m for m in view.measures(view.shipped).values()}
        assert metrics == {name: m.value for name, m in stored.items() if m.value is not None}
        assert all(math.isfinite(v) for v in metrics.values())
        for m in stored.values():
            assert f"| {m.value:.4g}{' ' + m.unit if m.unit else ''} | {m.low:.4g} to {m.high:.4g} | {m.n:,} |" in text

    def test_what_nobody_stated_is_said_and_no_path_gets_in(self, samples: dict[str, Run], tmp_path: Path) -> None:
        text = model_card(RunView(samples["regression"]))
        assert re.search(r"## (Intended use|Users|Who answers for it)\n\nNot stated by whoever made the run\.", text)
        assert str(samples["regression"].path) not in text
        empty = Run(tmp_path)
        empty.begin(name="r", task="tabular-regression")
        assert "The model was not evaluated." in model_card(RunView(empty))

    def test_foreign_text_is_no_markup(self, tmp_path: Path) -> None:
        run = build_sample(tmp_path / "r", "text", hostile_sample("text"))
        body = model_card(RunView(run)).split("---\n", 2)[2]
        assert "<" not in body and not re.search(r"(?<!\\)\[", body)
        assert "\u202e" not in body and "\x07" not in body


class TestJUnit:
    def test_checks_become_cases(self, copied: Callable[[str], Run]) -> None:
        run = copied("table")
        write_atomically(run.path / "slices.json", b"{")
        build_report(run)
        suite = ET.parse(run.path / "workbench.junit.xml").getroot()[0]
        cases = {(c.get("classname"), c.get("name")): [child.tag for child in c] for c in suite}
        assert cases["workbench.report", "Where it fails"] == ["failure"]
        assert cases["workbench.deployed", "parity"] == [] and cases["workbench.gate", "policy"] == ["skipped"]
        warnings = [c["check"] for c in run.read_json("data/checks.json") if c["level"] == "warning"]
        failed = [name for (area, name), tags in cases.items() if area == "workbench.data" and tags]
        assert failed == warnings
        assert int(suite.get("tests", 0)) == len(suite)
        assert int(suite.get("failures", 0)) == sum(tags == ["failure"] for tags in cases.values())

    def test_a_failed_parity_fails(self, copied: Callable[[str], Run]) -> None:
        run = copied("table")
        run.write_json("onnx/parity.json", {**run.read_json("onnx/parity.json"), "passed": False, "max_error": 0.5})
        text = junit_xml(RunView(run)).decode()
        assert "largest relative difference 5.00e-01" in text and 'failures="' in text

    def test_control_characters_leave_it_well_formed(self, tmp_path: Path) -> None:
        run = build_sample(tmp_path / "r", "text", hostile_sample("text"))
        run.write_json("data/checks.json", [{"check": "a\x00b", "level": "warning", "sentence": "<x>\x08 & y"}])
        case = ET.fromstring(junit_xml(RunView(run)))[0][0]
        assert case.get("name") == "a\ufffdb" and case[0].get("message") == "<x>\ufffd & y"


def test_text_of_xml_and_markdown() -> None:
    assert xml_text("a\tb\n\x0b\x1f\ufffe\ud800é😀") == "a\tb\n\ufffd\ufffd\ufffd\ufffdé😀"
    assert markdown_text("a|b `c` *d* _e_ [f](g)\n# h <i>") == (
        "a\\|b \\`c\\` \\*d\\* \\_e\\_ \\[f\\](g) \\# h &lt;i&gt;"
    )


class TestRegulation:
    def test_the_map_is_whole(self) -> None:
        known = regulation_map()
        assert isinstance(known["version"], int) and known["as_of"].isoformat() >= "2026-06-29"
        names = {name for name, *_ in SECTIONS}
        ids = [area["id"] for area in known["areas"]]
        assert len(ids) == len(set(ids)) == 13
        for area in known["areas"]:
            assert set(area["sections"]) <= names and area["title"] and area["evidence"]
            assert all(area[column] for column in known["columns"])
        text = json.dumps(known, default=str)
        assert "2 December 2027" in text and "2 August 2028" in text and "supersede SR 11-7" in text

    def test_evidence_is_what_the_run_holds(self, copied: Callable[[str], Run]) -> None:
        run = copied("table")
        found = {area["id"]: area["shown"] for area in evidence(RunView(run))}
        assert found["data"] == ["data"] and found["artefact"] == ["deployed"] and found["robustness"] == []
        (run.path / "onnx/parity.json").unlink()
        assert {a["id"]: a["shown"] for a in evidence(RunView(run))}["artefact"] == []
        shown = sum(bool(a["shown"]) for a in evidence(RunView(run)))
        assert f"evidence for {shown} of 13 parts" in regulation(RunView(run)).finding

    def test_nothing_is_called_compliant(self, samples: dict[str, Run]) -> None:
        text = repr(regulation(RunView(samples["table"])))
        assert not re.search(r"complian(t|ce)|complies", text, re.IGNORECASE)
        assert "no evidence in this run" in text


def test_a_report_leaves_all_three_beside_it_and_the_same_bytes_each_time(copied: Callable[[str], Run]) -> None:
    run = copied("image")
    build_report(run)
    first = {name: (run.path / name).read_bytes() for name in FILES}
    build_report(run)
    assert {name: (run.path / name).read_bytes() for name in FILES} == first
    assert check_numbers(run) == []
