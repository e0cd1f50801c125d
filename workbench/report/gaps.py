"""The register of gaps: everything that this report says nothing of, each with its reason.

What is missing stands in its own place too; here it stands together, for the first screen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.errors import WorkbenchError
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
            found.append(_gap("A part of this list.", reason))
    return tuple(found)


def _gap(what: str, why: str, href: str = "") -> Finding:
    return Finding("open", what, sentence(why or "no reason was recorded"), href, "details" if href else "")


def _parts(view: RunView) -> list[Finding]:
    has, found = view.run.has, []
    if view.audited:
        why = "It was made elsewhere; if so, its numbers flatter it."
        found.append(_gap("Whether the model was trained on these examples.", why))
    elif not has("comparison.json"):
        found.append(
            _gap("Better or worse than before.", "The model before and the model after were not compared in this run.")
        )
    if not view.audited and not has("onnx/parity.json"):
        found.append(
            _gap("Whether the deployed file equals the trained model.", "No ONNX file was tested in this run.")
        )
    if not has("cases.json"):
        found.append(_gap("Why the model decides as it does.", "No example was explained in this run."))
    elif not has("quality.json"):
        found.append(
            _gap("How far the explanations can be trusted.", "Their quality was not measured in this run.", "#cases")
        )
    if not has("data/checks.json"):
        found.append(_gap("The data itself.", "No checks of the data were recorded in this run."))
    return found


def _slices(view: RunView) -> list[Finding]:
    what, slices = "Differences between groups of people or places.", Slices(view)
    found = []
    if slices.reason:
        found.append(_gap(what, slices.reason))
    elif not slices.names:
        found.append(_gap(what, "No column that names groups was given (data.slices)."))
    for entry in slices.content.get("left_out") or []:
        found.append(_gap(f"Groups by {entry['attribute']}.", str(entry["reason"]), LINK))
    small = [e for e in slices.entries if e.get("note") in ("counts only", "insufficient", "the rest is insufficient")]
    if small:
        why = f"Fewer than {slices.content['few']} examples, or than that in the rest, are too few for a test."
        found.append(_gap(f"{count(len(small), 'small group')}.", why, LINK))
    return found


def _always(view: RunView) -> list[Finding]:
    return [
        _gap("Disturbed or manipulated inputs.", "Only the examples as they came were tested."),
        _gap("Change of the data over time.", "Only one snapshot of the data was seen."),
    ]


def _methods(view: RunView) -> list[Finding]:
    """Explainers that gave no answer to some or any case."""
    about = view.json("cases.json") or {}
    found, grouped = [], _grouped(about.get("refused") or [], lambda e: (e["title"], e["model"], e["reason"]))
    for (title, model, reason), entries in grouped.items():
        who = MODELS.get(model, model)
        n, every = len({e["id"] for e in entries}), len(about.get("cases") or [])
        what = (
            f"{title} of the model {who}, for any case."
            if n >= every
            else f"{title} of the model {who}, for {n:,} of {every:,} cases."
        )
        found.append(_gap(what, reason, "#cases"))
    return found


def _cases(view: RunView) -> list[Finding]:
    about, found = view.json("cases.json") or {}, []
    for reason, entries in _grouped(about.get("left_out") or [], lambda e: e["reason"]).items():
        found.append(_gap(f"The explanation of {_some([str(e['id']) for e in entries])}.", reason, "#cases"))
    if len(view.shown) < len(view.cases):
        why = f"The file would be larger than allowed; all {len(view.cases):,} are in cases.json."
        found.append(_gap(f"{count(len(view.cases) - len(view.shown), 'explained case')}.", why, "#cases"))
    if view.limits.picture < type(view.limits)().picture and view.modality == "image":
        why = f"Pictures have at most {view.limits.picture} pixels a side, so that the file stays within its size."
        found.append(_gap("Fine detail of pictures.", why, "#cases"))
    if not view.limits.dense and view.modality == "image":
        found.append(
            _gap("Pixel-by-pixel maps.", "They were left out so that the file stays within its size.", "#cases")
        )
    return found


_CONTRASTS = {
    "contrast": "Why this answer and not the next",
    "counterfactual": "What would turn the answer",
    "familiar": "What the model has seen that is like it",
}


def _contrasts(view: RunView) -> list[Finding]:
    """What stands beside the attributions of a case and was not found out, by reason."""
    content = view.json("contrasts.json")
    if content is None:
        why = "The run has no contrasts.json; workbench contrast makes it."
        return [_gap("What would turn an answer, and what is like it.", why)] if view.run.has("cases.json") else []
    found, cases = [], list((content.get("cases") or {}).values())
    missing = [(kind, str(case[kind]["reason"])) for case in cases for kind in _CONTRASTS if _reason(case, kind)]
    for (kind, why), entries in _grouped(missing, lambda e: e).items():
        of = "for any case" if len(entries) == len(cases) else f"for {len(entries):,} of {len(cases):,} cases"
        found.append(_gap(f"{_CONTRASTS[kind]}, {of}.", why, "#cases"))
    return found


def _reason(case: Mapping[str, Any], kind: str) -> str:
    return str((case.get(kind) or {}).get("reason") or "")


def _examples(view: RunView) -> list[Finding]:
    skipped = _grouped(view.fingerprint.get("skipped") or [], lambda e: e["reason"])
    return [_gap(f"{count(len(entries), 'example')} of the data.", why, "#data") for why, entries in skipped.items()]


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
        found.append(_gap("Decisions and confidence.", own["reason"], "#decisions"))
    part = (own or {}).get("thresholds") or {}
    if part.get("reason") and not part.get("rules"):
        found.append(_gap("Which threshold to choose.", part["reason"], "#decisions"))
    margin = view.comparison.get("margin") or {}
    if margin.get("reason") and not margin.get("noninferiority"):
        found.append(_gap("The declared margin.", margin["reason"], "#change"))
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
        found.append(_gap(f"{_some(titles)} of {count(max(named.values()), 'explanation')}.", why, "#cases"))
    return found


def _grouped(entries: list[Any], key: Callable[[Any], Any]) -> Mapping[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return found


def _some(names: list[str]) -> str:
    left = len(names) - _NAMED
    return listing(names) if left <= 0 else f"{', '.join(names[:_NAMED])} and {left:,} more"
