"""What is said of a case beside its attributions: against the runner-up, what would turn it, what is like it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.report import pictures
from workbench.report.excerpts import Neighbour, Neighbours, Struck
from workbench.report.label_sets import written
from workbench.report.panels import CaseView, drawn
from workbench.report.shapes import Block, Overlay, Prose, Table
from workbench.report.words import chance, count, listing, number, percent, sentence, signed, word

_CELLS = 6  # columns of a neighbour that are shown
_NOUN = {"text": "word", "image": "part", "table": "column"}
USUAL = 0.95  # farther from its nearest neighbour than this share of validation examples is unusual


@dataclass(frozen=True)
class Told:
    """One thing that is said of a case: in a line, and in full."""

    key: str  # "contrast", "counterfactual" or "familiar"
    title: str
    blocks: tuple[Block, ...]
    level: str = ""  # of the line, where it is a judgement


def beside(shown: CaseView) -> tuple[Told, ...]:
    """Contrast, counterfactual and neighbours of a case; nothing where the run has none."""
    known = shown.view.json("contrasts.json") or {}
    found = known.get("cases", {}).get(shown.id)
    if not found:
        return ()
    told = (
        _contrast(shown, found.get("contrast") or {}),
        _counterfactual(shown, found.get("counterfactual") or {}),
        _familiar(shown, found.get("familiar") or {}, known.get("familiar") or {}),
    )
    return tuple(entry for entry in told if entry)


# -- why this and not the next ----------------------------------------------------------


def _contrast(shown: CaseView, found: Mapping[str, Any]) -> Told | None:
    if not found.get("question"):
        return None  # a value has no runner-up; the counterfactual says what there is to say
    values, unit = np.array(found["values"], dtype=float), found["question"]["unit"]
    scale = float(np.abs(values).max(initial=0.0))
    order = sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))
    answer, against, noun = found["answer"], found["against"], _NOUN.get(shown.modality, "part")
    most = [str(shown.case["features"][i]["name"]) for i in order[:3] if values[i] > 0.05 * scale]
    named = f", most of it from {listing(most)}" if most and shown.modality != "image" else ""
    title = f"{found['question']['text']} {signed(found['score'], like=abs(found['score']) or 1.0)} {unit}{named}"
    colours = f"Blue {noun}s speak for {answer}, orange ones for {against}, on a scale of their own"
    start = f"{signed(found['base_score'], like=abs(found['score']) or 1.0)} {unit} with everything hidden"
    how = f"{found['title']} of the difference of the two logits ({start})."
    foretold = found.get("faithfulness_correlation")
    trust = (
        f" Correlation with what hiding does, on combinations it was not fitted to: {foretold:.2f}."
        if foretold is not None
        else " Too few combinations to test it on."
    )
    ends = (
        {i: (low, high) for i, (low, high) in enumerate(zip(found["low"], found["high"], strict=True))}
        if found.get("low") is not None
        else {}
    )
    picture = drawn(shown, values, scale, found["question"]["text"], ends=ends, order=order)
    full = f"full colour = ±{number(scale, like=scale or 1.0)} {unit}"
    return Told("contrast", title, (Prose((f"{colours} ({full}). {how}{trust}",)), picture), found.get("light") or "")


# -- what would turn it -----------------------------------------------------------------


def _counterfactual(shown: CaseView, found: Mapping[str, Any]) -> Told | None:
    if found.get("reason"):
        return Told("counterfactual", "What would turn it was not sought", (Prose((sentence(found["reason"]),)),))
    if not found:
        return None
    noun, fixed = _NOUN.get(shown.modality, "part"), _fixed(found)
    if not found["found"]:
        every = {1: f"No single {noun} does it: each was tried.", 2: f"No {noun} and no two do it: all were tried."}
        lines = (f"Nothing turned it within {found['evaluations']:,} tries.", every.get(found["ruled_out"], ""), fixed)
        title = f"Nothing was found that {_aim(shown, found)}"
        return Told("counterfactual", title, (Prose((_joined(lines),)),))
    size, turned = found["size"], _turned(shown, found["answer"])
    if noun != "column":
        title = f"{turned} with {count(size, noun)} of {len(shown.case['features']):,} hidden"
    elif size == 1:
        (only,) = found["changes"]
        title = f"{turned} if {only['name']} were {only['after']} (now {only['before']})"
    else:
        title = f"{turned} if {count(size, 'column')} had other values"
    told = (*_proof(found, noun), *map(_otherwise, found.get("elsewhere", [])), fixed)
    asked = f"The deployed file was asked {found['evaluations']:,} times."
    return Told("counterfactual", title, (_changes(shown, found), Prose((_joined((*told, asked)),))))


def _joined(lines: tuple[str, ...]) -> str:
    return " ".join(line for line in lines if line)


def _fixed(found: Mapping[str, Any]) -> str:
    names = found.get("fixed") or []
    return f"Never changed: {listing(names)}." if names else ""


def _proof(found: Mapping[str, Any], noun: str) -> tuple[str, ...]:
    """What is proved of a set of changes: that each is needed, and that no smaller set would do."""
    if found["size"] == 1:
        return ()
    needed = (
        "Each of them is needed: no part of them is enough."
        if found["minimal"]
        else "Without any one of them the answer is the old one."
        if found["needed"]
        else ""
    )
    if not found["least"]:
        return needed, f"A smaller set of other {noun}s is not ruled out."
    smaller = f"No single {noun}" if found["size"] == 2 else f"No {noun} and no two"
    return needed, f"{smaller} would do: all were tried."


def _otherwise(entry: Mapping[str, Any]) -> str:
    how = {
        "delete": "Removed altogether",
        "mask": "Replaced by the mask token",
        "blur": "Blurred",
        "own-mean": "In the picture's mean colour",
        "black": "Blackened",
    }.get(entry["name"], f"Replaced by {entry['filler']}")
    return f"{how} instead, they {'turn it as well' if entry['turned'] else 'do not turn it'}."


def _aim(shown: CaseView, found: Mapping[str, Any]) -> str:
    if found.get("amount") is None:
        return "turns the decision"
    unit = f" {shown.view.unit}" if shown.view.unit else ""
    return f"moves the value by {number(found['amount'], like=found['amount'])}{unit}"


def _turned(shown: CaseView, answer: Mapping[str, Any]) -> str:
    if answer.get("label") is not None:
        return f"It would be {answer['label']} ({chance(answer['probability'])})"
    if answer.get("labels") is not None:
        return f"It would be {written(answer['labels'])}"
    value = float(answer["value"])
    return f"It would be {number(value, like=abs(value) or 1.0)}{f' {shown.view.unit}' if shown.view.unit else ''}"


def _changes(shown: CaseView, found: Mapping[str, Any]) -> Block:
    chosen = {int(change["index"]) for change in found["changes"]}
    if shown.modality == "table":
        rows = tuple((word(c["name"]), word(c["before"]), word(c["after"])) for c in found["changes"])
        return Table("The changed columns", ("Column", "as it is", "changed to"), rows, compact=True)
    if shown.modality == "image":
        picture = shown.picture
        if picture["segments"] is None:
            return Prose(("Not drawn: the parts of this picture are not in the run.",), "note")
        inside = np.isin(picture["segments"], list(chosen))
        label = f"{count(len(chosen), 'part')} of the picture that are hidden"
        source = pictures.covered(inside, shown.view.limits.picture)
        return Overlay(
            picture["base"], source, picture["width"], picture["height"], label, "the hidden parts", pixelated=True
        )
    text, pieces, at = str(shown.case.get("text", "")), [], 0
    for i, feature in enumerate(shown.case["features"]):
        if i in chosen and feature.get("span"):
            start, end = feature["span"]
            pieces += [(text[at:start], False), (text[start:end], True)]
            at = end
    return Struck("The text with the hidden words struck out", (*pieces, (text[at:], False)))


# -- what the model has seen ------------------------------------------------------------


def _familiar(shown: CaseView, found: Mapping[str, Any], facts: Mapping[str, Any]) -> Told | None:
    near = found.get("neighbours")
    if not near:
        reason = found.get("reason") or "there was no other training example"
        return Told("familiar", "Its like in the training data was not sought", (Prose((sentence(reason),)),))
    targets = [_named(shown, n["target"]) for n in near]
    same = "all " if len(set(targets)) == 1 and len(targets) > 1 else ""
    who = f"{same}{targets[0]}" if same else listing(targets)
    share = found.get("share_nearer")
    usual = share is not None and share <= USUAL
    hint = "" if share is None else "; nothing unusual" if usual else "; unlike what it has seen"
    few = "" if usual else ": the model has seen little like it, so trust the answer less"
    farther = f"Its nearest is as far as or farther than that of {percent(share or 0, places=0)} of the"
    said = "" if share is None else f"{farther} {facts['reference']:,} validation examples{few}. "
    by_lot = "" if facts.get("examples") == facts.get("of") else f" of {facts.get('of', 0):,}, drawn by lot"
    what = f"the cosine of what the customised model hands to its last layer ({facts.get('layer')})"
    if "same leaf" in str(facts.get("metric", "")):
        what = f"the share of trees in which both end in the same leaf ({facts.get('layer')})"
    how = (
        f"{said}Likeness is {what}, among {facts.get('examples', 0):,} training examples{by_lot}; "
        "distance 0 is the same, 1 unrelated."
    )
    examples = tuple(_neighbour(shown, n, t) for n, t in zip(near, targets, strict=True))
    level = "" if share is None else "good" if usual else "fair"
    title = f"The {count(len(near), 'training example')} most like it: {who}{hint}"
    return Told("familiar", title, (Neighbours("The nearest training examples", examples), Prose((how,))), level)


def _named(shown: CaseView, target: str | None) -> str:
    if target is None:
        return "of no known answer"
    if not shown.view.regression:
        return target
    value = float(target)
    return f"{number(value, like=abs(value) or 1.0)}{f' {shown.view.unit}' if shown.view.unit else ''}"


def _neighbour(shown: CaseView, near: Mapping[str, Any], target: str) -> Neighbour:
    note, text = f"distance {near['distance']:.3f}", str(near.get("excerpt") or "")
    if shown.modality == "image":
        return Neighbour(near["id"], target, note, picture=text)
    if shown.modality != "table":
        return Neighbour(near["id"], target, note, text=text)
    row = json.loads(text) if text else {}
    named = {f["name"]: f.get("value", "") for f in shown.case["features"]}
    names = [shown.case["features"][i]["name"] for i in _strongest(shown)][:_CELLS]
    cells = tuple((n, _cell(row.get(n)), _cell(row.get(n)) == str(named.get(n))) for n in names)
    return Neighbour(near["id"], target, note, cells=cells)


def _cell(value: Any) -> str:
    return "missing" if value is None else value if isinstance(value, str) else f"{value:.6g}"


def _strongest(shown: CaseView) -> list[int]:
    """Columns by their strongest value in any explanation of the model after."""
    found = [np.abs(shown.values(*key)) for key in shown.rows if key[0] == "after"]
    strongest = np.max(found, axis=0) if found else np.zeros(len(shown.case["features"]))
    return sorted(range(len(strongest)), key=lambda i: (-strongest[i], i))
