"""The first screen: what was audited and what came out, in plain words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from workbench.errors import ArtefactError, WorkbenchError
from workbench.language import gettext as _
from workbench.language import stored
from workbench.report.contract import labels_finding, twin_finding
from workbench.report.difference import changed, lost
from workbench.report.gaps import gaps
from workbench.report.label_outcomes import decided
from workbench.report.performance import known, unseen
from workbench.report.sections.gate import gate_finding
from workbench.report.sections.shift import reasons
from workbench.report.shapes import Finding, Findings, Section
from workbench.report.slices import LINK as WHERE
from workbench.report.slices import slice_findings, weak_area
from workbench.report.trust import explanations
from workbench.report.view import RunView
from workbench.report.words import (
    between,
    count,
    joined,
    number,
    percent,
    sentence,
)
from workbench.types import Measure


def verdict(view: RunView) -> Section:
    """Good, attention, problem or not checked: one line each, the most important first."""
    parts = (gate_finding, _decides, changed, lost, reasons, _groups, _deployed, explanations, _data, _code)
    lines = [line for part in parts for line in _guarded(part, view)]
    return Section("verdict", _("Verdict"), "", (Findings(tuple(lines)), Findings(gaps(view), _("Not checked"))))


def _guarded(part: Callable[[RunView], list[Finding]], view: RunView) -> list[Finding]:
    """The lines of one part; a file that cannot be read costs its own line, not the first screen."""
    try:
        return part(view)
    except (WorkbenchError, LookupError, TypeError, ValueError) as e:
        reason = e.message if isinstance(e, WorkbenchError) else f"{type(e).__name__}: {e}"
        return [Finding("poor", _("One line of this verdict is missing:"), sentence(stored(reason)))]


def _decides(view: RunView) -> list[Finding]:
    model = view.shipped
    measure = view.measures(model).get(view.headline) if model else None
    if measure is None or measure.value is None:
        reason = measure.reason if measure else _("no measure of the test split was found in this run")
        return [
            Finding(
                "open",
                _("How good the answers are is not known:"),
                sentence(stored(reason)),
                "#performance",
                _("details"),
            )
        ]
    line = _off_by if view.regression else decided if view.multilabel else _right
    return [line(view, model, measure)]


def _right(view: RunView, model: str, measure: Measure) -> Finding:
    rows = known(_frame(view, model))
    right = int((rows["target"] == rows["predicted"]).sum())
    classes = view.fingerprint.get("classes", {}).get("train", {})
    commonest = max(sorted(classes), key=lambda label: classes[label]) if classes else ""
    constant = float((rows["target"] == commonest).mean()) if commonest else 0.0
    level = "good" if (measure.low or 0.0) > constant else "poor"
    said = _("unseen examples: {share}{interval}.") if unseen(view) else _("examples: {share}{interval}.")
    rest = said.format(share=percent(measure.value or 0), interval=_interval_of_shares(measure))
    if commonest:
        rest += _(" Always answering “{commonest}” would be right in {constant}.").format(
            commonest=commonest, constant=percent(constant)
        )
    return Finding(
        level, _("Right in {right:,} of {n:,}").format(right=right, n=len(rows)), rest, "#performance", _("how sure")
    )


def _off_by(view: RunView, model: str, measure: Measure) -> Finding:
    rows, unit = known(_frame(view, model)), f" {view.unit}" if view.unit else ""
    mean = view.fingerprint.get("target", {}).get("train", {}).get("mean")
    like = max(abs(v) for v in (measure.value, measure.low, measure.high) if v is not None)
    span = between(measure.low, measure.high, like=like)
    n = count(len(rows), "{n} example", "{n} examples")
    if unseen(view):  # whether the examples are new to a model is known only of one that was trained here
        n = count(len(rows), "{n} unseen example", "{n} unseen examples")
    rest = _("on {n} (95 % interval {span}).").format(n=n, span=span) if span else _("on {n}.").format(n=n)
    level = "good"
    if mean is not None:
        constant = float(np.abs(rows["target"] - mean).mean())
        level = "good" if measure.high is not None and measure.high < constant else "poor"
        rest += _(" Always answering the training mean would be off by {constant}{unit}.").format(
            constant=number(constant, like=like), unit=unit
        )
    return Finding(
        level,
        _("Off by {value}{unit} on average").format(value=number(measure.value or 0, like=like), unit=unit),
        rest,
        "#performance",
        _("how sure"),
    )


def _interval_of_shares(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return _(" (no interval was computed)")
    return _(" (95 % interval {low:.1f} to {high:.1f})").format(low=100 * measure.low, high=100 * measure.high)


def _frame(view: RunView, model: str) -> pd.DataFrame:
    frame = view.predictions(model, "test")
    if frame is None:
        path = view.run.path / model / "predictions.parquet"
        raise ArtefactError(f"{path} is missing", hint="run the config again")
    return frame


def _groups(view: RunView) -> list[Finding]:
    """Whether some group is served worse than the rest, and where mistakes gather."""
    lines = slice_findings(view)
    strong, rest = weak_area(view)
    if strong:
        found = view.json("weakness.json")
        level = "fair" if found["areas"] else "good" if found["tested"] else "open"
        lines.append(Finding(level, strong, rest, WHERE, _("where")))
    return lines


def _deployed(view: RunView) -> list[Finding]:
    parity = view.json("onnx/parity.json")
    if view.audited:
        return [*labels_finding(view), *twin_finding(view)]
    if parity is None:
        return []
    link = ("#deployed", _("details"))
    agreement = parity.get("label_agreement") or {}
    error = number(parity["max_error"], digits=4) if parity["max_error"] else "0"
    rest = _("largest relative error {error}.").format(error=error)
    if agreement.get("n") and not view.regression:
        rest = _("same answer on {agree:,} of {n:,}, largest relative error {error}.").format(
            agree=agreement["agree"], n=agreement["n"], error=error
        )
    if parity["passed"]:
        return [Finding("good", _("The deployed file behaves like the trained model:"), rest, *link)]
    return [Finding("poor", _("The deployed file does not behave like the trained model:"), rest, *link)]


def _data(view: RunView) -> list[Finding]:
    checks = view.checks
    lines = []
    warnings = [c for c in checks or [] if c["level"] == "warning"]
    skipped = view.fingerprint.get("skipped", [])
    if warnings:
        rest = joined(*(sentence(c["sentence"]) for c in warnings[:2]))
        more = (
            _(" And {n}.").format(n=count(len(warnings) - 2, "{n} more finding", "{n} more findings"))
            if len(warnings) > 2
            else ""
        )
        lines.append(Finding("fair", _("The data needs a look:"), rest + more, "#data", _("data")))
    elif checks:
        lines.append(Finding("good", _("The checks of the data found nothing to warn of"), "", "#data", _("which")))
    if skipped:
        strong = _("{n} could not be read").format(n=count(len(skipped), "{n} example", "{n} examples"))
        lines.append(Finding("fair", strong, _("and took no part in anything below."), "#data", _("which")))
    return lines


def _code(view: RunView) -> list[Finding]:
    lines = []
    if view.finetune.get("runs_user_code"):
        code = view.finetune.get("code") or {}
        rest = _("to build the model. This report does not judge what else that code does.")
        if code.get("file"):
            rest = _(
                "to build the model: {file} (sha256 {sha256}…). This report does not judge what else that code does."
            ).format(file=code["file"], sha256=code["sha256"][:12])
        lines.append(Finding("fair", _("The user's own code ran"), rest, "#provenance", _("hashes")))
    if view.config.get("backbone", {}).get("trust_remote_code"):
        rest = _("as the config allows it (backbone.trust_remote_code).")
        lines.append(
            Finding("fair", _("Code that came with the downloaded model ran,"), rest, "#provenance", _("hashes"))
        )
    return lines
