"""What the predictions of a split look like: confusions, classes, curves, scatter."""

from __future__ import annotations

import pandas as pd

from workbench.report import charts
from workbench.report.performance import area, confusion, known, roc
from workbench.report.shapes import Block, Cell, Chart, Fold, HeatCell, Heatmap, Pair, Prose, Table
from workbench.report.view import MODELS, RunView
from workbench.report.words import count, estimate, number, percent, short, word

MATRIX = 14  # classes of a confusion matrix; beyond, the commonest confusions are listed
_WORST, _ALL = 5, 200  # classes of the short table, and of the long one
_CURVES = 3
_PLAIN = 6  # classes beyond which a matrix shows counts alone
_LISTED = 12  # rows of a table that stand open
_SIDE_BY_SIDE = 4  # classes up to which two matrices stand beside each other
_POINTS = 1200  # of a scatter


def confusions(view: RunView) -> list[Block]:
    """Confusion before and after: matrices, or the commonest confusions of many classes."""
    after = view.shipped
    maps: list[Block] = []
    for model, title in (("base", "Before"), (after, "Deployed" if after == "onnx" else "After")):
        frame = view.predictions(model, "test")
        if frame is not None and len(view.labels) <= MATRIX:
            maps.append(_matrix(frame, view.labels, title))
        elif frame is not None:
            maps.append(_commonest(frame, view.labels, title))
    if not maps:
        return []
    if len(view.labels) <= _SIDE_BY_SIDE or len(maps) == 1:
        return [Pair(tuple(maps))] if len(maps) > 1 else maps
    return [maps[-1], Fold("The same for the model before", (maps[0],))]


def _matrix(frame: pd.DataFrame, labels: list[str], title: str) -> Heatmap:
    counts = confusion(frame, labels)
    rows = []
    for i, label in enumerate(labels):
        total = int(counts[i].sum())
        cells = []
        for j, n in enumerate(counts[i]):
            rate = n / total if total else 0.0
            shade = round(20 * rate * 0.75) if i == j else -round(20 * min(1.0, 2.5 * rate))
            share = f"{100 * rate:.0f} %" if total else "no examples"
            cells.append(HeatCell(f"{n:,}", share if len(labels) <= _PLAIN else "", shade, i == j))
        rows.append((short(label), tuple(cells)))
    return Heatmap(
        f"{title}: what was decided",
        "decided",
        "in truth",
        tuple(short(label) for label in labels),
        tuple(rows),
        ("Counts, and below them the share of the row." if len(labels) <= _PLAIN else "Counts of test examples.")
        + " Blue: right. Orange: wrong.",
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


def classes(view: RunView) -> list[Block]:
    """Recall, precision and F1 of each class."""
    found = view.measures(view.shipped) if view.shipped else {}
    kinds = [(n, found[n].per_class) for n in ("recall", "precision", "f1") if n in found and found[n].per_class]
    if not kinds:
        return []
    titles = {"recall": "found (recall)", "precision": "right when said (precision)", "f1": "F1"}
    head, who = ("Class", *(titles[n] for n, _ in kinds)), MODELS[view.shipped].capitalize()

    def table(caption: str, labels: list[str], note: str = "") -> Table:
        rows = tuple(
            (word(label), *(estimate(of.get(label), why="not recorded for this class") for _, of in kinds))
            for label in labels
        )
        return Table(caption, head, rows, note, compact=True)

    if len(view.labels) <= _LISTED:
        return [table(f"{who}: each class", view.labels)]

    def score(label: str) -> float:
        known_ = kinds[0][1].get(label)
        return 2.0 if known_ is None or known_.value is None else known_.value

    worst = sorted(view.labels, key=lambda label: (score(label), label))[:_WORST]
    left = len(view.labels) - _ALL
    note = f"{count(left, 'more class', 'more classes')} in metrics.json." if left > 0 else ""
    every = table(f"{who}: each class", view.labels[:_ALL], note)
    return [
        table(f"{who}: the {_WORST} classes that are found least", worst),
        Fold(f"All {len(view.labels)} classes", (every,)),
    ]


def curves(view: RunView) -> list[Block]:
    """ROC of the classes that are hardest to tell apart."""
    frames = {
        who: view.predictions(m, "test")
        for m, who in (("base", "before"), (view.shipped, MODELS.get(view.shipped, "")))
    }
    frames = {who: frame for who, frame in frames.items() if frame is not None}
    labels = view.labels[1:2] if len(view.labels) == 2 and not view.multilabel else view.labels
    drawn: list[tuple[float, str, pd.DataFrame]] = []
    undefined = []
    for label in labels:
        lines = [c.assign(who=who) for who, f in frames.items() if (c := roc(f, label)) is not None]
        if lines:
            last = list(frames.values())[-1]
            drawn.append((area(last, label), label, pd.concat(lines, ignore_index=True)))
        else:
            undefined.append(label)
    hardest = sorted(drawn, key=lambda entry: (entry[0], labels.index(entry[1])))[:_CURVES]
    blocks: list[Block] = []
    charted = tuple(
        Chart(
            charts.roc(lines, label),
            f"ROC of {label}: area {_area(value)}",
            f"{label}: area {_area(value)}. The dashed line is chance.",
            250,
            square=True,
        )
        for value, label, lines in hardest
    )
    if charted:
        title = "Found against false alarms (ROC)"
        if len(drawn) > len(charted):
            which = "labels" if view.multilabel else "classes"
            title += f": the {len(charted)} {which} of {len(drawn)} that are hardest to tell apart"
        blocks += [Prose((), heading=title), Pair(charted, narrow=True)]
    if undefined:
        text = f"No ROC for {', '.join(undefined)}: the test split holds only examples of it, or none."
        blocks.append(Prose((text,), "note"))
    return blocks


def _area(value: float) -> str:
    """An area that is not rounded to a perfect one."""
    return "over 0.999" if 0.9995 <= value < 1 else number(value)


def regression(view: RunView) -> list[Block]:
    """Predicted against actual values, and the residuals."""
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
                    square=True,
                ),
                Chart(
                    charts.residuals(points, unit=view.unit),
                    f"Residuals over predictions: {spread}",
                    "Above the dashed line the model says too much, below it too little; "
                    "a slope or a funnel is a pattern that it missed.",
                    300,
                    square=True,
                ),
            )
        )
    ]
