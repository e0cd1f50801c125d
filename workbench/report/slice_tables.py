"""The tables of the slices: each group before, deployed, against the rest and changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Dot, Fold, Prose, Table
from workbench.report.slice_labels import labels_by
from workbench.report.slices import RATES, Slices, difference_of, is_beyond
from workbench.report.view import RunView
from workbench.report.words import (
    between,
    change,
    count,
    ends,
    estimate,
    none,
    number,
    p_value,
    percent,
    points,
    sentence,
    word,
)
from workbench.types import Estimate

_ROWS = 12
_WHO = {"base": N_("before"), "onnx": N_("deployed")}


def slice_blocks(view: RunView) -> list[Block]:
    """A table for each attribute with its gap, crossed slices and the rates of two classes behind a line."""
    found = Slices(view)
    blocks: list[Block] = []
    single = [e for e in found.entries if len(e["where"]) == 1]
    crossed = [e for e in found.entries if len(e["where"]) > 1]
    axis = _axis(found.entries)
    for one in found.attributes:
        rows = [e for e in single if e["where"][0]["attribute"] == one["name"]]
        if not rows:
            continue
        shown = rows if len(rows) <= _ROWS else sorted(rows, key=lambda e: -e["n"])[:_ROWS]
        title = _("By {name}").format(name=one["name"]) + (
            "" if len(rows) == len(shown) else _(": the {ROWS} largest of {n:,}").format(ROWS=_ROWS, n=len(rows))
        )
        blocks.append(_table(view, found, title, shown, axis))
        if len(rows) > len(shown):
            blocks.append(
                Fold(
                    _("All {n:,} groups").format(n=len(rows)),
                    (_table(view, found, _("By {name}").format(name=one["name"]), rows, axis),),
                )
            )
        said = _gaps(found, one["gaps"].get("onnx") or [])
        if said:
            blocks.append(Prose(tuple(said)))
        if any(e["models"]["onnx"]["rates"] for e in rows):
            what = _("Typical error (RMSE)") if found.content["measure"] == "mae" else _("Other rates")
            if found.sets:
                what = _("Wrong decisions")
            blocks.append(Fold(_("{what} by {name}").format(what=what, name=one["name"]), (_rates(rows),)))
        blocks += labels_by(rows, one["name"])
    if crossed:
        table = _table(view, found, _("Two attributes at once"), crossed, axis)
        blocks.append(Fold(count(len(crossed), "{n} crossed slice", "{n} crossed slices"), (table,)))
    left = [f"{part['attribute']}: {stored(part['reason'])}" if part["attribute"] else stored(part["reason"])
            for part in found.content.get("left_out") or []]  # fmt: skip
    if left:
        blocks.append(Prose((_("Left out: {left}.").format(left="; ".join(left)),), "note"))
    return blocks


def _estimate(entry: Mapping[str, Any] | None) -> Estimate | None:
    return None if not entry else Estimate(**entry)


def _axis(entries: list[dict[str, Any]]) -> tuple[float, float]:
    """Least and greatest end of all intervals: one axis for every table."""
    found = [v for e in entries for m in _WHO for v in ends(_estimate((e["models"].get(m) or {}).get("score")))]
    return (min(found), max(found)) if found else (0.0, 1.0)


def _table(
    view: RunView, found: Slices, caption: str, entries: list[dict[str, Any]], axis: tuple[float, float]
) -> Table:
    mae = found.content["measure"] == "mae"
    unit = f" ({view.unit})" if mae and view.unit else ""
    models = {m: w for m, w in _WHO.items() if m in view.models}
    last = () if view.audited else (_("change"),)
    head = (_("Group"), "n", *map(_, models.values()), _("intervals"), _("against the rest"), *last)
    rows = []
    for entry in entries:
        scores = {m: _estimate((entry["models"].get(m) or {}).get("score")) for m in models}
        beside = [v for s in scores.values() for v in ends(s)]
        name = _(" and ").join(f"{p['attribute']}: {p['value']}" for p in entry["where"])
        label = word(entry["where"][0]["value"] if len(entry["where"]) == 1 else name)
        if entry["note"] == "counts only":
            counted = [_count(entry, m) for m in models]
            rows.append(
                (
                    label,
                    Cell(f"{entry['n']:,}"),
                    *counted,
                    *(Cell(_("too few"), kind="none") for _place in range(2 + len(last))),
                )
            )
            continue
        values = [_value(s, beside, mae) for s in scores.values()]
        tested = [
            _test(t, entry, mae) for t in (difference_of(entry), *(() if view.audited else (entry.get("change"),)))
        ]
        rows.append((label, Cell(f"{entry['n']:,}"), *values, _dots(name, scores, axis), *tested))
    measure = _("mean absolute error") if mae else _("every label right") if found.sets else _("accuracy")
    ends_ = _("{axis} to {axis_2}").format(axis=number(axis[0], like=axis[1]), axis_2=number(axis[1])) if mae else (
        _("{axis} to {axis_2}").format(axis=percent(axis[0], places=0), axis_2=percent(axis[1], places=0)))  # fmt: skip
    said = [*[f"{measure}{unit}"] * len(models), ends_, _("deployed"), *([_("after − before")] if last else [])]
    notes = {i + 2: text for i, text in enumerate(said)}
    faint = frozenset(i for i, e in enumerate(entries) if e["note"] in ("counts only", "insufficient"))
    return Table(caption, head, tuple(rows), notes=notes, faint=faint)


def _count(entry: Mapping[str, Any], model: str) -> Cell:
    right = (entry["models"].get(model) or {}).get("right")
    return Cell(_("too few"), kind="none") if right is None else Cell(_("{right:,} right").format(right=right))


def _value(score: Estimate | None, beside: list[float], mae: bool) -> Cell:
    if score is None or score.value is None or mae:
        return estimate(score, why=_("not computed for this slice"), n=False, beside=beside)
    span = (
        _("no interval")
        if score.low is None or score.high is None
        else _("{low:.1f} to {high:.1f}").format(low=100 * score.low, high=100 * score.high)
    )
    return Cell(percent(score.value), span)


def _test(test: Mapping[str, Any] | None, entry: Mapping[str, Any], mae: bool) -> Cell:
    if test is None:
        return Cell(stored(entry["note"]) or _("not tested"), kind="none")
    if test["value"] is None:
        return none(str(test.get("reason", "")))
    corrected = p_value(test.get("p_holm")) or stored(test.get("reason", ""))
    if mae:
        moved, span = change(test["value"], test["low"], test["high"])
    else:
        moved = f"{100 * test['value']:+.1f}".replace("-", "−")
        span = "" if test["low"] is None else between(100 * test["low"], 100 * test["high"], like=10.0, sign=True)
    return Cell(moved, " · ".join(part for part in (span, corrected) if part))


def _dots(name: str, scores: Mapping[str, Estimate | None], axis: tuple[float, float]) -> Cell:
    low, width = axis[0], (axis[1] - axis[0]) or 1.0
    dots, said = [], []
    for model, who in _WHO.items():
        score = scores.get(model)
        if score is not None and score.value is not None:
            place = [None if v is None else (v - low) / width for v in (score.value, score.low, score.high)]
            dots.append(Dot(who, place[0] or 0.0, place[1], place[2]))
            said.append(f"{_(who)} {number(score.value)}")
    return Cell(f"{name}: {', '.join(said)}", kind="dots", dots=tuple(dots))


def _gaps(found: Slices, gaps: list[dict[str, Any]]) -> list[str]:
    """The gap of the main measure in words, beside what chance gives."""
    said = []
    for gap in gaps:
        if gap["measure"] != found.content["measure"]:
            continue
        if gap["value"] is None:
            said.append(sentence(_("The largest gap was not tested: {reason}").format(reason=stored(gap["reason"]))))
            continue
        mae = gap["measure"] == "mae"
        unit = f" {found.content['unit']}" if found.content.get("unit") else ""
        like = max(gap["value"], gap["p95"])
        size = (
            f"{number(gap['value'], like=like)}{unit}"
            if mae
            else _("{value} points").format(value=points(gap["value"]))
        )
        usual, often = (number(gap[k], like=like) if mae else points(gap[k]) for k in ("expected", "p95"))
        beyond = is_beyond(gap)
        said.append(
            _(
                "Largest gap: {size}, from {lowest} to {highest}. Groups drawn by lot would differ "
                "by {usual} on average and by up to {often} in 19 of 20 draws, so this gap is {beyond} "
                "({p_holm}, corrected)."
            ).format(
                size=size,
                lowest=gap["lowest"],
                highest=gap["highest"],
                usual=usual,
                often=often,
                beyond=_("larger than chance makes it") if beyond else _("not beyond chance"),
                p_holm=p_value(gap["p_holm"]),
            )
        )
    others = [found.gap_in_words(g) for g in gaps if is_beyond(g) and g["measure"] != found.content["measure"]]
    if others:
        said.append(_("Beyond chance, corrected: {gaps}.").format(gaps="; ".join(others)))
    return said


def _rates(entries: list[dict[str, Any]]) -> Table:
    names = list(next(e["models"]["onnx"]["rates"] for e in entries if e["models"]["onnx"]["rates"]))
    rows = []
    for entry in entries:
        found = entry["models"]["onnx"]["rates"]
        cells = [estimate(_estimate(found.get(n)), why=stored(entry["note"]) or _("not computed")) for n in names]
        rows.append((word(entry["where"][0]["value"]), *cells))
    faint = frozenset(i for i, e in enumerate(entries) if e["note"] in ("counts only", "insufficient"))
    return Table(_("The deployed model"), (_("Group"), *(_(RATES.get(n, n)) for n in names)), tuple(rows), faint=faint)
