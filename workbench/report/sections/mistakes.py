"""Where the model is wrong, the most confident mistakes first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.language import gettext as _
from workbench.report import charts
from workbench.report.label_outcomes import wrong_labels
from workbench.report.performance import confidence, known, said
from workbench.report.shapes import Block, Cell, Chart, Fold, Section, Table
from workbench.report.view import MODELS, RunView
from workbench.report.words import chance, count, number, percent, signed, word

_ROWS = 20
_OPEN = 6  # rows that stand open
_BINS = 20


def mistakes(view: RunView) -> Section | None:
    """Wrong answers by confidence, or the largest errors of a regression."""
    frame = view.predictions(view.shipped, "test") if view.shipped else None
    if frame is None or not len(rows := known(frame)):
        return None
    base = view.predictions("base", "test")
    if view.multilabel:
        return _wrong_sets(view, rows, base)
    return _errors(view, rows, base) if view.regression else _wrong(view, rows, base)


def _column(view: RunView) -> tuple[str, ...]:
    """The head of the column of the model before, where there is one."""
    return () if view.audited else (_("Before"),)


def _identity(view: RunView, example: object) -> Cell:
    anchor = view.anchors.get(str(example))
    return Cell(str(example), _("explained") if anchor else "", "word", f"#{anchor}" if anchor else "")


def _wrong(view: RunView, rows: pd.DataFrame, base: pd.DataFrame | None) -> Section:
    rows = rows.assign(confidence=confidence(rows), wrong=rows["target"] != rows["predicted"])
    wrong = rows[rows["wrong"]].sort_values(["confidence", "id"], ascending=[False, True])
    before = said(base, wrong["id"].head(_ROWS), "predicted")
    if not len(wrong):
        finding = _("Not one of {n} was decided wrongly.").format(
            n=count(len(rows), "{n} test example", "{n} test examples")
        )
        return Section("mistakes", _("Mistakes"), finding, (_histogram(rows),))
    sure = int((wrong["confidence"] >= 0.9).sum())
    finding = _("{n:,} of {every} are wrong; the model was at least 90 % sure of {sure} of these.").format(
        n=len(wrong), every=count(len(rows), "{n} answer", "{n} answers"), sure=f"{sure:,}" if sure else _("none")
    )
    table = tuple(
        (
            _identity(view, row.id),
            word(row.target),
            word(row.predicted),
            Cell(chance(float(row.confidence))),
            *(() if view.audited else (word(before.get(str(row.id), _("not predicted"))),)),
        )
        for row in wrong.head(_ROWS).itertuples()
    )
    note = _not_listed(view, len(wrong) - len(table))
    head = (_("Example"), _("In truth"), _("Decided"), _("Probability"), *_column(view))
    blocks: tuple[Block, ...] = (_histogram(rows), *_folded(_("Most confident mistakes"), head, table, note))
    how = (
        _(
            "Answers of the {which} model on the test split. The probability is the one that "
            "the model gives its own answer; it is right that often only where the model is "
            "calibrated."
        ).format(which=_(MODELS[view.shipped])),
    )
    return Section("mistakes", _("Mistakes"), finding, blocks, how)


def _not_listed(view: RunView, more: int) -> str:
    """Where the mistakes stand that a table has no room for."""
    if more <= 0:
        return ""
    there = _("{more} in {shipped}/predictions.parquet.")
    return there.format(more=count(more, "{n} more", "{n} more"), shipped=view.shipped)


def _wrong_sets(view: RunView, rows: pd.DataFrame, base: pd.DataFrame | None) -> Section:
    """Examples with a wrong label, those first whose worst decision is furthest from the truth."""
    wrong, counted = wrong_labels(view, rows)
    if not len(wrong):
        finding = _("Every label of all {n} was decided right.").format(
            n=count(len(rows), "{n} test example", "{n} test examples")
        )
        return Section("mistakes", _("Mistakes"), finding, ())
    before = said(base, wrong["id"].head(_ROWS), "predicted")
    sure = int((wrong["grave"] >= 0.9).sum())
    finding = _(
        "{n:,} of {every} have a wrong label; the model was at least 90 % sure of a wrong decision in {sure} of these."
    ).format(
        n=len(wrong), every=count(len(rows), "{n} example", "{n} examples"), sure=f"{sure:,}" if sure else _("none")
    )
    table = tuple(
        (
            _identity(view, row.id),
            word(row.target),
            word(row.predicted),
            word(
                row.label,
                (_("missed, probability {p}") if row.missed else _("given, probability {p}")).format(
                    p=chance(float(row.probability))
                ),
            ),
            *(() if view.audited else (word(before.get(str(row.id), _("not predicted"))),)),
        )
        for row in wrong.head(_ROWS).itertuples()
    )
    note = _not_listed(view, len(wrong) - len(table))
    head = (_("Example"), _("In truth"), _("Decided"), _("Gravest decision"), *_column(view))
    how = (
        _(
            "Answers of the {which} model on the test split. The gravest decision of an example "
            "is the wrong one whose probability is furthest from the truth."
        ).format(which=_(MODELS[view.shipped])),
    )
    blocks = (*counted, *_folded(_("Gravest mistakes"), head, table, note))
    return Section("mistakes", _("Mistakes"), finding, blocks, how)


def _folded(caption: str, head: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...], note: str = "") -> list[Block]:
    """The first rows of a list, and the longer list behind one line."""
    if len(rows) <= _OPEN + 2:
        return [Table(caption, head, rows, note, compact=True)]
    rest = Table(_("{caption}, continued").format(caption=caption), head, rows[_OPEN:], note, compact=True)
    return [
        Table(caption, head, rows[:_OPEN], compact=True),
        Fold(_("{n} of these").format(n=count(len(rows) - _OPEN, "{n} more", "{n} more")), (rest,)),
    ]


def _histogram(rows: pd.DataFrame) -> Chart:
    values = confidence(rows)
    wrong = (rows["target"] != rows["predicted"]).to_numpy()
    edges = np.linspace(0, 1, _BINS + 1)
    bins = [
        {"who": who, "low": low, "high": low + 1 / _BINS, "n": int(n)}
        for who, chosen in (("right", ~wrong), ("wrong", wrong))
        for low, n in zip(edges[:-1].round(4), np.histogram(values[chosen], edges)[0], strict=True)
        if n
    ]
    label = _("Answers by probability: {sum:,} right, {sum_2:,} wrong").format(
        sum=int((~wrong).sum()), sum_2=int(wrong.sum())
    )
    caption = _("How sure the model was of each answer. Mistakes on the right are the ones nobody is warned of.")
    return Chart(charts.confidence(pd.DataFrame(bins)), label, caption, 200)


def _errors(view: RunView, rows: pd.DataFrame, base: pd.DataFrame | None) -> Section:
    actual = rows["target"].astype(float)
    rows = rows.assign(actual=actual, error=rows["value"] - actual)
    rows = rows.assign(size=rows["error"].abs()).sort_values(["size", "id"], ascending=[False, True])
    before = said(base, rows["id"].head(_ROWS), "value")
    unit = f" {view.unit}" if view.unit else ""
    tenth = max(1, len(rows) // 10)
    share = rows["size"].head(tenth).sum() / (rows["size"].sum() or 1.0)
    finding = _(
        "The largest error is {iloc}{unit}; the worst tenth of the examples makes up {share} of all error."
    ).format(iloc=number(rows["size"].iloc[0]), unit=unit, share=percent(share, places=0))

    like = float(actual.abs().max()) or 1.0

    def earlier(example: object) -> Cell:
        value = before.get(str(example))
        return Cell(number(float(value), like=like)) if isinstance(value, float) else word(_("not predicted"))

    table = tuple(
        (
            _identity(view, row.id),
            Cell(number(float(row.actual), like=like)),
            Cell(number(float(row.value), like=like)),
            Cell(signed(float(row.error), like=like)),
            *(() if view.audited else (earlier(row.id),)),
        )
        for row in rows.head(_ROWS).itertuples()
    )
    head = (_("Example"), _("Actual"), _("Predicted"), _("Off by"), *_column(view))
    caption = _("Largest errors{unit}").format(unit=f" ({view.unit})" if view.unit else "")
    how = (
        _("Predicted minus actual value of the {which} model on the test split.").format(which=_(MODELS[view.shipped])),
    )
    return Section("mistakes", _("Largest errors"), finding, tuple(_folded(caption, head, table)), how)
