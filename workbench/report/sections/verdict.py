"""The first screen: what was audited and what came out, in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import ArtefactError, WorkbenchError
from workbench.report.contract import twin_finding
from workbench.report.gaps import gaps
from workbench.report.label_outcomes import decided, f1_beside
from workbench.report.performance import known, said
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
    measure_name,
    number,
    p_value,
    percent,
    points,
    sentence,
    signed,
)
from workbench.report.words import change as change_of
from workbench.types import Measure

_SHARE_MARGIN = 1e-9
_UNCONFIRMED = 0.05  # p of the exact test from which on a difference is not called one
_EVERY = "examples with every label right"
_SHARES = {"accuracy": ("accuracy", "accuracy"), "subset_accuracy": (f"share of {_EVERY}", _EVERY)}
_ROUNDED = 0.0005  # differences of accuracy that print as 0.0 points


def verdict(view: RunView) -> Section:
    """Good, attention, problem or not checked: one line each, the most important first."""
    parts = (gate_finding, _decides, _change, _lost, reasons, _groups, _deployed, explanations, _data, _code)
    lines = [line for part in parts for line in _guarded(part, view)]
    return Section("verdict", "Verdict", "", (Findings(tuple(lines)), Findings(gaps(view), "Not checked")))


def _guarded(part: Callable[[RunView], list[Finding]], view: RunView) -> list[Finding]:
    """The lines of one part; a file that cannot be read costs its own line, not the first screen."""
    try:
        return part(view)
    except (WorkbenchError, LookupError, TypeError, ValueError) as e:
        reason = e.message if isinstance(e, WorkbenchError) else f"{type(e).__name__}: {e}"
        return [Finding("poor", "One line of this verdict is missing:", sentence(reason))]


def _decides(view: RunView) -> list[Finding]:
    model = view.shipped
    measure = view.measures(model).get(view.headline) if model else None
    if measure is None or measure.value is None:
        reason = measure.reason if measure else "no measure of the test split was found in this run"
        return [Finding("open", "How good the answers are is not known:", sentence(reason), "#performance", "details")]
    line = _off_by if view.regression else decided if view.multilabel else _right
    return [line(view, model, measure)]


def _right(view: RunView, model: str, measure: Measure) -> Finding:
    rows = known(_frame(view, model))
    right = int((rows["target"] == rows["predicted"]).sum())
    classes = view.fingerprint.get("classes", {}).get("train", {})
    commonest = max(sorted(classes), key=lambda label: classes[label]) if classes else ""
    constant = float((rows["target"] == commonest).mean()) if commonest else 0.0
    level = "good" if (measure.low or 0.0) > constant else "poor"
    rest = f"{_unseen(view)}examples: {percent(measure.value or 0)}{_interval_of_shares(measure)}."
    if commonest:
        rest += f" Always answering “{commonest}” would be right in {percent(constant)}."
    return Finding(level, f"Right in {right:,} of {len(rows):,}", rest, "#performance", "how sure")


def _off_by(view: RunView, model: str, measure: Measure) -> Finding:
    rows, unit = known(_frame(view, model)), f" {view.unit}" if view.unit else ""
    mean = view.fingerprint.get("target", {}).get("train", {}).get("mean")
    like = max(abs(v) for v in (measure.value, measure.low, measure.high) if v is not None)
    span = between(measure.low, measure.high, like=like)
    rest = f"on {count(len(rows), f'{_unseen(view)}example')}{f' (95 % interval {span})' if span else ''}."
    level = "good"
    if mean is not None:
        constant = float(np.abs(rows["target"] - mean).mean())
        level = "good" if measure.high is not None and measure.high < constant else "poor"
        rest += f" Always answering the training mean would be off by {number(constant, like=like)}{unit}."
    return Finding(
        level, f"Off by {number(measure.value or 0, like=like)}{unit} on average", rest, "#performance", "how sure"
    )


def _unseen(view: RunView) -> str:
    """Whether the examples are new to a model is known only of one that was trained here."""
    return "" if view.audited else "unseen "


def _interval_of_shares(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return " (no interval was computed)"
    return f" (95 % interval {100 * measure.low:.1f} to {100 * measure.high:.1f})"


def _frame(view: RunView, model: str) -> pd.DataFrame:
    frame = view.predictions(model, "test")
    if frame is None:
        path = view.run.path / model / "predictions.parquet"
        raise ArtefactError(f"{path} is missing", hint="run the config again")
    return frame


def _change(view: RunView) -> list[Finding]:
    entries = {m["name"]: m for m in view.comparison.get("measures", [])}
    name = next((n for n in (("mae", "rmse") if view.regression else ("accuracy",)) if n in entries), "")
    entry = dict(entries.get(name, {}))
    if not view.regression and view.comparison.get("accuracy"):  # Newcombe's interval and the exact test
        name, entry = view.headline, {**view.comparison["accuracy"], "better": "higher"}
    if not entry or entry.get("difference") is None:
        return []
    sign = -1.0 if entry.get("better") == "lower" else 1.0
    low, high = entry.get("low"), entry.get("high")
    gain = sign * entry["difference"]
    worst = None if low is None or high is None else min(sign * low, sign * high)
    best = None if low is None or high is None else max(sign * low, sign * high)
    how, span = _amount(view, name, gain, worst, best)
    also = f1_beside(entries) if view.multilabel else ""
    link = ("#change", "what changed")
    if worst is None or best is None:
        return [Finding("fair", "Better or worse than before is not settled:", f"{how}, without an interval.", *link)]
    p = entry.get("mcnemar_p")
    if p is not None and p >= _UNCONFIRMED and (worst > _SHARE_MARGIN or best < -_SHARE_MARGIN):
        way = "better" if gain > 0 else "worse"
        rest = f"it seems so by {how} ({span}), but the exact test does not confirm it ({p_value(p)})."
        return [Finding("fair", f"Not certain whether {way} than before customisation:", rest, *link)]
    if worst > _SHARE_MARGIN:
        return [Finding("good", "Better than before customisation", f"by {how} ({span}).{also}", *link)]
    if best < -_SHARE_MARGIN:
        return [Finding("poor", "Worse than before customisation", f"by {how} ({span}).{also}", *link)]
    rest = f"{_undecided(view, entry, name)}{also}"
    return [Finding("fair", "No clear difference from before customisation:", rest, *link)]


def _undecided(view: RunView, entry: Mapping[str, Any], name: str) -> str:
    """A difference that chance explains, in the measure's own direction."""
    difference, title = float(entry["difference"]), measure_name(name).title.lower()
    if name in _SHARES:
        title = _SHARES[name][0]
        low, high = (signed(100 * entry[end], like=10.0) for end in ("low", "high"))
        span = f"95 % interval {low} to {high} points"
        if abs(difference) < _ROUNDED:
            return f"the {title} is the same ({span})."
        better = "higher" if difference > 0 else "lower"
        return f"the {title} is {points(difference)} points {better}, which chance alone could bring about ({span})."
    unit = f" {view.unit}" if view.unit else ""
    amount, span = change_of(difference, entry["low"], entry["high"])
    larger = "larger" if difference > 0 else "smaller"
    return (
        f"the {title} is {amount.lstrip('+−')}{unit} {larger}, which chance alone could bring about "
        f"(95 % interval {span})."
    )


def _amount(view: RunView, name: str, gain: float, low: float | None, high: float | None) -> tuple[str, str]:
    """How much better or worse, and its interval; both without a sign, as the words say the direction."""
    if name in _SHARES:
        how = f"{points(gain)} points of {_SHARES[name][1]}"
        span = "" if low is None or high is None else f"95 % interval {_size(100 * low, 100 * high, like=10.0)}"
    else:
        unit = f" {view.unit}" if view.unit else ""
        like = max(abs(v) for v in (gain, low, high) if v is not None)
        how = f"{number(abs(gain), like=like)}{unit} of {measure_name(name).title.lower()}"
        span = "" if low is None or high is None else f"95 % interval {_size(low, high, like=like)}"
    return how, span


def _size(low: float, high: float, *, like: float) -> str:
    """An interval of one direction, from the smaller to the larger amount."""
    return between(*sorted((abs(low), abs(high))), like=like) if low * high > 0 else between(low, high, like=like)


def _lost(view: RunView) -> list[Finding]:
    flips = view.comparison.get("flips")
    if view.regression or not flips:
        return []
    lost, base = flips["negative"], view.predictions("base", "test")
    if base is None:
        return []
    was_right = int((known(base)["target"] == known(base)["predicted"]).sum())
    if not lost:
        return [Finding("good", "No answer that was right is now wrong", f"(of {was_right:,}).", "#change", "details")]
    truth = said(base, lost, "target")
    classes = Counter(str(truth.get(i, "?")) for i in lost)
    top, n = classes.most_common(1)[0]
    share = "all" if n == len(lost) else "most" if n > len(lost) / 2 else ""
    kind = "with the labels" if view.multilabel else "of class"
    where = f", {share} {kind} “{top}”" if share and len(lost) > 1 else ""
    verb = "answer that was right is" if was_right == 1 else "answers that were right are"
    return [Finding("fair", f"{len(lost):,} of {was_right:,} {verb} now wrong", f"{where}.", "#change", "see them")]


def _groups(view: RunView) -> list[Finding]:
    """Whether some group is served worse than the rest, and where mistakes gather."""
    lines = slice_findings(view)
    strong, rest = weak_area(view)
    if strong:
        found = view.json("weakness.json")
        level = "fair" if found["areas"] else "good" if found["tested"] else "open"
        lines.append(Finding(level, strong, rest, WHERE, "where"))
    return lines


def _deployed(view: RunView) -> list[Finding]:
    parity = view.json("onnx/parity.json")
    if view.audited:
        return twin_finding(view)
    if parity is None:
        return []
    link = ("#deployed", "details")
    agreement = parity.get("label_agreement") or {}
    same = (
        f"same answer on {agreement['agree']:,} of {agreement['n']:,}, "
        if agreement.get("n") and not view.regression
        else ""
    )
    rest = f"{same}largest relative error {number(parity['max_error'], digits=4)}."
    if parity["passed"]:
        return [Finding("good", "The deployed file behaves like the trained model:", rest, *link)]
    return [Finding("poor", "The deployed file does not behave like the trained model:", rest, *link)]


def _data(view: RunView) -> list[Finding]:
    checks = view.checks
    lines = []
    warnings = [c for c in checks or [] if c["level"] == "warning"]
    skipped = view.fingerprint.get("skipped", [])
    if warnings:
        rest = " ".join(sentence(c["sentence"]) for c in warnings[:2])
        more = f" And {count(len(warnings) - 2, 'more finding')}." if len(warnings) > 2 else ""
        lines.append(Finding("fair", "The data needs a look:", rest + more, "#data", "data"))
    elif checks:
        lines.append(Finding("good", "The checks of the data found nothing to warn of", "", "#data", "which"))
    if skipped:
        strong = f"{count(len(skipped), 'example')} could not be read"
        lines.append(Finding("fair", strong, "and took no part in anything below.", "#data", "which"))
    return lines


def _code(view: RunView) -> list[Finding]:
    lines = []
    if view.finetune.get("runs_user_code"):
        code = view.finetune.get("code") or {}
        named = f": {code['file']} (sha256 {code['sha256'][:12]}…)." if code.get("file") else "."
        rest = f"to build the model{named} This report does not judge what else that code does."
        lines.append(Finding("fair", "The user's own code ran", rest, "#provenance", "hashes"))
    if view.config.get("backbone", {}).get("trust_remote_code"):
        rest = "as the config allows it (backbone.trust_remote_code)."
        lines.append(Finding("fair", "Code that came with the downloaded model ran,", rest, "#provenance", "hashes"))
    return lines
