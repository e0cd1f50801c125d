"""The rules of a gate: each reads what a run holds and says what was asked, what was found and by how much it fails."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from workbench.errors import ArtefactError, NotChecked
from workbench.metrics.catalogue import MEASURES
from workbench.policy import (
    DataRule,
    FlipsRule,
    LatencyRule,
    MeasureRule,
    NoninferiorRule,
    ParityRule,
    Policy,
    SizeRule,
    SlicesRule,
)
from workbench.stages.gate_reasons import judge_explanations, judge_shift
from workbench.stages.gate_slices import judge_slices
from workbench.stages.outcome import Evidence, Outcome, guarded, held
from workbench.stats import wilson
from workbench.stats.margins import required_pairs

Judge = Callable[[Any, Evidence], list[Outcome]]

_LEAKS = "leak"  # part of the name of every check of a leak


def check(policy: Policy, evidence: Evidence) -> list[Outcome]:
    """Every rule of a policy, in its order; a rule whose evidence is missing is `not checked`."""
    found: list[Outcome] = []
    for number, rule in enumerate(policy.measure):
        found += guarded(f"measure.{_measure_id(rule)}", _asked(rule), partial(_measure, rule, evidence))
        found = _unique(found, number)
    for one in policy.noninferior:
        asked = f"{one.measure} at most {one.margin:g} worse than {_against(one.against)}"
        name = f"noninferior.{one.measure}.{one.against}"
        found += guarded(name, asked, partial(_noninferior, one, asked, evidence))
    parts: tuple[tuple[str, Any, Judge], ...] = (
        ("flips", policy.flips, _flips),
        ("slices", policy.slices, _slices),
        ("parity", policy.parity, _parity),
        ("explanations", policy.explanations, judge_explanations),
        ("shift", policy.shift, judge_shift),
        ("size", policy.size, _size),
        ("latency", policy.latency, _latency),
        ("data", policy.data, _data),
    )
    for name, asked_of, judge in parts:
        if asked_of is not None:
            said = ", ".join(
                f"{k} = {v}" for k, v in asked_of.model_dump(exclude_none=True, exclude_unset=True).items()
            )
            found += guarded(name, said or "the defaults", partial(judge, asked_of, evidence))
    return found


def _unique(found: list[Outcome], number: int) -> list[Outcome]:
    """Two rules on one measure get ids of their own."""
    *others, last = found
    if any(o.id == last.id for o in others):
        return [*others, replace(last, id=f"{last.id}.{number + 1}")]
    return found


def _measure_id(rule: MeasureRule) -> str:
    return ".".join(part for part in (rule.model, rule.split, rule.name, rule.label) if part)


def _asked(rule: MeasureRule) -> str:
    of = f"{rule.name}{f' of {rule.label}' if rule.label else ''} ({rule.model}, {rule.split})"
    asked = [f"lower bound at least {rule.at_least:g}"] if rule.at_least is not None else []
    asked += [f"upper bound at most {rule.at_most:g}"] if rule.at_most is not None else []
    return f"{of}: {' and '.join(asked)}"


def _measure(rule: MeasureRule, evidence: Evidence) -> list[Outcome]:
    where = f"{rule.model}/metrics.json"
    entries = {e["name"]: e for e in evidence.json(where) if e["split"] == rule.split}
    entry = _named(rule.name, entries, "measure", where)
    if rule.label:
        entry = _named(rule.label, entry.get("per_class") or {}, "class", where)
    value, low, high = entry["value"], entry["low"], entry["high"]
    if value is None or low is None or high is None:
        raise NotChecked(entry.get("reason") or "it has no interval", where)
    short = [] if rule.at_least is None else [rule.at_least - low]
    short += [] if rule.at_most is None else [high - rule.at_most]
    limit = rule.at_least if rule.at_least is not None else rule.at_most
    found = f"{value:.4g} ({low:.4g} to {high:.4g}, n {entry['n']:,})"
    return [held(f"measure.{_measure_id(rule)}", _asked(rule), found, max(short), where, limit, value, low, high)]


def _named(name: str, entries: Mapping[str, Any], kind: str, where: str) -> dict[str, Any]:
    if name in entries:
        found: dict[str, Any] = entries[name]
        return found
    close = difflib.get_close_matches(name, entries, n=1, cutoff=0.5)
    more = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(entries)}" if entries else ""
    raise NotChecked(f"{where} has no {kind} {name!r}{more}", where)


def _against(against: str) -> str:
    return "before customisation" if against == "base" else "the reference"


def _noninferior(rule: NoninferiorRule, asked: str, evidence: Evidence) -> list[Outcome]:
    content, where = evidence.comparison(rule.against)
    entries = {m["name"]: m for m in content.get("measures") or []}
    accuracy = content.get("accuracy")
    if accuracy:
        entries["accuracy"] = {**accuracy, "better": "higher"}
    entry = _named(rule.measure, entries, "measure", where)
    difference, low, high = entry["difference"], entry["low"], entry["high"]
    if difference is None or low is None or high is None:
        raise NotChecked(entry.get("reason") or "the difference has no interval", where)
    better = entry.get("better") or (MEASURES[rule.measure].better if rule.measure in MEASURES else "")
    if better not in ("higher", "lower"):
        raise NotChecked(f"{rule.measure} has no better direction", where)
    short = -low - rule.margin if better == "higher" else high - rule.margin
    reason = ""
    if short >= 0 and rule.measure == "accuracy" and accuracy:
        n = content["n"]
        needed = required_pairs((accuracy["b"] + accuracy["c"] + 0.5) / (n + 1), rule.margin)
        if n < needed:
            reason = f"underpowered: about {needed:,} examples would be needed to show it, there are {n:,}"
    found = f"difference {difference:+.4g} ({low:+.4g} to {high:+.4g}, n {content['n']:,})"
    name = f"noninferior.{rule.measure}.{rule.against}"
    # At the margin itself the loss is not excluded: the bound must lie inside.
    return [held(name, asked, found, short, where, rule.margin, difference, low, high, reason=reason, strict=True)]


def _slices(rule: SlicesRule, evidence: Evidence) -> list[Outcome]:
    return judge_slices(rule, evidence.json("slices.json"))


def _flips(rule: FlipsRule, evidence: Evidence) -> list[Outcome]:
    content, where = evidence.comparison(rule.against)
    flips = content.get("flips")
    if not flips or flips.get("nfr") is None:
        reason = (flips or {}).get("reason") or "there are no right and wrong answers to flip"
        raise NotChecked(reason, where)
    k, n = len(flips["negative"]), int(content["n"])
    share = wilson(k, n)
    assert share.high is not None
    asked = f"upper bound of answers right in {_against(rule.against)} and now wrong at most {rule.max_rate:g} of all"
    found = f"{k:,} of {n:,}: {k / n:.4g} ({share.low:.4g} to {share.high:.4g})"
    if (content.get("accuracy") or {}).get("groups"):
        found += ", examples taken as independent although they come in groups"
    return [held("flips", asked, found, share.high - rule.max_rate, where, rule.max_rate, k / n, share.low, share.high)]


def _parity(rule: ParityRule, evidence: Evidence) -> list[Outcome]:
    where = "onnx/parity.json"
    content = evidence.json(where)
    found = []
    if rule.required:
        passed = bool(content["passed"])
        said = f"{'passed' if passed else 'failed'} on {content['n']:,} examples, tolerance {content['tolerance']:g}"
        found.append(Outcome("parity.passed", "the deployed file answers as the trained model", said,
                             "passed" if passed else "failed", where=where))  # fmt: skip
    if rule.max_error is not None:
        error = float(content["max_error"])
        asked = f"largest relative difference at most {rule.max_error:g}"
        found.append(
            held("parity.max_error", asked, f"{error:.3g}", error - rule.max_error, where, rule.max_error, error)
        )
    return found


def _size(rule: SizeRule, evidence: Evidence) -> list[Outcome]:
    where = "onnx/model.onnx"
    files = [n for n in evidence.run.manifest["files"] if n == where or n.startswith(f"{where}.")]
    if where not in files or not evidence.run.has(where):
        raise NotChecked(f"{where} is not in this run", where)
    size = sum((evidence.run.path / n).stat().st_size for n in files) / 1e6
    asked = f"the deployed file at most {rule.max_mb:g} MB"
    return [held("size", asked, f"{size:.3f} MB", size - rule.max_mb, where, rule.max_mb, size)]


def _latency(rule: LatencyRule, evidence: Evidence) -> list[Outcome]:
    where = "onnx/latency.json"
    content = evidence.json(where)
    entries = [e for e in content.get("per_batch") or [] if e.get("batch") == rule.batch]
    value = (entries[0] if entries else {}).get(rule.statistic)
    if not isinstance(value, int | float):
        raise NotChecked(f"{where} has no {rule.statistic} of batch size {rule.batch}", where)
    asked = f"{rule.statistic} of batches of {rule.batch} at most {rule.max_ms:g} ms"
    return [held("latency", asked, f"{value:.4g} ms", value - rule.max_ms, where, rule.max_ms, float(value))]


def _data(rule: DataRule, evidence: Evidence) -> list[Outcome]:
    where = "data/checks.json"
    checks = evidence.json(where)
    if not isinstance(checks, list):
        raise ArtefactError(f"{where} is not a list of findings")
    warnings = [c for c in checks if c["level"] == "warning"]
    found = []
    if rule.no_leaks:
        looked = [c for c in checks if _LEAKS in c["check"]]
        leaks = [c for c in warnings if _LEAKS in c["check"]]
        if not looked:
            raise NotChecked("no check for leaks was made", where)
        said = " ".join(c["sentence"] for c in leaks) or f"{len(looked)} checks found none"
        found.append(
            held("data.no_leaks", "no leak between splits or from the target", said, len(leaks), where, 0, len(leaks))
        )
    if rule.max_warnings is not None:
        asked = f"at most {rule.max_warnings} warnings of the checks of the data"
        said = "; ".join(c["check"] for c in warnings) or "none"
        over = len(warnings) - rule.max_warnings
        found.append(
            held("data.max_warnings", asked, f"{len(warnings)}: {said}", over, where, rule.max_warnings, len(warnings))
        )
    return found
