"""One prediction on one page, and the same as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import ArtefactError
from workbench.language import N_, language, ngettext, speaking, stored
from workbench.language import gettext as _
from workbench.report.case import case_of
from workbench.report.contrasts import Told, beside
from workbench.report.label_sets import written
from workbench.report.pages import environment, page
from workbench.report.panels import SIDES, CaseView
from workbench.report.ranges import range_of
from workbench.report.shapes import Cell, Facts, Finding, Findings
from workbench.report.trust import LIGHTS, thresholds, title_of
from workbench.report.view import RunView
from workbench.report.words import between, chance, listing, number, percent, sentence, signed, word
from workbench.run import Run, write_atomically

PAGE, DOCUMENT = "inspect.html", "inspect.json"
SCHEMA = 1
_TEMPLATES = ("style.css", *(f"{n}.html" for n in ("inspect", "case", "cell", "facts", "findings", "prose", "table")))
_CONTEXT = {
    "contrast": N_("Why not the next"),
    "counterfactual": N_("What would turn it"),
    "familiar": N_("What it has seen"),
}


@dataclass(frozen=True)
class Certainty:
    """The probability of a decision: calibrated where the run has a temperature."""

    probability: float
    raw: float
    temperature: float | None
    reason: str = ""  # why there is no temperature

    @property
    def text(self) -> str:
        if self.temperature is None:
            why = stored(self.reason) or _("this run has no temperature")
            return _("as the model gives it, which may be too sure of itself; not calibrated: {why}").format(why=why)
        return _("calibrated on the validation split (temperature {temperature:.3g}; {raw} before that)").format(
            temperature=self.temperature, raw=chance(self.raw)
        )


def prepare() -> None:
    """Read the templates that every page takes: a seventh of a second that need not wait for the case."""
    for name in _TEMPLATES:
        environment().get_template(name)


def write_inspection(run: Run, id: str, folder: Path, *, name: str, lang: str = "") -> dict[str, Any]:
    """Write `inspect.html` and `inspect.json` of one case into a folder; the document.

    Args:
        run: holds the case: a run, or the small one that `inspect` made.
        id: of the case.
        folder: where to.
        name: of the run that was asked.
        lang: of the page; empty: what the config of the run says.

    Raises:
        ArtefactError: the run lacks the case or is damaged.
    """
    view = RunView(run)
    case = next((c for c in (view.json("cases.json") or {}).get("cases", []) if c["id"] == id), None)
    if case is None:
        left_out = {e["id"]: e["reason"] for e in (view.json("cases.json") or {}).get("left_out", [])}
        why = left_out.get(id, _("its explanations are not in the run"))
        raise ArtefactError(f"{id!r} cannot be explained: {why}", hint="choose another example")
    shown = CaseView(view, view.modality, case, 0)
    certainty = _certainty(view, case)
    document = _document(shown, certainty, name)
    with speaking(lang or str(view.config.get("report", {}).get("lang", language()))):
        page = _render(shown, certainty, name)
    write_atomically(folder / PAGE, page.encode())
    Run(folder).write_json(DOCUMENT, document)
    return document


def _certainty(view: RunView, case: Mapping[str, Any]) -> Certainty | None:
    """Of the deployed file's decision; None for a predicted value."""
    frame = view.predictions("onnx")
    if view.regression or frame is None:
        return None
    if view.multilabel:
        found = float(case["after"]["probability"])
        return Certainty(found, found, None, _("a temperature is fitted to single classes alone"))
    rows = frame[frame["id"] == case["id"]]
    columns = [c for c in frame.columns if c.startswith("logit.")]
    logits = rows[columns].to_numpy(dtype=float)[0]
    fitted = (view.json("onnx/decisions.json") or {}).get("temperature") or {}
    temperature, raw = fitted.get("value"), float(_softmax(logits).max())
    if not temperature:
        return Certainty(raw, raw, None, str(fitted.get("reason") or ""))
    return Certainty(float(_softmax(logits / temperature).max()), raw, float(temperature))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


# -- the page ---------------------------------------------------------------------------


def _render(shown: CaseView, certainty: Certainty | None, name: str) -> str:
    told = beside(shown)
    case = replace(case_of(shown), more=())
    case = replace(case, headline=case.headline.removesuffix(", truth unknown"))  # of a new input nobody knows it
    if not any(who == "before" for who, _ in shown.rows):  # no three times the same reason
        methods = tuple(replace(m, panels=tuple(p for p in m.panels if p.who != "before")) for m in case.methods)
        said = _("The model before customisation was not explained here; it takes as long again (`--before`).")
        case = replace(case, methods=methods, notes=case.notes if shown.view.audited else (*case.notes, said))
    return page(
        environment(),
        "inspect.html",
        view=shown.view,
        run=name,
        case=case,
        findings=Findings(tuple(_findings(shown, told))),
        facts=Facts(tuple(_facts(shown, certainty))),
        told=[(entry, _(_CONTEXT[entry.key])) for entry in told],
        how=_how(shown),
    )


def _facts(shown: CaseView, certainty: Certainty | None) -> list[tuple[str, Cell]]:
    case, view = shown.case, shown.view
    before, after = case.get("before") or {}, case.get("after") or {}
    facts = []
    if certainty:
        facts.append((_("Probability"), Cell(chance(certainty.probability), certainty.text, "word")))
        was, now = (side.get("label") or written(side.get("labels") or []) for side in (before, after))
        known = before.get("probability") is not None
        said = f"{was} ({chance(before['probability'])})" if known else _("not known")
        note = _("decided otherwise") if was != now else _("the same decision")
        if not view.audited:
            note = note if known else _("asking that model needs torch")
            facts.append((_("Before customisation"), word(said, note)))
    else:
        around = _range(shown).get("range")
        if around:
            span = f"{between(around['low'], around['high'])}{f' {view.unit}' if view.unit else ''}"
            note = _("as wide as holds {share} of the true values on the validation split").format(
                share=percent(around["level"], places=0)
            )
            facts.append((_("The true value should lie in"), word(span, note)))
        like = max(abs(float(v)) for v in (before.get("value") or 1, after.get("value") or 1))
        said = number(float(before["value"]), like=like) if before.get("value") is not None else _("not known")
        moved = float(after["value"]) - float(before["value"]) if before.get("value") is not None else None
        note = (
            _("customisation moved it by {moved}").format(moved=signed(moved, like=like)) if moved is not None else ""
        )
        if not view.audited:
            facts.append((_("Before customisation"), word(f"{said}{f' {view.unit}' if view.unit else ''}", note)))
    target = case.get("target")
    if target is not None:
        facts.append((_("In truth"), word(_truth(target))))
    return facts


def _truth(target: Any) -> str:
    if isinstance(target, list):
        return written(target)
    return target if isinstance(target, str) else number(float(target))


def _findings(shown: CaseView, told: tuple[Told, ...]) -> list[Finding]:
    view = shown.view
    lights: dict[str, list[str]] = {}
    for explainer in view.explainers:
        light = shown.quality("after", explainer).get("light")
        if light:
            lights.setdefault(light, []).append(title_of(view, explainer))
    found = []
    if lights:
        worst = next(light for light in ("poor", "fair", "good") if light in lights)
        said = "; ".join(f"{listing(names)}: {_(LIGHTS[light])}" for light, names in lights.items())
        n = len(lights.get("good", []))
        trusted = ngettext(
            "{n} explanation of {every} passed every test.", "{n} explanations of {every} passed every test.", n
        ).format(n=f"{n:,}", every=len(view.explainers))
        found.append(Finding(worst, trusted, sentence(said), "#why", _("why")))
    found += [Finding(entry.level or "open", entry.title, "", f"#{entry.key}", _("more")) for entry in told]
    return found


def _how(shown: CaseView) -> tuple[str, ...]:
    return (
        _(
            "An attribution says how the model's answer moves when a part of this input is "
            "hidden. It is no claim about causes in the world."
        ),
        _("What would turn the decision is a fact about the model, and no advice on what to change."),
        *thresholds(shown.view),
    )


# -- the document -----------------------------------------------------------------------


def _document(shown: CaseView, certainty: Certainty | None, name: str) -> dict[str, Any]:
    view, case = shown.view, shown.case
    known = ((view.json("contrasts.json") or {}).get("cases") or {}).get(shown.id) or {}
    agreed = ((view.json("quality.json") or {}).get("agreement") or {}).get("after", {}).get(shown.id)
    return {
        "schema": SCHEMA,
        "run": name,
        "id": shown.id,
        "task": view.task,
        "decision": {**(case.get("after") or {}), **_probabilities(certainty), **_range(shown)},
        "before": case.get("before"),
        "target": case.get("target"),
        "question": case["question"],
        "features": case["features"],
        "filler": (view.json("cases.json") or {}).get("filler"),
        "methods": {who: {e: _method(shown, who, e) for e in view.explainers} for who in SIDES},
        "agreement": agreed,
        **{key: known.get(key) for key in ("contrast", "counterfactual", "familiar")},
    }


def _probabilities(certainty: Certainty | None) -> dict[str, Any]:
    if certainty is None:
        return {}
    return {
        "probability": certainty.raw,
        "calibrated": certainty.probability if certainty.temperature else None,
        "temperature": certainty.temperature,
    }


def _range(shown: CaseView) -> dict[str, Any]:
    """Around a predicted value, what should hold the true one; nothing for other tasks."""
    level = range_of(shown.view.json("onnx/decisions.json") or {}) if shown.view.regression else None
    if level is None or (shown.case.get("after") or {}).get("value") is None:
        return {}
    value, width = float(shown.case["after"]["value"]), float(level["half_width"])
    return {"range": {"level": level["level"], "low": value - width, "high": value + width}}


def _method(shown: CaseView, who: str, explainer: str) -> dict[str, Any]:
    """One method's values with what is known of their quality, or the reason why there are none."""
    answer = shown.view.answer(who, explainer)
    if answer is None or (who, explainer) not in shown.rows:
        return {"reason": _("the method gave no answer to this question")}
    rows = shown.rows[who, explainer]
    ends = {key: [None if v is None or v != v else float(v) for v in rows[key]] for key in ("low", "high")}
    facts = {k: v for k, v in answer.case(shown.id).items() if k in ("base_score", "score", "gap", "evaluations")}
    return {
        "model": answer.model,
        "values": shown.values(who, explainer).tolist(),
        **(ends if ends["low"] and ends["low"][0] is not None else {"low": None, "high": None}),
        **facts,
        "quality": shown.quality(who, explainer) or None,
    }
