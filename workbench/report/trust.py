"""How far the explanations can be trusted: lights counted, controls beside them, agreement in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.measures import measure_title, trials_table
from workbench.report.shapes import Cell, Finding, Table
from workbench.report.view import RunView
from workbench.report.words import count, listing, none, number, percent, sentence, word

LIGHTS = {"good": N_("trustworthy"), "fair": N_("with care"), "poor": N_("unreliable")}
SIDES = {"before": "base", "after": "after"}  # as `controls` and `agreement` of quality.json name them
CAUGHT = 0.9  # share of random explanations that the tests must call unreliable to be believed


@dataclass(frozen=True)
class Judged:
    """The lights of one model's explanations, by method and by case."""

    by_method: dict[str, Counter[str]]
    poor_cases: frozenset[str]

    @property
    def n(self) -> int:
        return sum(counts.total() for counts in self.by_method.values())

    @property
    def poor(self) -> int:
        return sum(counts["poor"] for counts in self.by_method.values())


def judged(view: RunView, who: str) -> Judged:
    """The lights of every explanation of the model before or after."""
    by_method: dict[str, Counter[str]] = {}
    poor: set[str] = set()
    for explainer in view.explainers:
        answer = view.answer(who, explainer)
        for case in view.cases if answer else []:
            light = view.quality(answer.model, explainer, str(case["id"])).get("light") if answer else None
            if light:
                by_method.setdefault(explainer, Counter())[light] += 1
                if light == "poor":
                    poor.add(str(case["id"]))
    return Judged(by_method, frozenset(poor))


def caught(view: RunView, who: str) -> tuple[int, int]:
    """How many random attributions the tests called unreliable, of how many."""
    cards = ((view.json("quality.json") or {}).get("controls") or {}).get(SIDES[who]) or {}
    return sum(card.get("light") == "poor" for card in cards.values()), len(cards)


def title_of(view: RunView, explainer: str) -> str:
    """A method's name for people."""
    answer = view.answer("after", explainer) or view.answer("before", explainer)
    return stored(answer.about.get("title", explainer)) if answer else explainer


def explanations(view: RunView) -> list[Finding]:
    """The first screen's line on the explanations: how many failed their tests, and whether the tests work."""
    if not view.cases or not view.json("quality.json"):
        return []
    after = judged(view, "after")
    if not after.n:
        return []
    cases, link = len(view.cases), ("#cases", _("which"))
    found, n = caught(view, "after")
    control = (
        _(" The same tests called {found:,} of {n} unreliable.").format(
            found=found, n=count(n, "{n} random explanation", "{n} random explanations")
        )
        if n
        else ""
    )
    methods = count(len(after.by_method), "{n} method", "{n} methods")
    if not after.poor:
        strong = _("None of {n} was found unreliable").format(n=count(after.n, "{n} explanation", "{n} explanations"))
        weak = n and found < CAUGHT * n
        rest = _("({cases}, {methods}, {model}).").format(
            cases=count(cases, "{n} case", "{n} cases"), methods=methods, model=view.after
        )
        rest += control
        return [Finding("fair" if weak else "good", strong, rest, *link)]
    by = listing(
        [
            _("{poor:,} by {title_of}").format(poor=c["poor"], title_of=title_of(view, e))
            for e, c in after.by_method.items()
            if c["poor"]
        ]
    )
    many = _("Explanations of {n:,} of {cases} are unreliable").format(
        n=len(after.poor_cases), cases=count(cases, "{n} case", "{n} cases")
    )
    rest = _("and shown in grey: {by}, of {n} by {methods} ({after}).{control}").format(
        by=by,
        n=count(after.n, "{n} explanation", "{n} explanations"),
        methods=methods,
        after=view.after,
        control=control,
    )
    return [Finding("poor" if after.poor > after.n / 2 else "fair", many, rest, *link)]


def overview(view: RunView) -> Table | None:
    """Lights of each method before and after, and beside them what the tests say of random values."""
    if not view.json("quality.json"):
        return None
    sides = {who: judged(view, who) for who in view.sides}
    if not any(side.n for side in sides.values()):
        return None
    rows = []
    for explainer in view.explainers:
        cells = [_lights(sides[who].by_method.get(explainer)) for who in view.sides]
        rows.append((word(title_of(view, explainer)), *cells))
    controls = {who: caught(view, who) for who in view.sides}
    if any(n for _, n in controls.values()):
        cells = [
            word(_("{found:,} of {n:,} called unreliable").format(found=found, n=n))
            if n
            else none(_("no control for this model"))
            for found, n in controls.values()
        ]
        rows.append((word(_("Random values"), _("the control")), *cells))
    note = _("The control puts values drawn by lot to the same tests: tests that work call them unreliable.")
    shown = note if any(n for _, n in controls.values()) else ""
    return Table(
        _("Did the explanations pass their tests?"),
        (_("Method"), *map(view.called, view.sides)),
        tuple(rows),
        shown,
        compact=True,
    )


def trials(view: RunView) -> Table | None:
    """What seeds, random weights, another class, small changes and a second filler say of each method."""
    cards = {}
    for explainer in view.explainers:
        answer = view.answer("after", explainer)
        found = [view.quality(answer.model, explainer, str(case["id"])) for case in view.cases] if answer else []
        if any(found):
            cards[title_of(view, explainer)] = [card for card in found if card]
    return trials_table(cards, view.json("quality.json") or {})


def fillers(view: RunView) -> str:
    """Under which fillers quality was measured, and how unusual masked inputs are; "" where it was not."""
    quality = view.json("quality.json") or {}
    both, masks = quality.get("fillers") or [], quality.get("masks") or {}
    text = (
        _("Quality was measured with hidden parts replaced by {first}, and again by {second}.").format(
            first=stored(both[0]), second=stored(both[1])
        )
        if both
        else ""
    )
    if masks:
        known = [
            v
            for model in (quality.get("cases") or {}).values()
            for method in model.values()
            for card in method.values()
            if (v := (card.get("measures") or {}).get("mask_unusual")) is not None
        ]
        if known:
            text += _(
                " Of the masked inputs {known} lie further from clean ones than 99 % of {clean:,} "
                "clean inputs do, in the model's own features."
            ).format(known=percent(sum(known) / len(known), places=0), clean=masks["clean"])
    return text.strip()


def _lights(counts: Counter[str] | None) -> Cell:
    if not counts:
        return none(_("not measured"))
    return word(" · ".join(f"{counts[light]:,} {_(text)}" for light, text in LIGHTS.items() if counts[light]))


def thresholds(view: RunView) -> tuple[str, ...]:
    """What each test measures and from where on it is good or poor."""
    lines = []
    for name, row in ((view.json("quality.json") or {}).get("thresholds") or {}).items():
        high, low = (
            _(" Green from {good:g}, with care from {fair:g}, unreliable below that."),
            _(" Green up to {good:g}, with care up to {fair:g}, unreliable above that."),
        )
        side = high if row.get("better", "higher") == "higher" else low
        limits = side.format(good=row["good"], fair=row["fair"]) if "good" in row and "fair" in row else ""
        said = sentence(str(row.get("text") or _("not described")))
        lines.append(_("{title}. {said}").format(title=measure_title(name), said=said) + limits)
    return tuple(lines)


def agreement(view: RunView, case: Mapping[str, Any]) -> tuple[Table | None, str]:
    """Pairs of methods on one case: a table of both models, and the model after in one sentence."""
    found = (view.json("quality.json") or {}).get("agreement") or {}
    pairs = {
        who: (found.get(key, {}).get(str(case["id"])) or {}).get("pairs") or []
        for who, key in SIDES.items()
        if who in view.sides
    }
    if not any(pairs.values()):
        return None, ""
    k = top_size(len(case["features"]))
    named: dict[tuple[str, str], dict[str, Cell]] = {}
    for who, entries in pairs.items():
        for pair in entries:
            named.setdefault((pair["a"], pair["b"]), {})[who] = _shared(pair, k)
    rows = tuple(
        (
            word(_("{a} and {b}").format(a=title_of(view, a), b=title_of(view, b))),
            *(cells.get(who, none(_("not compared"))) for who in view.sides),
        )
        for (a, b), cells in named.items()
    )
    nouns = {"table": N_("columns"), "text": N_("words")}.get(view.modality, N_("parts"))
    caption = _asked(view.modality, k)
    return Table(caption, (_("Methods"), *map(view.called, view.sides)), rows), _sentence(
        view, pairs["after"] or pairs.get("before", []), k, _(nouns)
    )


def _asked(modality: str, k: int) -> str:
    """The heading of the table of agreements."""
    if modality == "table":
        what = count(k, "{n} strongest column", "{n} strongest columns")
    elif modality == "text":
        what = count(k, "{n} strongest word", "{n} strongest words")
    else:
        what = count(k, "{n} strongest part", "{n} strongest parts")
    return _("Do the methods name the same {those}?").format(those=what)


def top_size(features: int) -> int:
    """How many features count as the strongest: 5 or a tenth of all, whichever is more."""
    return min(features, max(5, round(0.1 * features)))


def _shared(pair: dict[str, Any], k: int) -> Cell:
    same = pair.get("feature") or {}
    if same.get("value") is None:
        return none(_("not defined"))
    lots = _("by lot {k}").format(k=number(k * same["random"], digits=1)) if same.get("random") is not None else ""
    order = pair.get("spearman") or {}
    rank = (
        _("rank correlation {value}").format(value=number(order["value"], digits=2))
        if order.get("value") is not None
        else ""
    )
    return Cell(
        _("{n} of {k}").format(n=round(k * same["value"]), k=k),
        " · ".join(part for part in (lots, rank) if part),
    )


def _sentence(view: RunView, pairs: list[dict[str, Any]], k: int, nouns: str) -> str:
    same = [p["feature"] for p in pairs if (p.get("feature") or {}).get("value") is not None]
    if not same:
        return ""
    shares = sorted({round(k * f["value"]) for f in same})
    spread = _("{low} to {high}").format(low=shares[0], high=shares[-1]) if len(shares) > 1 else f"{shares[0]}"
    who = _("The two methods") if len(pairs) == 1 else _("Any two of the methods")
    beyond = [p for p in pairs if _beyond(p.get("feature") or {})]
    text = _("{who} share {spread} of their {k} strongest {nouns}").format(who=who, spread=spread, k=k, nouns=nouns)
    if all(f.get("random") is not None for f in same):
        text += _("; methods that draw lots would share {k}").format(
            k=number(k * max(f["random"] for f in same), digits=1)
        )
    if len(beyond) == len(pairs):
        return _("{text}. They agree more than chance explains.").format(text=text)
    if not beyond:
        return _("{text}. That is no more than chance explains.").format(text=text)
    named = listing([_("{a} with {b}").format(a=title_of(view, p["a"]), b=title_of(view, p["b"])) for p in beyond])
    return _("{text}. More than chance explains: {named}.").format(text=text, named=named)


def _beyond(measure: dict[str, Any]) -> bool:
    value, top = measure.get("value"), measure.get("random_p95")
    return value is not None and top is not None and value > top
