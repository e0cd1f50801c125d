"""One explained example in full: the decision, every method for both models, how far they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.report.contrasts import beside
from workbench.report.label_sets import written
from workbench.report.panels import CaseView, card, panel
from workbench.report.shapes import Case, Cell, Fold, Method, Table
from workbench.report.trust import agreement, title_of
from workbench.report.view import RunView
from workbench.report.words import chance, count, number, signed, word

_FOUND_BY = 600  # characters of a text that a search looks at
_WHY = {
    "right": "a right answer",
    "wrong": "a wrong answer",
    "unsure": "one of which the model was unsure",
    "changed": "one whose answer changed",
    "asked for": "one that was asked for",
}
_WHY_VALUE = {
    "right": "one of the smallest errors",
    "wrong": "one of the largest errors",
    "unsure": "an error of middling size",
    "changed": "one whose prediction changed most",
    "asked for": "one that was asked for",
}


def case_of(shown: CaseView) -> Case:
    """The case as it is drawn: decision, methods side by side, and what is said beside them."""
    view, case = shown.view, shown.case
    methods, lights = [], []
    answers = [view.answer("after", e) or view.answer("before", e) for e in view.explainers]
    fillers = {str(a.about["filler"]) for a in answers if a and a.about.get("filler")}  # some methods hide nothing
    same = fillers.pop() if len(fillers) == 1 else ""
    for explainer in view.explainers:
        panels = tuple(panel(shown, explainer, who) for who in view.sides)
        some, title = view.answer("after", explainer) or view.answer("before", explainer), title_of(view, explainer)
        filler = some.about.get("filler", "") if some else ""
        caption = f"a hidden part is replaced by {filler}" if filler and not same else ""
        methods.append(Method(title, caption, panels, card(shown, explainer)))
        if panels[-1].light:
            lights.append((title, panels[-1].light))
    headline, level, turn = _regressed(view, case) if view.regression else _decided(case)
    picture = shown.picture if shown.modality == "image" else {}
    cut = case.get("cut")
    table, agreed = agreement(view, case)
    reasons = _WHY_VALUE if view.regression else _WHY
    return Case(
        anchor=f"case-{shown.place + 1}",
        id=shown.id,
        headline=headline,
        why=reasons.get(case.get("why", ""), str(case.get("why", "not recorded"))),
        level=level,
        turn=turn,
        question=_question(view, case),
        scale=f"full colour = ±{number(shown.scale, like=shown.scale)} {shown.unit}"
        if shown.scale
        else "every value is zero",
        ends=("lowers it", "raises it") if view.regression else ("against", "for"),
        methods=tuple(methods),
        answers=_answers(view, case),
        notes=(f"The last {count(cut, 'word')} never reached the model: the text was cut.",) if cut else (),
        lights=tuple(lights),
        agreement=table,
        agreed=agreed,
        hidden=same,
        words=str(case.get("text", ""))[:_FOUND_BY],
        more=tuple(Fold(told.title, told.blocks) for told in beside(shown)),
        **{key: value for key, value in picture.items() if key != "segments"},
    )


def _question(view: RunView, case: Mapping[str, Any]) -> str:
    """What was asked, with a predicted value written as everywhere in the report."""
    value = (case.get("after") or {}).get("value")
    if not view.regression or value is None:
        return str(case["question"]["text"])
    return f"Why {number(float(value), like=abs(float(value)) or 1.0)}{f' {view.unit}' if view.unit else ''}?"


def _regressed(view: RunView, case: Mapping[str, Any]) -> tuple[str, str, str]:
    before, after = case.get("before") or {}, case.get("after") or {}
    unit = f" {view.unit}" if view.unit else ""
    known = [v for v in (after.get("value"), case.get("target"), before.get("value")) if v is not None]
    like = max((abs(float(v)) for v in known), default=1.0) or 1.0
    headline = (
        f"Predicted {number(after['value'], like=like)}{unit}" if after.get("value") is not None else "Not predicted"
    )
    turn = f"actual {number(case['target'], like=like)}" if case.get("target") is not None else "actual value unknown"
    if after.get("value") is not None and case.get("target") is not None:
        turn += f", off by {signed(after['value'] - case['target'], like=like)}"
    if before.get("value") is not None:
        turn += f" · before customisation {number(before['value'], like=like)}"
    return headline, "open", turn


def _decided(case: Mapping[str, Any]) -> tuple[str, str, str]:
    before, after = case.get("before") or {}, case.get("after") or {}
    target = case.get("target")
    truth = written(target) if isinstance(target, list) else target
    said = {True: ", rightly", False: f", wrongly (in truth {truth})"}
    level = {True: "good", False: "poor"}.get(after.get("right"), "open")  # type: ignore[arg-type]
    if "labels" in after:
        sides = [f"{who} {written(s['labels'])}" for who, s in (("before", before), ("after", after)) if "labels" in s]
        headline = f"Decided {written(after['labels'])}{said.get(after.get('right'), ', truth unknown')}"  # type: ignore[arg-type]
        return headline, level, _turned(sides)
    headline = f"Decided {after.get('label', 'nothing')}{said.get(after.get('right'), ', truth unknown')}"  # type: ignore[arg-type]
    sides = [
        f"{who} {side['label']} ({chance(side['probability'])})"
        for who, side in (("before", before), ("after", after))
        if side.get("label") is not None and side.get("probability") is not None
    ]
    return headline, level, _turned(sides)


def _turned(sides: list[str]) -> str:
    """From before to after; of a model without one before its answer alone."""
    return sides[0].removeprefix("after ") if len(sides) == 1 else " → ".join(sides)


def _answers(view: RunView, case: Mapping[str, Any]) -> Table | None:
    sides = view.sides
    head = tuple(map(view.called, sides))
    caption = "Answers of the two models" if len(sides) > 1 else "The most probable answers"
    tops = {who: (case.get(who) or {}).get("top") or [] for who in sides}
    labels = list(dict.fromkeys(str(label) for who in reversed(sides) for label, _ in tops[who]))[:5]
    if not labels:
        return None
    chances = {who: {str(label): p for label, p in top} for who, top in tops.items()}

    def cell(who: str, label: str) -> Cell:
        known = chances[who]
        return Cell(chance(known[label])) if label in known else Cell(f"not in its first {len(known)}")

    rows = tuple((word(label), *(cell(who, label) for who in sides)) for label in labels)
    cuts = {who: (case.get(who) or {}).get("thresholds") for who in sides}
    if not any(cuts.values()):
        return Table(caption, ("Class", *head), rows, compact=True)
    note = "Most probable labels; below each probability the one from which on the label is given."
    rows = tuple(
        (name, *(replace(c, note=_cut(cuts[who], name.text)) for who, c in zip(sides, cells, strict=True)))
        for name, *cells in rows
    )
    return Table(caption, ("Label", *head), rows, note)


def _cut(thresholds: Mapping[str, float] | None, label: str) -> str:
    return f"given from {chance(thresholds[label])}" if thresholds and label in thresholds else ""
