"""Which parts of the report are evidence for which clauses, and for which there is none.

The map is data with a version and a date, `templates/regulation.yaml`. It says "evidence
for", never that anything complies: a person judges that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from workbench.assets import asset
from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Facts, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import count, word

# What a run must hold for a section to be more than its empty place.
_HELD: dict[str, Callable[[RunView], bool]] = {
    "verdict": lambda view: True,
    "provenance": lambda view: True,
    "purpose": lambda view: any(str(v).strip() for v in view.config.get("card", {}).values()),
    "data": lambda view: view.run.has("data/fingerprint.json"),
    "performance": lambda view: bool(view.shipped) and view.run.has(f"{view.shipped}/metrics.json"),
    "decisions": lambda view: bool(view.shipped) and view.run.has(f"{view.shipped}/decisions.json"),
    "mistakes": lambda view: bool(view.shipped),
    "weakness": lambda view: view.run.has("slices.json"),
    "cases": lambda view: bool(view.cases),
    "overall": lambda view: view.run.has("global.json"),
    "change": lambda view: view.run.has("comparison.json"),
    "shift": lambda view: view.run.has("explanation_shift.json"),
    "deployed": lambda view: view.run.has("onnx/parity.json"),
    "gate": lambda view: view.run.has("gate.json"),
}
# Their headings in the report.
_TITLES = {
    "verdict": N_("Verdict"),
    "provenance": N_("Provenance"),
    "purpose": N_("Purpose and limits"),
    "data": N_("Data"),
    "performance": N_("Performance"),
    "decisions": N_("Decisions and confidence"),
    "mistakes": N_("Mistakes"),
    "weakness": N_("Where it fails"),
    "cases": N_("Cases"),
    "overall": N_("Overall"),
    "change": N_("Before and after"),
    "shift": N_("Deciding for other reasons"),
    "deployed": N_("Deployed file"),
    "gate": N_("Gate"),
}


@cache
def regulation_map() -> dict[str, Any]:
    """The map as it is shipped: `version`, `as_of` (date), `notes`, `columns`, `areas`."""
    found: dict[str, Any] = yaml.safe_load(asset("templates", "regulation.yaml").read_text(encoding="utf-8"))
    return found


def evidence(view: RunView) -> list[dict[str, Any]]:
    """Every area of the map with `shown`: the sections of this report that are evidence for it."""
    return [{**area, "shown": [s for s in area["sections"] if _HELD[s](view)]} for area in regulation_map()["areas"]]


def regulation(view: RunView) -> Section:
    """A row an area: its clauses, and where this report holds evidence for them."""
    known = regulation_map()
    areas = evidence(view)
    without = [area for area in areas if not area["shown"]]
    head = (_("Part"), *map(stored, known["columns"].values()), _("Evidence in this report"))
    rows = tuple(
        (
            word(stored(area["title"])),
            *(Cell(stored(area[column]), kind="word") for column in known["columns"]),
            Cell(_(_TITLES[area["shown"][0]]), stored(area["evidence"]), "word", f"#{area['shown'][0]}")
            if area["shown"]
            else Cell(_("no evidence in this run ({evidence})").format(evidence=stored(area["evidence"])), kind="none"),
        )
        for area in areas
    )
    blocks: list[Block] = [Table(_("Clauses and evidence"), head, rows)]
    if without:
        names = _(", ").join(stored(area["title"]).lower() for area in without)
        blocks.insert(0, Prose((_("This run holds no evidence for: {names}.").format(names=names),), "warning"))
    day = known["as_of"]
    as_of = f"{day.day} {day:%B} {day.year}"
    facts = ((_("Version of the map"), word(str(known["version"]))), (_("As of"), word(as_of)))
    blocks += [Prose(tuple(map(stored, known["notes"]))), Facts(facts)]
    shown = len(areas) - len(without)
    finding = _(
        "This report holds evidence for {shown} of {n} of the frameworks below, as of "
        "{as_of}; whether that suffices is for a person to judge."
    ).format(shown=shown, n=count(len(areas), "{n} part", "{n} parts"), as_of=as_of)
    how = (_("A part counts as evidenced where its section of this report holds results of this run."),)
    return Section("regulation", _("Evidence for regulations"), finding, tuple(blocks), how)
