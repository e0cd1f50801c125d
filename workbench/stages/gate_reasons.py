"""The rules of a gate on reasons: how good the explanations are, and what they moved to."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from workbench.errors import NotChecked
from workbench.policy import ExplanationsRule, ShiftRule
from workbench.stages.outcome import Evidence, Outcome, guarded, held
from workbench.stats import wilson

_AFTER = ("onnx", "tuned")


def judge_explanations(rule: ExplanationsRule, evidence: Evidence) -> list[Outcome]:
    """The share of good explanations by each method, and of random ones that the tests caught."""
    where = "quality.json"
    content = evidence.json(where)
    lights: dict[str, list[str]] = {}
    for model in _AFTER:
        for method, cards in (content["cases"].get(model) or {}).items():
            lights.setdefault(method, [card["light"] for card in cards.values()])
    found = []
    enough = ("good",) if rule.light == "good" else ("good", "fair")
    if rule.min_share is not None:
        named = sorted(lights) if "*" in rule.methods else list(rule.methods)
        if not named:
            raise NotChecked("no example was explained", where)
        for method in named:
            asked = f"{method}: at least {rule.min_share:g} of the explanations {' or '.join(enough)}"
            judge = partial(_lights, method, asked, lights, enough, rule.min_share, where)
            found += guarded(f"explanations.{method}", asked, judge)
    if rule.controls_caught is not None:
        cards = list(((content.get("controls") or {}).get("after") or {}).values())
        asked = f"at least {rule.controls_caught:g} of the random explanations called poor"
        if not cards:
            reason = "no random explanation was put to the tests"
            return [
                *found,
                Outcome("explanations.controls", asked, "nothing", "not checked", where=where, reason=reason),
            ]
        caught = sum(card["light"] == "poor" for card in cards)
        said = f"{caught:,} of {len(cards):,}"
        short = rule.controls_caught - caught / len(cards)
        found.append(
            held("explanations.controls", asked, said, short, where, rule.controls_caught, caught / len(cards))
        )
    return found


def _lights(
    method: str, asked: str, lights: Mapping[str, list[str]], enough: tuple[str, ...], limit: float, where: str
) -> list[Outcome]:
    if not lights.get(method):
        raise NotChecked(
            f"{where} has no explanation by {method!r}; there are {', '.join(sorted(lights)) or 'none'}", where
        )
    k, n = sum(light in enough for light in lights[method]), len(lights[method])
    share = wilson(k, n)
    name, said = f"explanations.{method}", f"{k:,} of {n:,}"
    return [held(name, asked, said, limit - k / n, where, limit, k / n, share.low, share.high)]


_SHIFT = "explanation_shift.json"


def judge_shift(rule: ShiftRule, evidence: Evidence) -> list[Outcome]:
    """Whether weight moved beyond noise to anything that is named."""
    where = "comparison.json"
    content = evidence.json(where)
    if "moved_to" not in content and evidence.run.has(_SHIFT):  # of a run's own model before and after
        where = _SHIFT
        content = evidence.json(where)
    if "moved_to" not in content:
        raise NotChecked("comparison.json does not say where the explanations moved to (`moved_to`)", where)
    about = (content.get("shift") or {}).get("sentence", "")
    if not content["moved_to"] and "not compared" in about:
        raise NotChecked(about, where)
    named = ", ".join(rule.no_shift_to)
    asked = "no weight moved beyond noise" + ("" if named == "*" else f" to {named}")
    unknown = [e for e in content["moved_to"] if _matches(e, rule.no_shift_to) and e["beyond_noise"] is None]
    moved = [e for e in content["moved_to"] if _matches(e, rule.no_shift_to) and e["beyond_noise"] and e["gain"] > 0]
    if not moved:
        if unknown:
            raise NotChecked(
                f"what is noise is not known for {', '.join(sorted({str(e['what']) for e in unknown}))}", where
            )
        return [Outcome("shift", asked, "none", "passed", where=where)]
    most = max(moved, key=lambda e: e["gain"])
    said = "; ".join(f"{e['what']} {e['gain']:+.3g} ({e['low']:.3g} to {e['high']:.3g})" for e in moved[:5])
    more = f"; and {len(moved) - 5} more" if len(moved) > 5 else ""
    return [Outcome("shift", asked, said + more, "failed", limit=0.0, value=most["gain"], low=most["low"],
                    high=most["high"], by=most["gain"], where=where)]  # fmt: skip


def _matches(entry: Mapping[str, Any], patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(str(entry["what"]).casefold(), pattern.casefold()) for pattern in patterns)
