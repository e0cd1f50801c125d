"""Answers that turned, each opening to what decided it before and what decides it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import pictures
from workbench.report.case import decided
from workbench.report.excerpts import Turn, Turns
from workbench.report.panels import SIDES, CaseView, drawn
from workbench.report.performance import said
from workbench.report.shapes import Bars, Block, Cell, Fold, Panel, Prose, Table
from workbench.report.view import RunView
from workbench.report.words import count, joined, number, signed, word

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
        return [Prose((_("No answer that was right before is wrong now."),))] if kind == "negative" else []
    about = view.json(FILE) or {}
    shown = [c for c in about.get("cases", []) if c.get("why") == kind][: view.limits.flips]
    place = {c["id"]: i for i, c in enumerate(about.get("cases", []))}
    modality = str(about.get("modality", ""))
    turns = [_turn(FlipView(view, modality, case, place[case["id"]])) for case in shown]
    there = {c["id"] for c in shown}
    rest = _listed(view, [i for i in ids if i not in there], kind, bool(turns))
    title = _("Was right, is now wrong") if kind == "negative" else _("Was wrong, is now right")
    selection = joined(stored(about.get("selection", "")), _(_METHOD)) if turns else ""
    if kind == "positive":
        note: list[Block] = [Prose((selection,), "note")] if selection else []
        blocks: list[Block] = [*note, *([Turns(tuple(turns))] if turns else [])]
        heading = count(
            len(ids), "{n} answer that was wrong and now right", "{n} answers that were wrong and now right"
        )
        return [Fold(heading, (*blocks, *rest))]
    if not turns:
        return list(rest)
    heading = _("{title}: {n}").format(title=title, n=count(len(ids), "{n} answer", "{n} answers"))
    blocks = [Prose((selection,), heading=heading), Turns(tuple(turns[:_OPEN]))]
    if len(turns) > _OPEN:
        more = len(turns) - _OPEN
        name = count(more, "{n} more answer that was right", "{n} more answers that were right")
        blocks.append(Fold(name, (Turns(tuple(turns[_OPEN:])),)))
    return [*blocks, *rest]


def most_explained(view: RunView) -> int:
    """Answers that turned and are explained, of whichever kind has more."""
    whys = [case.get("why") for case in (view.json(FILE) or {}).get("cases", [])]
    return max(whys.count("negative"), whys.count("positive"))


_METHOD = N_("Each opens to what spoke for the answer given now and what for the one before: in either model.")


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
        question=stored(case["question"]["text"]),
        scale=_("full colour = ±{scale} {unit}").format(scale=number(shown.scale, like=shown.scale), unit=shown.unit)
        if shown.scale
        else _("all zero"),
        ends=_sides(case),
        panels=tuple(_panel(shown, method, who) for who in SIDES),
        moved=_moved(shown),
        note=_("{title}. A hidden part is replaced by {filler}.").format(
            title=stored(about.get("title", method)), filler=stored(about.get("filler", "a filler"))
        ),
        href=f"#{view.anchors[shown.id]}" if shown.id in view.anchors else "",
        **{key: value for key, value in picture.items() if key != "segments"},
    )


def _sides(case: Mapping[str, Any]) -> tuple[str, str]:
    """What the two colours speak for: the answer before and the one now, where the question was of these two."""
    names = [str((case.get(who) or {}).get("label")) for who in SIDES]
    if (case.get("question") or {}).get("kind") == "contrast":
        return _("for {names}").format(names=names[0]), _("for {names}").format(names=names[1])
    return _("against"), _("for")


def _panel(shown: FlipView, method: str, who: str) -> Panel:
    if (who, method) not in shown.rows:
        return Panel(
            who, Prose((_("Not computed: no attributions in {FOLDERS}.").format(FOLDERS=_FOLDERS[who]),), "note")
        )
    title = stored((shown.view.json(FILE) or {}).get("title", method))
    label = f"{title}, {_(who)}"
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
    return (_("From {start} {unit} with everything hidden to {end}.").format(start=start, unit=unit, end=end),)


def _moved(shown: FlipView) -> str:
    """The part whose value differs most between the two models."""
    keys = [(who, shown.method) for who in SIDES]
    if any(key not in shown.rows for key in keys):
        return ""
    before, after = (shown.values(*key) for key in keys)
    if not len(before) or not np.any(after != before):
        return _("Both models give every part the same value.")
    i = int(np.abs(after - before).argmax())
    feature = shown.case["features"][i]
    place = str(feature.get("value") or feature["name"])
    name = pictures.place_name(place) if shown.modality == "image" else f"“{feature['name']}”"
    like = shown.scale or 1.0
    first, last = (signed(float(v[i]), like=like) for v in (before, after))
    return _("Largest change: {name}, from {first} to {last} {unit}.").format(
        name=name, first=first, last=last, unit=shown.unit
    )


def _listed(view: RunView, ids: list[str], kind: str, explained: bool) -> tuple[Block, ...]:
    """A table of answers that turned without their reasons; those that are cases lead there."""
    if not ids:
        return ()
    lost = kind == "negative"
    head = (
        (_("Example"), _("Before, rightly"), _("After")) if lost else (_("Example"), _("Before"), _("After, rightly"))
    )
    title = _("Was right, is now wrong") if lost else _("Was wrong, is now right")
    rows, note = _rows(view, ids)
    if explained:
        name = count(len(ids), "{n} more, without its reasons", "{n} more, without their reasons")
        return (
            Fold(name, (Table(_("{title}, not explained here").format(title=title), head, rows, note, compact=True),)),
        )
    if not lost or len(rows) <= _OPEN:
        return (Table(title, head, rows, note, compact=True),)
    more = len(rows) - _OPEN
    name = count(more, "{n} more answer that was right", "{n} more answers that were right")
    rest = Table(_("{title}, continued").format(title=title), head, rows[_OPEN:], note, compact=True)
    return Table(
        _("{title}: the surest {OPEN} of {n:,}").format(title=title, OPEN=_OPEN, n=len(ids)),
        head,
        rows[:_OPEN],
        compact=True,
    ), Fold(name, (rest,))


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
                Cell(example, _("explained") if anchor else "", "word", f"#{anchor}" if anchor else ""),
                word(str(answers["before"].get(example, _("not predicted")))),
                word(str(answers["after"].get(example, _("not predicted")))),
            )
        )
    more = len(turned) - len(rows)
    return tuple(rows), _("{more} in comparison.json.").format(more=count(more, "{n} more", "{n} more")) if more else ""
