"""The gate: what a policy asked of this run, what was found and by how much it failed."""

from __future__ import annotations

import re
from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Facts, Finding, Fold, Section, Table
from workbench.report.view import RunView
from workbench.report.words import count, joined, number, word

_LEVELS = {N_("passed"): "good", N_("failed"): "poor", N_("not checked"): "open"}
_STALE = N_("The run has changed since; it has to be judged again with “workbench gate”.")
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
        blocks.append(_table(_("What does not hold"), first))
    if rest:
        table = _table(_("What holds"), rest)
        blocks.append(
            Fold(_("{n} that hold").format(n=count(len(rest), "{n} rule", "{n} rules")), (table,)) if first else table
        )
    policy = found["policy"]
    facts = [
        (_("Policy"), word(policy["name"], policy["file"])),
        (_("Hash of the policy"), Cell(policy["sha256"], kind="code")),
        (_("Hash of the files judged"), Cell(found["files_sha256"], kind="code")),
    ]
    if found.get("reference"):
        facts.append((_("Reference"), word(found["reference"]["name"], found["reference"]["files_sha256"][:12])))
    how = (
        _(
            "Rules judge the bound of an interval that speaks against the model, so that a lucky "
            "draw does not pass. Before any rule, every file was compared with its hash in the "
            "manifest."
        ),
        _("The command “workbench gate” judges again and writes gate.json."),
    )
    said = stored(found["sentence"])
    said = said if _of_these_files(view) else joined(said, _(_STALE))
    return Section("gate", _("Gate"), said, (*blocks, Facts(tuple(facts))), how)


def _table(caption: str, rules: list[dict[str, Any]]) -> Table:
    failing = any(rule["by"] is not None for rule in rules)
    head = (_("Rule"), "", _("asked"), _("found"), *((_("fails by"),) if failing else ()))
    return Table(caption, head, tuple(_row(rule, failing) for rule in rules))


def _row(rule: dict[str, Any], failing: bool) -> tuple[Cell, ...]:
    status = Cell(_(rule["status"]), kind="mark", level=_LEVELS[rule["status"]])
    found = (
        word(stored(rule["reason"]))
        if rule["status"] == "not checked"
        else word(_minus(stored(rule["found"])), stored(rule["reason"]))
    )
    by = Cell(_("not judged"), kind="none") if rule["by"] is None else Cell(number(rule["by"]))
    return (
        Cell(rule["id"], rule["where"], "code"),
        status,
        word(stored(rule["asked"])),
        found,
        *((by,) if failing else ()),
    )


def _minus(text: str) -> str:
    """The text with true minus signs before its numbers."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def _of_these_files(view: RunView) -> bool:
    return bool(view.json("gate.json")["files_sha256"] == view.run.files_sha256())


def gate_finding(view: RunView) -> list[Finding]:
    """The gate's line of the first screen; none where no gate was asked."""
    found = view.json("gate.json")
    if not found:
        return []
    if not _of_these_files(view):
        return [Finding("open", _("The gate judged other files than these:"), _(_STALE), "#gate", _("which"))]
    strong = _("The gate “{name}” was passed:") if found["passed"] else _("The gate “{name}” was not passed:")
    strong = strong.format(name=found["policy"]["name"])
    failed = [r["id"] for r in found["rules"] if r["status"] == "failed"]
    rest = stored(found["sentence"].split(": ", 1)[-1])
    if failed:
        rest = f"{rest[:-1]} ({', '.join(failed[:4])}{', …' if len(failed) > 4 else ''})."
    return [Finding("good" if found["passed"] else "poor", strong, rest, "#gate", _("which"))]
