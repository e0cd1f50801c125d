"""A gate's result for people and for machines: a table, JUnit XML, Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as Xml

from workbench.markup import markdown_text, xml_text

Gate = Mapping[str, Any]
_MARKS = {"passed": "ok", "failed": "FAIL", "not checked": "?"}
_SIGNS = {"passed": "✅", "failed": "❌", "not checked": "⚠️"}


def table_text(gate: Gate) -> str:
    """The rules as lines, those that failed first, with by how much."""
    order = sorted(gate["rules"], key=lambda r: ("failed", "not checked", "passed").index(r["status"]))
    width = max(len(r["id"]) for r in order)
    lines = [f"{_MARKS[r['status']]:<4}  {r['id']:<{width}}  {_words(r)}" for r in order]
    return "\n".join([*lines, gate["sentence"]])


def _words(rule: Gate) -> str:
    if rule["status"] == "not checked":
        return f"{rule['asked']}: not checked: {rule['reason']}"
    return f"{rule['asked']}: {rule['found']}{_by(rule)}"


def _by(rule: Gate) -> str:
    by = f"; fails by {rule['by']:.4g}" if rule["by"] is not None else ""
    return by + (f" ({rule['reason']})" if rule["reason"] else "")


def junit_xml(gate: Gate) -> bytes:
    """One testsuite with a testcase for each rule; what was not checked fails, or is skipped where that is allowed."""
    missing = "skipped" if gate["allow_missing"] else "failure"
    rules = gate["rules"]
    failures = sum(r["status"] == "failed" or (r["status"] == "not checked" and missing == "failure") for r in rules)
    skipped = sum(r["status"] == "not checked" for r in rules) if missing == "skipped" else 0
    counts = {"tests": str(len(rules)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    suites = Xml.Element("testsuites", counts)
    suite = Xml.SubElement(suites, "testsuite", {"name": xml_text(f"gate {gate['policy']['name']}"), **counts})
    facts = Xml.SubElement(suite, "properties")
    for name, value in (
        ("run", gate["run"]),
        ("policy_sha256", gate["policy"]["sha256"]),
        ("files_sha256", gate["files_sha256"]),
    ):
        Xml.SubElement(facts, "property", {"name": name, "value": xml_text(value)})
    for rule in rules:
        case = {"classname": xml_text(f"{gate['run']}.{rule['id'].partition('.')[0]}"), "name": xml_text(rule["id"])}
        node = Xml.SubElement(suite, "testcase", {**case, "time": "0"})
        kind = {"failed": "failure", "not checked": missing}.get(rule["status"])
        if kind:
            said = Xml.SubElement(node, kind, {"message": xml_text(_words(rule))})
            if kind == "failure":
                said.set("type", rule["status"].replace(" ", "-"))
                found = f"found: {rule['found']}{_by(rule)}"
                said.text = xml_text(f"asked: {rule['asked']}\n{found}\nstands in: {rule['where']}")
    Xml.indent(suites)
    return bytes(Xml.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def markdown(gate: Gate) -> str:
    """A summary for a pull request: the sentence, what failed, and the rest behind a line."""
    sign = "✅" if gate["passed"] else "❌"
    lines = [
        f"### {sign} Gate “{markdown_text(gate['policy']['name'])}” on `{_code(gate['run'])}`",
        "",
        gate["sentence"],
        "",
    ]
    first = [r for r in gate["rules"] if r["status"] != "passed"]
    rest = [r for r in gate["rules"] if r["status"] == "passed"]
    if first:
        lines += [*_rows(first), ""]
    if rest:
        lines += ["<details>", f"<summary>{len(rest)} rules hold</summary>", "", *_rows(rest), "", "</details>", ""]
    hashes = f"policy `{gate['policy']['sha256'][:12]}`, files `{gate['files_sha256'][:12]}`"
    return "\n".join([*lines, f"<sub>{hashes}, workbench {gate['workbench']}</sub>", ""])


def _rows(rules: list[Gate]) -> list[str]:
    rows = ["| | rule | asked | found | fails by | stands in |", "|---|---|---|---|---|---|"]
    for r in rules:
        by = "" if r["by"] is None else f"{r['by']:.4g}"
        found = (
            r["reason"] if r["status"] == "not checked" else r["found"] + (f" ({r['reason']})" if r["reason"] else "")
        )
        where = f"`{_code(r['where'])}`" if r["where"] else ""
        asked, found = markdown_text(r["asked"]), markdown_text(found)
        rows.append(f"| {_SIGNS[r['status']]} | `{_code(r['id'])}` | {asked} | {found} | {by} | {where} |")
    return rows


def _code(text: str) -> str:
    return " ".join(str(text).split()).replace("`", "'").replace("|", "\\|")
