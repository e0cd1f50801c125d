"""How good the answers are: before, after and in the deployed file, with intervals."""

from __future__ import annotations

from typing import Any

from workbench.language import N_
from workbench.language import gettext as _
from workbench.report.label_outcomes import label_blocks
from workbench.report.outcomes import classes, confusions, curves, regression
from workbench.report.shapes import Block, Cell, Dot, Fold, Prose, Section, Table
from workbench.report.slices import SIGNIFICANT
from workbench.report.view import MODELS, RunView
from workbench.report.words import (
    change,
    count,
    ends,
    estimate,
    joined,
    listing,
    measure_name,
    none,
    number,
    p_value,
    percent,
    sentence,
    word,
)
from workbench.types import Measure

_HEADLINES = (
    "subset_accuracy", "hamming_loss", "f1_micro", "label_f1", "mean_average_precision", "label_log_loss", "label_ece",
    "accuracy", "balanced_accuracy", "f1_macro", "auroc", "log_loss", "ece", "ece_floor",
    "rmse", "mae", "median_ae", "r2", "bias",
)  # fmt: skip
_WIDEST = 0.5  # of an axis of shares that a reference may ask for
_SQUEEZED = 2.5  # times that a reference may lengthen another axis
# what stands beside a measure and is no answer of the model: it cannot change
_REFERENCES = {
    "baseline_accuracy": N_("the line to beat"),
    "baseline_subset_accuracy": N_("the line to beat"),
    "baseline_rmse": N_("the line to beat"),
    "ece_floor": N_("what chance alone gives"),
}


def performance(view: RunView) -> Section | None:
    """Headline measures side by side, the gap between splits, and where the model goes wrong."""
    measures = {model: view.measures(model) for model in view.models}
    names = list(dict.fromkeys(name for found in measures.values() for name in found))
    if not names:
        return None
    first = [name for name in _HEADLINES if name in names] or names
    n = max(m.n for found in measures.values() for m in found.values())
    blocks: list[Block] = [
        _table(
            view,
            first,
            measures,
            _("{title}, on {n}").format(title=_title(view), n=count(n, "{n} test example", "{n} test examples")),
        )
    ]
    if len(names) > len(first):
        blocks.append(
            Fold(_("All {n} measures").format(n=len(names)), (_table(view, names, measures, _("All measures")),))
        )
    if view.multilabel:
        blocks += [*label_blocks(view), *curves(view)]
    else:
        blocks += regression(view) if view.regression else [*confusions(view), *classes(view), *curves(view)]
    blocks += _splits(view)
    finding = _("Ranges are 95 % intervals on {n}").format(n=count(n, "{n} test example", "{n} test examples"))
    finding += (
        _("; whether the model was trained on some of them is not known here.")
        if view.audited
        else _(" that the model never saw.")
    )
    finding = finding if view.audited else joined(_finding(view), finding)
    how = [f"{measure_name(name).title}: {measure_name(name).meaning}" for name in names if measure_name(name).meaning]
    if not view.audited:
        how.append(
            _("Change is after minus before on the same examples, so examples that both models find hard cancel out.")
        )
    how.append(_("Method of each interval, seeds and versions: see Provenance, “How each number was computed”."))
    return Section("performance", _("Performance"), finding, tuple(blocks), tuple(how))


def _title(view: RunView) -> str:
    return _("The audited file") if view.audited else _("Before, after and deployed")


def _changes(view: RunView) -> dict[str, dict[str, Any]]:
    """Differences by measure; accuracy's own entry has Newcombe's interval and the exact test, or those of groups."""
    found = {m["name"]: m for m in view.comparison.get("measures", [])}
    accuracy = view.comparison.get("accuracy")
    if accuracy:
        name = accuracy.get("name", "accuracy")
        exact = {"name": name, "p": accuracy.get("p", accuracy.get("mcnemar_p")), "better": "higher"}
        found = {name: {**accuracy, **exact}, **{k: v for k, v in found.items() if k != name}}
    return found


def _finding(view: RunView) -> str:
    """How many measures moved beyond chance."""
    settled = [m for m in _changes(view).values() if m.get("low") is not None and m.get("high") is not None]
    if not settled:
        return _("Before and after were not compared.")
    gains = [(-m["high"], -m["low"]) if m.get("better") == "lower" else (m["low"], m["high"]) for m in settled]
    # An interval that is corrected for bias and a p-value that counts draws may disagree: both have to say so.
    gains = [(0.0, 0.0) if _is_unsure(m) else ends for m, ends in zip(settled, gains, strict=True)]
    better, worse = sum(low > 0 for low, _ in gains), sum(high < 0 for _, high in gains)
    total, still = count(len(settled), "{n} compared measure", "{n} compared measures"), len(settled) - better - worse
    if not better and not worse:
        return _("None of {total} moved beyond chance.").format(total=total)
    parts = [_("{better} of {total} improved beyond chance").format(better=better, total=total)] if better else []
    if worse:
        parts.append(
            _("{worse} got worse").format(worse=worse)
            if better
            else _("{worse} of {total} got worse beyond chance").format(worse=worse, total=total)
        )
    if still:
        parts.append(_("{still} did not move clearly").format(still=still))
    return sentence(_(", ").join(parts))


def _is_unsure(entry: dict[str, Any]) -> bool:
    """Whether a test does not confirm a change, or both errors are what chance alone shows."""
    p = entry.get("p")
    return bool(entry.get("within_chance") or (p is not None and p >= SIGNIFICANT))


def _table(view: RunView, names: list[str], measures: dict[str, dict[str, Measure]], title: str) -> Table:
    changes = _changes(view)
    scales = _scales(names, measures)
    sizes = {m.n for found in measures.values() for m in found.values()}
    rows = []
    for name in names:
        beside = [v for found in measures.values() for v in ends(found.get(name))]
        cells = [
            estimate(measures[m].get(name), why=_why(view, m), n=len(sizes) > 1, beside=beside) for m in view.models
        ]
        said = _(_REFERENCES.get(name, ""))
        moved = Cell(said, kind="none") if said else _change(changes.get(name), view)
        rows.append((word(measure_name(name).title, _small_print(name, measures)), *cells, _nothing(name, measures),
                     _dots(name, measures, scales), *(() if view.audited else (moved,))))  # fmt: skip
    low, high = scales.get("share", (0.0, 1.0))
    place = 2 + len(view.models)
    notes = (
        {place: _("shares: {low} to {high}").format(low=percent(low, places=0), high=percent(high, places=0))}
        if "share" in scales
        else {}
    )
    known = _("the mean") if view.regression else _("the class shares")
    known = _("the label shares, or the commonest set,") if view.multilabel else known
    note = _(
        "Knowing nothing: what a model would score that always answers {known} of the "
        "training examples. {grey}Measures of one kind share an axis; the others run from the "
        "least to the greatest end of their own lines."
    ).format(known=known, grey="" if view.audited else _("Grey: before; filled: after; ring: deployed. "))
    faint = frozenset(i for i, name in enumerate(names) if name in _REFERENCES)
    head = (
        _("Measure"),
        *map(_, view.models.values()),
        _("knowing nothing"),
        _("intervals"),
        *(() if view.audited else (_("change"),)),
    )
    return Table(title, head, tuple(rows), note, notes, faint=faint)


def _nothing(name: str, measures: dict[str, dict[str, Measure]]) -> Cell:
    """What a model that knows nothing would score; the same whichever model it stands beside."""
    entry = next((found[name] for found in measures.values() if name in found), None)
    if name in _REFERENCES or entry is None:
        return Cell(_("a reference itself") if name in _REFERENCES else _("not recorded"), kind="none")
    if entry.baseline is None:
        return Cell(_("not defined"), kind="none")
    return Cell(number(entry.baseline, like=max((abs(v) for v in ends(entry)), default=None)))


def _small_print(name: str, measures: dict[str, dict[str, Measure]]) -> str:
    entries = [found[name] for found in measures.values() if name in found]
    unit = next((m.unit for m in entries if m.unit), "")
    lower = _("lower is better") if any(m.better == "lower" for m in entries) else ""
    return " · ".join(part for part in (unit, lower) if part)


def _why(view: RunView, model: str) -> str:
    if not view.run.has(f"{model}/metrics.json"):
        return _("{model}/metrics.json is not in this run").format(model=model)
    return _("not among the measures of this model")


def _scales(names: list[str], measures: dict[str, dict[str, Measure]]) -> dict[str, tuple[float, float]]:
    """Least and greatest end of the lines that share an axis."""
    spans: dict[str, list[float]] = {}
    references: dict[str, list[float]] = {}
    for name in names:
        kept = references if name in _REFERENCES else spans
        for found in measures.values():
            kept.setdefault(measure_name(name).scale, []).extend(ends(found.get(name)))
    for scale, values in references.items():  # a reference far away must not squeeze the others
        own = spans.get(scale) or values
        least, greatest = min(own + values), max(own + values)
        widest = _WIDEST if scale == "share" else _SQUEEZED * (max(own) - min(own))
        spans[scale] = [*own, least, greatest] if greatest - least <= widest else own
    scales = {scale: (min(v), max(v)) for scale, v in spans.items() if v}
    if "share" in scales:  # whole tenths, so that the ends can be named
        low, high = scales["share"]
        scales["share"] = (int(low * 10) / 10, min(1.0, -int(-high * 10 - 0.999) / 10))
    return scales


def _dots(name: str, measures: dict[str, dict[str, Measure]], scales: dict[str, tuple[float, float]]) -> Cell:
    low, high = scales.get(measure_name(name).scale, (0.0, 1.0))
    width = (high - low) or 1.0
    dots, said = [], []
    for model, who in MODELS.items():
        measure = measures.get(model, {}).get(name)
        if measure is None or measure.value is None:
            continue
        place = [None if v is None else (v - low) / width for v in (measure.value, measure.low, measure.high)]
        if name in _REFERENCES and not all(v is None or 0 <= v <= 1 for v in place):
            return Cell(_("outside this axis"), kind="none")
        dots.append(Dot(who, place[0] or 0.0, place[1], place[2]))
        said.append(f"{_(who)} {number(measure.value)}")
    return Cell(f"{measure_name(name).title}: {', '.join(said)}", kind="dots", dots=tuple(dots))


def _change(entry: dict[str, Any] | None, view: RunView) -> Cell:
    if entry is None:
        return Cell(_("not compared") if view.comparison else _("no comparison in this run"), kind="none")
    if entry.get("difference") is None:
        return none(str(entry.get("reason") or _("no difference was recorded")))
    moved, span = change(entry["difference"], entry.get("low"), entry.get("high"))
    parts = [span or _("no interval"), p_value(entry.get("p"))]
    return Cell(moved, " · ".join(part for part in parts if part))


def _splits(view: RunView) -> list[Block]:
    """Was the training split learned by heart? One sentence, and every measure behind it."""
    if view.audited:  # what it was trained on is not known
        return []
    model = "tuned" if view.run.has("tuned/metrics.json") else view.shipped
    by_split = {s: view.measures(model, s) for s in ("train", "validation", "test")}
    if not by_split["train"] or not by_split["test"]:
        return [Prose((_("The training split was not evaluated, so over-fitting cannot be read off here."),), "note")]
    rows = []
    for name in by_split["test"]:
        beside = [v for found in by_split.values() for v in ends(found.get(name))]
        cells = [
            estimate(
                found.get(name), why=_("not computed on the {split} split").format(split=split), n=False, beside=beside
            )
            for split, found in by_split.items()
        ]
        rows.append((word(measure_name(name).title), *cells, _gap(by_split["train"].get(name), by_split["test"][name])))
    sizes = {i + 1: f"n {max(m.n for m in found.values()):,}" for i, found in enumerate(by_split.values()) if found}
    table = Table(
        _("The model after, on each split"),
        (_("Measure"), *map(_, by_split), _("test − train")),
        tuple(rows),
        "",
        sizes,
    )
    said = _by_heart(by_split, view.headline)
    return [Prose((said,), heading=_("Learned by heart?")), Fold(_("Every measure on each split"), (table,))]


def _by_heart(by_split: dict[str, dict[str, Measure]], name: str) -> str:
    found = {split: measures.get(name) for split, measures in by_split.items()}
    shown = [
        _("{value}{unit} on {n:,} {split} examples").format(
            value=number(m.value), unit=f" {m.unit}" if m.unit else "", n=m.n, split=_(split)
        )
        for split, m in found.items()
        if m is not None and m.value is not None
    ]
    said = _("{title} is {shown}. ").format(title=measure_name(name).title, shown=listing(shown)) if shown else ""
    return _(
        "{said}Much better on training examples than on new ones would mean that it has learned them by heart."
    ).format(said=said)


def _gap(train: Measure | None, test: Measure) -> Cell:
    if train is None or train.value is None or test.value is None:
        return none(_("one of the two values is missing"))
    return Cell(change(test.value - train.value, None, None)[0])
