"""Performance of the groups that the config names (data.slices)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.report.performance import known
from workbench.report.shapes import Block, Cell, Fold, Table
from workbench.report.view import RunView
from workbench.report.words import count, number, percent, word
from workbench.stats import wilson

FEW = 30  # examples below which a group's number says little
_ROWS = 12
_PREFIX = "group."


@dataclass(frozen=True, slots=True)
class Slice:
    """One value of a slice column: accuracy with Wilson's interval, or RMSE without one."""

    value: str
    n: int
    score: float
    low: float | None = None
    high: float | None = None


def slices(view: RunView) -> dict[str, list[Slice]]:
    """Slice column to its values, the largest group first; test examples with a known target only."""
    frame = view.predictions(view.shipped, "test") if view.shipped else None
    if frame is None:
        return {}
    rows = known(frame)
    found = {}
    for column in (c for c in frame if str(c).startswith(_PREFIX)):
        groups = [_slice(view, str(value), part) for value, part in rows.groupby(column, sort=True, dropna=False)]
        found[str(column).removeprefix(_PREFIX)] = sorted(groups, key=lambda s: (-s.n, s.value))
    return {name: groups for name, groups in found.items() if groups}


def _slice(view: RunView, value: str, rows: pd.DataFrame) -> Slice:
    name = value if value.strip() and value != "nan" else "(missing)"
    if view.regression:
        error = rows["value"].astype(float) - rows["target"].astype(float)
        return Slice(name, len(rows), float(np.sqrt(np.mean(np.square(error)))))
    share = wilson(int((rows["target"] == rows["predicted"]).sum()), len(rows))
    return Slice(name, len(rows), share.value or 0.0, share.low, share.high)


def apart(groups: list[Slice]) -> tuple[Slice, Slice] | None:
    """The worst and the best group where their intervals do not overlap; groups of few examples do not count."""
    told = [g for g in groups if g.n >= FEW and g.low is not None and g.high is not None]
    if len(told) < 2:
        return None
    worst, best = min(told, key=lambda g: g.high or 0.0), max(told, key=lambda g: g.low or 0.0)
    return (worst, best) if (worst.high or 0.0) < (best.low or 0.0) else None


def slice_blocks(view: RunView) -> list[Block]:
    """A compact table for each slice column; many values stand behind a fold."""
    blocks: list[Block] = []
    for column, groups in slices(view).items():
        caption = f"By {column}"
        if len(groups) <= _ROWS:
            blocks.append(_table(view, caption, groups))
        else:
            blocks.append(_table(view, f"{caption}: the {_ROWS} largest of {len(groups):,} groups", groups[:_ROWS]))
            blocks.append(Fold(f"{caption}: all {count(len(groups), 'group')}", (_table(view, caption, groups),)))
    return blocks


def _table(view: RunView, caption: str, groups: list[Slice]) -> Table:
    unit = f" ({view.unit})" if view.unit else ""
    share = "every label right" if view.multilabel else "accuracy"
    head = ("Group", f"typical error, RMSE{unit}" if view.regression else share, "n")
    like = max(g.score for g in groups)
    rows = []
    for g in groups:
        if view.regression:
            score = Cell(number(g.score, like=like))
        else:
            ends = (100 * (g.low or 0.0), 100 * (g.high or 0.0))
            score = Cell(percent(g.score), f"{ends[0]:.1f} to {ends[1]:.1f}")
        rows.append((word(g.value), score, Cell(f"{g.n:,}", "few examples" if g.n < FEW else "")))
    note = (
        "Computed plainly, without intervals."
        if view.regression
        else "95 % Wilson intervals; the groups were not corrected for being several."
    )
    faint = frozenset(i for i, g in enumerate(groups) if g.n < FEW)
    return Table(caption, head, tuple(rows), note, compact=True, faint=faint)
