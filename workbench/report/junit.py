"""workbench.junit.xml: what a run checked, as test cases that continuous integration can show."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from workbench.markup import xml_text
from workbench.report.view import RunView

NAME = "workbench.junit.xml"
Case = tuple[str, str, str, str]  # area, name, "passed", "failure" or "skipped", text


def junit_xml(view: RunView) -> bytes:
    """The run's checks as JUnit XML: data, parity, the parts of the report, and the gate's rules where it judged.

    Args:
        view: of the run, from which the page was drawn.
    """
    cases = [*_data(view), *_parity(view), *_sections(view.broken), *_gate(view)]
    states = [state for _, _, state, _ in cases]
    facts = {
        "name": f"workbench {view.name}",
        "tests": str(len(cases)),
        "failures": str(states.count("failure")),
        "errors": "0",
        "skipped": str(states.count("skipped")),
    }
    suite = ET.Element("testsuite", {k: xml_text(v) for k, v in facts.items()})
    for area, name, state, text in cases:
        case = ET.SubElement(suite, "testcase", {"classname": f"workbench.{area}", "name": xml_text(name)})
        if state != "passed":
            ET.SubElement(case, state, {"message": xml_text(text)})
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    found: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return found + b"\n"


def _data(view: RunView) -> Iterator[Case]:
    for check in view.checks or []:
        state = "failure" if check["level"] == "warning" else "passed"
        yield "data", str(check["check"]), state, str(check["sentence"])


def _parity(view: RunView) -> Iterator[Case]:
    parity = view.json("onnx/parity.json")
    if parity is None:
        yield "deployed", "parity", "skipped", "no ONNX file was exported in this run"
        return
    try:
        text = f"largest relative difference {parity['max_error']:.2e}, allowed {parity['tolerance']:.0e}"
        state = "passed" if parity["passed"] else "failure"
    except (KeyError, TypeError, ValueError) as e:  # damaged: the page says so too, and must not fail for it
        state, text = "failure", f"onnx/parity.json is damaged: {type(e).__name__} {e}"
    yield "deployed", "parity", state, text


def _sections(broken: dict[str, str]) -> Iterator[Case]:
    if not broken:
        yield "report", "every part could be built", "passed", ""
    for title, reason in broken.items():
        yield "report", title, "failure", reason


def _gate(view: RunView) -> Iterator[Case]:
    gate = view.json("gate.json")
    if gate is None:
        yield "gate", "policy", "skipped", "no gate has judged this run"
        return
    allowed = "skipped" if gate["allow_missing"] else "failure"
    states = {"passed": "passed", "failed": "failure", "not checked": allowed}
    for rule in gate["rules"]:
        yield "gate", rule["id"], states[rule["status"]], f"asked: {rule['asked']}; found: {rule['found']}"
