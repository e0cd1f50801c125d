"""The measures of a quality card in plain words, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.language import N_
from workbench.language import gettext as _
from workbench.report.shapes import Cell, Table
from workbench.report.words import joined, listing, none, number, percent, sentence, word


@dataclass(frozen=True, slots=True)
class Shown:
    """How one measure is written: `kind` is "share", "number" or "unit" (the question's)."""

    title: str
    meaning: str
    kind: str = "number"


MEASURES: Mapping[str, Shown] = {
    "orders_beaten": Shown(N_("Order of hiding"), N_("random orders of hiding the parts that it beats"), "share"),
    "deletion_skill": Shown(
        N_("Deletion skill"),
        N_(
            "how much faster than at random the answer falls as parts are hidden, the strongest "
            "first, as a share of all that hiding can move (Petsiuk 2018); 0 is chance"
        ),
    ),
    "insertion_skill": Shown(
        N_("Insertion skill"), N_("the same as parts are revealed, the strongest first; 0 is chance, higher is better")
    ),
    "second_deletion_skill": Shown(
        N_("Deletion skill, second filler"), N_("the same with another stand-in for hidden parts")
    ),
    "filler_spread": Shown(
        N_("Spread over the fillers"), N_("how far the two deletion skills lie apart, on the same orders")
    ),
    "comprehensiveness": Shown(
        N_("Comprehensiveness"),
        N_("what hiding the strongest 1 to 50 % of the parts takes from the answer (DeYoung 2020); higher is better"),
        "unit",
    ),
    "second_comprehensiveness": Shown(
        N_("Comprehensiveness, second filler"), N_("the same with the second filler"), "unit"
    ),
    "sufficiency": Shown(
        N_("Sufficiency"),
        N_("what is lost when only the strongest 1 to 50 % of the parts are kept; lower is better"),
        "unit",
    ),
    "prediction_gap_important": Shown(
        N_("Prediction gap, strongest columns"),
        N_(
            "mean size of the change of the answer when the strongest 1 to 50 % of the columns take the values of "
            "background rows, one row at a time (PGI, Agarwal 2022); higher is better"
        ),
        "unit",
    ),
    "prediction_gap_unimportant": Shown(
        N_("Prediction gap, other columns"),
        N_("the same when all the other columns take them (PGU); lower is better"),
        "unit",
    ),
    "aopc": Shown(
        N_("Strongest against weakest first"),
        N_(
            "mean fall of the answer with the strongest parts hidden first minus that with the "
            "weakest first (Samek 2017)"
        ),
        "unit",
    ),
    "faithfulness_correlation": Shown(
        N_("Faithfulness"), N_("correlation of claimed and found effects of hiding parts")
    ),
    "sensitivity_1": Shown(
        N_("Single parts"), N_("the same for parts hidden one at a time (sensitivity-1, Ancona 2018); 1 is best")
    ),
    "infidelity_relative": Shown(
        N_("Infidelity"),
        N_(
            "mean squared error of the claims over the variance of the effects (Yeh 2019): 0 is "
            "perfect, 1 no better than one constant"
        ),
    ),
    "relative_gap": Shown(
        N_("Completeness gap"), N_("what the values miss of the difference they should add up to"), "share"
    ),
    "held_out_r2": Shown(N_("Fit of the linear stand-in"), N_("R² on masks that it was not fitted to")),
    "interval_share": Shown(N_("Width of the intervals"), N_("mean half width over the largest value"), "share"),
    "seed_stability": Shown(N_("Stability over seeds"), N_("rank correlation of the method with itself over seeds")),
    "seed_top_k": Shown(N_("Same strongest parts over seeds"), N_("mean overlap of the five strongest parts"), "share"),
    "model_randomisation": Shown(N_("Random weights"), N_("likeness to explanations of the model with random weights")),
    "class_similarity": Shown(N_("Another class"), N_("rank correlation with the explanation of the runner-up class")),
    "max_sensitivity": Shown(N_("Small changes"), N_("largest change of the explanation after tiny changes"), "share"),
    "mask_unusual": Shown(
        N_("Unusual masks"),
        N_(
            "masked inputs that lie further from clean ones, in the model's own features, than "
            "99 % of clean inputs do (Mahalanobis distance; 1 % is what clean inputs have)"
        ),
        "share",
    ),
    "monotonicity": Shown(N_("Monotonicity"), N_("steps that do not lower the answer as parts are revealed"), "share"),
    "effective_features": Shown(
        N_("Parts that count"), N_("as many equal parts would be as complex (exp of the entropy)")
    ),
    "gini": Shown(N_("Concentration"), N_("Gini index of the sizes: 0 all equal, near 1 a single part")),
    "rationale_f1": Shown(
        N_("Token F1 with the marked evidence"), N_("share of the marked parts among as many strongest ones"), "share"
    ),
    "rationale_iou_f1": Shown(
        N_("Passage F1 with the marked evidence"),
        N_("passages of the strongest words that overlap a marked passage by half or more (DeYoung 2020)"),
        "share",
    ),
    "rationale_ap": Shown(
        N_("Average precision for the marked evidence"), N_("chance is the marked share of all parts")
    ),
    "pointing_game": Shown(N_("Pointing game"), N_("1 where the strongest part is a marked one")),
    "rationale_mass": Shown(
        N_("Mass on the marked evidence"), N_("share of the positive values on marked parts"), "share"
    ),
}


def measure_title(name: str) -> str:
    """A quality measure in plain words."""
    if name in MEASURES:
        return _(MEASURES[name].title)
    if name.startswith("sensitivity_"):
        return _("{name} parts at once").format(name=name.removeprefix("sensitivity_"))
    return name.replace("_", " ").capitalize()


def meanings() -> tuple[str, ...]:
    """What each measure of a card says, for the readers of its table."""
    return tuple(
        _("{title}: {said}").format(title=_(shown.title), said=sentence(_(shown.meaning)))
        for shown in MEASURES.values()
    )


def card_table(
    cards: Mapping[str, Mapping[str, Any]],
    thresholds: Mapping[str, Any],
    unit: str,
    called: Callable[[str], str] = _,
) -> Table | None:
    """Every measure of one method on one case, before and after, each with its light where it has one.

    Args:
        cards: side ("before", "after") to card of quality.json.
        thresholds: as quality.json has them.
        unit: of the question.
        called: what a side is called.
    """
    sides = [side for side in ("before", "after") if cards.get(side)]
    names = [*MEASURES, *sorted({n for s in sides for n in cards[s]["measures"] if n.startswith("sensitivity_")})]
    rows = []
    for name in dict.fromkeys(names):
        values = {side: (cards[side].get("measures") or {}).get(name) for side in sides}
        if any(v is not None for v in values.values()):
            written = (_cell(name, values[side], thresholds, unit) for side in sides)
            rows.append((word(measure_title(name)), *written))
    if not rows:
        return None
    return Table("", (_("Measure"), *map(called, sides)), tuple(rows), _missing(cards, sides), compact=True)


def _cell(name: str, value: float | None, thresholds: Mapping[str, Any], unit: str) -> Cell:
    if value is None:
        return Cell(_("see below"), kind="none")
    shown = MEASURES.get(name)
    if shown is not None and shown.kind == "share":
        text = percent(value, places=0)
    else:
        text = number(value, digits=2) + (f" {unit}" if shown is not None and shown.kind == "unit" else "")
    row = thresholds.get(name)
    return Cell(text, _light(value, row)) if row else Cell(text)


def _light(value: float, row: Mapping[str, Any]) -> str:
    sign = 1 if row.get("better", "higher") == "higher" else -1
    good, fair = (sign * value >= sign * row[key] - 1e-12 for key in ("good", "fair"))
    return _("good") if good else _("with care") if fair else _("poor")


def _missing(cards: Mapping[str, Mapping[str, Any]], sides: Sequence[str]) -> str:
    """Why measures are not there: one sentence a reason, the measures it holds for named."""
    found: dict[str, list[str]] = {}
    for side in sides:
        for name, why in (cards[side].get("missing") or {}).items():
            if name in MEASURES:
                title = measure_title(name)
                found.setdefault(why, []).append(title if title not in found.get(why, []) else "")
    parts = []
    for why, titles in found.items():
        named = list(dict.fromkeys(t for t in titles if t))
        said = sentence(why)
        parts.append(f"{listing(named)}: {said[:1].lower()}{said[1:]}")
    return _("Not computed. {those}").format(those=joined(*parts)) if parts else ""


def trials_table(view_cards: Mapping[str, Sequence[Mapping[str, Any]]], quality: Mapping[str, Any]) -> Table | None:
    """What the further trials say of each method of the model after: medians over its cases.

    Args:
        view_cards: method's title to the cards of its cases.
        quality: quality.json.
    """
    columns = (
        ("seed_stability", _("seeds")),
        ("model_randomisation", _("random weights")),
        ("class_similarity", _("another class")),
        ("max_sensitivity", _("small changes")),
        ("deletion_skill", _("deletion skill")),
        ("second_deletion_skill", _("second filler")),
    )
    rows = []
    for title, cards in view_cards.items():
        cells = []
        for name, _title in columns:
            known = sorted(v for c in cards if (v := (c.get("measures") or {}).get(name)) is not None)
            if not known:
                why = next((c["missing"][name] for c in cards if name in (c.get("missing") or {})), "")
                cells.append(none(why))
                continue
            middle = known[len(known) // 2] if len(known) % 2 else sum(known[len(known) // 2 - 1 :][:2]) / 2
            cells.append(Cell(number(middle, digits=2), _spread(name, known, quality)))
        rows.append((word(title), *cells))
    if not any(cell.kind != "none" for row in rows for cell in row[1:]):
        return None
    return Table(
        _("Further trials of each method"),
        (_("Method"), *(title for _name, title in columns)),
        tuple(rows),
        _(
            "Medians over the cases of the model after, their range below; n is the number of "
            "cases tried. Seeds, random weights and another class are rank correlations."
        ),
    )


def _spread(name: str, known: Sequence[float], quality: Mapping[str, Any]) -> str:
    if name == "model_randomisation":
        about: Mapping[str, Any] = next(iter((quality.get("randomisation") or {}).values()), {})
        chance = about.get("chance")
        return f"n {about.get('n', 0)}" + (
            _(" · chance {chance}").format(chance=number(chance, digits=2)) if chance is not None else ""
        )
    return _("{known} to {known_2} · n {n}").format(
        known=number(known[0], digits=2), known_2=number(known[-1], digits=2), n=len(known)
    )
