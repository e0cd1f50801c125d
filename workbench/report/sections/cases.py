"""The explained examples: what was decided, why according to each method, how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.report.panels import SIDES, CaseView, panel
from workbench.report.shapes import Block, Case, Cell, Gallery, Method, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import count, number, percent, sentence, word

_OPEN = 2  # cases that stand open at first
_WHY = {
    "right": "a right answer",
    "wrong": "a wrong answer",
    "unsure": "one of which the model was unsure",
    "changed": "one whose answer changed",
    "asked for": "one that was asked for",
}


def cases(view: RunView) -> Section | None:
    """Every explained example with its methods side by side, on one scale."""
    about = view.json("cases.json")
    if about is None or not about.get("cases"):
        return None
    shown = about["cases"][: view.limits.cases]
    left = len(about["cases"]) - len(shown)
    modality = str(about.get("modality", ""))
    noun = {"text": "words", "image": "parts", "table": "columns"}.get(modality, "parts")
    against = "orange, underlined" if noun == "words" else "orange"
    says = ("raise the predicted value", "lower it") if view.regression else ("speak for the answer", "against it")
    finding = (
        f"Blue {noun} {says[0]}, {against} ones {says[1]}, on one scale for all methods of a case. "
        "Explanations that failed their own test are grey."
    )
    blocks: list[Block] = []
    if about.get("selection"):
        blocks.append(Prose((sentence(about["selection"]),)))
    if not view.json("quality.json"):
        text = "How far to trust these explanations was not measured (no quality.json), so none is marked."
        blocks.append(Prose((text,), "note"))
    if left:
        text = f"{count(left, 'case')} left out so that this file stays within its size; all are in cases.json."
        blocks.append(Prose((text,), "note"))
    blocks.append(Gallery(tuple(_case(CaseView(view, modality, case, i)) for i, case in enumerate(shown))))
    return Section("cases", "Cases", finding, tuple(blocks), _how(view))


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
    thresholds = (view.json("quality.json") or {}).get("thresholds", {})
    how += [f"Light, {name}: {sentence(t['text'])}" for name, t in thresholds.items() if t.get("text")]
    return tuple(how)


def _case(shown: CaseView) -> Case:
    view, case = shown.view, shown.case
    methods, lights = [], []
    for explainer in view.explainers:
        panels = tuple(panel(shown, explainer, who) for who in SIDES)
        some = view.answer("after", explainer) or view.answer("before", explainer)
        title = str(some.about.get("title", explainer)) if some else explainer
        filler = some.about.get("filler", "") if some else ""
        methods.append(Method(title, f"hidden parts: {filler}" if filler else "", panels))
        if panels[1].light:
            lights.append((title, panels[1].light))
    headline, level, turn = _regressed(view, case) if view.regression else _decided(case)
    picture = shown.picture if shown.modality == "image" else {}
    cut = case.get("cut")
    return Case(
        anchor=f"case-{shown.place + 1}",
        id=shown.id,
        headline=headline,
        why=_WHY.get(case.get("why", ""), str(case.get("why", "not recorded"))),
        level=level,
        turn=turn,
        question=case["question"]["text"],
        scale=f"full colour = ±{number(shown.scale, digits=2)} {shown.unit}" if shown.scale else "every value is zero",
        ends=("lowers it", "raises it") if view.regression else ("against", "for"),
        methods=tuple(methods),
        answers=_answers(case),
        notes=(f"The last {count(cut, 'word')} never reached the model: the text was cut.",) if cut else (),
        lights=tuple(lights),
        agreement=_agreement(view, case),
        open=shown.place < _OPEN,
        **{key: value for key, value in picture.items() if key != "segments"},
    )


def _regressed(view: RunView, case: Mapping[str, Any]) -> tuple[str, str, str]:
    before, after = case.get("before") or {}, case.get("after") or {}
    unit = f" {view.unit}" if view.unit else ""
    headline = f"Predicted {number(after['value'])}{unit}" if after.get("value") is not None else "Not predicted"
    turn = f"actual {number(case['target'])}" if case.get("target") is not None else "actual value unknown"
    if before.get("value") is not None:
        turn += f" · before customisation {number(before['value'])}"
    return headline, "open", turn


def _decided(case: Mapping[str, Any]) -> tuple[str, str, str]:
    before, after = case.get("before") or {}, case.get("after") or {}
    said = {True: ", rightly", False: f", wrongly (in truth {case.get('target')})"}
    level = {True: "good", False: "poor"}.get(after.get("right"), "open")  # type: ignore[arg-type]
    headline = f"Decided {after.get('label', 'nothing')}{said.get(after.get('right'), ', truth unknown')}"  # type: ignore[arg-type]
    sides = [
        f"{who} {side['label']} {percent(side['probability'], places=0)}"
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

    def chance(who: str, label: str) -> Cell:
        known = chances[who]
        return Cell(percent(known[label])) if label in known else Cell(f"not in its first {len(known)}")

    rows = tuple((word(label), *(chance(who, label) for who in SIDES)) for label in labels)
    return Table("Answers of the two models", ("Class", *SIDES), rows)


def _agreement(view: RunView, case: Mapping[str, Any]) -> Table | None:
    pairs = []
    for model in ("onnx", "tuned"):
        found = (view.json("quality.json") or {}).get("agreement", {}).get(model, {}).get(str(case["id"]), {})
        pairs += found.get("pairs", [])
    if not pairs:
        return None
    answers = {name: view.answer("after", name) for name in view.explainers}
    titles = {name: str(a.about.get("title", name)) for name, a in answers.items() if a}
    rows = tuple(
        (
            word(f"{titles.get(p['a'], p['a'])} and {titles.get(p['b'], p['b'])}"),
            Cell(number(p["rank"], digits=2) if p.get("rank") is not None else "not defined"),
            Cell(percent(p["top_k"], places=0) if p.get("top_k") is not None else "not defined"),
        )
        for p in pairs
    )
    return Table("Do the methods agree?", ("Methods", "rank correlation", "same strongest parts"), rows)
