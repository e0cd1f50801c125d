"""One method's answer drawn on its example: shaded words, coloured parts or bars.

Every panel of a case has one scale: the strongest value among the explanations that are
not marked unreliable, so that a noisy method cannot wash out the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report import pictures
from workbench.report.answers import Answer
from workbench.report.measures import card_table
from workbench.report.shapes import Bar, Bars, Block, Overlay, Pair, Panel, Piece, Prose, Table, Tokens
from workbench.report.view import RunView
from workbench.report.words import count, number, sentence, signed

SHADES = 20
LIGHTS = ("good", "fair", "poor")
SIDES = ("before", "after")
_NO_UNIT = N_("The values have no unit: full colour is the strongest of this method alone.")
_BARS = 10  # columns of a table's attribution that are drawn; the rest stands behind its sum
_DENSE = 112  # pixels a side of a pixel-by-pixel map


@dataclass(frozen=True)
class CaseView:
    """An explained example with everything that is known of it."""

    view: RunView
    modality: str
    case: Mapping[str, Any]
    place: int

    @property
    def id(self) -> str:
        return str(self.case["id"])

    @property
    def unit(self) -> str:
        given = self.case["question"].get("unit")
        return str(given or (self.view.unit if self.view.regression else "logit")).replace("logit", self.view.score)

    @cached_property
    def rows(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Attributions by (side, explainer), of the case's own question only."""
        found = {}
        for explainer in self.view.explainers:
            for who in self.view.sides:
                answer = self.view.answer(who, explainer)
                rows = answer.rows.get(self.id) if answer else None
                if rows is not None:
                    asked = rows[(rows["question"] == self.case["question"]["id"]) & rows["value"].notna()]
                    if len(asked):
                        found[who, explainer] = asked
        return found

    def values(self, who: str, explainer: str) -> np.ndarray:
        """One value per feature, (M,); 0 where the method gave none."""
        values = np.zeros(len(self.case["features"]))
        rows = self.rows[who, explainer]
        inside = rows[rows["index"] < len(values)]
        values[inside["index"].to_numpy(dtype=int)] = inside["value"].to_numpy(dtype=float)
        return values

    def unitless(self, explainer: str) -> bool:
        """Whether a method's values are in no unit, so that they cannot share the others' scale."""
        answers = (self.view.answer(who, explainer) for who in self.view.sides)
        return any(bool(answer.about.get("unitless")) for answer in answers if answer)

    def scale_of(self, explainer: str) -> float:
        """The value of full colour of one method: the case's, or its own where its values have no unit."""
        if not self.unitless(explainer):
            return self.scale
        return max(float(np.abs(self.values(*key)).max(initial=0.0)) for key in self.rows if key[1] == explainer)

    def unit_of(self, explainer: str) -> str:
        """The unit behind a value, with the space before it."""
        return "" if self.unitless(explainer) else f" {self.unit}"

    def refusal(self, explainer: str, who: str) -> str:
        """Why a method gave no answer to this case, empty where that is not known."""
        places = ("base",) if who == "before" else ("onnx", "tuned")
        entries = (self.view.json("cases.json") or {}).get("refused") or []
        found = (e for e in entries if e["explainer"] == explainer and e["model"] in places and e["id"] == self.id)
        return next((stored(e["reason"]) for e in found), "")

    def quality(self, who: str, explainer: str) -> dict[str, Any]:
        answer = self.view.answer(who, explainer)
        return self.view.quality(answer.model, explainer, self.id) if answer else {}

    @cached_property
    def scale(self) -> float:
        """The value of full colour: the strongest of the explanations that are not unreliable."""
        tops = {k: float(np.abs(self.values(*k)).max(initial=0.0)) for k in self.rows if not self.unitless(k[1])}
        trusted = [top for key, top in tops.items() if self.quality(*key).get("light") != "poor"]
        return max(trusted or list(tops.values()), default=0.0)

    @cached_property
    def picture(self) -> dict[str, Any]:
        """The base picture, its id in the page and its segments (None where they are missing)."""
        path = self.view.run.path
        source, width, height, tiny = pictures.base_picture(path / self.case["picture"], self.view.limits.picture)
        name = self.case.get("segments")
        segments = pictures.read_segments(path / name) if name else None
        named = {"base": f"picture-{self.place + 1}", "picture": source, "pixelated": tiny}
        return {**named, "width": width, "height": height, "segments": segments}

    def order(self, explainer: str) -> list[int]:
        """Features by their strongest value on either side, so that both sides have the same rows."""
        sides = [np.abs(self.values(who, explainer)) for who in self.view.sides if (who, explainer) in self.rows]
        strongest = np.max(sides, axis=0)
        return sorted(range(len(strongest)), key=lambda i: (-strongest[i], i))


def panel(shown: CaseView, explainer: str, who: str) -> Panel:
    """One method for one model, or the reason why there is nothing to draw."""
    answer = shown.view.answer(who, explainer)
    if answer is None or (who, explainer) not in shown.rows:
        place = "base" if who == "before" else _("tuned and onnx")
        why = (
            _("no attributions of {explainer} in {place}").format(explainer=explainer, place=place)
            if answer is None
            else _("the method gave no answer to this question")
        )
        why = shown.refusal(explainer, who) or why
        return Panel(who, Prose((_("Not computed: {why}.").format(why=why),), "note"), called=shown.view.called(who))
    label = f"{stored(answer.about.get('title', explainer))}, {shown.view.called(who)}"
    values, rows = shown.values(who, explainer), shown.rows[who, explainer]
    ends = {
        int(i): (float(low), float(high))
        for i, low, high in zip(rows["index"], rows["low"], rows["high"], strict=True)
        if pd.notna(low) and pd.notna(high)
    }
    scale, unit = shown.scale_of(explainer), shown.unit_of(explainer)
    block = drawn(shown, values, scale, label, ends=ends, order=shown.order(explainer), unit=unit)
    if shown.modality == "image":
        block = _with_dense(shown, answer, block, label)
    quality = shown.quality(who, explainer)
    light = quality.get("light", "")
    reasons = tuple(sentence(reason) for reason in quality.get("reasons", []))
    if not quality and shown.view.json("quality.json"):
        reasons = (_("How far to trust it was not measured."),)
    shade = light if light in LIGHTS else ""
    return Panel(who, block, _facts(answer, shown), shade, reasons, shown.view.called(who))


def _facts(answer: Answer, shown: CaseView) -> tuple[str, ...]:
    known = answer.case(shown.id)
    facts = []
    if known.get("base_score") is not None and known.get("score") is not None:
        like = max(abs(known["base_score"]), abs(known["score"])) or 1.0
        write = number if shown.view.regression else signed
        start, end = (write(known[key], like=like) for key in ("base_score", "score"))
        facts.append(
            _("Everything hidden: {start} {unit}. Nothing hidden: {end} {unit}.").format(
                start=start, unit=shown.unit, end=end
            )
        )
    if known.get("gap") is not None:
        facts.append(
            _("The values miss the difference by {gap} {unit}.").format(gap=number(known["gap"]), unit=shown.unit)
        )
    elif known:
        own = shown.unitless(answer.explainer)
        facts.append(_("The values need not add up with this method.") if not own else _(_NO_UNIT))
    if known.get("evaluations"):
        facts.append(_("{evaluations:,} evaluations of the model.").format(evaluations=known["evaluations"]))
    return (*facts, *(sentence(note) for note in known.get("notes", [])))


def card(shown: CaseView, explainer: str) -> Table | None:
    """The quality card of one method on one case: every measure, before and after."""
    cards = {who: shown.quality(who, explainer) for who in shown.view.sides}
    thresholds = (shown.view.json("quality.json") or {}).get("thresholds") or {}
    return card_table(cards, thresholds, shown.unit, shown.view.called)


def _shade(value: float, scale: float) -> int:
    return round(SHADES * max(-1.0, min(1.0, value / scale))) if scale else 0


def drawn(
    shown: CaseView,
    values: np.ndarray,
    scale: float,
    label: str,
    *,
    ends: Mapping[int, tuple[float, float]],
    order: list[int],
    unit: str | None = None,
) -> Block:
    """Values (M,) on the example: shaded words, coloured parts or bars.

    Args:
        scale: the value of full colour.
        ends: intervals by feature (tables).
        order: features in the order of their bars (tables).
        unit: behind a value, with the space before it; None: the question's.
    """
    unit = f" {shown.unit}" if unit is None else unit
    if shown.modality == "text":
        return _tokens(shown, values, scale, label, unit)
    if shown.modality == "image":
        return _overlay(shown, values, scale, label, unit)
    return _bars(shown, values, scale, label, ends, order)


def _tokens(shown: CaseView, values: np.ndarray, scale: float, label: str, unit: str) -> Tokens:
    text, pieces, at = str(shown.case.get("text", "")), [], 0
    for feature, value in zip(shown.case["features"], values, strict=True):
        shade, said = _shade(value, scale), f"{signed(float(value), like=scale or 1.0)}{unit}"
        if not feature.get("span"):
            pieces += [Piece(feature["name"], shade, said), Piece(" ")]
            continue
        start, end = feature["span"]
        if start > at:
            pieces.append(Piece(text[at:start]))
        pieces.append(Piece(text[start:end], shade, said))
        at = max(at, end)
    if at < len(text):
        pieces.append(Piece(text[at:]))
    return Tokens(label, tuple(pieces))


def _bars(
    shown: CaseView,
    values: np.ndarray,
    scale: float,
    label: str,
    ends: Mapping[int, tuple[float, float]],
    order: list[int],
) -> Bars:
    bars = []
    for i in order:
        feature = shown.case["features"][i]
        share = [float(np.clip(v / scale, -1, 1)) if scale else 0.0 for v in (values[i], *ends.get(i, ()))]
        text = signed(float(values[i]), like=scale or 1.0)
        bars.append(Bar(feature["name"], text, share[0], str(feature.get("value") or ""), *share[1:]))
    shown_first = _BARS if len(order) > _BARS + 2 else len(order)
    rest = order[shown_first:]
    together = signed(float(values[rest].sum()), like=scale or 1.0)
    note = (
        _("{n}, together {together}").format(
            n=count(len(rest), "{n} more column", "{n} more columns"), together=together
        )
        if rest
        else ""
    )
    return Bars(label, tuple(bars[:shown_first]), note, tuple(bars[shown_first:]))


def _overlay(shown: CaseView, values: np.ndarray, scale: float, label: str, unit: str) -> Block:
    picture = shown.picture
    if picture["segments"] is None:
        return Prose((_("Not drawn: the parts of this picture are not in the run."),), "note")
    longest, size = shown.view.limits.picture, (picture["width"], picture["height"])
    strongest = float(values[int(np.abs(values).argmax())]) if len(values) else 0.0
    note = _("strongest part {strongest}{unit}").format(strongest=signed(strongest, like=scale or 1.0), unit=unit)
    coloured = pictures.overlay(pictures.segment_map(picture["segments"], values, longest), scale)
    return Overlay(picture["base"], coloured, *size, f"{label}: {note}", note, pixelated=True)


def _with_dense(shown: CaseView, answer: Answer, parts: Block, label: str) -> Block:
    """Beside the coloured parts the pixel-by-pixel map, where the method has one."""
    dense = shown.view.dense(answer.model, answer.explainer).get(shown.id)
    if dense is None or not shown.view.limits.dense or not isinstance(parts, Overlay):
        return parts
    picture, size = shown.picture, (shown.picture["width"], shown.picture["height"])
    small = pictures.dense_map(dense, min(shown.view.limits.picture, _DENSE))
    full = float(np.percentile(np.abs(small), 99)) or float(np.abs(small).max())
    own = _("pixel by pixel, on a scale of its own")
    fine = Overlay(
        picture["base"], pictures.overlay(small, full), *size, f"{label}, {own}", own, pixelated=picture["pixelated"]
    )
    return Pair((parts, fine))
