"""The explained examples: what was decided, why according to each method, how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.report.case import case_of
from workbench.report.casebook import casebook
from workbench.report.measures import meanings
from workbench.report.panels import CaseView
from workbench.report.shapes import Block, Prose, Section
from workbench.report.trust import fillers, overview, thresholds, title_of, trials
from workbench.report.view import RunView
from workbench.report.words import count, listing, sentence

_NAMED = 5  # examples of a list in a sentence


def cases(view: RunView) -> Section | None:
    """Every explained example with its methods side by side, on one scale."""
    about = view.json("cases.json")
    if about is None or not about.get("cases"):
        return None
    shown = view.shown
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
        text = (
            f"{len(shown):,} of {count(len(view.cases), 'explained case')} are in this file, an even sample over the "
            "reasons for which they were chosen, so that it stays within its size; all are in cases.json."
        )
        blocks.append(Prose((text,), "note"))
    if about.get("selection"):
        blocks.append(Prose((sentence(about["selection"]),)))
    legend = tuple(title_of(view, name) for name in view.explainers) if trusted else ()
    drawn = tuple(case_of(CaseView(view, modality, case, i)) for i, case in enumerate(shown))
    blocks.append(casebook(view, drawn, legend))
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
