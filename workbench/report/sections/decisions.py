"""Decisions and confidence: what the model's certainty is worth, where to cut and when to abstain."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import decision_charts as charts
from workbench.report.abstention import abstain, abstention
from workbench.report.label_decisions import label_decisions
from workbench.report.operating import operating
from workbench.report.residuals import residuals
from workbench.report.shapes import Block, Cell, Chart, Pair, Prose, Section, Table
from workbench.report.thresholds import net_benefit, thresholds
from workbench.report.view import MODELS, RunView
from workbench.report.words import change, count, joined, measure_name, number, sentence, word

_HOW = (
    N_(
        "Confidence is the largest probability that the model gives. Bins of the reliability "
        "diagram hold equally many examples each; bars are 95 % Wilson intervals, or of whole groups where the "
        "data name groups. The calibration "
        "error and its floor are taken over 15 bins of equal width."
    ),
    N_(
        "The floor of the calibration error is simulated: 500 times, each answer is right "
        "with exactly the probability that was given for it. An error below the floor's 95th "
        "percentile cannot be told from chance."
    ),
    N_(
        "The temperature divides all logits; it has the least log loss on the validation "
        "split and was not applied to any number elsewhere in this report."
    ),
    N_(
        "Thresholds were chosen on the validation split and are judged on the test split; "
        "intervals are 95 % Wilson ones, or of whole groups where the data name groups."
    ),
    N_(
        "Net benefit is true positives minus false alarms, each alarm weighed with the odds "
        "of the threshold, per example (Vickers & Elkin 2006)."
    ),
    N_(
        "Examples of equal confidence are answered together. Which are answered is decided "
        "without looking at the truth."
    ),
)


def decisions(view: RunView) -> Section | None:
    """Reliability, temperature, thresholds, net benefit and abstention; for values, where the error leans."""
    found = {m: d for m in dict.fromkeys(("base", view.shipped)) if m and (d := view.json(f"{m}/decisions.json"))}
    own = found.get(view.shipped)
    if not own:
        return None
    title = _("Decisions and confidence")
    if own.get("reason"):
        return Section(
            "decisions", title, sentence(_("Not computed: {reason}").format(reason=stored(own["reason"]))), ()
        )
    if own["kind"] == "labels":
        return Section("decisions", title, *label_decisions(found))
    if own["kind"] == "value":
        return Section("decisions", title, *residuals(view, found))
    blocks = [*_calibration(found), *thresholds(own), *operating(view, own), *net_benefit(found), *abstention(found)]
    return Section("decisions", title, joined(abstain(own), _calibrated(own)), tuple(blocks), tuple(map(_, _HOW)))


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
        _("Reliability diagram: {calibrated}").format(calibrated=_calibrated(shown)),
        _(
            "Each dot stands for equally many answers. On the dashed line the model is right as "
            "often as it is sure; below it, it is too sure. Bars are 95 % intervals."
        ),
        280,
        square=True,
    )
    sure = Chart(
        charts.histogram(pd.concat(steps, ignore_index=True)),
        _("How many answers are given with which confidence"),
        _("How many answers are given with which confidence, in steps of 5 points."),
        280,
        square=True,
    )
    said = (_noise(shown["reliability"]), _temperature(shown["temperature"]))
    blocks: list[Block] = [Prose(said, heading=_("Is it right as often as it is sure?")), Pair((diagram, sure))]
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
        way = _("surer than it is right") if lean > 0 else _("right more often than it is sure")
        return _("It is {way}, by more than chance explains.").format(way=way)
    return _("How sure it is agrees with how often it is right, as far as chance lets one see.")


def _noise(part: dict[str, Any]) -> str:
    where = _("above") if part["above"] else _("within")
    return _(
        "Calibration error {ece} (floor {floor}; {where}): a perfectly calibrated model "
        "would show {floor} on average on these examples by chance alone, and less than "
        "{floor_p95} in 95 % of cases.{grouped}"
    ).format(
        ece=number(part["ece"]),
        floor=number(part["floor"]),
        where=where,
        floor_p95=number(part["floor_p95"]),
        grouped=_grouped(part),
    )


def _grouped(part: dict[str, Any]) -> str:
    """That examples of a group err together, where they come in groups."""
    return f" {sentence(part['note'])}" if part.get("note") else ""


def _temperature(part: dict[str, Any]) -> str:
    value = part.get("value")
    if value is None:
        return _("No temperature could be fitted: {reason}.").format(reason=stored(part["reason"]))
    way = (
        _("too sure") if value > 1.02 else _("not sure enough") if value < 0.98 else _("about as sure as it should be")
    )
    loss = next(m for m in part["measures"] if m["name"] == "log_loss")
    settled = loss["low"] is not None and loss["high"] is not None
    if settled and loss["high"] < 0:
        effect = _("On the test split that makes its probabilities better.")
    elif settled and loss["low"] > 0:
        effect = _("On the test split that makes its probabilities worse.")
    else:
        effect = _("On the test split no gain could be shown.")
    return _(
        "Fitted on {n}, the temperature is {value}: there the model is {way}. {effect} It "
        "changes no decision, and no number elsewhere in this report uses it."
    ).format(
        n=count(part["n"], "{n} validation example", "{n} validation examples"),
        value=number(value),
        way=way,
        effect=effect,
    )


def _scaled(measures: list[dict[str, Any]]) -> Table:
    rows = []
    for entry in measures:
        if entry["difference"] is None:
            moved = Cell(_("not computed: {reason}").format(reason=stored(entry.get("reason", ""))), kind="none")
        else:
            text, span = change(entry["difference"], entry["low"], entry["high"])
            moved = Cell(text, span or _("no interval: {reason}").format(reason=stored(entry.get("reason", ""))))
        values = [Cell("∞") if entry[k] is None else Cell(number(entry[k])) for k in ("before", "after")]
        rows.append((word(measure_name(entry["name"]).title, _("lower is better")), *values, moved))
    head = (_("Measure"), _("as it is"), _("with the temperature"), _("change"))
    return Table(_("What temperature scaling would change, on the test split"), head, tuple(rows), compact=True)
