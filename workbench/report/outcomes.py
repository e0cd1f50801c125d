"""What the predictions of a split look like: confusions, classes, curves, scatter."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pandas as pd

from workbench.language import N_
from workbench.language import gettext as _
from workbench.metrics.curves import Staircase
from workbench.report import charts, error_charts
from workbench.report.bands import bands
from workbench.report.performance import (
    area,
    average_precision,
    confusion,
    detection_errors,
    known,
    positive_of,
    precision_recall,
    roc,
    steps_of,
    truth_of,
)
from workbench.report.shapes import Block, Cell, Chart, Fold, HeatCell, Heatmap, Pair, Prose, Table
from workbench.report.view import MODELS, RunView
from workbench.report.words import clean, count, estimate, number, percent, short, word

MATRIX = 14  # classes of a confusion matrix; beyond, the commonest confusions are listed
_WORST, _ALL = 5, 200  # classes of the short table, and of the long one
_CURVES = 3
_PLAIN = 6  # classes beyond which a matrix shows counts alone
_LISTED = 12  # rows of a table that stand open
_SIDE_BY_SIDE = 4  # classes up to which two matrices stand beside each other
_MATRIX_NOTE = {
    True: N_(
        "Counts of test examples and their share of the row. Blue: right. Orange: wrong. A number leads to cases."
    ),
    False: N_("Counts of test examples and their share of the row. Blue: right. Orange: wrong."),
}
_POINTS = 1200  # of a scatter


def confusions(view: RunView) -> list[Block]:
    """Confusion before and after: matrices, or the commonest confusions of many classes."""
    after = view.shipped
    maps: list[Block] = []
    for model, title in (("base", _("Before")), (after, _("Deployed") if after == "onnx" else _("After"))):
        frame = view.predictions(model, "test")
        if frame is not None and len(view.labels) <= MATRIX:
            listed = model == after and view.run.has("cases.json")
            maps.append(_matrix(frame, view.labels, title, linked=listed))
        elif frame is not None:
            maps.append(_commonest(frame, view.labels, title))
    if not maps:
        return []
    if len(view.labels) <= _SIDE_BY_SIDE or len(maps) == 1:
        return [Pair(tuple(maps))] if len(maps) > 1 else maps
    return [maps[-1], Fold(_("The same for the model before"), (maps[0],))]


def _matrix(frame: pd.DataFrame, labels: list[str], title: str, *, linked: bool) -> Heatmap:
    counts = confusion(frame, labels)
    rows = []
    for i, label in enumerate(labels):
        total = int(counts[i].sum())
        cells = []
        for j, n in enumerate(counts[i]):
            rate = n / total if total else 0.0
            shade = round(20 * rate * 0.75) if i == j else -round(20 * min(1.0, 2.5 * rate))
            share = f"{100 * rate:.0f} %" if total else _("no examples")
            wanted = {"truth": clean(label), "decided": clean(labels[j])}
            href = f"#cases:{urlencode(wanted, errors='replace')}" if linked and n else ""
            cells.append(HeatCell(f"{n:,}", share, shade, i == j, href))
        rows.append((short(label), tuple(cells)))
    return Heatmap(
        _("{title}: what was decided").format(title=title),
        _("decided"),
        _("in truth"),
        tuple(short(label) for label in labels),
        tuple(rows),
        _(_MATRIX_NOTE[linked]),
        switch=f"shown-{title.lower()}" if len(labels) > _PLAIN else "",
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
        return Prose((_("{title}: nothing was confused on the test split.").format(title=title),))
    note = _("The {n} commonest of {n_2:,} pairs; with {n_3} classes a full matrix cannot be read.").format(
        n=len(rows), n_2=len(found), n_3=len(labels)
    )
    return Table(
        _("{title}: what is taken for what").format(title=title),
        (_("In truth"), _("decided as"), _("times, share of the class")),
        rows,
        note,
    )


def classes(view: RunView) -> list[Block]:
    """Recall, precision and F1 of each class."""
    found = view.measures(view.shipped) if view.shipped else {}
    kinds = [(n, found[n].per_class) for n in ("recall", "precision", "f1") if n in found and found[n].per_class]
    if not kinds:
        return []
    titles = {"recall": _("found (recall)"), "precision": _("right when said (precision)"), "f1": "F1"}
    head, who = (_("Class"), *(titles[n] for n, _of in kinds)), _(MODELS[view.shipped]).capitalize()

    def table(caption: str, labels: list[str], note: str = "") -> Table:
        rows = tuple(
            (word(label), *(estimate(of.get(label), why=_("not recorded for this class")) for _name, of in kinds))
            for label in labels
        )
        return Table(caption, head, rows, note, compact=True)

    if len(view.labels) <= _LISTED:
        return [table(_("{who}: each class").format(who=who), view.labels)]

    def score(label: str) -> float:
        known_ = kinds[0][1].get(label)
        return 2.0 if known_ is None or known_.value is None else known_.value

    worst = sorted(view.labels, key=lambda label: (score(label), label))[:_WORST]
    left = len(view.labels) - _ALL
    note = (
        _("{left} in metrics.json.").format(left=count(left, "{n} more class", "{n} more classes")) if left > 0 else ""
    )
    every = table(_("{who}: each class").format(who=who), view.labels[:_ALL], note)
    return [
        table(_("{who}: the {WORST} classes that are found least").format(who=who, WORST=_WORST), worst),
        Fold(_("All {n} classes").format(n=len(view.labels)), (every,)),
    ]


def curves(view: RunView) -> list[Block]:
    """ROC and precision over recall of the classes that are hardest to tell apart."""
    frames = {
        who: view.predictions(m, "test")
        for m, who in (("base", "before"), (view.shipped, MODELS.get(view.shipped, "")))
    }
    frames = {who: frame for who, frame in frames.items() if frame is not None}
    labels = [positive] if (positive := positive_of(view)) else view.labels
    if not frames:
        return []
    last = known(list(frames.values())[-1])
    truths = {label: truth_of(last, label) for label in labels}
    undefined = [label for label, truth in truths.items() if truth.all() or not truth.any()]
    areas = {label: area(steps_of(last, label)) for label in labels if label not in undefined}
    hardest = sorted(areas, key=lambda label: (areas[label], labels.index(label)))[:_CURVES]
    blocks: list[Block] = []
    if hardest:
        title = _("Found, and at what price")
        if len(areas) > len(hardest):
            few = _(": the {n} classes of {every} that are hardest to tell apart")
            if view.multilabel:
                few = _(": the {n} labels of {every} that are hardest to tell apart")
            title += few.format(n=len(hardest), every=len(areas))
        said = _(
            "Bands: the middle 95 % of the curves when the test examples are drawn anew 500 "
            "times, one by one and class by class. Dashed: calling at random."
        )
        steps = {label: {who: steps_of(frame, label) for who, frame in frames.items()} for label in hardest}
        blocks += [Prose((said,), heading=title), *(Pair(_both(steps[label], label)) for label in hardest)]
        if traded := [chart for label in hardest if (chart := _errors(steps[label], label))]:
            both = [Pair((a, b)) for a, b in zip(traded[::2], traded[1::2], strict=False)]
            rest = traded[2 * len(both) :]
            blocks.append(Fold(_("Misses over false alarms (DET)"), (*both, *rest)))
    if undefined:
        text = _("No curves for {labels}: the test split holds only examples of it, or none.").format(
            labels=_(", ").join(undefined)
        )
        blocks.append(Prose((text,), "note"))
    return blocks


def _both(steps: dict[str, Staircase], label: str) -> tuple[Chart, Chart]:
    """The two charts of a class, of the models by name."""
    last = list(steps.values())[-1]
    of_roc, of_precision = bands(last)

    def lines(curve: Callable[[Staircase], pd.DataFrame | None]) -> pd.DataFrame:
        found = (c.assign(who=who) for who, own in steps.items() if (c := curve(own)) is not None)
        return pd.concat(found, ignore_index=True).round(5)

    value, mean, share = area(last), average_precision(last), last.positives / last.n
    return (
        Chart(
            charts.roc(lines(roc), of_roc, label),
            _("ROC of {label}: area {value}").format(label=label, value=_area(value)),
            _("{label}: area under the ROC {value}.").format(label=label, value=_area(value)),
            250,
            square=True,
        ),
        Chart(
            charts.precision_recall(lines(precision_recall), of_precision, label, share),
            _("Precision over recall of {label}: average precision {mean}").format(label=label, mean=_area(mean)),
            _("{label}: average precision {mean}; at random {share}.").format(
                label=label, mean=_area(mean), share=number(share)
            ),
            250,
            square=True,
        ),
    )


def _errors(steps: dict[str, Staircase], label: str) -> Chart | None:
    """The one error over the other, on axes on which normal scores give straight lines."""
    found = {who: curve for who, own in steps.items() if (curve := detection_errors(own)) is not None}
    if not found:
        return None
    drawn = pd.concat([c.assign(who=who) for who, c in found.items()], ignore_index=True).round(5)
    return Chart(
        error_charts.detection_errors(drawn, label),
        _("Misses over false alarms of {label}, on axes of normal deviates").format(label=label),
        _("{label}: how many are missed at each share of false alarms; the lower left, the better.").format(
            label=label
        ),
        250,
        square=True,
    )


def _area(value: float) -> str:
    """An area that is not rounded to a perfect one."""
    return _("over {value}").format(value="0.999") if 0.9995 <= value < 1 else number(value)


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
    thinned = _(" Every {every}th of {n:,} examples is drawn.").format(every=every, n=len(rows)) if every > 1 else ""
    spread = _("residuals from {min} to {max} {unit}").format(
        min=number(points["residual"].min()), max=number(points["residual"].max()), unit=view.unit
    )
    return [
        Pair(
            (
                Chart(
                    charts.scatter(points, unit=view.unit),
                    _("Predicted against actual values of {n:,} examples").format(n=len(points)),
                    _("Each dot is an example; on the dashed line the prediction is exact.{thinned}").format(
                        thinned=thinned
                    ),
                    300,
                    square=True,
                ),
                Chart(
                    charts.residuals(points, unit=view.unit),
                    _("Residuals over predictions: {spread}").format(spread=spread),
                    _(
                        "Above the dashed line the model says too much, below it too little; a slope or a "
                        "funnel is a pattern that it missed."
                    ),
                    300,
                    square=True,
                ),
            )
        )
    ]
