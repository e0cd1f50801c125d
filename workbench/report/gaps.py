"""The register of gaps: everything that this report says nothing of, each with its reason.

What is missing stands in its own place too; here it stands together, for the first screen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.errors import WorkbenchError
from workbench.language import gettext as _
from workbench.language import stored
from workbench.report.measures import MEASURES, measure_title
from workbench.report.shapes import Finding
from workbench.report.slices import LINK, Slices
from workbench.report.view import MODELS, RunView
from workbench.report.words import count, listing, measure_name, sentence

_NAMED = 3  # of a list in a line
# sections whose absence a line of `_parts` words better than their title
SPOKEN_FOR = ("change", "deployed", "cases")


def gaps(view: RunView) -> tuple[Finding, ...]:
    """What was not checked, not computed or left out, and why; the widest gaps first."""
    found: list[Finding] = []
    for part in (_parts, _slices, _always, _methods, _cases, _contrasts, _examples, _measures, _thresholds, _quality):
        try:
            found += part(view)
        except (WorkbenchError, LookupError, TypeError, ValueError, AttributeError) as e:
            reason = e.message if isinstance(e, WorkbenchError) else f"{type(e).__name__}: {e}"
            found.append(_gap(_("A part of this list."), reason))
    return tuple(found)


def _gap(what: str, why: str, href: str = "") -> Finding:
    return Finding("open", what, sentence(why or _("no reason was recorded")), href, _("details") if href else "")


def _parts(view: RunView) -> list[Finding]:
    has, found = view.run.has, []
    if view.audited:
        why = _("It was made elsewhere; if so, its numbers flatter it.")
        found.append(_gap(_("Whether the model was trained on these examples."), why))
    elif not has("comparison.json"):
        found.append(
            _gap(
                _("Better or worse than before."),
                _("The model before and the model after were not compared in this run."),
            )
        )
    if not view.audited and not has("onnx/parity.json"):
        found.append(
            _gap(_("Whether the deployed file equals the trained model."), _("No ONNX file was tested in this run."))
        )
    if not has("cases.json"):
        found.append(_gap(_("Why the model decides as it does."), _("No example was explained in this run.")))
    elif not has("quality.json"):
        found.append(
            _gap(
                _("How far the explanations can be trusted."),
                _("Their quality was not measured in this run."),
                "#cases",
            )
        )
    if not has("data/checks.json"):
        found.append(_gap(_("The data itself."), _("No checks of the data were recorded in this run.")))
    return found


def _slices(view: RunView) -> list[Finding]:
    what, slices = _("Differences between groups of people or places."), Slices(view)
    found = []
    if slices.reason:
        found.append(_gap(what, slices.reason))
    left = slices.content.get("left_out") or []
    if not slices.reason and not slices.names and not left:
        found.append(_gap(what, _("No column that names groups was given (data.slices).")))
    for entry in left:
        by = (
            _("Groups by {attribute}.").format(attribute=entry["attribute"])
            if entry["attribute"]
            else _("Groups by two columns at once.")
        )
        found.append(_gap(by, str(entry["reason"]), LINK))
    small = [e for e in slices.entries if e.get("note") in ("counts only", "insufficient", "the rest is insufficient")]
    if small:
        why = _("Fewer than {few} examples, or than that in the rest, are too few for a test.").format(
            few=slices.content["few"]
        )
        found.append(_gap(_("{n}.").format(n=count(len(small), "{n} small group", "{n} small groups")), why, LINK))
    return found


def _always(view: RunView) -> list[Finding]:
    return [
        _gap(_("Disturbed or manipulated inputs."), _("Only the examples as they came were tested.")),
        _gap(_("Change of the data over time."), _("Only one snapshot of the data was seen.")),
    ]


def _methods(view: RunView) -> list[Finding]:
    """Explainers that gave no answer to some or any case."""
    about = view.json("cases.json") or {}
    found, grouped = [], _grouped(about.get("refused") or [], lambda e: (e["title"], e["model"], e["reason"]))
    for (title, model, reason), entries in grouped.items():
        who = _(MODELS.get(model, model))
        n, every = len({e["id"] for e in entries}), len(about.get("cases") or [])
        what = (
            _("{title} of the model {who}, for any case.").format(title=stored(title), who=who)
            if n >= every
            else _("{title} of the model {who}, for {n:,} of {every:,} cases.").format(
                title=stored(title), who=who, n=n, every=every
            )
        )
        found.append(_gap(what, reason, "#cases"))
    return found


def _cases(view: RunView) -> list[Finding]:
    about, found = view.json("cases.json") or {}, []
    for reason, entries in _grouped(about.get("left_out") or [], lambda e: e["reason"]).items():
        found.append(
            _gap(
                _("The explanation of {those}.").format(those=_some([str(e["id"]) for e in entries])), reason, "#cases"
            )
        )
    left = len(view.cases) - len(view.shown)
    if left:
        why = _("The file would be larger than allowed; all {n:,} are in cases.json.").format(n=len(view.cases))
        found.append(
            _gap(
                _("{n}.").format(
                    n=count(len(view.cases) - len(view.shown), "{n} explained case", "{n} explained cases")
                ),
                why,
                "#cases",
            )
        )
    if view.limits.picture < type(view.limits)().picture and view.modality == "image":
        why = _("Pictures have at most {picture} pixels a side, so that the file stays within its size.").format(
            picture=view.limits.picture
        )
        found.append(_gap(_("Fine detail of pictures."), why, "#cases"))
    if not view.limits.dense and view.modality == "image":
        found.append(
            _gap(_("Pixel-by-pixel maps."), _("They were left out so that the file stays within its size."), "#cases")
        )
    return found


_CONTRASTS = ("contrast", "counterfactual", "familiar")


def _contrasts(view: RunView) -> list[Finding]:
    """What stands beside the attributions of a case and was not found out, by reason."""
    titles = {
        "contrast": _("Why this answer and not the next"),
        "counterfactual": _("What would turn the answer"),
        "familiar": _("What the model has seen that is like it"),
    }
    content = view.json("contrasts.json")
    if content is None:
        why = _("The run has no contrasts.json; workbench contrast makes it.")
        return [_gap(_("What would turn an answer, and what is like it."), why)] if view.run.has("cases.json") else []
    found, cases = [], list((content.get("cases") or {}).values())
    missing = [(kind, _reason(case, kind)) for case in cases for kind in _CONTRASTS if _reason(case, kind)]
    for (kind, why), entries in _grouped(missing, lambda e: e).items():
        if len(entries) == len(cases):
            what = _("{what}, for any case.").format(what=titles[kind])
        else:
            n, every = f"{len(entries):,}", f"{len(cases):,}"
            what = _("{what}, for {n} of {every} cases.").format(what=titles[kind], n=n, every=every)
        found.append(_gap(what, stored(why), "#cases"))
    return found


def _reason(case: Mapping[str, Any], kind: str) -> str:
    return str((case.get(kind) or {}).get("reason") or "")


def _examples(view: RunView) -> list[Finding]:
    skipped = _grouped(view.fingerprint.get("skipped") or [], lambda e: e["reason"])
    return [
        _gap(_("{n} of the data.").format(n=count(len(entries), "{n} example", "{n} examples")), why, "#data")
        for why, entries in skipped.items()
    ]


def _measures(view: RunView) -> list[Finding]:
    """Measures of the shipped model without a value."""
    missing = [m for m in view.measures(view.shipped).values() if m.value is None] if view.shipped else []
    grouped = _grouped(missing, lambda m: m.reason)
    return [
        _gap(f"{_some([measure_name(m.name).title for m in ms])}.", why, "#performance") for why, ms in grouped.items()
    ]


def _thresholds(view: RunView) -> list[Finding]:
    own = view.json(f"{view.shipped}/decisions.json") if view.shipped else None
    found = []
    if own and own.get("reason"):
        found.append(_gap(_("Decisions and confidence."), own["reason"], "#decisions"))
    part = (own or {}).get("thresholds") or {}
    if part.get("reason") and not part.get("rules"):
        found.append(_gap(_("Which threshold to choose."), part["reason"], "#decisions"))
    margin = view.comparison.get("margin") or {}
    if margin.get("reason") and not margin.get("noninferiority"):
        found.append(_gap(_("The declared margin."), margin["reason"], "#change"))
    return found


def _quality(view: RunView) -> list[Finding]:
    """Quality measures that could not be computed, by reason, over the explanations of all models."""
    missing: dict[str, dict[str, int]] = {}
    for methods in ((view.json("quality.json") or {}).get("cases") or {}).values():
        for cards in methods.values():
            for card in cards.values():
                for name, why in (card.get("missing") or {}).items():
                    if name in MEASURES:
                        named = missing.setdefault(str(why), {})
                        named[name] = named.get(name, 0) + 1
    found = []
    for why, named in missing.items():
        titles = list(dict.fromkeys(measure_title(name) for name in named))
        found.append(
            _gap(
                _("{titles} of {max}.").format(
                    titles=_some(titles), max=count(max(named.values()), "{n} explanation", "{n} explanations")
                ),
                why,
                "#cases",
            )
        )
    return found


def _grouped(entries: list[Any], key: Callable[[Any], Any]) -> Mapping[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return found


def _some(names: list[str]) -> str:
    left = len(names) - _NAMED
    return (
        listing(names)
        if left <= 0
        else _("{names} and {left:,} more").format(names=_(", ").join(names[:_NAMED]), left=left)
    )
