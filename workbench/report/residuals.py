"""Where a regression leans: mean residual over its predictions, and by group."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import decision_charts as charts
from workbench.report.ranges import HOW, ranges
from workbench.report.shapes import Block, Cell, Chart, Prose, Table
from workbench.report.view import MODELS, RunView
from workbench.report.words import between, change, count, joined, number, word

_HOW = (
    N_(
        "A residual is predicted minus actual. Bins hold equally many test examples each, in "
        "the order of the prediction; intervals of the mean are bootstrap intervals, all "
        "from one set of draws."
    ),
    N_("The bins and groups were not corrected for being several: of twenty, one leans beyond its interval by chance."),
)
_SHOWN = 12


def residuals(view: RunView, found: dict[str, dict[str, Any]]) -> tuple[str, tuple[Block, ...], tuple[str, ...]]:
    """Finding, blocks and how they were computed, from decisions.json of the models."""
    own = found[view.shipped]["residuals"]
    bins = pd.concat(
        [
            pd.DataFrame(about["residuals"]["bins"]).assign(who=MODELS[m])
            for m, about in found.items()
            if about["residuals"]
        ],
        ignore_index=True,
    )
    drawn = bins[["who", "predicted", "mean", "low", "high", "n"]]
    drawn = drawn.assign(low=drawn["low"].fillna(drawn["mean"]), high=drawn["high"].fillna(drawn["mean"])).round(6)
    finding = _finding(own["bins"], view.unit)
    chart = Chart(
        charts.mean_residuals(drawn.astype({"low": float, "high": float}), unit=view.unit),
        _("Mean residual over the prediction: {finding}").format(finding=finding),
        _(
            "Each dot stands for equally many test examples. Above the dashed line the model "
            "says too much on average, below it too little; bars are 95 % intervals."
        ),
        280,
    )
    said, wide = ranges(found[view.shipped], view.unit)
    lean = (Prose((), heading=_("Does it lean somewhere?")), chart, _bins(own["bins"], view.unit))
    blocks: list[Block] = [*wide, *lean]
    for column, groups in own["groups"].items():
        blocks.append(_groups(column, groups, own["left_out"].get(column, 0), view.unit))
    return joined(said, finding), tuple(blocks), tuple(map(_, (*((HOW,) if said else ()), *_HOW)))


def _finding(bins: list[dict[str, Any]], unit: str) -> str:
    leaning = [b for b in bins if b["low"] is not None and not b["low"] <= 0 <= b["high"]]
    total = count(len(bins), "{n} range", "{n} ranges")
    if not leaning:
        return _("In none of {total} of its predictions does the model lean to one side beyond chance.").format(
            total=total
        )
    worst = max(leaning, key=lambda b: abs(b["mean"]))
    way = _("too high") if worst["mean"] > 0 else _("too low")
    where = between(worst["lower"], worst["upper"])
    named = f" {unit}" if unit else ""
    return _(
        "In {n} of {total} of its predictions the model leans to one side beyond chance; "
        "most where it says {where}{named}: {mean}{named} {way} on average."
    ).format(n=len(leaning), total=total, where=where, named=named, mean=number(abs(worst["mean"])), way=way)


def _bins(bins: list[dict[str, Any]], unit: str) -> Table:
    rows = []
    for b in bins:
        mean, span = change(b["mean"], b["low"], b["high"])
        spread = Cell(number(b["sd"])) if b["sd"] is not None else Cell(_("one example"), kind="none")
        rows.append(
            (
                word(between(b["lower"], b["upper"])),
                Cell(mean, span or stored(b["reason"])),
                spread,
                Cell(f"{b['n']:,}"),
            )
        )
    named = f" ({unit})" if unit else ""
    head = (_("Predicted{named}").format(named=named), _("off by, on average"), _("spread of the errors (sd)"), "n")
    return Table(_("Residuals by what was predicted"), head, tuple(rows), compact=True)


def _groups(column: str, groups: list[dict[str, Any]], left_out: int, unit: str) -> Table:
    rows = []
    for g in groups[:_SHOWN]:
        mean, span = change(g["mean"], g["low"], g["high"])
        rows.append(
            (
                word(g["value"] or _("(missing)")),
                Cell(mean, span or stored(g["reason"])),
                Cell(number(g["mae"])),
                Cell(f"{g['n']:,}"),
            )
        )
    more = len(groups) - _SHOWN + left_out
    note = _("The {SHOWN} largest groups; {more} in decisions.json.").format(
        SHOWN=_SHOWN, more=count(more, "{n} more", "{n} more")
    )
    note = note if more > 0 else ""
    named = f" ({unit})" if unit else ""
    head = (
        column,
        _("off by, on average{named}").format(named=named),
        _("mean absolute error{named}").format(named=named),
        "n",
    )
    return Table(_("Residuals by {column}").format(column=column), head, tuple(rows), note, compact=True)
