"""The explained examples: what was decided, why according to each method, how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.report.label_sets import written
from workbench.report.measures import meanings
from workbench.report.panels import SIDES, CaseView, card, panel
from workbench.report.shapes import Block, Case, Cell, Gallery, Method, Prose, Section, Table
from workbench.report.trust import agreement, fillers, overview, thresholds, title_of, trials
from workbench.report.view import RunView
from workbench.report.words import chance, count, listing, number, sentence, signed, word

_NAMED = 5  # examples of a list in a sentence
_OPEN = 1  # cases that stand open at first
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


def cases(view: RunView) -> Section | None:
    """Every explained example with its methods side by side, on one scale."""
    about = view.json("cases.json")
    if about is None or not about.get("cases"):
        return None
    shown = view.cases[: view.limits.cases]
    left = len(view.cases) - len(shown)
    modality = str(about.get("modality", ""))
    noun = {"text": "words", "image": "parts", "table": "columns"}.get(modality, "parts")
    against = "orange, underlined" if noun == "words" else "orange"
    says = ("raise the predicted value", "lower it") if view.regression else ("speak for the answer", "against it")
    finding = (
        f"Blue {noun} {says[0]}, {against} ones {says[1]}, on one scale for all methods of a case. "
        "Explanations that failed their own tests are grey."
    )
    blocks: list[Block] = []
    trusted = overview(view)
    if trusted:
        blocks.append(trusted)
        further = trials(view)
        if further:
            blocks.append(further)
        if fillers(view):
            blocks.append(Prose((fillers(view),)))
    else:
        text = "How far to trust these explanations was not measured (no quality.json), so none is marked."
        blocks.append(Prose((text,), "note"))
    if about.get("left_out"):
        named = listing([f"{entry['id']} ({entry['reason'].rstrip('.')})" for entry in about["left_out"][:_NAMED]])
        more = len(about["left_out"]) - _NAMED
        text = f"Not explained: {named}{f' and {more:,} more in cases.json' if more > 0 else ''}."
        blocks.append(Prose((text,), "note"))
    blocks += _refused(about)
    if left:
        text = f"{count(left, 'case')} left out so that this file stays within its size; all are in cases.json."
        blocks.append(Prose((text,), "note"))
    if about.get("selection"):
        blocks.append(Prose((sentence(about["selection"]),)))
    legend = tuple(title_of(view, name) for name in view.explainers) if trusted else ()
    blocks.append(Gallery(tuple(_case(CaseView(view, modality, case, i)) for i, case in enumerate(shown)), legend))
    return Section("cases", "Cases", finding, tuple(blocks), _how(view))


def _refused(about: Mapping[str, Any]) -> list[Block]:
    """A sentence for every method that gave no answer to some case, with the first of its reasons."""
    entries = about.get("refused") or []
    lines = []
    for explainer in dict.fromkeys(e["explainer"] for e in entries):
        own = [e for e in entries if e["explainer"] == explainer]
        cases = {e["id"] for e in own}
        of = "any case" if len(cases) == len(about["cases"]) else count(len(cases), "case")
        models = {e["model"] for e in own}
        side = "" if len(models) > 1 else " before customisation" if models == {"base"} else " after customisation"
        lines.append(f"{own[0]['title']} was not computed for {of}{side}: {own[0]['reason'].rstrip('.')}.")
    return [Prose(tuple(lines), "note")] if lines else []


def _how(view: RunView) -> tuple[str, ...]:
    how = [
        "An attribution says how the model's answer moves when a part of this input is hidden. "
        "It is no claim about causes in the world.",
        "Methods may disagree: that is shown, not averaged away. "
        "Full colour is the strongest value among the explanations of the case that are not marked unreliable.",
    ]
    for explainer in view.explainers:
        answer = view.answer("after", explainer) or view.answer("before", explainer)
        if answer:
            caption, filler = answer.about.get("caption", ""), answer.about.get("filler", "")
            hidden = f" A hidden part is replaced by: {filler}." if filler else ""
            how.append(f"{answer.about.get('title', explainer)}. {sentence(caption)}{hidden}")
    how.append(
        "Where parts can stand in for each other, methods differ by what they ask: of max(a, b) with a = b = 1, hiding "
        "either part alone changes nothing (0 and 0), Shapley values give each half; of a · b, hiding either takes "
        "all (1 and 1), Shapley values share it."
    )
    if view.json("quality.json"):
        how.append("What the measures of a quality card say, and from where on they are good or poor:")
        how += meanings()
        how.append(
            "Agreement with evidence that somebody marked is plausibility: the model may be right for other reasons."
        )
    return (*how, *thresholds(view))


def _case(shown: CaseView) -> Case:
    view, case = shown.view, shown.case
    methods, lights = [], []
    answers = [view.answer("after", e) or view.answer("before", e) for e in view.explainers]
    fillers = {str(a.about["filler"]) for a in answers if a and a.about.get("filler")}  # some methods hide nothing
    same = fillers.pop() if len(fillers) == 1 else ""
    for explainer in view.explainers:
        panels = tuple(panel(shown, explainer, who) for who in SIDES)
        some, title = view.answer("after", explainer) or view.answer("before", explainer), title_of(view, explainer)
        filler = some.about.get("filler", "") if some else ""
        caption = f"a hidden part is replaced by {filler}" if filler and not same else ""
        methods.append(Method(title, caption, panels, card(shown, explainer)))
        if panels[1].light:
            lights.append((title, panels[1].light))
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
        answers=_answers(case),
        notes=(f"The last {count(cut, 'word')} never reached the model: the text was cut.",) if cut else (),
        lights=tuple(lights),
        agreement=table,
        agreed=agreed,
        hidden=same,
        open=shown.place < _OPEN,
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
        return headline, level, " → ".join(sides)
    headline = f"Decided {after.get('label', 'nothing')}{said.get(after.get('right'), ', truth unknown')}"  # type: ignore[arg-type]
    sides = [
        f"{who} {side['label']} ({chance(side['probability'])})"
        for who, side in (("before", before), ("after", after))
        if side.get("label") is not None and side.get("probability") is not None
    ]
    return headline, level, " → ".join(sides)


def _answers(case: Mapping[str, Any]) -> Table | None:
    tops = {who: (case.get(who) or {}).get("top") or [] for who in SIDES}
    labels = list(dict.fromkeys(str(label) for who in reversed(SIDES) for label, _ in tops[who]))[:5]
    if not labels:
        return None
    chances = {who: {str(label): p for label, p in top} for who, top in tops.items()}

    def cell(who: str, label: str) -> Cell:
        known = chances[who]
        return Cell(chance(known[label])) if label in known else Cell(f"not in its first {len(known)}")

    rows = tuple((word(label), *(cell(who, label) for who in SIDES)) for label in labels)
    cuts = {who: (case.get(who) or {}).get("thresholds") for who in SIDES}
    if not any(cuts.values()):
        return Table("Answers of the two models", ("Class", *SIDES), rows, compact=True)
    note = "Most probable labels; below each probability the one from which on the label is given."
    rows = tuple(
        (name, *(replace(c, note=_cut(cuts[who], name.text)) for who, c in zip(SIDES, cells, strict=True)))
        for name, *cells in rows
    )
    return Table("Answers of the two models", ("Label", *SIDES), rows, note)


def _cut(thresholds: Mapping[str, float] | None, label: str) -> str:
    return f"given from {chance(thresholds[label])}" if thresholds and label in thresholds else ""
