"""From which probability on a class is called: the rules' thresholds, and what calling is worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.language import N_
from workbench.language import gettext as _
from workbench.report import decision_charts as charts
from workbench.report.shapes import Block, Cell, Chart, Prose, Table
from workbench.report.view import MODELS
from workbench.report.words import between, chance, none, number, percent, sentence, word

_RULES = {
    "used": N_("As it is deployed"),
    "half": N_("As it is: above one half"),
    "f1": N_("Best F1"),
    "youden": N_("Best balance (Youden)"),
    "cost": N_("Least cost, by formula"),
    "cost_validation": N_("Least cost, by trying"),
    "recall": N_("Find at least {share}"),
    "precision": N_("Be right at least {share} when called"),
    "capacity": N_("Call at most {share} of all"),
}
_SHARES = ("recall", "precision", "specificity", "selected")


def thresholds(about: dict[str, Any]) -> list[Block]:
    """The table of rules: threshold from validation, shares and counts from test."""
    part = about["thresholds"]
    heading = _("From which probability on is it called?")
    if not part["rules"]:
        return [Prose((_("No thresholds: {reason}").format(reason=sentence(part["reason"])),), "note", heading)]
    label = part["positive"]
    rows = tuple((word(*rule_name(entry)), *_numbers(entry)) for entry in part["rules"])
    head = (
        _("Rule"),
        _("called from"),
        _("found"),
        _("right when called"),
        _("others left alone"),
        _("called"),
        _("found · false · missed"),
    )
    notes = {2: _("recall"), 3: _("precision"), 4: _("specificity"), 5: _("share of all")}
    note = _(
        "Chosen on {n_validation:,} validation examples, judged on {n:,} test examples, of "
        "which {prevalence} are {label}. What a rule promises it keeps on the examples it "
        "was chosen on; here it is seen on others."
    ).format(n_validation=about["n_validation"], n=about["n"], prevalence=percent(part["prevalence"]), label=label)
    if part.get("cost_ratio") is not None:
        note += _(" Costs: a false alarm counts {cost_ratio:g} times as much as a miss.").format(
            cost_ratio=part["cost_ratio"]
        )
    else:
        note += _(" No rule by cost: evaluate.cost_ratio is not set.")
    said = _("A model gives a probability of {label}; these are the ways to turn it into a decision.").format(
        label=label
    )
    return [
        Prose((said,), heading=heading),
        Table(_("Thresholds for {label}").format(label=label), head, rows, note, notes),
    ]


def rule_name(entry: dict[str, Any]) -> tuple[str, str]:
    """A rule in words, and its cost where one was given."""
    name = _(_RULES.get(entry["rule"], entry["rule"]))
    if entry["parameter"] is not None:
        name = name.format(share=percent(entry["parameter"], places=0))
    cost = _("cost {cost} per example").format(cost=number(entry["cost"])) if entry.get("cost") is not None else ""
    return name, cost


def _numbers(entry: dict[str, Any]) -> tuple[Cell, ...]:
    if entry["threshold"] is None:
        return (none(entry["reason"]), *(Cell(_("no threshold"), kind="none") for _place in range(5)))
    cells = []
    for name in _SHARES:
        own = entry[name]
        if own["value"] is None:
            cells.append(none(own["reason"]))
        else:
            ends = (None if v is None else 100 * v for v in (own["low"], own["high"]))
            cells.append(Cell(percent(own["value"]), between(*ends, like=10.0) or _("no interval")))
    counts = f"{entry['tp']:,} · {entry['fp']:,} · {entry['fn']:,}"
    return (Cell(chance(entry["threshold"])), *cells, Cell(counts))


def net_benefit(found: dict[str, dict[str, Any]]) -> list[Block]:
    """The decision curve of the models beside calling all, and calling none."""
    shown = list(found.values())[-1]["net_benefit"]
    if not shown["curve"]:
        return (
            []
            if shown["positive"] is None
            else [Prose((_("No decision curve: {reason}").format(reason=sentence(shown["reason"])),), "note")]
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
        _("Net benefit over thresholds: {said}").format(said=said),
        _(
            "Where a line lies above both dashed ones, calling all (falling) and calling none "
            "(at 0), deciding by the model pays. The band is the 95 % interval. One unit is one "
            "{positive} found per example."
        ).format(positive=shown["positive"]),
        280,
    )
    return [Prose((said,), heading=_("Does deciding by it pay?")), chart]


def _worth(part: dict[str, Any]) -> str:
    span = part.get("worth_using")
    if span is None:
        return _(
            "At no threshold could it be shown that deciding by the model beats both calling all and calling none."
        )
    where = _("from {span} to {span_2}").format(span=percent(span[0], places=0), span_2=percent(span[1], places=0))
    if span[0] == span[1]:
        where = _("of {span}").format(span=percent(span[0], places=0))
    return _(
        "For thresholds {where}, deciding by the model beats both calling all and calling none, beyond chance."
    ).format(where=where)
