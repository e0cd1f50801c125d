"""Decisions where several labels may hold: when to abstain, and each label's probability, threshold and worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import decision_charts as charts
from workbench.report.abstention import abstain, abstention
from workbench.report.shapes import Block, Cell, Chart, Fold, Pair, Prose, Table
from workbench.report.thresholds import net_benefit, thresholds
from workbench.report.view import MODELS
from workbench.report.words import chance, change, count, joined, none, number, percent, sentence, word

_DRAWN = 6  # labels that are drawn; the others stand in tables
_HOW = (
    N_(
        "A whole set of labels is one answer. How sure the model is of it is the product of "
        "the probabilities of its decisions, as if labels were independent; which answers "
        "are given is decided without looking at the truth."
    ),
    N_(
        "Each label is a yes-or-no problem of its own: its probability against how often it "
        "holds: in the diagram in bins of equally many examples, for the calibration error over "
        "15 bins of equal width. The floor is simulated: 500 times, each label holds with exactly "
        "the probability given for it."
    ),
    N_(
        "Temperature and thresholds of a label were chosen on the validation split and are "
        "judged on the test split. The temperature divides the label's logits and was not "
        "applied to any number elsewhere in this report."
    ),
    N_(
        "Net benefit is true positives minus false alarms, each alarm weighed with the odds "
        "of the threshold, per example (Vickers & Elkin 2006)."
    ),
)


def label_decisions(found: dict[str, dict[str, Any]]) -> tuple[str, tuple[Block, ...], tuple[str, ...]]:
    """Finding, blocks and how they were computed, from decisions.json of the models."""
    own = list(found.values())[-1]
    labels = own["labels"]
    above = sum(entry["reliability"]["above"] for entry in labels)
    honest = (
        _("The probabilities of {above:,} of {n} are off by more than chance explains.").format(
            above=above, n=count(len(labels), "{n} label", "{n} labels")
        )
        if above
        else _("How probable it calls a label agrees with how often the label holds, as far as chance lets one see.")
    )
    blocks = [*abstention(found), *_calibration(own), *_worth(own)]
    blocks += [_of_label(found, place) for place in range(len(labels))]
    if own["left_out"]:
        blocks.append(
            Prose(
                (
                    _("{left_out} left out here.").format(
                        left_out=count(own["left_out"], "{n} rarer label", "{n} rarer labels")
                    ),
                ),
                "note",
            )
        )
    return joined(abstain(own), honest), tuple(blocks), tuple(map(_, _HOW))


def _calibration(own: dict[str, Any]) -> list[Block]:
    rows = []
    for entry in own["labels"]:
        part, temperature = entry["reliability"], entry["temperature"]
        where = _("above") if part["above"] else _("within")
        error = Cell(
            number(part["ece"]),
            _("floor {floor}, 95 % below {floor_p95}: {where}").format(
                floor=number(part["floor"]), floor_p95=number(part["floor_p95"]), where=where
            ),
        )
        if temperature["value"] is None:
            fitted, moved = none(temperature["reason"]), Cell(_("no temperature"), kind="none")
        else:
            fitted = Cell(number(temperature["value"]))
            loss = next(m for m in temperature["measures"] if m["name"] == "log_loss")
            text, span = change(loss["difference"], loss["low"], loss["high"])
            moved = Cell(text, span or _("no interval: {reason}").format(reason=stored(loss.get("reason", ""))))
        share = Cell(f"{entry['holds']:,}", percent(entry["prevalence"]))
        rows.append((word(entry["label"]), share, error, fitted, moved))
    head = (_("Label"), _("holds"), _("calibration error"), _("temperature"), _("log loss with it"))
    note = _("A temperature above 1 says that the label's probabilities are too sure. Lower log loss is better.")
    grouped = own["labels"][0]["reliability"].get("note") if own["labels"] else ""
    if grouped:
        note += f" {sentence(grouped)}"
    heading = Prose((), heading=_("Does each label hold as often as it is said to?"))
    return [heading, Table(_("Probability of each label"), head, tuple(rows), note)]


def _worth(own: dict[str, Any]) -> list[Block]:
    rows = []
    for entry in own["labels"]:
        part = entry["net_benefit"]
        used = next(r for r in entry["rules"] if r["rule"] == "used")
        if part["reason"]:
            rows.append(
                (word(entry["label"]), Cell(chance(used["threshold"])), none(part["reason"]), Cell("", kind="none"))
            )
            continue
        span = part["worth_using"]
        where = (
            Cell(_("at none"), _("beyond chance"))
            if span is None
            else Cell(
                _("{span} to {span_2}").format(span=percent(span[0], places=0), span_2=percent(span[1], places=0))
            )
        )
        worth = none(_("its threshold is 0 or 1")) if part["used"] is None else Cell(number(part["used"]))
        rows.append((word(entry["label"]), Cell(chance(used["threshold"])), worth, where))
    head = (_("Label"), _("given from"), _("net benefit there"), _("pays for thresholds"))
    note = _(
        "Pays: the thresholds for which giving the label by the model beats giving it to all "
        "and to none, with the whole 95 % interval. The net benefit is in examples found, "
        "per example; never giving the label has 0."
    )
    heading = Prose((), heading=_("Does deciding by it pay?"))
    return [heading, Table(_("Net benefit of each label"), head, tuple(rows), note)]


def _of_label(found: dict[str, dict[str, Any]], place: int) -> Fold:
    """One label's reliability, thresholds and decision curve behind a line."""
    own = list(found.values())[-1]
    entry = own["labels"][place]
    about = {
        "thresholds": {"positive": entry["label"], "rules": entry["rules"], "prevalence": entry["prevalence"]}
        | {"cost_ratio": own["cost_ratio"]},
        "n": own["n"],
        "n_validation": own["n_validation"],
    }
    blocks: list[Block] = []
    if place < _DRAWN:
        blocks.append(_diagram(found, place))
    blocks += thresholds(about)
    if place < _DRAWN:
        curves = {
            model: {"net_benefit": side["labels"][place]["net_benefit"] | {"positive": entry["label"]}}
            for model, side in found.items()
            if _same(side, place, entry["label"])
        }
        blocks += net_benefit(curves)
    return Fold(_("{label}: probability, thresholds, worth").format(label=entry["label"]), tuple(blocks))


def _same(side: dict[str, Any], place: int, label: str) -> bool:
    labels = side.get("labels") or []
    return place < len(labels) and labels[place]["label"] == label


def _diagram(found: dict[str, dict[str, Any]], place: int) -> Pair:
    label = list(found.values())[-1]["labels"][place]["label"]
    bins, steps = [], []
    for model, side in found.items():
        if _same(side, place, label):
            part = side["labels"][place]["reliability"]
            bins.append(pd.DataFrame(part["bins"]).assign(who=MODELS[model]))
            histogram = pd.DataFrame(part["histogram"])
            end = {"low": 1.0, "high": 1.0, "n": int(histogram["n"].iloc[-1])}
            steps.append(pd.concat([histogram, pd.DataFrame([end])], ignore_index=True).assign(who=MODELS[model]))
    drawn = pd.concat(bins, ignore_index=True)[["who", "confidence", "share", "low", "high", "n"]].round(5)
    diagram = Chart(
        charts.reliability(drawn, x=_("probability given for {label}").format(label=label), y=_("how often it holds")),
        _("How often {label} holds over the probability given for it").format(label=label),
        _(
            "Each dot stands for equally many examples. On the dashed line the label holds as "
            "often as it is said to. Bars are 95 % intervals."
        ),
        280,
        square=True,
    )
    given = Chart(
        charts.histogram(
            pd.concat(steps, ignore_index=True),
            x=_("probability given for {label}").format(label=label),
            y=_("examples"),
        ),
        _("How many examples get which probability of {label}").format(label=label),
        _("How many examples get which probability, in steps of 5 points."),
        280,
        square=True,
    )
    return Pair((diagram, given))
