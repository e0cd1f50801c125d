"""Who is served worse, and where mistakes gather: `slices.json` and `weakness.json` as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.language import N_, condition
from workbench.language import gettext as _
from workbench.report.shapes import Finding
from workbench.report.view import RunView
from workbench.report.words import between, change, count, listing, measure_name, number, p_value, percent, points

SIGNIFICANT = 0.05
LINK = "#weakness"
RATES = {
    "recall": N_("found of the positive"),
    "precision": N_("right of the flagged"),
    "false_positive_rate": N_("flagged of the negative"),
    "selection_rate": N_("flagged of all"),
    "rmse": N_("typical error (RMSE)"),
    "hamming_loss": N_("wrong decisions"),
}


def _ranged(attribute: dict[str, Any]) -> dict[str, Any]:
    """An attribute whose gaps name ranges of numbers in the language that is spoken."""
    if not attribute.get("edges") or not attribute.get("gaps"):
        return attribute

    def told(gap: dict[str, Any]) -> dict[str, Any]:
        return {**gap, **{end: condition(gap[end]) for end in ("lowest", "highest") if gap.get(end)}}

    return {**attribute, "gaps": {model: [told(gap) for gap in gaps] for model, gaps in attribute["gaps"].items()}}


class Slices:
    """The slices of a run; empty where none were computed."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self.content: Mapping[str, Any] = view.json("slices.json") or {}
        self.attributes: list[dict[str, Any]] = [_ranged(a) for a in self.content.get("attributes") or []]
        self.entries: list[dict[str, Any]] = [self._told(e) for e in self.content.get("slices") or []]
        self.reason = str(self.content.get("reason") or "")

    def _told(self, entry: dict[str, Any]) -> dict[str, Any]:
        """A slice with ranges of numbers in the language that is spoken; values of the data stay as they are."""
        ranges = {a["name"] for a in self.attributes if a.get("edges")}
        if not any(part["attribute"] in ranges for part in entry["where"]):
            return entry
        where = [
            {**p, "value": condition(p["value"]) if p["attribute"] in ranges else p["value"]} for p in entry["where"]
        ]
        said = entry["name"]
        for old, new in zip(entry["where"], where, strict=True):
            said = said.replace(str(old["value"]), str(new["value"]), 1)
        return {**entry, "where": where, "name": said}

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

    @property
    def apart(self) -> list[tuple[str, dict[str, Any]]]:
        """Gaps between the groups of an attribute beyond chance, of the measure itself first, the surest first."""
        found = [(a["name"], g) for a in self.attributes for g in a["gaps"].get("onnx") or [] if is_beyond(g)]
        return sorted(found, key=lambda f: (f[1]["measure"] != self.content["measure"], f[1]["p_holm"]))

    def gap_in_words(self, gap: Mapping[str, Any]) -> str:
        """What differs by how much between which groups."""
        what = _(RATES[gap["measure"]]) if gap["measure"] in RATES else measure_name(gap["measure"]).title.lower()
        unit = f" {self.content['unit']}" if self.content.get("unit") else ""
        in_units = gap["measure"] in ("mae", "rmse")
        size = f"{number(gap['value'])}{unit}" if in_units else _("{value} points").format(value=points(gap["value"]))
        return _("{what} differs by {size} from {lowest} to {highest} ({p})").format(
            what=what, size=size, lowest=gap["lowest"], highest=gap["highest"], p=p_value(gap["p_holm"])
        )

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
            return _("off by {value}{unit}").format(value=number(value), unit=unit)
        if self.sets:
            return _("every label right in {value}").format(value=percent(value))
        return _("{value} right").format(value=percent(value))

    def gap(self, test: Mapping[str, Any]) -> str:
        """A difference with its interval in words, without its sign."""
        low, high = test.get("low"), test.get("high")
        if self.content.get("measure") == "mae":
            moved, span = change(test["value"], low, high)
            unit = f" {self._view.unit}" if self._view.unit else ""
            return _("{moved}{unit} (95 % interval of the difference {span})").format(
                moved=moved.lstrip("+−"), unit=unit, span=span or _("not computed")
            )
        if low is None or high is None:
            return _("{value} points").format(value=points(test["value"]))
        span = between(*sorted((abs(100 * low), abs(100 * high))), like=10)
        return _("{value} points (95 % interval {span})").format(value=points(test["value"]), span=span)


def is_beyond(gap: Mapping[str, Any]) -> bool:
    """Whether a gap is larger than chance makes it, corrected for there being several."""
    return gap.get("p_holm") is not None and bool(gap["p_holm"] < SIGNIFICANT)


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
        more = (
            _(" {n} too.").format(n=count(len(found.worse) - 1, "{n} more slice", "{n} more slices"))
            if len(found.worse) > 1
            else ""
        )
        rest = _("{amount} for {name} (n {n:,}), {amount_2} for the rest.{more}").format(
            amount=found.amount(own["score"]["value"]),
            name=first["name"],
            n=first["n"],
            amount_2=found.amount(own["rest"]["value"]),
            more=more,
        )
        lines.append(Finding("fair", _("Worse for some groups, beyond chance:"), rest, LINK, _("by group")))
    if found.lost:
        first = found.lost[0]
        rest = _("by {gap} for {name} (n {n:,}).").format(
            gap=found.gap(first["change"]), name=first["name"], n=first["n"]
        )
        lines.append(Finding("poor", _("Worse than before for some groups, beyond chance:"), rest, LINK, _("for whom")))
    # A group against the rest, and the widest gap between groups, are two tests: each is said where it found something.
    if apart := [f for f in found.apart if not (found.worse and f[1]["measure"] == found.content["measure"])]:
        name, gap = apart[0]
        more = count(len(apart) - 1, "{n} more gap", "{n} more gaps") if len(apart) > 1 else ""
        rest = _("by {name}, {gap}.").format(name=name, gap=found.gap_in_words(gap))
        rest += _(" {n} too.").format(n=more) if more else ""
        lines.append(Finding("fair", _("Groups differ beyond chance:"), rest, LINK, _("by group")))
    worse_off = found.worse or found.lost or any(g["measure"] == found.content["measure"] for _name, g in apart)
    if found.names and not worse_off:
        tested = len(found.tested)
        if tested:
            rest = _("({tested} by {names}, corrected for being several).").format(
                tested=count(tested, "{n} slice", "{n} slices"), names=listing(found.names)
            )
            lines.append(
                Finding("good", _("No group is worse off than the rest beyond chance"), rest, LINK, _("by group"))
            )
        else:
            rest = _("{names} split the test examples into groups of fewer than {few}.").format(
                names=listing(found.names), few=found.content["few"]
            )
            lines.append(Finding("open", _("The groups are too small to be judged:"), rest, LINK, _("by group")))
    return lines


def weak_area(view: RunView) -> tuple[str, str]:
    """Where mistakes gather, as a strong part and the rest of a sentence; empty where nothing was sought."""
    found = view.json("weakness.json")
    if not found or found.get("reason"):
        return "", ""
    if not found["areas"]:
        if not found["tested"]:
            return _("No area could be looked at for mistakes:"), _(
                "no part of the data was worse when the tree was grown."
            )
        return _("No area was found that is worse than the rest beyond chance"), _("({said}).").format(
            said=_sought(found)
        )
    area = found["areas"][0]
    what = _({"image": N_("pictures"), "text": N_("texts"), "table": N_("rows")}.get(view.modality, N_("examples")))
    if area["errors"] is not None:
        mistakes = _("{errors:,} of {all_errors}").format(
            errors=area["errors"], all_errors=count(area["all_errors"], "{n} mistake", "{n} mistakes")
        )
        strong = _("{mistakes} are in {n:,} of {of:,} {what}:").format(
            mistakes=mistakes, n=area["n"], of=area["of"], what=what
        )
        return strong, _("{words} ({value} wrong there, {rest} elsewhere).").format(
            words=condition(area["words"]), value=percent(area["value"]), rest=percent(area["rest"])
        )
    if found.get("measure") == "wrong decisions":
        strong = _("{value} of decisions are wrong in {n:,} of {of:,} {what}:").format(
            value=percent(area["value"]), n=area["n"], of=area["of"], what=what
        )
        return strong, _("{words} (elsewhere {rest}).").format(
            words=condition(area["words"]), rest=percent(area["rest"])
        )
    unit = f" {view.unit}" if view.unit else ""
    like = max(area["value"], area["rest"])
    strong = _("Off by {value}{unit} in {n:,} of {of:,} {what}:").format(
        value=number(area["value"], like=like), unit=unit, n=area["n"], of=area["of"], what=what
    )
    return strong, _("{words} (elsewhere by {rest}{unit}).").format(
        words=condition(area["words"]), rest=number(area["rest"], like=like), unit=unit
    )


def _sought(found: Mapping[str, Any]) -> str:
    return _("{tested} tested on {n}").format(
        tested=count(found["tested"], "{n} area", "{n} areas"),
        n=count(found["n"], "{n} test example", "{n} test examples"),
    )
