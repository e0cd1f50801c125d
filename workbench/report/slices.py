"""Who is served worse, and where mistakes gather: `slices.json` and `weakness.json` as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.report.shapes import Finding
from workbench.report.view import RunView
from workbench.report.words import between, change, count, listing, number, percent, points

SIGNIFICANT = 0.05
LINK = "#weakness"


class Slices:
    """The slices of a run; empty where none were computed."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self.content: Mapping[str, Any] = view.json("slices.json") or {}
        self.entries: list[dict[str, Any]] = list(self.content.get("slices") or [])
        self.attributes: list[dict[str, Any]] = list(self.content.get("attributes") or [])
        self.reason = str(self.content.get("reason") or "")

    @property
    def names(self) -> list[str]:
        """The attributes that slices were made of."""
        used = {part["attribute"] for entry in self.entries for part in entry["where"]}
        return [a["name"] for a in self.attributes if a["name"] in used]

    @property
    def sets(self) -> bool:
        """Whether an answer is a set of labels."""
        return self.content.get("measure") == "subset_accuracy"

    @property
    def groups(self) -> int:
        """How many whole groups (patients, users) the tests take the examples in; 0: one by one."""
        return int(self.content.get("groups") or 0)

    @property
    def tested(self) -> list[dict[str, Any]]:
        """The slices large enough to be tested against the rest."""
        return [e for e in self.entries if difference_of(e) is not None]

    @property
    def worse(self) -> list[dict[str, Any]]:
        """Slices where the deployed model is worse than on the rest beyond chance, the worst first."""
        return self._beyond_chance({e["name"]: d for e in self.entries if (d := difference_of(e)) is not None})

    @property
    def lost(self) -> list[dict[str, Any]]:
        """Slices that the change made worse beyond chance, the worst first."""
        return self._beyond_chance({e["name"]: e["change"] for e in self.entries if e.get("change")})

    def _beyond_chance(self, tests: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        sign = 1 if self.content.get("measure") == "mae" else -1
        found: dict[str, float] = {}
        for name, test in tests.items():
            loss = sign * float(test["value"] or 0.0)
            if test.get("p_holm") is not None and test["p_holm"] < SIGNIFICANT and loss > 0:
                found[name] = loss
        return sorted((e for e in self.entries if e["name"] in found), key=lambda e: -found[str(e["name"])])

    def amount(self, value: float) -> str:
        """A value of the measure in words."""
        if self.content.get("measure") == "mae":
            unit = f" {self._view.unit}" if self._view.unit else ""
            return f"off by {number(value)}{unit}"
        if self.sets:
            return f"every label right in {percent(value)}"
        return f"{percent(value)} right"

    def gap(self, test: Mapping[str, Any]) -> str:
        """A difference with its interval in words, without its sign."""
        low, high = test.get("low"), test.get("high")
        if self.content.get("measure") == "mae":
            moved, span = change(test["value"], low, high)
            unit = f" {self._view.unit}" if self._view.unit else ""
            return f"{moved.lstrip('+−')}{unit} (95 % interval of the difference {span or 'not computed'})"
        if low is None or high is None:
            return f"{points(test['value'])} points"
        span = between(*sorted((abs(100 * low), abs(100 * high))), like=10)
        return f"{points(test['value'])} points (95 % interval {span})"


def difference_of(entry: Mapping[str, Any], model: str = "onnx") -> dict[str, Any] | None:
    """A slice against the rest, or None where it was too small to be tested."""
    found: dict[str, Any] | None = (entry["models"].get(model) or {}).get("difference")
    return found


def slice_findings(view: RunView) -> list[Finding]:
    """The lines of the first screen: groups that are worse off, now or than before, or that none is."""
    found = Slices(view)
    lines = []
    if found.worse:
        first = found.worse[0]
        own = first["models"]["onnx"]
        more = f" {count(len(found.worse) - 1, 'more slice')} too." if len(found.worse) > 1 else ""
        rest = (
            f"{found.amount(own['score']['value'])} for {first['name']} (n {first['n']:,}), "
            f"{found.amount(own['rest']['value'])} for the rest.{more}"
        )
        lines.append(Finding("fair", "Worse for some groups, beyond chance:", rest, LINK, "by group"))
    if found.lost:
        first = found.lost[0]
        rest = f"by {found.gap(first['change'])} for {first['name']} (n {first['n']:,})."
        lines.append(Finding("poor", "Worse than before for some groups, beyond chance:", rest, LINK, "for whom"))
    if found.names and not lines:
        tested = len(found.tested)
        if tested:
            rest = f"({count(tested, 'slice')} by {listing(found.names)}, corrected for being several)."
            lines.append(Finding("good", "No group is worse off than the rest beyond chance", rest, LINK, "by group"))
        else:
            rest = f"{listing(found.names)} split the test examples into groups of fewer than {found.content['few']}."
            lines.append(Finding("open", "The groups are too small to be judged:", rest, LINK, "by group"))
    return lines


def weak_area(view: RunView) -> tuple[str, str]:
    """Where mistakes gather, as a strong part and the rest of a sentence; empty where nothing was sought."""
    found = view.json("weakness.json")
    if not found or found.get("reason"):
        return "", ""
    if not found["areas"]:
        if not found["tested"]:
            return "No area could be looked at for mistakes:", "no part of the data was worse when the tree was grown."
        return "No area was found that is worse than the rest beyond chance", f"({_sought(found)})."
    area = found["areas"][0]
    what = {"image": "pictures", "text": "texts", "table": "rows"}.get(view.modality, "examples")
    if area["errors"] is not None:
        mistakes = f"{area['errors']:,} of {count(area['all_errors'], 'mistake')}"
        strong = f"{mistakes} are in {area['n']:,} of {area['of']:,} {what}:"
        return strong, f"{area['words']} ({percent(area['value'])} wrong there, {percent(area['rest'])} elsewhere)."
    if found.get("measure") == "wrong decisions":
        strong = f"{percent(area['value'])} of decisions are wrong in {area['n']:,} of {area['of']:,} {what}:"
        return strong, f"{area['words']} (elsewhere {percent(area['rest'])})."
    unit = f" {view.unit}" if view.unit else ""
    like = max(area["value"], area["rest"])
    strong = f"Off by {number(area['value'], like=like)}{unit} in {area['n']:,} of {area['of']:,} {what}:"
    return strong, f"{area['words']} (elsewhere by {number(area['rest'], like=like)}{unit})."


def _sought(found: Mapping[str, Any]) -> str:
    return f"{count(found['tested'], 'area')} tested on {count(found['n'], 'test example')}"
