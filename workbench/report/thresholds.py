"""From which probability on a class is called: the rules' thresholds, and what calling is worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.report import decision_charts as charts
from workbench.report.shapes import Block, Cell, Chart, Prose, Table
from workbench.report.view import MODELS
from workbench.report.words import between, chance, none, number, percent, sentence, word

_RULES = {
    "used": "As it is deployed",
    "half": "As it is: above one half",
    "f1": "Best F1",
    "youden": "Best balance (Youden)",
    "cost": "Least cost, by formula",
    "cost_validation": "Least cost, by trying",
    "recall": "Find at least {:.0%}",
    "precision": "Be right at least {:.0%} when called",
    "capacity": "Call at most {:.0%} of all",
}
_SHARES = ("recall", "precision", "specificity", "selected")


def thresholds(about: dict[str, Any]) -> list[Block]:
    """The table of rules: threshold from validation, shares and counts from test."""
    part = about["thresholds"]
    heading = "From which probability on is it called?"
    if not part["rules"]:
        return [Prose((f"No thresholds: {sentence(part['reason'])}",), "note", heading)]
    label = part["positive"]
    rows = tuple((word(*rule_name(entry)), *_numbers(entry)) for entry in part["rules"])
    head = (
        "Rule",
        "called from",
        "found",
        "right when called",
        "others left alone",
        "called",
        "found · false · missed",
    )
    notes = {2: "recall", 3: "precision", 4: "specificity", 5: "share of all"}
    note = (
        f"Chosen on {about['n_validation']:,} validation examples, judged on {about['n']:,} test examples, of which "
        f"{percent(part['prevalence'])} are {label}. What a rule promises it keeps on the examples it was chosen on; "
        "here it is seen on others."
    )
    if part.get("cost_ratio") is not None:
        note += f" Costs: a false alarm counts {part['cost_ratio']:g} times as much as a miss."
    else:
        note += " No rule by cost: evaluate.cost_ratio is not set."
    said = f"A model gives a probability of {label}; these are the ways to turn it into a decision."
    return [Prose((said,), heading=heading), Table(f"Thresholds for {label}", head, rows, note, notes)]


def rule_name(entry: dict[str, Any]) -> tuple[str, str]:
    """A rule in words, and its cost where one was given."""
    name = _RULES.get(entry["rule"], entry["rule"])
    if entry["parameter"] is not None:
        name = name.format(entry["parameter"]).replace("%", " %")
    cost = f"cost {number(entry['cost'])} per example" if entry.get("cost") is not None else ""
    return name, cost


def _numbers(entry: dict[str, Any]) -> tuple[Cell, ...]:
    if entry["threshold"] is None:
        return (none(entry["reason"]), *(Cell("no threshold", kind="none") for _ in range(5)))
    cells = []
    for name in _SHARES:
        own = entry[name]
        if own["value"] is None:
            cells.append(none(own["reason"]))
        else:
            ends = (None if v is None else 100 * v for v in (own["low"], own["high"]))
            cells.append(Cell(percent(own["value"]), between(*ends, like=10.0) or "no interval"))
    counts = f"{entry['tp']:,} · {entry['fp']:,} · {entry['fn']:,}"
    return (Cell(chance(entry["threshold"])), *cells, Cell(counts))


def net_benefit(found: dict[str, dict[str, Any]]) -> list[Block]:
    """The decision curve of the models beside calling all, and calling none."""
    shown = list(found.values())[-1]["net_benefit"]
    if not shown["curve"]:
        return (
            [] if shown["positive"] is None else [Prose((f"No decision curve: {sentence(shown['reason'])}",), "note")]
        )
    lines = []
    for model, about in found.items():
        curve = pd.DataFrame((about.get("net_benefit") or {}).get("curve", []))
        if len(curve):
            lines.append(curve.rename(columns={"model": "benefit"}).assign(who=MODELS[model]))
    lines[-1] = lines[-1].assign(low=lines[-1]["low"].astype(float), high=lines[-1]["high"].astype(float))
    lines[:-1] = [line.assign(low=float("nan"), high=float("nan")) for line in lines[:-1]]  # one band can be read
    columns = ["who", "threshold", "benefit", "low", "high", "all"]
    rows = pd.concat([line[columns] for line in lines], ignore_index=True).round(5)
    said = _worth(shown)
    chart = Chart(
        charts.net_benefit(rows, shown["positive"]),
        f"Net benefit over thresholds: {said}",
        "Where a line lies above both dashed ones, calling all (falling) and calling none (at 0), deciding by the "
        f"model pays. The band is the 95 % interval. One unit is one {shown['positive']} found per example.",
        280,
    )
    return [Prose((said,), heading="Does deciding by it pay?"), chart]


def _worth(part: dict[str, Any]) -> str:
    span = part.get("worth_using")
    if span is None:
        return "At no threshold could it be shown that deciding by the model beats both calling all and calling none."
    where = f"from {percent(span[0], places=0)} to {percent(span[1], places=0)}"
    if span[0] == span[1]:
        where = f"of {percent(span[0], places=0)}"
    return f"For thresholds {where}, deciding by the model beats both calling all and calling none, beyond chance."
