"""When should it abstain? How often the surest answers are right, as a sentence, a curve and a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.report import decision_charts as charts
from workbench.report.shapes import Block, Cell, Chart, Pair, Prose, Table
from workbench.report.view import MODELS
from workbench.report.words import between, chance, percent, sentence, word

_EIGHTY = 0.8


def abstain(about: dict[str, Any]) -> str:
    """The plain sentence: how often it is right on the 80 % that it is surest of."""
    right = "every label is right in" if about["kind"] == "labels" else "it is right"
    times = "of them" if about["kind"] == "labels" else "of the time"
    part = about["risk_coverage"]
    every = part["table"][0]
    row = next((r for r in part["table"] if r["wanted"] == _EIGHTY), every)
    own = row["accuracy"]
    if row["n"] == every["n"]:
        return f"The model cannot say which answers it is surest of: {part['reason'] or 'too many are equally sure'}."
    return (
        f"If the model answers only the {percent(row['coverage'], places=0)} it is surest of, {right} "
        f"{percent(own['value'])} {times} ({_range(own)}); "
        f"on all {right} {percent(every['accuracy']['value'])}."
    )


def _range(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return "no interval"
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
        f"Share of wrong answers over the share that is answered: {abstain(shown)}",
        "The further the line falls to the left, the better the model knows when it does not know.",
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
                word(percent(entry["coverage"], places=0), f"{entry['n']:,} answered"),
                Cell(chance(entry["least"])),
                Cell(percent(own["value"]), _range(own)),
            )
        )
    right = "every label right" if shown["kind"] == "labels" else "right"
    head = ("Answered", "when at least so sure", right)
    table = Table("If it answers only what it is surest of", head, tuple(rows))
    lead = [part["reason"]] if part.get("reason") else []
    lead.append(
        f"Over all shares that may be answered, {percent(part['aurc'], places=2)} of the answers are wrong on average "
        f"(AURC); with no idea of its own certainty it would be {percent(part['random'], places=2)}, at best "
        f"{percent(part['oracle'], places=2)}."
    )
    text = " ".join(sentence(t) for t in lead)
    return [Prose((text,), heading="When should it abstain?"), Pair((chart, table))]
