"""What is said of a case beside its attributions: against the runner-up, what would turn it, what is like it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.report import pictures
from workbench.report.panels import CaseView, drawn
from workbench.report.shapes import Block, Neighbour, Neighbours, Overlay, Prose, Struck, Table
from workbench.report.words import chance, count, listing, number, percent, signed, word

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
        return Told("counterfactual", "What would turn it was not sought", (Prose((f"{found['reason']}.",)),))
    if not found:
        return None
    noun = _NOUN.get(shown.modality, "part")
    verb = "set to other values" if noun == "column" else "hidden"
    tried = f"The deployed file was asked {found['evaluations']:,} times."
    aim = _aim(shown, found)
    fixed = (
        f" {listing(found['fixed'])} stayed as {'it is' if len(found['fixed']) == 1 else 'they are'}."
        if found.get("fixed")
        else ""
    )
    if not found["found"]:
        every = {
            0: "",
            1: f" No single {noun} does it: each was tried.",
            2: f" No {noun} and no two do it: all were tried.",
        }
        text = f"None found within {found['evaluations']:,} tries.{every.get(found['ruled_out'], '')}{fixed}"
        return Told("counterfactual", f"Nothing was found that {aim}", (Prose((text,)),))
    size, total = found["size"], len(shown.case["features"])
    turned = _turned(shown, found["answer"])
    few = " and ".join(
        f"{c['name']} were {c['after']} (now {c['before']})" for c in found["changes"][:1] if "after" in c
    )
    if noun == "column":
        title = f"{turned} if {few}" if size == 1 else f"{turned} if {count(size, 'column')} had other values"
    else:
        title = f"{turned} with {count(size, noun)} of {total:,} {verb}"
    if found["least"]:
        proof = (
            ""
            if size == 1
            else f"No {'single ' if size == 2 else ''}{noun}{'' if size == 2 else ', and no two,'} would do: all were tried."
        )
    else:
        proof = f"A smaller set of other {noun}s is not ruled out."
    needed = (
        ""
        if size == 1
        else "Each of them is needed: no part of them is enough."
        if found["minimal"]
        else "Without any one of them the answer is the old one."
    )
    elsewhere = " ".join(
        f"With {entry['filler']} in their place it {'turns as well' if entry['turned'] else 'does not turn'}."
        for entry in found.get("elsewhere", [])
    )
    lines = " ".join(line for line in (needed, proof, elsewhere, tried + fixed) if line)
    return Told("counterfactual", title, (_changes(shown, found), Prose((lines,))))


def _aim(shown: CaseView, found: Mapping[str, Any]) -> str:
    if found.get("amount") is None:
        return "turns the decision"
    unit = f" {shown.view.unit}" if shown.view.unit else ""
    return f"moves the value by {number(found['amount'], like=found['amount'])}{unit}"


def _turned(shown: CaseView, answer: Mapping[str, Any]) -> str:
    if answer.get("label") is not None:
        return f"It would be {answer['label']} ({chance(answer['probability'])})"
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
        return None
    targets = [_named(shown, n["target"]) for n in near]
    same = "all " if len(set(targets)) == 1 and len(targets) > 1 else ""
    who = f"{same}{targets[0]}" if same else listing(targets)
    share = found.get("share_nearer")
    usual = "" if share is None else "; nothing unusual" if share <= USUAL else "; unlike what it has seen"
    title = f"The {count(len(near), 'training example')} most like it: {who}{usual}"
    said = (
        ""
        if share is None
        else f"Its nearest is as far or farther than that of {percent(share, places=0)} of {facts['reference']:,} validation "
        f"examples{': the model has seen little like it, so trust the answer less' if share > USUAL else ''}. "
    )
    drawn_by_lot = "" if facts.get("examples") == facts.get("of") else f" of {facts.get('of', 0):,}, drawn by lot"
    how = (
        f"{said}Likeness is the cosine of what the customised model hands to its last layer ({facts.get('layer')}), among "
        f"{facts.get('examples', 0):,} training examples{drawn_by_lot}; 0 is the same, 1 unrelated."
    )
    examples = tuple(_neighbour(shown, n, t) for n, t in zip(near, targets, strict=True))
    level = "" if share is None else "good" if share <= USUAL else "fair"
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
