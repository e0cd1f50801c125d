"""Decisions and confidence: what the model's certainty is worth, where to cut and when to abstain."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.report import decision_charts as charts
from workbench.report.operating import operating
from workbench.report.residuals import residuals
from workbench.report.shapes import Block, Cell, Chart, Pair, Prose, Section, Table
from workbench.report.thresholds import net_benefit, thresholds
from workbench.report.view import MODELS, RunView
from workbench.report.words import between, chance, change, count, measure_name, number, percent, sentence, word

_EIGHTY = 0.8
_HOW = (
    "Confidence is the largest probability that the model gives. Bins of the reliability diagram hold equally many "
    "examples each; bars are 95 % Wilson intervals.",
    "The floor of the calibration error is simulated: 500 times, each answer is right with exactly the probability "
    "that was given for it. An error below the floor's 95th percentile cannot be told from chance.",
    "The temperature divides all logits; it has the least log loss on the validation split and was not applied to any "
    "number elsewhere in this report.",
    "Thresholds were chosen on the validation split and are judged on the test split; intervals are 95 % Wilson ones.",
    "Net benefit is true positives minus false alarms, each alarm weighed with the odds of the threshold, per example "
    "(Vickers & Elkin 2006).",
    "Examples of equal confidence are answered together. Which are answered is decided without looking at the truth.",
)


def decisions(view: RunView) -> Section | None:
    """Reliability, temperature, thresholds, net benefit and abstention; for values, where the error leans."""
    found = {m: d for m in dict.fromkeys(("base", view.shipped)) if m and (d := view.json(f"{m}/decisions.json"))}
    own = found.get(view.shipped)
    if not own:
        return None
    title = "Decisions and confidence"
    if own.get("reason"):
        return Section("decisions", title, sentence(f"Not computed: {own['reason']}"), ())
    if own["kind"] == "value":
        return Section("decisions", title, *residuals(view, found))
    blocks = [*_calibration(found), *thresholds(own), *operating(view, own), *net_benefit(found), *_abstention(found)]
    return Section("decisions", title, f"{_abstain(own)} {_calibrated(own)}", tuple(blocks), _HOW)


def _who(model: str) -> str:
    return MODELS[model]


# -- is it as right as it is sure? --------------------------------------------------------


def _calibration(found: dict[str, dict[str, Any]]) -> list[Block]:
    bins, steps = [], []
    for model, about in found.items():
        part = about.get("reliability")
        if part:
            bins.append(pd.DataFrame(part["bins"]).assign(who=_who(model)))
            steps.append(_steps(part["histogram"]).assign(who=_who(model)))
    drawn = pd.concat(bins, ignore_index=True)[["who", "confidence", "share", "low", "high", "n"]].round(5)
    shown = list(found.values())[-1]
    diagram = Chart(
        charts.reliability(drawn),
        f"Reliability diagram: {_calibrated(shown)}",
        "Each dot stands for equally many answers. On the dashed line the model is right as often as it is sure; "
        "below it, it is too sure. Bars are 95 % intervals.",
        280,
        square=True,
    )
    sure = Chart(
        charts.histogram(pd.concat(steps, ignore_index=True)),
        "How many answers are given with which confidence",
        "How many answers are given with which confidence, in steps of 5 points.",
        280,
        square=True,
    )
    said = (_noise(shown["reliability"]), _temperature(shown["temperature"]))
    blocks: list[Block] = [Prose(said, heading="Is it right as often as it is sure?"), Pair((diagram, sure))]
    scaled = shown["temperature"].get("measures")
    return [*blocks, _scaled(scaled)] if scaled else blocks


def _steps(histogram: list[dict[str, Any]]) -> pd.DataFrame:
    """The histogram from its first filled bin on, closed by the end of its last."""
    rows = pd.DataFrame(histogram)
    rows = rows[rows["n"].cumsum() > 0]
    end = {"low": 1.0, "high": 1.0, "n": int(rows["n"].iloc[-1])}
    return pd.concat([rows, pd.DataFrame([end])], ignore_index=True)


def _calibrated(about: dict[str, Any]) -> str:
    part = about["reliability"]
    if part["above"]:
        lean = sum(b["n"] * (b["confidence"] - b["share"]) for b in part["bins"])
        way = "surer than it is right" if lean > 0 else "right more often than it is sure"
        return f"It is {way}, by more than chance explains."
    return "How sure it is agrees with how often it is right, as far as chance lets one see."


def _noise(part: dict[str, Any]) -> str:
    where = "above" if part["above"] else "within"
    return (
        f"Calibration error {number(part['ece'])} (floor {number(part['floor'])}; {where}): a perfectly calibrated "
        f"model would show {number(part['floor'])} on average on these examples by chance alone, and less than "
        f"{number(part['floor_p95'])} in 95 % of cases."
    )


def _temperature(part: dict[str, Any]) -> str:
    value = part.get("value")
    if value is None:
        return f"No temperature could be fitted: {part['reason']}."
    way = "too sure" if value > 1.02 else "not sure enough" if value < 0.98 else "about as sure as it should be"
    loss = next(m for m in part["measures"] if m["name"] == "log_loss")
    settled = loss["low"] is not None and loss["high"] is not None
    if settled and loss["high"] < 0:
        effect = "On the test split that makes its probabilities better."
    elif settled and loss["low"] > 0:
        effect = "On the test split that makes its probabilities worse."
    else:
        effect = "On the test split no gain could be shown."
    return (
        f"Fitted on {count(part['n'], 'validation example')}, the temperature is {number(value)}: there the model is "
        f"{way}. {effect} It changes no decision, and no number elsewhere in this report uses it."
    )


def _scaled(measures: list[dict[str, Any]]) -> Table:
    rows = []
    for entry in measures:
        if entry["difference"] is None:
            moved = Cell(f"not computed: {entry.get('reason', '')}", kind="none")
        else:
            text, span = change(entry["difference"], entry["low"], entry["high"])
            moved = Cell(text, span or f"no interval: {entry.get('reason', '')}")
        values = [Cell("∞") if entry[k] is None else Cell(number(entry[k])) for k in ("before", "after")]
        rows.append((word(measure_name(entry["name"]).title, "lower is better"), *values, moved))
    head = ("Measure", "as it is", "with the temperature", "change")
    return Table("What temperature scaling would change, on the test split", head, tuple(rows), compact=True)


# -- when to abstain ----------------------------------------------------------------------


def _abstain(about: dict[str, Any]) -> str:
    """The plain sentence: how often it is right on the 80 % that it is surest of."""
    part = about["risk_coverage"]
    every = part["table"][0]
    row = next((r for r in part["table"] if r["wanted"] == _EIGHTY), every)
    own = row["accuracy"]
    if row["n"] == every["n"]:
        return f"The model cannot say which answers it is surest of: {part['reason'] or 'too many are equally sure'}."
    return (
        f"If the model answers only the {percent(row['coverage'], places=0)} it is surest of, it is right "
        f"{percent(own['value'])} of the time ({_range(own)}); "
        f"on all it is right {percent(every['accuracy']['value'])}."
    )


def _range(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return "no interval"
    return f"{between(100 * estimate['low'], 100 * estimate['high'], like=10.0)} %"


def _abstention(found: dict[str, dict[str, Any]]) -> list[Block]:
    lines = [
        pd.DataFrame(about["risk_coverage"]["curve"]).assign(who=_who(model))
        for model, about in found.items()
        if about.get("risk_coverage")
    ]
    shown = list(found.values())[-1]
    part = shown["risk_coverage"]
    chart = Chart(
        charts.risk_coverage(pd.concat(lines, ignore_index=True).round(5)),
        f"Share of wrong answers over the share that is answered: {_abstain(shown)}",
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
    table = Table(
        "If it answers only what it is surest of", ("Answered", "when at least so sure", "right"), tuple(rows)
    )
    lead = [part["reason"]] if part.get("reason") else []
    lead.append(
        f"Over all shares that may be answered, {percent(part['aurc'], places=2)} of the answers are wrong on average "
        f"(AURC); with no idea of its own certainty it would be {percent(part['random'], places=2)}, at best "
        f"{percent(part['oracle'], places=2)}."
    )
    text = " ".join(sentence(t) for t in lead)
    return [Prose((text,), heading="When should it abstain?"), Pair((chart, table))]
