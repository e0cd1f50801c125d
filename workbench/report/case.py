"""One explained example in full: the decision, every method for both models, how far they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.contrasts import beside
from workbench.report.label_sets import written
from workbench.report.panels import CaseView, card, panel
from workbench.report.shapes import Case, Cell, Fold, Method, Table
from workbench.report.trust import agreement, title_of
from workbench.report.view import RunView
from workbench.report.words import chance, count, number, signed, word

_FOUND_BY = 600  # characters of a text that a search looks at
_WHY = {
    "right": N_("a right answer"),
    "wrong": N_("a wrong answer"),
    "unsure": N_("one of which the model was unsure"),
    "changed": N_("one whose answer changed"),
    "asked for": N_("one that was asked for"),
}
_WHY_VALUE = {
    "right": N_("one of the smallest errors"),
    "wrong": N_("one of the largest errors"),
    "unsure": N_("an error of middling size"),
    "changed": N_("one whose prediction changed most"),
    "asked for": N_("one that was asked for"),
}


def case_of(shown: CaseView) -> Case:
    """The case as it is drawn: decision, methods side by side, and what is said beside them."""
    view, case = shown.view, shown.case
    methods, lights = [], []
    answers = [view.answer("after", e) or view.answer("before", e) for e in view.explainers]
    fillers = {stored(a.about["filler"]) for a in answers if a and a.about.get("filler")}  # some methods hide nothing
    same = fillers.pop() if len(fillers) == 1 else ""
    for explainer in view.explainers:
        panels = tuple(panel(shown, explainer, who) for who in view.sides)
        some, title = view.answer("after", explainer) or view.answer("before", explainer), title_of(view, explainer)
        filler = stored(some.about.get("filler", "")) if some else ""
        caption = _("a hidden part is replaced by {filler}").format(filler=filler) if filler and not same else ""
        methods.append(Method(title, caption, panels, card(shown, explainer)))
        if panels[-1].light:
            lights.append((title, panels[-1].light))
    headline, level, turn = _regressed(view, case) if view.regression else decided(case)
    picture = shown.picture if shown.modality == "image" else {}
    cut = case.get("cut")
    table, agreed = agreement(view, case)
    reasons = _WHY_VALUE if view.regression else _WHY
    return Case(
        anchor=f"case-{shown.place + 1}",
        id=shown.id,
        headline=headline,
        why=_(reasons.get(case.get("why", ""), str(case.get("why", _("not recorded"))))),
        level=level,
        turn=turn,
        question=_question(view, case),
        scale=_("full colour = ±{scale} {unit}").format(scale=number(shown.scale, like=shown.scale), unit=shown.unit)
        if shown.scale
        else _("every value is zero"),
        ends=(_("lowers it"), _("raises it")) if view.regression else (_("against"), _("for")),
        methods=tuple(methods),
        answers=_answers(view, case),
        notes=(
            _("The last {cut} never reached the model: the text was cut.").format(
                cut=count(cut, "{n} word", "{n} words")
            ),
        )
        if cut
        else (),
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
        return stored(case["question"]["text"])
    return _("Why {value}{unit}?").format(
        value=number(float(value), like=abs(float(value)) or 1.0), unit=f" {view.unit}" if view.unit else ""
    )


def _regressed(view: RunView, case: Mapping[str, Any]) -> tuple[str, str, str]:
    before, after = case.get("before") or {}, case.get("after") or {}
    unit = f" {view.unit}" if view.unit else ""
    known = [v for v in (after.get("value"), case.get("target"), before.get("value")) if v is not None]
    like = max((abs(float(v)) for v in known), default=1.0) or 1.0
    headline = (
        _("Predicted {value}{unit}").format(value=number(after["value"], like=like), unit=unit)
        if after.get("value") is not None
        else _("Not predicted")
    )
    turn = (
        _("actual {target}").format(target=number(case["target"], like=like))
        if case.get("target") is not None
        else _("actual value unknown")
    )
    if after.get("value") is not None and case.get("target") is not None:
        turn += _(", off by {value}").format(value=signed(after["value"] - case["target"], like=like))
    if before.get("value") is not None:
        turn += _(" · before customisation {value}").format(value=number(before["value"], like=like))
    return headline, "open", turn


def decided(case: Mapping[str, Any]) -> tuple[str, str, str]:
    """What was decided and whether rightly, the level of its mark, and both models' answers."""
    before, after = case.get("before") or {}, case.get("after") or {}
    target = case.get("target")
    truth = written(target) if isinstance(target, list) else target
    said = {
        True: _("Decided {label}, rightly"),
        False: _("Decided {label}, wrongly (in truth {truth})"),
    }.get(after.get("right"), _("Decided {label}, truth unknown"))  # type: ignore[arg-type]
    level = {True: "good", False: "poor"}.get(after.get("right"), "open")  # type: ignore[arg-type]
    if "labels" in after:
        sides = [
            f"{_(who)} {written(s['labels'])}" for who, s in (("before", before), ("after", after)) if "labels" in s
        ]
        headline = said.format(label=written(after["labels"]), truth=truth)
        return headline, level, _turned(sides)
    headline = said.format(label=after.get("label", _("nothing")), truth=truth)
    sides = [
        f"{_(who)} {side['label']} ({chance(side['probability'])})"
        for who, side in (("before", before), ("after", after))
        if side.get("label") is not None and side.get("probability") is not None
    ]
    return headline, level, _turned(sides)


def _turned(sides: list[str]) -> str:
    """From before to after; of a model without one before its answer alone."""
    return sides[0].removeprefix(_("after")).strip() if len(sides) == 1 else " → ".join(sides)


def _answers(view: RunView, case: Mapping[str, Any]) -> Table | None:
    tops = {who: (case.get(who) or {}).get("top") or [] for who in view.sides}
    sides = [who for who in view.sides if tops[who]]  # of a new text the model before may not have been asked
    head = tuple(map(view.called, sides))
    caption = _("Answers of the two models") if len(sides) > 1 else _("The most probable answers")
    labels = list(dict.fromkeys(str(label) for who in reversed(sides) for label, _p in tops[who]))[:5]
    if not labels:
        return None
    chances = {who: {str(label): p for label, p in top} for who, top in tops.items()}

    def cell(who: str, label: str) -> Cell:
        known = chances[who]
        return Cell(chance(known[label])) if label in known else Cell(_("not in its first {n}").format(n=len(known)))

    rows = tuple((word(label), *(cell(who, label) for who in sides)) for label in labels)
    cuts = {who: (case.get(who) or {}).get("thresholds") for who in sides}
    if not any(cuts.values()):
        return Table(caption, (_("Class"), *head), rows, compact=True)
    note = _("Most probable labels; below each probability the one from which on the label is given.")
    rows = tuple(
        (name, *(replace(c, note=_cut(cuts[who], name.text)) for who, c in zip(sides, cells, strict=True)))
        for name, *cells in rows
    )
    return Table(caption, (_("Label"), *head), rows, note)


def _cut(thresholds: Mapping[str, float] | None, label: str) -> str:
    return (
        _("given from {thresholds}").format(thresholds=chance(thresholds[label]))
        if thresholds and label in thresholds
        else ""
    )
