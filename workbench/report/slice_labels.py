"""The F1 of each label in each slice of one attribute, against the rest."""

from __future__ import annotations

from typing import Any

from workbench.language import gettext as _
from workbench.language import stored
from workbench.report.shapes import Block, Cell, Fold, Prose, Table
from workbench.report.slices import SIGNIFICANT
from workbench.report.words import change, count, estimate, p_value, word
from workbench.types import Estimate

_LISTED = 200


def labels_by(entries: list[dict[str, Any]], name: str) -> list[Block]:
    """Labels that a slice gets right less often than the rest, beyond chance; all of them behind a line."""
    found = [
        (entry, label, part)
        for entry in entries
        for label, part in (entry["models"]["onnx"].get("labels") or {}).items()
    ]
    counted = [(e, label, part) for e, label, part in found if part["score"]]
    if not counted:
        return []
    counted.sort(key=lambda one: (_p(one[2]), one[0]["name"], one[1]))
    worse = [(e, label, part) for e, label, part in counted if _worse(part)]
    tested = sum(part["difference"] is not None and part["difference"]["p"] is not None for _e, _label, part in counted)
    said = _("Label by label: of {tested} of a group and a label ").format(
        tested=count(tested, "{n} tested pair", "{n} tested pairs")
    )
    said += (
        (
            _("{n} has a lower F1 than the rest, beyond chance.")
            if len(worse) < 2
            else _("{n} have a lower F1 than the rest, beyond chance.")
        ).format(n=len(worse) or _("none"))
        if tested
        else _("none is large enough to be tested.")
    )
    blocks: list[Block] = [Prose((said,))]
    if worse:
        blocks.append(_table(_("Labels that fare worse for some, by {name}").format(name=name), worse[:_LISTED]))
    few = len(found) - len(counted)
    note = (
        _("{few} with fewer than 10 examples that have the label.").format(
            few=count(few, "{n} more pair", "{n} more pairs")
        )
        if few
        else ""
    )
    return [
        *blocks,
        Fold(
            _("F1 of each label by {name}").format(name=name),
            (_table(_("The deployed model by {name}").format(name=name), counted[:_LISTED], note),),
        ),
    ]


def _p(part: dict[str, Any]) -> float:
    test = part["difference"]
    return 2.0 if test is None or test["p"] is None else float(test["p"])


def _worse(part: dict[str, Any]) -> bool:
    test = part["difference"]
    return bool(test and test.get("p_holm") is not None and test["p_holm"] < SIGNIFICANT and test["value"] < 0)


def _table(caption: str, pairs: list[tuple[dict[str, Any], str, dict[str, Any]]], note: str = "") -> Table:
    rows = []
    for entry, label, part in pairs:
        scores = [Estimate(**part[side]) for side in ("score", "rest")]
        test = part["difference"]
        if test is None:
            moved = Cell(_("not tested: too few"), kind="none")
        else:
            text, span = change(test["value"], test["low"], test["high"])
            corrected = p_value(test.get("p_holm")) or stored(test.get("reason", ""))
            moved = Cell(text, " · ".join(part for part in (span, corrected) if part))
        group = word(entry["where"][0]["value"], label)
        rows.append((group, Cell(f"{part['n']:,}"), *(estimate(s, n=False) for s in scores), moved))
    head = (_("Group and label"), _("with the label"), "F1", _("F1 of the rest"), _("against the rest"))
    return Table(caption, head, tuple(rows), note)
