"""The gate: what a policy asked of this run, what was found and by how much it failed."""

from __future__ import annotations

from typing import Any

from workbench.report.shapes import Block, Cell, Facts, Finding, Fold, Section, Table
from workbench.report.view import RunView
from workbench.report.words import count, number, word

_LEVELS = {"passed": "good", "failed": "poor", "not checked": "open"}
_ORDER = ("failed", "not checked", "passed")


def gate(view: RunView) -> Section | None:
    """Every rule with its number and interval, those that failed first."""
    found = view.json("gate.json")
    if not found:
        return None
    rules = sorted(found["rules"], key=lambda r: _ORDER.index(r["status"]))
    first, rest = [r for r in rules if r["status"] != "passed"], [r for r in rules if r["status"] == "passed"]
    blocks: list[Block] = []
    if first:
        blocks.append(_table("What does not hold", first))
    if rest:
        table = _table("What holds", rest)
        blocks.append(Fold(f"{count(len(rest), 'rule')} that hold", (table,)) if first else table)
    policy = found["policy"]
    facts = [
        ("Policy", word(policy["name"], policy["file"])),
        ("Hash of the policy", Cell(policy["sha256"], kind="code")),
        ("Hash of the files judged", Cell(found["files_sha256"], kind="code")),
    ]
    if found.get("reference"):
        facts.append(("Reference", word(found["reference"]["name"], found["reference"]["files_sha256"][:12])))
    how = (
        "Rules judge the bound of an interval that speaks against the model, so that a lucky draw does not pass. "
        "Before any rule, every file was compared with its hash in the manifest.",
        "`workbench gate` judges again and writes gate.json.",
    )
    return Section("gate", "Gate", found["sentence"], (*blocks, Facts(tuple(facts))), how)


def _table(caption: str, rules: list[dict[str, Any]]) -> Table:
    return Table(caption, ("Rule", "", "asked", "found", "fails by", "stands in"), tuple(_row(r) for r in rules))


def _row(rule: dict[str, Any]) -> tuple[Cell, ...]:
    status = Cell(rule["status"], kind="mark", level=_LEVELS[rule["status"]])
    found = word(rule["reason"]) if rule["status"] == "not checked" else word(rule["found"], rule["reason"])
    by = Cell("" if rule["by"] is None else number(rule["by"]))
    where = Cell(rule["where"], kind="code") if rule["where"] else word("")
    return Cell(rule["id"], kind="code"), status, word(rule["asked"]), found, by, where


def gate_finding(view: RunView) -> list[Finding]:
    """The gate's line of the first screen; none where no gate was asked."""
    found = view.json("gate.json")
    if not found:
        return []
    strong = f"The gate “{found['policy']['name']}” {'was passed' if found['passed'] else 'was not passed'}:"
    failed = [r["id"] for r in found["rules"] if r["status"] == "failed"]
    rest = found["sentence"].split(": ", 1)[-1]
    if failed:
        rest = f"{rest[:-1]} ({', '.join(failed[:4])}{', …' if len(failed) > 4 else ''})."
    return [Finding("good" if found["passed"] else "poor", strong, rest, "#gate", "which")]
