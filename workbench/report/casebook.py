"""The predictions as a list to search, sort and filter; a case opens beside it.

What is listed is data, not markup: the page draws the rows that a reader asks for, so that a
long list costs nothing until it is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from workbench.language import condition
from workbench.language import gettext as _
from workbench.metrics.attributes import MISSING
from workbench.report.performance import confidence, said
from workbench.report.shapes import Case
from workbench.report.view import RunView
from workbench.report.words import chance, clean, number, signed

_TOP = 3  # answers that are named of a prediction
_VALUES = 60  # of a column of categories that can be filtered by
LIGHTS = ("", "good", "fair", "poor")
_STATES = {True: 1, False: 2}
# what became of an answer since the model before
_SAME, _LOST, _WON, _OTHER = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Casebook:
    """The list (columns by name, see `listed`), the explained cases, and what can be filtered by."""

    template: ClassVar[str] = "casebook.html"
    data: Mapping[str, Any]
    cases: tuple[Case, ...]
    note: str
    classes: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    judged: bool = True  # answers are right or wrong
    compared: bool = True  # a model before answered too
    legend: tuple[str, ...] = ()  # the methods, in the order of a case's lights


def casebook(view: RunView, cases: tuple[Case, ...], legend: tuple[str, ...]) -> Casebook:
    """The test split of the shipped model, and every explained case wherever it comes from."""
    frame = view.predictions(view.shipped) if view.shipped else None
    if frame is None:
        return Casebook({"rows": [], "names": [], "slices": []}, cases, "", legend=legend)
    rows, note = _chosen(view, frame, [case.id for case in cases])
    held, values = _slices(view, rows)
    names = (
        sorted({str(v) for column in ("target", "predicted") for v in rows[column].dropna()} | set(view.labels))
        if not view.regression
        else []
    )
    listed = _values(view, rows, cases, held) if view.regression else _answers(view, rows, cases, held, names)
    return Casebook(
        {"rows": listed, "names": [clean(n) for n in names], "slices": [clean(v) for v in values]},
        cases,
        note,
        tuple(names) if len(names) <= _VALUES else (),
        tuple(values),
        judged=not view.regression,
        compared=view.predictions("base") is not None,
        legend=legend,
    )


def _chosen(view: RunView, frame: pd.DataFrame, explained: list[str]) -> tuple[pd.DataFrame, str]:
    """The rows that are listed, the explained ones first, then mistakes; and what was left out."""
    ids = frame["id"].astype(str)
    own = ids.isin(explained).to_numpy()
    other = np.flatnonzero((frame["split"] == "test").to_numpy() & ~own)
    room = max(0, view.limits.listed - int(own.sum()))
    note = ""
    if len(other) > room:
        note = _(
            "{sum:,} of {sum_2:,} predictions are listed: the explained ones, and an even sample "
            "of the others in the order of the file."
        ).format(sum=int(own.sum()) + room, sum_2=int(own.sum()) + len(other))
        other = other[np.linspace(0, len(other) - 1, room).round().astype(int)] if room else other[:0]
    first = frame[own].assign(order=ids[own].map({id: i for i, id in enumerate(explained)})).sort_values("order")
    rest = frame.iloc[other]
    if view.regression:
        grave = -(rest["value"] - rest["target"].astype(float)).abs()
    else:
        wrong = rest["target"].notna() & (rest["target"] != rest["predicted"])
        grave = pd.Series(np.where(wrong, -confidence(rest), 1.0), index=rest.index) if len(rest) else wrong
    rest = rest.assign(order=grave).sort_values(["order", "id"], kind="stable")
    return pd.concat([first, rest], ignore_index=True), note


def _slices(view: RunView, rows: pd.DataFrame) -> tuple[list[list[int]], list[str]]:
    """For each row the places of its slices, and the slices' names."""
    ranges = {a["name"]: a for a in (view.json("slices.json") or {}).get("attributes") or [] if a.get("edges")}
    held: list[list[int]] = [[] for _ in range(len(rows))]
    names: list[str] = []
    for column in (str(c) for c in rows if str(c).startswith("group.")):
        name, values = column.removeprefix("group."), rows[column]
        if name in ranges:
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)  # an empty cell is a word
            at = np.searchsorted(ranges[name]["edges"], numbers, side="left")
            known, without = ranges[name]["values"], MISSING if MISSING in ranges[name]["values"] else None
            inside = np.isfinite(numbers) & (at < len(known))
            values = pd.Series([known[i] if ok else without for i, ok in zip(at, inside, strict=True)]).map(
                condition, na_action="ignore"
            )
        known = sorted({str(v) for v in values.dropna()})
        if len(known) > _VALUES:
            continue
        place = {value: len(names) + i for i, value in enumerate(known)}
        names += [f"{name}: {value}" for value in known]
        for row, value in zip(held, values, strict=True):
            if pd.notna(value):
                row.append(place[str(value)])
    return held, names


def _shared(cases: tuple[Case, ...], id: str, places: Mapping[str, int]) -> list[Any]:
    """What a row says of its explanation: the place of its case or -1, its worst light, words to find it by."""
    at = places.get(id, -1)
    if at < 0:
        return [-1, 0, ""]
    worst = max((LIGHTS.index(light) for _, light in cases[at].lights), default=0)
    return [at, worst, clean(cases[at].words)]


def _answers(
    view: RunView, rows: pd.DataFrame, cases: tuple[Case, ...], held: list[list[int]], names: list[str]
) -> list[list[Any]]:
    """Rows of classes or of label sets: see templates/casebook.js for the order of the fields."""
    place, places = {name: i for i, name in enumerate(names)}, {case.id: i for i, case in enumerate(cases)}
    before = said(view.predictions("base"), rows["id"], "predicted")
    columns = [c for c in rows if str(c).startswith("score.")]
    scores = rows[columns].to_numpy(dtype=float)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :_TOP]
    labels = [str(c).removeprefix("score.") for c in columns]
    listed = []
    for i, (id, target, predicted) in enumerate(
        zip(rows["id"].astype(str), rows["target"], rows["predicted"], strict=True)
    ):
        known, was = target is not None and pd.notna(target), before.get(id)
        top = [[clean(labels[j]), chance(float(scores[i, j]))] for j in order[i]]
        most = float(scores[i, order[i, 0]]) if len(columns) else 0.0
        listed.append(
            [
                clean(id),
                *_shared(cases, id, places),
                _STATES[bool(target == predicted)] if known else 0,
                _turn(target if known else None, was, predicted),
                held[i],
                place[str(target)] if known else -1,
                place[str(predicted)],
                clean(str(was)) if was is not None else "",
                round(most, 6),
                chance(most),
                top,
            ]
        )
    return listed


def _turn(target: Any, was: Any, now: Any) -> int:
    if was is None:
        return 0
    if was == now:
        return _SAME
    return _LOST if was == target else _WON if now == target else _OTHER


def _values(view: RunView, rows: pd.DataFrame, cases: tuple[Case, ...], held: list[list[int]]) -> list[list[Any]]:
    """Rows of predicted values, in the same order of fields; sorted by the size of the error."""
    places = {case.id: i for i, case in enumerate(cases)}
    before = said(view.predictions("base"), rows["id"], "value")
    like = float(rows["value"].abs().max()) or 1.0
    listed = []
    for i, (id, target, value) in enumerate(
        zip(rows["id"].astype(str), rows["target"].astype(float), rows["value"], strict=True)
    ):
        known, was = bool(np.isfinite(target)), before.get(id)
        listed.append(
            [
                clean(id),
                *_shared(cases, id, places),
                0,
                0,
                held[i],
                number(target, like=like) if known else "",
                number(float(value), like=like),
                number(float(was), like=like) if was is not None else "",
                round(abs(float(value) - target), 6) if known else 0,
                signed(float(value) - target, like=like) if known else "",
                [],
            ]
        )
    return listed
