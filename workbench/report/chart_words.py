"""The words of a chart in the language that is spoken: names of lines and shades, tooltips without a title."""

from __future__ import annotations

from typing import Any

from workbench.language import N_
from workbench.language import gettext as _

# Columns whose values are words of ours, and the names of columns that a tooltip shows without a title.
_TOLD = ("who", "shade")
_FIELDS = (
    N_("who"), N_("n"), N_("share"), N_("low"), N_("high"), N_("value"), N_("mean"), N_("column"), N_("label"),
    N_("measure"), N_("epoch"), N_("loss"), N_("actual"), N_("predicted"), N_("id"), N_("threshold"), N_("shift"),
)  # fmt: skip


def retold(part: Any) -> Any:
    """A part of a spec with our words in the language that is spoken: in data, scales, filters and tooltips."""
    if isinstance(part, list):
        return [retold(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    found = {key: retold(inner) for key, inner in part.items()}
    for row in found["values"] if isinstance(found.get("values"), list) else ():
        if isinstance(row, dict):
            row |= {key: _(str(row[key])) for key in _TOLD if key in row}
    if found.get("field") in _TOLD and isinstance(domain := (found.get("scale") or {}).get("domain"), list):
        found["scale"] = {**found["scale"], "domain": [_(name) for name in domain]}
    if "tooltip" in found and isinstance(found["tooltip"], list):
        found["tooltip"] = [{**t, "title": t.get("title") or _(t["field"])} for t in found["tooltip"]]
    if isinstance(told := found.get("filter"), str) and told.startswith("datum.who"):
        start, name, end = told.split("'")
        found["filter"] = f"{start}'{_(name)}'{end}"
    return found
