"""What became of each label: its numbers, its four counts, the gravest mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.label_sets import labels_of, truth_and_answers
from workbench.report.performance import known, unseen
from workbench.report.shapes import Block, Cell, Finding, Fold, HeatCell, Heatmap, Pair, Prose, Table
from workbench.report.view import MODELS, RunView
from workbench.report.words import change, count, estimate, none, number, percent, short, word
from workbench.types import Measure

_MAPS = 6  # labels whose four counts are drawn as small matrices; beyond, they stand in a table
_LISTED = 12  # rows of a table that stand open
_WORST, _ALL = 8, 200
_OF_LABEL = (
    ("label_precision", N_("right when given (precision)")),
    ("label_recall", N_("found (recall)")),
    ("label_f1", N_("F1")),
    ("mean_average_precision", N_("average precision")),
    ("label_auroc", N_("area under ROC")),
)


def decided(view: RunView, model: str, measure: Measure) -> Finding:
    """The first screen's line: how often every label is right, and what one label is worth."""
    rows = known(_frame(view, model))
    truth, given, _scores = truth_and_answers(rows)
    right = int((truth == given).all(axis=1).sum())
    constant = view.measures(model).get("baseline_subset_accuracy")
    span = "" if measure.low is None or measure.high is None else _between(measure.low, measure.high)
    text = _("unseen examples: {share}{interval}.") if unseen(view) else _("examples: {share}{interval}.")
    rest = text.format(share=percent(measure.value or 0), interval=span)
    level = "good"
    if constant is not None and constant.value is not None:
        level = "good" if (measure.low or 0.0) > constant.value else "fair" if _tells(view, model, truth) else "poor"
        rest += _(" Always answering the most frequent set of labels would do so in {value}.").format(
            value=percent(constant.value)
        )
    hits, said, true = int((truth & given).sum()), int(given.sum()), int(truth.sum())
    if said and true:
        rest += _(" Of the labels it gives {given} are right; of those that hold it finds {found}.").format(
            given=percent(hits / said), found=percent(hits / true)
        )
    return Finding(
        level,
        _("Every label right for {right:,} of {n:,}").format(right=right, n=len(rows)),
        rest,
        "#performance",
        _("how sure"),
    )


def f1_beside(measures: Mapping[str, Mapping[str, Any]]) -> str:
    """The change of F1, which the thresholds were chosen for, beside that of the share of perfect answers."""
    entry = measures.get("label_f1", {})
    if entry.get("difference") is None:
        return ""
    moved, span = change(entry["difference"], entry.get("low"), entry.get("high"))
    return _(" F1, averaged over the labels, moved by {moved}{span}.").format(
        moved=moved, span=f" ({span})" if span else ""
    )


def _tells(view: RunView, model: str, truth: np.ndarray) -> bool:
    """Whether the labels' probabilities order examples better than guessing, beyond chance."""
    found = view.measures(model).get("mean_average_precision")
    held = truth.any(axis=0)
    if found is None or not held.any():
        return False
    return (found.low or 0.0) > float(truth.mean(axis=0)[held].mean())


def _between(low: float, high: float) -> str:
    return _(" (95 % interval {low:.1f} to {high:.1f})").format(low=100 * low, high=100 * high)


def _frame(view: RunView, model: str) -> pd.DataFrame:
    frame = view.predictions(model, "test")
    return pd.DataFrame(columns=["target"]) if frame is None else frame


def label_blocks(view: RunView) -> list[Block]:
    """The numbers of each label, and its decisions counted."""
    frame = view.predictions(view.shipped, "test") if view.shipped else None
    if frame is None or not len(rows := known(frame)):
        return []
    return [*_numbers(view, rows), *_counts(view, rows)]


def _numbers(view: RunView, rows: pd.DataFrame) -> list[Block]:
    measures = view.measures(view.shipped)
    kinds = [(measures[name].per_class, title) for name, title in ((n, _(t)) for n, t in _OF_LABEL) if name in measures]
    if not any(per_label for per_label, _title in kinds):
        return []
    chosen = (view.json("tuned/thresholds.json" if view.shipped != "base" else "base/thresholds.json")) or {}
    thresholds = {e["label"]: e for e in chosen.get("labels", [])}
    truth, _given, _scores = truth_and_answers(rows)
    held = dict(zip(view.labels, truth.sum(axis=0).tolist(), strict=True))
    head = (_("Label"), _("examples with it"), _("given from"), *(title for _of, title in kinds))

    def table(caption: str, labels: list[str], note: str = "") -> Table:
        return Table(
            caption,
            head,
            tuple(
                (
                    word(label),
                    Cell(f"{held[label]:,}", percent(held[label] / len(rows))),
                    _threshold(thresholds.get(label)),
                    *(estimate(of.get(label), why=_("not recorded for this label"), n=False) for of, _title in kinds),
                )
                for label in labels
            ),
            note,
        )

    who = _(MODELS[view.shipped]).capitalize()
    note = _(
        "Given from: the probability from which on the label is given. {text} Guessing "
        "reaches an average precision of the share of examples with the label, and an area "
        "of 0.5."
    ).format(text=stored(chosen.get("text", "")))
    if len(view.labels) <= _LISTED:
        return [table(_("{who}: each label").format(who=who), view.labels, note)]

    def score(label: str) -> float:
        found = measures["label_f1"].per_class.get(label) if "label_f1" in measures else None
        return 2.0 if found is None or found.value is None else found.value

    worst = sorted(view.labels, key=lambda label: (score(label), label))[:_WORST]
    left = len(view.labels) - _ALL
    more = (
        _(" {left} in metrics.json.").format(left=count(left, "{n} more label", "{n} more labels")) if left > 0 else ""
    )
    return [
        table(_("{who}: the {WORST} labels of the lowest F1").format(who=who, WORST=_WORST), worst, note),
        Fold(
            _("All {n} labels").format(n=len(view.labels)),
            (table(_("{who}: each label").format(who=who), view.labels[:_ALL], f"{note}{more}"),),
        ),
    ]


def _threshold(entry: dict[str, Any] | None) -> Cell:
    if entry is None:
        return none(_("no thresholds.json in this run"))
    short_of = "" if entry["how"] == "largest F1" else _("too few to choose")
    return Cell(number(float(entry["threshold"])), short_of)


def _counts(view: RunView, rows: pd.DataFrame) -> list[Block]:
    """True and false, given and not: four counts a label."""
    from sklearn.metrics import multilabel_confusion_matrix

    truth, given, _scores = truth_and_answers(rows)
    matrices = multilabel_confusion_matrix(truth, given)  # rows: does not hold, holds; columns: not given, given
    if len(view.labels) <= _MAPS:
        maps = tuple(_matrix(label, m) for label, m in zip(view.labels, matrices, strict=True))
        return [Prose((), heading=_("Decisions on each label")), Pair(maps, narrow=True)]
    head = (_("Label"), _("found"), _("missed"), _("given wrongly"), _("rightly not given"))
    body = tuple(
        (word(label), *(Cell(f"{int(n):,}") for n in (m[1, 1], m[1, 0], m[0, 1], m[0, 0])))
        for label, m in list(zip(view.labels, matrices, strict=True))[:_ALL]
    )
    table = Table(_("Decisions on each label"), head, body, compact=True)
    return (
        [table]
        if len(body) <= _LISTED
        else [Fold(_("Decisions on each of the {n} labels").format(n=len(view.labels)), (table,))]
    )


def _matrix(label: str, counts: np.ndarray) -> Heatmap:
    rows = []
    for name, (no, yes), right in ((_("holds"), counts[1], 1), (_("does not"), counts[0], 0)):
        cells, total = [], int(no + yes)
        for place, n in enumerate((yes, no)):  # given stands first
            rate = n / total if total else 0.0
            hit = (place == 0) == bool(right)
            shade = round(20 * rate * 0.75) if hit else -round(20 * min(1.0, 2.5 * rate))
            cells.append(HeatCell(f"{int(n):,}", f"{100 * rate:.0f} %" if total else _("no examples"), shade, hit))
        rows.append((name, tuple(cells)))
    return Heatmap(short(label), _("decided"), _("in truth"), (_("given"), _("not given")), tuple(rows))


def wrong_labels(view: RunView, rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Block]]:
    """The wrong rows, the gravest first, and a count of wrong decisions for each label.

    A row's gravest decision is the one that was furthest from the truth: its `label`, the
    `probability` that it got, and whether it was `missed` (else given wrongly).
    """
    truth, given, p = truth_and_answers(rows)
    off = truth != given
    labels = labels_of(rows)
    grave = np.where(off, np.abs(p - truth), 0.0)
    rows = rows.assign(
        grave=grave.max(axis=1),
        label=[labels[k] for k in grave.argmax(axis=1)],
        probability=p[np.arange(len(p)), grave.argmax(axis=1)],
        missed=truth[np.arange(len(p)), grave.argmax(axis=1)],
        wrong=off.any(axis=1),
    )
    wrong = rows[rows["wrong"]].sort_values(["grave", "id"], ascending=[False, True])
    missed, extra = (truth & ~given).sum(axis=0), (~truth & given).sum(axis=0)
    order = sorted(range(len(labels)), key=lambda k: (-int(missed[k] + extra[k]), k))
    body = tuple(
        (
            word(labels[k]),
            Cell(f"{int(missed[k]):,}", _("of {sum:,} with it").format(sum=int(truth[:, k].sum()))),
            Cell(f"{int(extra[k]):,}", _("of {sum:,} given").format(sum=int(given[:, k].sum()))),
        )
        for k in order
        if missed[k] + extra[k]
    )
    head = (_("Label"), _("missed"), _("given wrongly"))
    table = Table(_("Where the wrong decisions are"), head, body[:_LISTED], compact=True)
    rest = Table(_("Where the wrong decisions are, continued"), head, body[_LISTED:_ALL], compact=True)
    blocks: list[Block] = [table] if body else []
    if len(body) > _LISTED:
        blocks.append(Fold(count(len(body) - _LISTED, "{n} more label", "{n} more labels"), (rest,)))
    return wrong, blocks
