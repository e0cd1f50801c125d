"""The rules of a gate on slices: no group may be left behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import NotChecked
from workbench.policy import SlicesRule
from workbench.stages.outcome import Outcome, held

_WHERE = "slices.json"
_MODEL = "onnx"
_CHANCE = 0.05


def judge_slices(rule: SlicesRule, content: Mapping[str, Any]) -> list[Outcome]:
    """One outcome for each limit that the rule sets; the slice that is furthest beyond it is named."""
    if content.get("reason"):
        raise NotChecked(content["reason"], _WHERE)
    if not content.get("slices"):
        raise NotChecked("no slices were made: data.slices of the config names no column", _WHERE)
    large = [e for e in content["slices"] if e["n"] >= rule.at_least_n and e["models"][_MODEL]["score"]]
    if not large:
        raise NotChecked(f"no slice has {rule.at_least_n} examples", _WHERE)
    higher = content["measure"] in ("accuracy", "subset_accuracy")
    found = []
    if rule.min_lower_bound is not None:
        found.append(_bound(large, rule, rule.min_lower_bound, higher, "low"))
    if rule.max_upper_bound is not None:
        found.append(_bound(large, rule, rule.max_upper_bound, not higher, "high"))
    if rule.max_difference is not None:
        found.append(_difference(large, rule, rule.max_difference, higher))
    if rule.max_gap is not None:
        found.append(_gap(content, rule, rule.max_gap))
    return found


def _bound(large: list[dict[str, Any]], rule: SlicesRule, limit: float, fits: bool, end: str) -> Outcome:
    what = "min_lower_bound" if end == "low" else "max_upper_bound"
    shares = "subset accuracy" if large[0]["models"][_MODEL].get("parts") else "accuracy"
    measure = shares if end == "low" else "mean absolute error"
    side = "lower bound at least" if end == "low" else "upper bound at most"
    name, asked = f"slices.{what}", f"{measure} in every slice of {rule.at_least_n} or more: {side} {limit:g}"
    if not fits:
        return _not_checked(name, asked, f"these slices are not measured by {measure}")
    sign = -1 if end == "low" else 1
    scores = [(e, e["models"][_MODEL]["score"]) for e in large]
    judged = [(e, s) for e, s in scores if s[end] is not None]
    if not judged:
        return _not_checked(name, asked, "no slice has an interval")
    entry, score = max(judged, key=lambda pair: sign * pair[1][end])
    short = [sign * (s[end] - limit) for _, s in judged]
    said = (
        f"{_many(sum(s > 0 for s in short), len(judged))}; the worst is {entry['name']}: {score['value']:.4g} "
        f"({score['low']:.4g} to {score['high']:.4g}, n {entry['n']:,})"
    )
    return held(name, asked, said, max(short), _WHERE, limit, score["value"], score["low"], score["high"])


def _difference(large: list[dict[str, Any]], rule: SlicesRule, limit: float, higher: bool) -> Outcome:
    at = "at the worse end of its interval" if rule.judge == "bound" else "by its value"
    name, asked = (
        "slices.max_difference",
        f"no slice of {rule.at_least_n} or more worse than the rest by {limit:g}, {at}",
    )
    judged = []
    for entry in large:
        test = entry["models"][_MODEL]["difference"]
        if test is not None and None not in (test["value"], test["low"], test["high"]):
            worse = {"bound": -test["low"] if higher else test["high"],
                     "value": -test["value"] if higher else test["value"]}[rule.judge]  # fmt: skip
            judged.append((worse, entry, test))
    if not judged:
        return _not_checked(name, asked, "no slice was large enough to be compared with the rest")
    worst, entry, test = max(judged, key=lambda one: one[0])
    said = (
        f"{_many(sum(w > limit for w, *_ in judged), len(judged))}; the worst is {entry['name']}: {test['value']:+.4g} "
        f"({test['low']:+.4g} to {test['high']:+.4g}, n {entry['n']:,})"
    )
    return held(name, asked, said, worst - limit, _WHERE, limit, test["value"], test["low"], test["high"])


def _gap(content: Mapping[str, Any], rule: SlicesRule, limit: float) -> Outcome:
    asked = (
        f"gap between the slices of a column at most {limit:g}{' where beyond chance' if rule.beyond_chance else ''}"
    )
    gaps = [
        (attribute["name"], gap)
        for attribute in content["attributes"]
        for gap in attribute["gaps"][_MODEL]
        if gap["measure"] == content["measure"] and gap["value"] is not None
    ]
    if not gaps:
        return _not_checked("slices.max_gap", asked, "no column has two groups that are large enough")
    counted = [(n, g) for n, g in gaps if not rule.beyond_chance or g["p_holm"] < _CHANCE]
    if not counted:
        most = max(gaps, key=lambda pair: pair[1]["value"])
        said = f"no gap beyond chance; the largest is {most[1]['value']:.4g} by {most[0]} (p {most[1]['p_holm']:.3g})"
        return held(
            "slices.max_gap", asked, said, -limit, _WHERE, limit, most[1]["value"], most[1]["low"], most[1]["high"]
        )
    name, gap = max(counted, key=lambda pair: pair[1]["value"])
    said = (
        f"{gap['value']:.4g} by {name}, from {gap['lowest']} to {gap['highest']} "
        f"(chance alone: {gap['expected']:.4g}; p {gap['p_holm']:.3g})"
    )
    return held(
        "slices.max_gap", asked, said, gap["value"] - limit, _WHERE, limit, gap["value"], gap["low"], gap["high"]
    )


def _many(k: int, n: int) -> str:
    return f"{k} of {n} slices beyond it" if k else f"all {n} slices keep it"


def _not_checked(name: str, asked: str, reason: str) -> Outcome:
    return Outcome(name, asked, "nothing", "not checked", where=_WHERE, reason=reason)
