"""What is said of a case beside its attributions: against the runner-up, what would turn it, what is like it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import pictures
from workbench.report.excerpts import Neighbour, Neighbours, Struck
from workbench.report.label_sets import written
from workbench.report.panels import CaseView, drawn
from workbench.report.shapes import Block, Overlay, Prose, Table
from workbench.report.words import chance, count, joined, listing, number, percent, sentence, signed, word

_CELLS = 6  # columns of a neighbour that are shown
_NOUN = {"text": N_("word"), "image": N_("part"), "table": N_("column")}
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
    answer, against, noun = found["answer"], found["against"], _(_NOUN.get(shown.modality, "part"))
    most = [str(shown.case["features"][i]["name"]) for i in order[:3] if values[i] > 0.05 * scale]
    named = _(", most of it from {most}").format(most=listing(most)) if most and shown.modality != "image" else ""
    title = (
        f"{stored(found['question']['text'])} {signed(found['score'], like=abs(found['score']) or 1.0)} {unit}{named}"
    )
    colours = _("Blue {noun}s speak for {answer}, orange ones for {against}, on a scale of their own").format(
        noun=noun, answer=answer, against=against
    )
    start = _("{base_score} {unit} with everything hidden").format(
        base_score=signed(found["base_score"], like=abs(found["score"]) or 1.0), unit=unit
    )
    how = _("{title} of the difference of the two logits ({start}).").format(title=stored(found["title"]), start=start)
    foretold = found.get("faithfulness_correlation")
    trust = (
        _(" Correlation with what hiding does, on combinations it was not fitted to: {foretold:.2f}.").format(
            foretold=foretold
        )
        if foretold is not None
        else _(" Too few combinations to test it on.")
    )
    ends = (
        {i: (low, high) for i, (low, high) in enumerate(zip(found["low"], found["high"], strict=True))}
        if found.get("low") is not None
        else {}
    )
    picture = drawn(shown, values, scale, stored(found["question"]["text"]), ends=ends, order=order)
    full = _("full colour = ±{scale} {unit}").format(scale=number(scale, like=scale or 1.0), unit=unit)
    return Told(
        "contrast",
        title,
        (Prose((joined(_("{colours} ({full}).").format(colours=colours, full=full), f"{how}{trust}"),)), picture),
        found.get("light") or "",
    )


# -- what would turn it -----------------------------------------------------------------


def _counterfactual(shown: CaseView, found: Mapping[str, Any]) -> Told | None:
    if found.get("reason"):
        return Told(
            "counterfactual", _("What would turn it was not sought"), (Prose((sentence(stored(found["reason"])),)),)
        )
    if not found:
        return None
    noun, fixed = _(_NOUN.get(shown.modality, "part")), _fixed(found)
    if not found["found"]:
        every = {
            1: _("No single {noun} does it: each was tried.").format(noun=noun),
            2: _("No {noun} and no two do it: all were tried.").format(noun=noun),
        }
        lines = (
            _("Nothing turned it within {evaluations:,} tries.").format(evaluations=found["evaluations"]),
            every.get(found["ruled_out"], ""),
            fixed,
        )
        title = _("Nothing was found that {aim}").format(aim=_aim(shown, found))
        return Told("counterfactual", title, (Prose((_joined(lines),)),))
    size, turned = found["size"], _turned(shown, found["answer"])
    if shown.modality != "table":
        words, parts = count(size, "{n} word", "{n} words"), count(size, "{n} part", "{n} parts")
        title = _("{turned} with {size} of {n:,} hidden").format(
            turned=turned, size=words if shown.modality == "text" else parts, n=len(shown.case["features"])
        )
    elif size == 1:
        (only,) = found["changes"]
        title = _("{turned} if {name} were {after} (now {before})").format(
            turned=turned, name=only["name"], after=only["after"], before=only["before"]
        )
    else:
        title = _("{turned} if {size} had other values").format(
            turned=turned, size=count(size, "{n} column", "{n} columns")
        )
    told = (*_proof(found, noun), *map(_otherwise, found.get("elsewhere", [])), fixed)
    asked = _("The deployed file was asked {evaluations:,} times.").format(evaluations=found["evaluations"])
    return Told("counterfactual", title, (_changes(shown, found), Prose((_joined((*told, asked)),))))


def _joined(lines: tuple[str, ...]) -> str:
    return joined(*lines)


def _fixed(found: Mapping[str, Any]) -> str:
    names = found.get("fixed") or []
    return _("Never changed: {names}.").format(names=listing(names)) if names else ""


def _proof(found: Mapping[str, Any], noun: str) -> tuple[str, ...]:
    """What is proved of a set of changes: that each is needed, and that no smaller set would do."""
    if found["size"] == 1:
        return ()
    needed = (
        _("Each of them is needed: no part of them is enough.")
        if found["minimal"]
        else _("Without any one of them the answer is the old one.")
        if found["needed"]
        else ""
    )
    if not found["least"]:
        return needed, _("A smaller set of other {noun}s is not ruled out.").format(noun=noun)
    smaller = (
        _("No single {noun}").format(noun=noun) if found["size"] == 2 else _("No {noun} and no two").format(noun=noun)
    )
    return needed, _("{smaller} would do: all were tried.").format(smaller=smaller)


def _otherwise(entry: Mapping[str, Any]) -> str:
    how = {
        "delete": _("Removed altogether"),
        "mask": _("Replaced by the mask token"),
        "blur": _("Blurred"),
        "own-mean": _("In the picture's mean colour"),
        "black": _("Blackened"),
    }.get(entry["name"], _("Replaced by {filler}").format(filler=stored(entry["filler"])))
    return (
        _("{how} instead, they turn it as well.") if entry["turned"] else _("{how} instead, they do not turn it.")
    ).format(how=how)


def _aim(shown: CaseView, found: Mapping[str, Any]) -> str:
    if found.get("amount") is None:
        return _("turns the decision")
    unit = f" {shown.view.unit}" if shown.view.unit else ""
    return _("moves the value by {amount}{unit}").format(
        amount=number(found["amount"], like=found["amount"]), unit=unit
    )


def _turned(shown: CaseView, answer: Mapping[str, Any]) -> str:
    if answer.get("label") is not None:
        return _("It would be {label} ({probability})").format(
            label=answer["label"], probability=chance(answer["probability"])
        )
    if answer.get("labels") is not None:
        return _("It would be {labels}").format(labels=written(answer["labels"]))
    value = float(answer["value"])
    return _("It would be {value}{unit}").format(
        value=number(value, like=abs(value) or 1.0), unit=f" {shown.view.unit}" if shown.view.unit else ""
    )


def _changes(shown: CaseView, found: Mapping[str, Any]) -> Block:
    chosen = {int(change["index"]) for change in found["changes"]}
    if shown.modality == "table":
        rows = tuple((word(c["name"]), word(c["before"]), word(c["after"])) for c in found["changes"])
        return Table(_("The changed columns"), (_("Column"), _("as it is"), _("changed to")), rows, compact=True)
    if shown.modality == "image":
        picture = shown.picture
        if picture["segments"] is None:
            return Prose((_("Not drawn: the parts of this picture are not in the run."),), "note")
        inside = np.isin(picture["segments"], list(chosen))
        label = _("{n} of the picture that are hidden").format(n=count(len(chosen), "{n} part", "{n} parts"))
        source = pictures.covered(inside, shown.view.limits.picture)
        return Overlay(
            picture["base"], source, picture["width"], picture["height"], label, _("the hidden parts"), pixelated=True
        )
    text, pieces, at = str(shown.case.get("text", "")), [], 0
    for i, feature in enumerate(shown.case["features"]):
        if i in chosen and feature.get("span"):
            start, end = feature["span"]
            pieces += [(text[at:start], False), (text[start:end], True)]
            at = end
    return Struck(_("The text with the hidden words struck out"), (*pieces, (text[at:], False)))


# -- what the model has seen ------------------------------------------------------------


def _familiar(shown: CaseView, found: Mapping[str, Any], facts: Mapping[str, Any]) -> Told | None:
    near = found.get("neighbours")
    if not near:
        reason = found.get("reason") or _("there was no other training example")
        return Told(
            "familiar", _("Its like in the training data was not sought"), (Prose((sentence(stored(reason)),)),)
        )
    targets = [_named(shown, n["target"]) for n in near]
    same = len(set(targets)) == 1 and len(targets) > 1
    who = _("all {target}").format(target=targets[0]) if same else listing(targets)
    share = found.get("share_nearer")
    usual = share is not None and share <= USUAL
    hint = "" if share is None else _("; nothing unusual") if usual else _("; unlike what it has seen")
    said = _("Its nearest is as far as or farther than that of {share} of the {reference:,} validation examples. ")
    if not usual:
        said = _(
            "Its nearest is as far as or farther than that of {share} of the {reference:,} validation examples: "
            "the model has seen little like it, so trust the answer less. "
        )
    said = "" if share is None else said.format(share=percent(share, places=0), reference=facts["reference"])
    by_lot = (
        "" if facts.get("examples") == facts.get("of") else _(" of {of:,}, drawn by lot").format(of=facts.get("of", 0))
    )
    what = _("the cosine of what the customised model hands to its last layer ({layer})").format(
        layer=stored(facts.get("layer"))
    )
    if "same leaf" in str(facts.get("metric", "")):
        what = _("the share of trees in which both end in the same leaf ({layer})").format(
            layer=stored(facts.get("layer"))
        )
    how = _(
        "{said}Likeness is {what}, among {examples:,} training examples{by_lot}; distance 0 is the same, 1 unrelated."
    ).format(said=said, what=what, examples=facts.get("examples", 0), by_lot=by_lot)
    examples = tuple(_neighbour(shown, n, t) for n, t in zip(near, targets, strict=True))
    level = "" if share is None else "good" if usual else "fair"
    title = _("The {n} most like it: {who}{hint}").format(
        n=count(len(near), "{n} training example", "{n} training examples"), who=who, hint=hint
    )
    return Told("familiar", title, (Neighbours(_("The nearest training examples"), examples), Prose((how,))), level)


def _named(shown: CaseView, target: str | None) -> str:
    if target is None:
        return _("of no known answer")
    if not shown.view.regression:
        return target
    value = float(target)
    return f"{number(value, like=abs(value) or 1.0)}{f' {shown.view.unit}' if shown.view.unit else ''}"


def _neighbour(shown: CaseView, near: Mapping[str, Any], target: str) -> Neighbour:
    note, text = _("distance {distance:.3f}").format(distance=near["distance"]), str(near.get("excerpt") or "")
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
    return _("missing") if value is None else value if isinstance(value, str) else f"{value:.6g}"


def _strongest(shown: CaseView) -> list[int]:
    """Columns by their strongest value in any explanation of the model after."""
    found = [np.abs(shown.values(*key)) for key in shown.rows if key[0] == "after"]
    strongest = np.max(found, axis=0) if found else np.zeros(len(shown.case["features"]))
    return sorted(range(len(strongest)), key=lambda i: (-strongest[i], i))
