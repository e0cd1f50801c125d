"""The columns that a model of tables leans on: charts and numbers from global.json and global.parquet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import column_charts as charts
from workbench.report.shapes import Block, Cell, Chart, Fold, Pair, Prose, Table
from workbench.report.view import RunView
from workbench.report.words import between, count, listing, number, percent, sentence, signed, word

_LINES = 10  # columns of a chart
_DEPENDENCE = 4  # columns that are drawn one by one
_NAMED = 3
_WORSE = {
    "accuracy": N_("accuracy lost"),
    "log_loss": N_("rise of the log-loss"),
    "rmse": N_("rise of the typical error, RMSE"),
}


def table_views(view: RunView, about: Mapping[str, Any]) -> tuple[str, list[Block]]:
    """The finding and the blocks of the section for a table."""
    columns, unit = about["columns"], str(about.get("unit") or view.unit or _("the answer"))
    first = [c["name"] for c in columns[:_NAMED]]
    share = _share(columns[: len(first)], columns)
    finding = _(
        "The model leans most on {first}: they make up {share} of all that moves its answers, over {selection}."
    ).format(first=listing(first), share=percent(share, places=0), selection=stored(about["selection"]))
    blocks: list[Block] = [Pair((_importance(about, unit), _permutation(view, about)))]
    rows = view.parquet("global.parquet")
    if rows is not None:
        blocks.append(_swarm(about, rows, unit))
        blocks.append(Pair(tuple(_dependence(about, rows, c, unit) for c in columns[:_DEPENDENCE])))
    partial = tuple(_partial(view, entry, curve) for entry in about["partial"] for curve in entry["curves"])
    if partial:
        blocks.append(Fold(_("Partial dependence: the mean answer as one column moves"), (Pair(partial),)))
    blocks.append(
        Fold(
            _("All {n} in numbers").format(n=count(len(columns), "{n} column", "{n} columns")), (_numbers(about, unit),)
        )
    )
    return finding, blocks


def _share(some: list[dict[str, Any]], every: list[dict[str, Any]]) -> float:
    total = sum(c["importance"]["value"] for c in every)
    return sum(c["importance"]["value"] for c in some) / total if total else 0.0


def _said(entry: Mapping[str, Any]) -> str:
    return f"{number(entry['value'], digits=2)} ({between(entry.get('low'), entry.get('high')) or _('no interval')})"


def _importance(about: Mapping[str, Any], unit: str) -> Chart:
    rows = [{"column": c["name"], **_ends(c["importance"])} for c in about["columns"][:_LINES]]
    spoken = "; ".join(f"{c['name']} {_said(c['importance'])}" for c in about["columns"][:_NAMED])
    return Chart(
        charts.importance(pd.DataFrame(rows), _("mean size of the attribution ({unit})").format(unit=unit)),
        _("Mean size of each column's attribution, the largest first: {spoken}").format(spoken=spoken),
        _("How far each column moves the answer on average, with 95 % intervals ({title}, n {n:,}).").format(
            title=stored(about["title"]), n=about["n"]
        ),
        height=300,
    )


def _ends(entry: Mapping[str, Any]) -> dict[str, float]:
    value = float(entry["value"])
    return {"value": value, "low": _or(entry.get("low"), value), "high": _or(entry.get("high"), value)}


def _or(value: float | None, instead: float) -> float:
    return instead if value is None else float(value)


def _permutation(view: RunView, about: Mapping[str, Any]) -> Block:
    found = about["permutation"]
    if not found["columns"]:
        return Prose(
            (_("Permutation importance: not computed. {reason}").format(reason=sentence(found["reason"])),), "note"
        )
    name = found["scores"][-1]
    unit = f" ({view.unit})" if name == "rmse" and view.unit else ""
    rows = [{"column": c["name"], **_ends(c[name])} for c in found["columns"][:_LINES]]
    spoken = "; ".join(f"{c['name']} {_said(c[name])}" for c in found["columns"][:_NAMED])
    clear = sum((c[name].get("low") or 0.0) > 0 for c in found["columns"])
    said = (
        _("{clear} of {n} clearly above zero").format(
            clear=clear, n=count(len(found["columns"]), "{n} column", "{n} columns")
        )
        if clear
        else _("none clearly above zero")
    )
    n, of = found["n"], found.get("of") or found["n"]
    drawn = f"{n:,}" if n == of else _("{n:,} drawn by lot from {of:,}").format(n=n, of=of)
    return Chart(
        charts.importance(pd.DataFrame(rows), f"{_(_WORSE[name])}{unit}"),
        _("How much worse the model does when a column is shuffled, {worse}: {spoken}").format(
            worse=_(_WORSE[name]), spoken=spoken
        ),
        _("How much worse it does when a column is shuffled: {said} (test split, n {n}, {shuffles}).").format(
            said=said, n=drawn, shuffles=count(found["shuffles"], "{n} shuffle", "{n} shuffles")
        ),
        height=300,
    )


def _swarm(about: Mapping[str, Any], rows: pd.DataFrame, unit: str) -> Chart:
    order = [c["name"] for c in about["columns"][:_LINES]]
    parts = [_spread(rows[rows["column"] == name]) for name in order]
    points = pd.concat(parts, ignore_index=True)[["column", "value", "place", "shade", "shown"]]
    toward = _("speaks for {label}").format(label=about["label"]) if about.get("label") else _("raises the answer")
    spoken = "; ".join(f"{name}: {_direction(rows[rows['column'] == name])}" for name in order[:_NAMED])
    return Chart(
        charts.swarm(
            points, order, _("attribution ({unit}); to the right it {toward}").format(unit=unit, toward=toward)
        ),
        _("Attribution of each column in every row, coloured by the column's value. {spoken}").format(spoken=spoken),
        _(
            "Every row a dot: to the right the column {toward}; the colour says how high its value is in that row."
        ).format(toward=toward),
        height=300,
    )


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """Dots of one column with their place across the line (dots of like value side by side) and their shade."""
    values = rows["value"].to_numpy(dtype=float)
    reach = float(np.ptp(values)) or 1.0
    bins = np.floor((values - values.min()) / reach * 40).astype(int)
    place = np.zeros(len(values))
    for b in np.unique(bins):
        inside = np.flatnonzero(bins == b)
        steps = np.arange(len(inside))
        place[inside] = np.where(steps % 2, -1, 1) * ((steps + 1) // 2) / 6
    numbers = rows["number"]
    known = numbers.rank(pct=True, method="average")
    names = list(charts.SHADES)
    shade = [names[5] if pd.isna(r) else names[min(4, int(r * 5 - 1e-9))] for r in known]
    cells = zip(numbers, rows["category"], strict=True)
    shown = [number(n) if pd.notna(n) else str(c) if pd.notna(c) else _("missing") for n, c in cells]
    rounded = [float(f"{v:.4g}") for v in values]
    return rows.assign(value=rounded, place=np.clip(place, -1.2, 1.2).round(3), shade=shade, shown=shown)


def _direction(rows: pd.DataFrame) -> str:
    both = rows[rows["number"].notna()]
    if len(both) < 3 or both["number"].nunique() < 2 or both["value"].nunique() < 2:
        return _("no order of values")
    rho = float(both["number"].rank().corr(both["value"].rank()))
    up, down = (
        _("high values raise the answer (rank correlation {rho})"),
        _("high values lower the answer (rank correlation {rho})"),
    )
    return (up if rho > 0 else down).format(rho=signed(rho, digits=2))


def _dependence(about: Mapping[str, Any], rows: pd.DataFrame, column: Mapping[str, Any], unit: str) -> Block:
    name, numeric = str(column["name"]), column["kind"] == "numeric"
    own = rows[rows["column"] == name]
    at = own["number"] if numeric else own["category"]
    known = own[at.notna()]
    if known.empty:
        return Prose((_("{name}: no row has a value.").format(name=name),), "note")
    points = pd.DataFrame(
        {"at": known["number" if numeric else "category"], "value": [float(f"{v:.4g}") for v in known["value"]]}
    )
    unit_of = f" ({column['unit']})" if column.get("unit") else ""
    return Chart(
        charts.dependence(points, f"{name}{unit_of}", _("attribution ({unit})").format(unit=unit), numeric=numeric),
        _("Attribution of {name} over its value: {direction}").format(
            name=name, direction=_direction(own) if numeric else _("a category")
        ),
        _("{name}: what its value does to the answer.").format(name=name),
        height=200,
    )


def _partial(view: RunView, entry: Mapping[str, Any], curve: Mapping[str, Any]) -> Chart:
    name, numeric = str(entry["column"]), entry["kind"] == "numeric"
    what = (
        _("probability of {label}").format(label=curve["label"])
        if curve["label"]
        else _("predicted value{unit}").format(unit=f" ({view.unit})" if view.unit else "")
    )
    frame = pd.DataFrame({"at": entry["grid"], **{k: curve[k] for k in ("mean", "low", "high")}})
    ends = [number(v, digits=2) for v in (curve["mean"][0], curve["mean"][-1])] if curve["mean"] else ["", ""]
    unit_of = f" ({entry['unit']})" if entry.get("unit") else ""
    return Chart(
        charts.partial(frame, f"{name}{unit_of}", what, numeric=numeric),
        _("Mean {what} as {name} moves from its lowest to its highest value: from {ends} to {ends_2}").format(
            what=what, name=name, ends=ends[0], ends_2=ends[1]
        ),
        _("{name}: mean over {rows}; the shade holds the middle 80 % of them.").format(
            name=name, rows=count(entry["rows"], "{n} training row", "{n} training rows")
        ),
        height=200,
    )


def _numbers(about: Mapping[str, Any], unit: str) -> Table:
    shuffled = {c["name"]: c for c in about["permutation"]["columns"]}
    scores = about["permutation"].get("scores", [])
    rows = []
    for column in about["columns"]:
        cells = [word(column["name"]), _cell(column["importance"])]
        entry = shuffled.get(column["name"], {})
        rows.append(
            (*cells, *(_cell(entry[s]) if s in entry else Cell(_("not computed"), kind="none") for s in scores))
        )
    head = (_("Column"), _("mean size of the attribution ({unit})").format(unit=unit), *(_(_WORSE[s]) for s in scores))
    return Table(_("Columns by how much they count"), head, tuple(rows), compact=True)


def _cell(entry: Mapping[str, Any]) -> Cell:
    like = max(abs(v) for v in (entry["value"], entry.get("low"), entry.get("high")) if v is not None)
    like = like if like >= 1e-3 else None
    span = between(entry.get("low"), entry.get("high"), like=like)
    return Cell(number(entry["value"], like=like), span or stored(entry.get("reason") or _("no interval")))
