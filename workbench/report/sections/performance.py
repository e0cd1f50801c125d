"""How good the answers are: before, after and in the deployed file, with intervals."""

from __future__ import annotations

from workbench.report.outcomes import classes, confusions, curves, regression
from workbench.report.shapes import Block, Cell, Dot, Prose, Section, Table
from workbench.report.view import MODELS, RunView
from workbench.report.words import (
    between,
    count,
    estimate,
    measure_name,
    none,
    number,
    p_value,
    percent,
    signed,
    word,
)
from workbench.types import Measure


def performance(view: RunView) -> Section | None:
    """Measures side by side, the gap between splits, and where the model goes wrong."""
    measures = {model: view.measures(model) for model in MODELS}
    names = list(dict.fromkeys(name for found in measures.values() for name in found))
    if not names:
        return None
    blocks: list[Block] = [_table(view, names, measures)]
    blocks += [*_splits(view)]
    blocks += regression(view) if view.regression else [*confusions(view), *classes(view), *curves(view)]
    n = max(m.n for found in measures.values() for m in found.values())
    finding = f"{_finding(view)} Ranges are 95 % intervals on {count(n, 'test example')} that the model never saw."
    how = [f"{measure_name(name).title}: {measure_name(name).meaning}." for name in names if measure_name(name).meaning]
    how.append("Change is after minus before on the same examples, so examples that both models find hard cancel out.")
    how.append("Method of each interval, seeds and versions: see Provenance, “How each number was computed”.")
    return Section("performance", "Performance", finding, tuple(blocks), tuple(how))


def _finding(view: RunView) -> str:
    """How many measures moved beyond chance."""
    settled = [m for m in view.comparison.get("measures", []) if m.get("low") is not None and m.get("high") is not None]
    if not settled:
        return "Before and after were not compared."
    gains = [(-m["high"], -m["low"]) if m.get("better") == "lower" else (m["low"], m["high"]) for m in settled]
    better, worse = sum(low > 0 for low, _ in gains), sum(high < 0 for _, high in gains)
    parts = [f"{better} of {count(len(settled), 'measure')} improved beyond chance"]
    if worse:
        parts.append(f"{worse} got worse")
    if len(settled) - better - worse:
        parts.append(f"{len(settled) - better - worse} did not move clearly")
    return f"{', '.join(parts)}."


def _table(view: RunView, names: list[str], measures: dict[str, dict[str, Measure]]) -> Table:
    changes = {m["name"]: m for m in view.comparison.get("measures", [])}
    scales = _scales(names, measures)
    sizes = {m.n for found in measures.values() for m in found.values()}
    rows = []
    for name in names:
        arrow = {"lower": "lower is better", "higher": ""}.get(_better(name, measures), "")
        cells = [estimate(measures[m].get(name), why=_why(view, m), n=len(sizes) > 1) for m in MODELS]
        rows.append(
            (
                word(measure_name(name).title, arrow),
                *cells,
                _dots(name, measures, scales),
                _change(changes.get(name), view),
            )
        )
    low, high = scales.get("share", (0.0, 1.0))
    notes = {4: f"{percent(low, places=0)} to {percent(high, places=0)}"} if "share" in scales else {}
    note = "Measures of one kind share an axis; the others run from the least to the greatest end of their own lines."
    title = "Before, after and deployed"
    if len(sizes) == 1:
        title += f", on {count(sizes.pop(), 'test example')}"
    return Table(title, ("Measure", *MODELS.values(), "intervals", "change"), tuple(rows), note, notes)


def _why(view: RunView, model: str) -> str:
    if not view.run.has(f"{model}/metrics.json"):
        return f"{model}/metrics.json is not in this run"
    return "not among the measures of this model"


def _better(name: str, measures: dict[str, dict[str, Measure]]) -> str:
    return next((found[name].better for found in measures.values() if name in found), "")


def _ends(measure: Measure | None) -> list[float]:
    if measure is None or measure.value is None:
        return []
    return [v for v in (measure.value, measure.low, measure.high) if v is not None]


def _scales(names: list[str], measures: dict[str, dict[str, Measure]]) -> dict[str, tuple[float, float]]:
    """Least and greatest end of the lines that share an axis."""
    ends: dict[str, list[float]] = {}
    for name in names:
        for found in measures.values():
            ends.setdefault(measure_name(name).scale, []).extend(_ends(found.get(name)))
    scales = {scale: (min(v), max(v)) for scale, v in ends.items() if v}
    if "share" in scales:  # whole tenths, so that the ends can be named
        low, high = scales["share"]
        scales["share"] = (int(low * 10) / 10, min(1.0, -int(-high * 10 - 0.999) / 10))
    return scales


def _dots(name: str, measures: dict[str, dict[str, Measure]], scales: dict[str, tuple[float, float]]) -> Cell:
    low, high = scales.get(measure_name(name).scale, (0.0, 1.0))
    width = (high - low) or 1.0
    dots, said = [], []
    for model, who in MODELS.items():
        measure = measures[model].get(name)
        if measure is None or measure.value is None:
            continue
        place = [None if v is None else (v - low) / width for v in (measure.value, measure.low, measure.high)]
        dots.append(Dot(who, place[0] or 0.0, place[1], place[2]))
        said.append(f"{who} {number(measure.value)}")
    return Cell(f"{measure_name(name).title}: {', '.join(said)}", kind="dots", dots=tuple(dots))


def _change(entry: dict[str, object] | None, view: RunView) -> Cell:
    if entry is None:
        return none("before and after were not compared on it" if view.comparison else "no comparison in this run")
    difference, low, high, p = (entry.get(k) for k in ("difference", "low", "high", "p"))
    if not isinstance(difference, float | int):
        return none(str(entry.get("reason") or "no difference was recorded"))
    span = between(low, high) if isinstance(low, float | int) and isinstance(high, float | int) else ""
    parts = [span or "no interval", p_value(p) if isinstance(p, float | int) else ""]
    return Cell(signed(difference), " · ".join(part for part in parts if part))


def _splits(view: RunView) -> list[Block]:
    model = "tuned" if view.run.has("tuned/metrics.json") else view.shipped
    by_split = {s: view.measures(model, s) for s in ("train", "validation", "test")}
    if not by_split["train"] or not by_split["test"]:
        return [Prose(("The training split was not evaluated, so over-fitting cannot be read off here.",), "note")]
    rows = []
    for name in by_split["test"]:
        cells = [estimate(by_split[s].get(name), why=f"not computed on the {s} split", n=False) for s in by_split]
        rows.append((word(measure_name(name).title), *cells, _gap(by_split["train"].get(name), by_split["test"][name])))
    note = "A model that does much better on examples it has learned from than on new ones has learned them by heart."
    sizes = {i + 1: f"n {max(m.n for m in found.values()):,}" for i, found in enumerate(by_split.values()) if found}
    title = "Learned by heart? The model after, on each split"
    return [Table(title, ("Measure", *by_split, "test − train"), tuple(rows), note, sizes)]


def _gap(train: Measure | None, test: Measure) -> Cell:
    if train is None or train.value is None or test.value is None:
        return none("one of the two values is missing")
    return Cell(signed(test.value - train.value))
