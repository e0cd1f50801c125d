"""Decisions where several labels may hold: when to abstain, and each label's probability, threshold and worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.report import decision_charts as charts
from workbench.report.abstention import abstain, abstention
from workbench.report.shapes import Block, Cell, Chart, Fold, Pair, Prose, Table
from workbench.report.thresholds import net_benefit, thresholds
from workbench.report.view import MODELS
from workbench.report.words import chance, change, count, none, number, percent, word

_DRAWN = 6  # labels that are drawn; the others stand in tables
_HOW = (
    "A whole set of labels is one answer. How sure the model is of it is the product of the probabilities of its "
    "decisions, as if labels were independent; which answers are given is decided without looking at the truth.",
    "Each label is a yes-or-no problem of its own: its probability against how often it holds, in bins of equally many "
    "examples. The floor is simulated: 500 times, each label holds with exactly the probability given for it.",
    "Temperature and thresholds of a label were chosen on the validation split and are judged on the test split. The "
    "temperature divides the label's logits and was not applied to any number elsewhere in this report.",
    "Net benefit is true positives minus false alarms, each alarm weighed with the odds of the threshold, per example "
    "(Vickers & Elkin 2006).",
)


def label_decisions(found: dict[str, dict[str, Any]]) -> tuple[str, tuple[Block, ...], tuple[str, ...]]:
    """Finding, blocks and how they were computed, from decisions.json of the models."""
    own = list(found.values())[-1]
    labels = own["labels"]
    above = sum(entry["reliability"]["above"] for entry in labels)
    honest = (
        f"The probabilities of {above:,} of {count(len(labels), 'label')} are off by more than chance explains."
        if above
        else "How probable it calls a label agrees with how often the label holds, as far as chance lets one see."
    )
    blocks = [*abstention(found), *_calibration(own), *_worth(own)]
    blocks += [_of_label(found, place) for place in range(len(labels))]
    if own["left_out"]:
        blocks.append(Prose((f"{count(own['left_out'], 'rarer label')} left out here.",), "note"))
    return f"{abstain(own)} {honest}", tuple(blocks), _HOW


def _calibration(own: dict[str, Any]) -> list[Block]:
    rows = []
    for entry in own["labels"]:
        part, temperature = entry["reliability"], entry["temperature"]
        where = "above" if part["above"] else "within"
        error = Cell(
            number(part["ece"]), f"floor {number(part['floor'])}, 95 % below {number(part['floor_p95'])}: {where}"
        )
        if temperature["value"] is None:
            fitted, moved = none(temperature["reason"]), Cell("no temperature", kind="none")
        else:
            fitted = Cell(number(temperature["value"]))
            loss = next(m for m in temperature["measures"] if m["name"] == "log_loss")
            text, span = change(loss["difference"], loss["low"], loss["high"])
            moved = Cell(text, span or f"no interval: {loss.get('reason', '')}")
        share = Cell(f"{entry['holds']:,}", percent(entry["prevalence"]))
        rows.append((word(entry["label"]), share, error, fitted, moved))
    head = ("Label", "holds", "calibration error", "temperature", "log loss with it")
    note = "A temperature above 1 says that the label's probabilities are too sure. Lower log loss is better."
    grouped = own["labels"][0]["reliability"].get("note") if own["labels"] else ""
    if grouped:
        note += f" {grouped[:1].upper()}{grouped[1:]}."
    heading = Prose((), heading="Does each label hold as often as it is said to?")
    return [heading, Table("Probability of each label", head, tuple(rows), note)]


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
            Cell("at none", "beyond chance")
            if span is None
            else Cell(f"{percent(span[0], places=0)} to {percent(span[1], places=0)}")
        )
        worth = none("its threshold is 0 or 1") if part["used"] is None else Cell(number(part["used"]))
        rows.append((word(entry["label"]), Cell(chance(used["threshold"])), worth, where))
    head = ("Label", "given from", "net benefit there", "pays for thresholds")
    note = (
        "Pays: the thresholds for which giving the label by the model beats giving it to all and to none, with the "
        "whole 95 % interval. The net benefit is in examples found, per example; never giving the label has 0."
    )
    heading = Prose((), heading="Does deciding by it pay?")
    return [heading, Table("Net benefit of each label", head, tuple(rows), note)]


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
    return Fold(f"{entry['label']}: probability, thresholds, worth", tuple(blocks))


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
        charts.reliability(drawn, x=f"probability given for {label}", y="how often it holds"),
        f"How often {label} holds over the probability given for it",
        "Each dot stands for equally many examples. On the dashed line the label holds as often as it is said to. Bars "
        "are 95 % intervals.",
        280,
        square=True,
    )
    given = Chart(
        charts.histogram(pd.concat(steps, ignore_index=True), x=f"probability given for {label}", y="examples"),
        f"How many examples get which probability of {label}",
        "How many examples get which probability, in steps of 5 points.",
        280,
        square=True,
    )
    return Pair((diagram, given))
