"""When should it abstain? How often the surest answers are right, as a sentence, a curve and a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.language import gettext as _
from workbench.language import stored
from workbench.report import decision_charts as charts
from workbench.report.shapes import Block, Cell, Chart, Pair, Prose, Table
from workbench.report.view import MODELS
from workbench.report.words import between, chance, joined, percent, sentence, word

_EIGHTY = 0.8


def abstain(about: dict[str, Any]) -> str:
    """The plain sentence: how often it is right on the 80 % that it is surest of."""
    several = about["kind"] == "labels"
    part = about["risk_coverage"]
    every = part["table"][0]
    row = next((r for r in part["table"] if r["wanted"] == _EIGHTY), every)
    own = row["accuracy"]
    if row["n"] == every["n"]:
        return _("The model cannot say which answers it is surest of: {reason}.").format(
            reason=stored(part["reason"]) or _("too many are equally sure")
        )
    said = _(
        "If the model answers only the {coverage} it is surest of, it is right {share} of the time ({range}); "
        "on all it is right {every}."
    )
    if several:
        said = _(
            "If the model answers only the {coverage} it is surest of, every label is right in {share} of them "
            "({range}); on all every label is right in {every}."
        )
    return said.format(
        coverage=percent(row["coverage"], places=0),
        share=percent(own["value"]),
        range=_range(own),
        every=percent(every["accuracy"]["value"]),
    )


def _range(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return _("no interval")
    return f"{between(100 * estimate['low'], 100 * estimate['high'], like=10.0)} %"


def abstention(found: dict[str, dict[str, Any]]) -> list[Block]:
    """The risk-coverage curve of the models, and the deployed one's table."""
    lines = [
        pd.DataFrame(about["risk_coverage"]["curve"]).assign(who=MODELS[model])
        for model, about in found.items()
        if about.get("risk_coverage")
    ]
    shown = list(found.values())[-1]
    part = shown["risk_coverage"]
    chart = Chart(
        charts.risk_coverage(pd.concat(lines, ignore_index=True).round(5)),
        _("Share of wrong answers over the share that is answered: {abstain}").format(abstain=abstain(shown)),
        _("The further the line falls to the left, the better the model knows when it does not know."),
        280,
        square=True,
    )
    rows, seen = [], set()
    for entry in part["table"]:
        if entry["n"] in seen:
            continue
        seen.add(entry["n"])
        own = entry["accuracy"]
        rows.append(
            (
                word(percent(entry["coverage"], places=0), _("{n:,} answered").format(n=entry["n"])),
                Cell(chance(entry["least"])),
                Cell(percent(own["value"]), _range(own)),
            )
        )
    right = _("every label right") if shown["kind"] == "labels" else _("right")
    head = (_("Answered"), _("when at least so sure"), right)
    table = Table(_("If it answers only what it is surest of"), head, tuple(rows))
    lead = [part["reason"]] if part.get("reason") else []
    lead.append(
        _(
            "Over all shares that may be answered, {aurc} of the answers are wrong on average "
            "(AURC); with no idea of its own certainty it would be {random}, at best {oracle}."
        ).format(
            aurc=percent(part["aurc"], places=2),
            random=percent(part["random"], places=2),
            oracle=percent(part["oracle"], places=2),
        )
    )
    text = joined(*map(sentence, lead))
    return [Prose((text,), heading=_("When should it abstain?")), Pair((chart, table))]
