"""Answers that turned, each opening to what decided it before and what decides it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from workbench.report import pictures
from workbench.report.case import decided
from workbench.report.excerpts import Turn, Turns
from workbench.report.panels import SIDES, CaseView, drawn
from workbench.report.performance import said
from workbench.report.shapes import Bars, Block, Cell, Fold, Panel, Prose, Table
from workbench.report.view import RunView
from workbench.report.words import count, number, signed, word

FILE = "flips.json"
_FOLDERS = {"before": "base/flips", "after": "onnx/flips"}
_OPEN = 6  # rows that stand open
_ROWS = 400  # of those that are not explained
_PICTURE = 112  # pixels of a picture's longer side


class FlipView(CaseView):
    """An answer that turned, with the attributions that were made for it."""

    @property
    def method(self) -> str:
        return str((self.view.json(FILE) or {}).get("method", ""))

    @cached_property
    def rows(self) -> dict[tuple[str, str], pd.DataFrame]:
        found = {}
        for who, folder in _FOLDERS.items():
            frame = self.view.parquet(f"{folder}/{self.method}.parquet")
            if frame is not None and (own := frame["id"] == self.id).any():
                found[who, self.method] = frame[own].sort_values("index")
        return found

    def quality(self, who: str, explainer: str) -> dict[str, Any]:
        return {}  # measured for the explained cases alone

    def unitless(self, explainer: str) -> bool:
        return False

    @cached_property
    def picture(self) -> dict[str, Any]:
        longest = min(_PICTURE, self.view.limits.picture)
        path = self.view.run.path
        source, width, height, tiny = pictures.base_picture(path / self.case["picture"], longest)
        named = {"base": f"flip-picture-{self.place + 1}", "picture": source, "pixelated": tiny}
        segments = pictures.read_segments(path / self.case["segments"])
        return {**named, "width": width, "height": height, "segments": segments}


def turned(view: RunView, kind: str) -> list[Block]:
    """The answers that turned one way: those explained open to both attributions, the others are listed.

    Args:
        view: of the run.
        kind: "negative" (was right, is now wrong) or "positive".
    """
    ids = [str(i) for i in view.comparison["flips"].get(kind) or []]
    if not ids:
        return [Prose(("No answer that was right before is wrong now.",))] if kind == "negative" else []
    about = view.json(FILE) or {}
    shown = [c for c in about.get("cases", []) if c.get("why") == kind][: view.limits.flips]
    place = {c["id"]: i for i, c in enumerate(about.get("cases", []))}
    modality = str(about.get("modality", ""))
    turns = [_turn(FlipView(view, modality, case, place[case["id"]])) for case in shown]
    there = {c["id"] for c in shown}
    rest = _listed(view, [i for i in ids if i not in there], kind, bool(turns))
    title = "Was right, is now wrong" if kind == "negative" else "Was wrong, is now right"
    selection = f"{about.get('selection', '')} {_METHOD}".strip() if turns else ""
    if kind == "positive":
        note: list[Block] = [Prose((selection,), "note")] if selection else []
        blocks: list[Block] = [*note, *([Turns(tuple(turns))] if turns else [])]
        heading = f"{count(len(ids), 'answer')} that {'was' if len(ids) == 1 else 'were'} wrong and now right"
        return [Fold(heading, (*blocks, *rest))]
    if not turns:
        return list(rest)
    blocks = [Prose((selection,), heading=f"{title}: {count(len(ids), 'answer')}"), Turns(tuple(turns[:_OPEN]))]
    if len(turns) > _OPEN:
        more = len(turns) - _OPEN
        name = f"{count(more, 'more answer')} that {'was' if more == 1 else 'were'} right"
        blocks.append(Fold(name, (Turns(tuple(turns[_OPEN:])),)))
    return [*blocks, *rest]


def most_explained(view: RunView) -> int:
    """Answers that turned and are explained, of whichever kind has more."""
    whys = [case.get("why") for case in (view.json(FILE) or {}).get("cases", [])]
    return max(whys.count("negative"), whys.count("positive"))


_METHOD = "Each opens to what spoke for the answer given now and what for the one before: in either model."


def _turn(shown: FlipView) -> Turn:
    view, case, method = shown.view, shown.case, shown.method
    headline, level, turn = decided(case)
    about = view.json(FILE) or {}
    picture = shown.picture if shown.modality == "image" else {}
    return Turn(
        id=shown.id,
        headline=headline,
        level=level,
        turn=turn,
        question=str(case["question"]["text"]),
        scale=f"full colour = ±{number(shown.scale, like=shown.scale)} {shown.unit}" if shown.scale else "all zero",
        ends=_sides(case),
        panels=tuple(_panel(shown, method, who) for who in SIDES),
        moved=_moved(shown),
        note=f"{about.get('title', method)}. A hidden part is replaced by {about.get('filler', 'a filler')}.",
        href=f"#{view.anchors[shown.id]}" if shown.id in view.anchors else "",
        **{key: value for key, value in picture.items() if key != "segments"},
    )


def _sides(case: Mapping[str, Any]) -> tuple[str, str]:
    """What the two colours speak for: the answer before and the one now, where the question was of these two."""
    names = [str((case.get(who) or {}).get("label")) for who in SIDES]
    if (case.get("question") or {}).get("kind") == "contrast":
        return f"for {names[0]}", f"for {names[1]}"
    return "against", "for"


def _panel(shown: FlipView, method: str, who: str) -> Panel:
    if (who, method) not in shown.rows:
        return Panel(who, Prose((f"Not computed: no attributions in {_FOLDERS[who]}.",), "note"))
    label = f"{method}, {who}"
    order = shown.order(method)
    block = drawn(shown, shown.values(who, method), shown.scale, label, ends={}, order=order)
    if isinstance(block, Bars):  # a list of many stays short: the rest of the columns is one sum
        block = replace(block, rest=())
    known = ((shown.view.json(f"{_FOLDERS[who]}/{method}.json") or {}).get("cases") or {}).get(shown.id) or {}
    return Panel(who, block, _ends(known, shown.unit))


def _ends(known: Mapping[str, Any], unit: str) -> tuple[str, ...]:
    if known.get("base_score") is None or known.get("score") is None:
        return ()
    like = max(abs(known["base_score"]), abs(known["score"])) or 1.0
    start, end = (signed(known[key], like=like) for key in ("base_score", "score"))
    return (f"From {start} {unit} with everything hidden to {end}.",)


def _moved(shown: FlipView) -> str:
    """The part whose value differs most between the two models."""
    keys = [(who, shown.method) for who in SIDES]
    if any(key not in shown.rows for key in keys):
        return ""
    before, after = (shown.values(*key) for key in keys)
    if not len(before) or not np.any(after != before):
        return "Both models give every part the same value."
    i = int(np.abs(after - before).argmax())
    feature = shown.case["features"][i]
    name = f"“{feature['name']}”" if shown.modality != "image" else str(feature.get("value") or feature["name"])
    like = shown.scale or 1.0
    values = (signed(float(v[i]), like=like) for v in (before, after))
    return f"Largest change: {name}, from {' to '.join(values)} {shown.unit}."


def _listed(view: RunView, ids: list[str], kind: str, explained: bool) -> tuple[Block, ...]:
    """A table of answers that turned without their reasons; those that are cases lead there."""
    if not ids:
        return ()
    lost = kind == "negative"
    head = ("Example", "Before, rightly", "After") if lost else ("Example", "Before", "After, rightly")
    title = "Was right, is now wrong" if lost else "Was wrong, is now right"
    rows, note = _rows(view, ids)
    if explained:
        name = f"{count(len(ids), 'more', 'more')}, without {'its' if len(ids) == 1 else 'their'} reasons"
        return (Fold(name, (Table(f"{title}, not explained here", head, rows, note, compact=True),)),)
    if not lost or len(rows) <= _OPEN:
        return (Table(title, head, rows, note, compact=True),)
    more = len(rows) - _OPEN
    name = f"{count(more, 'more answer')} that {'was' if more == 1 else 'were'} right"
    rest = Table(f"{title}, continued", head, rows[_OPEN:], note, compact=True)
    return Table(f"{title}: the surest {_OPEN} of {len(ids):,}", head, rows[:_OPEN], compact=True), Fold(name, (rest,))


def _rows(view: RunView, turned: list[str]) -> tuple[tuple[tuple[Cell, ...], ...], str]:
    """Rows of answers that turned, and a note on those left out; explained ones lead to their case."""
    shown = turned[:_ROWS]  # of a million answers only these are looked up
    models = zip(SIDES, ("base", view.shipped), strict=True)
    answers = {who: said(view.predictions(model, "test"), shown, "predicted") for who, model in models}
    rows = []
    for example in shown:
        anchor = view.anchors.get(example)
        rows.append(
            (
                Cell(example, "explained" if anchor else "", "word", f"#{anchor}" if anchor else ""),
                word(str(answers["before"].get(example, "not predicted"))),
                word(str(answers["after"].get(example, "not predicted"))),
            )
        )
    more = len(turned) - len(rows)
    return tuple(rows), f"{count(more, 'more', 'more')} in comparison.json." if more else ""
