"""How good the answers are: before, after and in the deployed file, with intervals."""

from __future__ import annotations

import pandas as pd

from workbench.report import charts
from workbench.report.performance import area, confusion, known, roc
from workbench.report.shapes import Block, Cell, Chart, Dot, HeatCell, Heatmap, Pair, Prose, Section, Table
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

MATRIX = 14  # classes of a confusion matrix; beyond, the commonest confusions are listed
_CURVES = 4
_POINTS = 1200  # of a scatter


def performance(view: RunView) -> Section | None:
    """Measures side by side, the gap between splits, and where the model goes wrong."""
    measures = {model: view.measures(model) for model in MODELS}
    names = list(dict.fromkeys(name for found in measures.values() for name in found))
    if not names:
        return None
    blocks: list[Block] = [_table(view, names, measures)]
    blocks += [*_splits(view)]
    blocks += _regression(view) if view.regression else [*_confusions(view), *_classes(view), *_curves(view)]
    n = max(m.n for found in measures.values() for m in found.values())
    finding = f"Lines and ranges are 95 % intervals on {count(n, 'test example')} that the model never saw in training."
    how = [f"{measure_name(name).title}: {measure_name(name).meaning}." for name in names if measure_name(name).meaning]
    how.append("Change is after minus before on the same examples, so examples that both models find hard cancel out.")
    how.append("Method of each interval, seeds and versions: see Provenance, “How each number was computed”.")
    return Section("performance", "Performance", finding, tuple(blocks), tuple(how))


def _table(view: RunView, names: list[str], measures: dict[str, dict[str, Measure]]) -> Table:
    changes = {m["name"]: m for m in view.comparison.get("measures", [])}
    scales = _scales(names, measures)
    rows = []
    for name in names:
        arrow = {"lower": "lower is better", "higher": ""}.get(_better(name, measures), "")
        cells = [estimate(measures[m].get(name), why=_why(view, m)) for m in MODELS]
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
    note = "Shares have one axis; every other measure has its own, from the least to the greatest end of its lines."
    return Table("Test split", ("Measure", *MODELS.values(), "intervals", "change"), tuple(rows), note, notes)


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
        cells = [estimate(by_split[s].get(name), why=f"not computed on the {s} split") for s in by_split]
        rows.append((word(measure_name(name).title), *cells, _gap(by_split["train"].get(name), by_split["test"][name])))
    note = "A model that does much better on examples it has learned from than on new ones has learned them by heart."
    return [Table("The model after, on each split", ("Measure", *by_split, "test − train"), tuple(rows), note)]


def _gap(train: Measure | None, test: Measure) -> Cell:
    if train is None or train.value is None or test.value is None:
        return none("one of the two values is missing")
    return Cell(signed(test.value - train.value))


def _confusions(view: RunView) -> list[Block]:
    after = view.shipped
    maps = []
    for model, title in (("base", "Before"), (after, "Deployed" if after == "onnx" else "After")):
        frame = view.predictions(model, "test")
        if frame is not None and len(view.labels) <= MATRIX:
            maps.append(_matrix(frame, view.labels, title))
        elif frame is not None:
            maps.append(_commonest(frame, view.labels, title))
    if not maps:
        return []
    return [Pair(tuple(maps))] if len(view.labels) <= 5 else maps


def _matrix(frame: pd.DataFrame, labels: list[str], title: str) -> Heatmap:
    counts = confusion(frame, labels)
    rows = []
    for i, label in enumerate(labels):
        total = int(counts[i].sum())
        cells = []
        for j, n in enumerate(counts[i]):
            rate = n / total if total else 0.0
            shade = round(20 * rate * 0.75) if i == j else -round(20 * min(1.0, 2.5 * rate))
            cells.append(HeatCell(f"{n:,}", f"{100 * rate:.0f} %" if total else "no examples", shade, i == j))
        rows.append((label, tuple(cells)))
    return Heatmap(
        f"{title}: what was decided",
        "decided",
        "in truth",
        tuple(labels),
        tuple(rows),
        "Counts, and below them the share of the row. Blue: right. Orange: wrong.",
    )


def _commonest(frame: pd.DataFrame, labels: list[str], title: str) -> Block:
    counts = confusion(frame, labels)
    found = sorted(
        ((int(counts[i, j]), i, j) for i in range(len(labels)) for j in range(len(labels)) if i != j and counts[i, j]),
        key=lambda entry: (-entry[0], entry[1], entry[2]),
    )
    rows = tuple(
        (word(labels[i]), word(labels[j]), Cell(f"{n:,}", percent(n / counts[i].sum()))) for n, i, j in found[:20]
    )
    if not rows:
        return Prose((f"{title}: nothing was confused on the test split.",))
    note = (
        f"The {len(rows)} commonest of {len(found):,} pairs; with {len(labels)} classes a full matrix cannot be read."
    )
    return Table(
        f"{title}: what is taken for what", ("In truth", "decided as", "times, share of the class"), rows, note
    )


def _classes(view: RunView) -> list[Block]:
    found = view.measures(view.shipped) if view.shipped else {}
    kinds = [(n, found[n].per_class) for n in ("recall", "precision", "f1") if n in found and found[n].per_class]
    if not kinds:
        return []
    titles = {"recall": "found (recall)", "precision": "right when said (precision)", "f1": "F1"}
    rows = tuple(
        (word(label), *(estimate(per_class.get(label), why="not recorded for this class") for _, per_class in kinds))
        for label in view.labels[:40]
    )
    left = len(view.labels) - 40
    note = f"{count(left, 'more class', 'more classes')} in metrics.json." if left > 0 else ""
    who = MODELS[view.shipped].capitalize()
    return [Table(f"{who}: each class", ("Class", *(titles[n] for n, _ in kinds)), rows, note)]


def _curves(view: RunView) -> list[Block]:
    frames = {
        who: view.predictions(m, "test")
        for m, who in (("base", "before"), (view.shipped, MODELS.get(view.shipped, "")))
    }
    frames = {who: frame for who, frame in frames.items() if frame is not None}
    labels = view.labels[1:2] if len(view.labels) == 2 else view.labels
    drawn: list[tuple[float, str, pd.DataFrame]] = []
    undefined = []
    for label in labels:
        curves = [c.assign(who=who) for who, f in frames.items() if (c := roc(f, label)) is not None]
        if curves:
            last = list(frames.values())[-1]
            drawn.append((area(last, label), label, pd.concat(curves, ignore_index=True)))
        else:
            undefined.append(label)
    hardest = sorted(drawn, key=lambda entry: (entry[0], labels.index(entry[1])))[:_CURVES]
    blocks: list[Block] = []
    charted = tuple(
        Chart(
            charts.roc(curves, label),
            f"ROC of {label}: area {number(value)}",
            f"{label}: area {number(value)}. The dashed line is chance.",
            250,
        )
        for value, label, curves in hardest
    )
    if charted:
        title = "Found against false alarms (ROC)"
        if len(drawn) > len(charted):
            title += f": the {len(charted)} classes of {len(drawn)} that are hardest to tell apart"
        blocks += [Prose((f"{title}.",), heading="Trade-off"), Pair(charted)]
    if undefined:
        text = f"No ROC for {', '.join(undefined)}: the test split holds only examples of it, or none."
        blocks.append(Prose((text,), "note"))
    return blocks


def _regression(view: RunView) -> list[Block]:
    frame = view.predictions(view.shipped, "test") if view.shipped else None
    if frame is None:
        return []
    rows = known(frame)
    every = max(1, -(-len(rows) // _POINTS))
    points = pd.DataFrame(
        {
            "id": rows["id"],
            "actual": rows["target"].astype(float),
            "predicted": rows["value"],
            "residual": rows["value"] - rows["target"].astype(float),
            "who": MODELS[view.shipped],
        }
    )[::every].round(6)
    thinned = f" Every {every}th of {len(rows):,} examples is drawn." if every > 1 else ""
    spread = f"residuals from {number(points['residual'].min())} to {number(points['residual'].max())} {view.unit}"
    return [
        Pair(
            (
                Chart(
                    charts.scatter(points, unit=view.unit),
                    f"Predicted against actual values of {len(points):,} examples",
                    f"Each dot is an example; on the dashed line the prediction is exact.{thinned}",
                    300,
                ),
                Chart(
                    charts.residuals(points, unit=view.unit),
                    f"Residuals over predictions: {spread}",
                    "Above the dashed line the model says too much, below it too little; a slope or a funnel is a pattern it missed.",
                    300,
                ),
            )
        )
    ]
