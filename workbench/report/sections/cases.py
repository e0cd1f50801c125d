"""The explained examples: what was decided, why according to each method, how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.case import case_of
from workbench.report.casebook import casebook
from workbench.report.measures import meanings
from workbench.report.panels import CaseView
from workbench.report.shapes import Block, Prose, Section
from workbench.report.trust import fillers, overview, thresholds, title_of, trials
from workbench.report.view import RunView
from workbench.report.words import count, listing, sentence

_NAMED = 5  # examples of a list in a sentence
_NOUNS = {"text": N_("words"), "image": N_("parts"), "table": N_("columns")}


def cases(view: RunView) -> Section | None:
    """Every explained example with its methods side by side, on one scale."""
    about = view.json("cases.json")
    if about is None or not about.get("cases"):
        return None
    shown = view.shown
    left = len(view.cases) - len(shown)
    modality = str(about.get("modality", ""))
    against = _("orange, underlined") if modality == "text" else _("orange")
    finding = (
        _(
            "Blue {nouns} raise the predicted value, {against} ones lower it, on one scale for all methods of a "
            "case. Explanations that failed their own tests are grey."
        )
        if view.regression
        else _(
            "Blue {nouns} speak for the answer, {against} ones against it, on one scale for all methods of a "
            "case. Explanations that failed their own tests are grey."
        )
    ).format(nouns=_(_NOUNS.get(modality, "parts")), against=against)
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
        text = _("How far to trust these explanations was not measured (no quality.json), so none is marked.")
        blocks.append(Prose((text,), "note"))
    if about.get("left_out"):
        why = [(entry["id"], stored(entry["reason"]).rstrip(".。")) for entry in about["left_out"][:_NAMED]]
        named, more = listing([f"{id} ({reason})" for id, reason in why]), len(about["left_out"]) - _NAMED
        text = (
            _("Not explained: {named} and {more:,} more in cases.json.") if more > 0 else _("Not explained: {named}.")
        )
        text = text.format(named=named, more=more)
        blocks.append(Prose((text,), "note"))
    blocks += _refused(view, about)
    if left:
        text = _(
            "{n:,} of {n_2} are in this file, an even sample over the reasons for which they "
            "were chosen, so that it stays within its size; all are in cases.json."
        ).format(n=len(shown), n_2=count(len(view.cases), "{n} explained case", "{n} explained cases"))
        blocks.append(Prose((text,), "note"))
    if about.get("selection"):
        blocks.append(Prose((sentence(stored(about["selection"])),)))
    legend = tuple(title_of(view, name) for name in view.explainers) if trusted else ()
    drawn = tuple(case_of(CaseView(view, modality, case, i)) for i, case in enumerate(shown))
    blocks.append(casebook(view, drawn, legend))
    return Section("cases", _("Cases"), finding, tuple(blocks), _how(view))


def _refused(view: RunView, about: Mapping[str, Any]) -> list[Block]:
    """A sentence for every method that gave no answer to some case, with the first of its reasons."""
    entries = about.get("refused") or []
    lines = []
    for explainer in dict.fromkeys(e["explainer"] for e in entries):
        own = [e for e in entries if e["explainer"] == explainer]
        cases = {e["id"] for e in own}
        of = _("any case") if len(cases) == len(about["cases"]) else count(len(cases), "{n} case", "{n} cases")
        models = {e["model"] for e in own}
        side = _(" before customisation") if models == {"base"} else _(" after customisation")
        side = "" if len(models) > 1 or view.audited else side
        lines.append(
            _("{title} was not computed for {of}{side}: {reason}.").format(
                title=stored(own[0]["title"]), of=of, side=side, reason=stored(own[0]["reason"]).rstrip(".。")
            )
        )
    return [Prose(tuple(lines), "note")] if lines else []


def _how(view: RunView) -> tuple[str, ...]:
    how = [
        _(
            "An attribution says how the model's answer moves when a part of this input is "
            "hidden. It is no claim about causes in the world."
        ),
        _(
            "Methods may disagree: that is shown, not averaged away. Full colour is the "
            "strongest value among the explanations of the case that are not marked unreliable."
        ),
    ]
    for explainer in view.explainers:
        answer = view.answer("after", explainer) or view.answer("before", explainer)
        if answer:
            caption, filler = answer.about.get("caption", ""), stored(answer.about.get("filler", ""))
            hidden = _(" A hidden part is replaced by: {filler}.").format(filler=filler) if filler else ""
            title = stored(answer.about.get("title", explainer))
            how.append(_("{title}. {said}").format(title=title, said=sentence(caption)) + hidden)
    how.append(
        _(
            "Where parts can stand in for each other, methods differ by what they ask: of max(a, "
            "b) with a = b = 1, hiding either part alone changes nothing (0 and 0), Shapley "
            "values give each half; of a · b, hiding either takes all (1 and 1), Shapley values "
            "share it."
        )
    )
    if view.json("quality.json"):
        how.append(_("What the measures of a quality card say, and from where on they are good or poor:"))
        how += meanings()
        how.append(
            _("Agreement with evidence that somebody marked is plausibility: the model may be right for other reasons.")
        )
    return (*how, *thresholds(view))
