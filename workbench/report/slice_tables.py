"""The tables of the slices: each group before, deployed, against the rest and changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.report.shapes import Block, Cell, Dot, Fold, Prose, Table
from workbench.report.slice_labels import labels_by
from workbench.report.slices import SIGNIFICANT, Slices, difference_of
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
_WHO = {"base": "before", "onnx": "deployed"}
_RATES = {
    "recall": "found of the positive",
    "precision": "right of the flagged",
    "false_positive_rate": "flagged of the negative",
    "selection_rate": "flagged of all",
    "rmse": "typical error (RMSE)",
    "hamming_loss": "wrong decisions",
}


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
        title = f"By {one['name']}" + ("" if len(rows) == len(shown) else f": the {_ROWS} largest of {len(rows):,}")
        blocks.append(_table(view, found, title, shown, axis))
        if len(rows) > len(shown):
            blocks.append(Fold(f"All {len(rows):,} groups", (_table(view, found, f"By {one['name']}", rows, axis),)))
        said = _gaps(found, one["gaps"].get("onnx") or [])
        if said:
            blocks.append(Prose(tuple(said)))
        if any(e["models"]["onnx"]["rates"] for e in rows):
            what = "Typical error (RMSE)" if found.content["measure"] == "mae" else "Other rates"
            if found.sets:
                what = "Wrong decisions"
            blocks.append(Fold(f"{what} by {one['name']}", (_rates(rows),)))
        blocks += labels_by(rows, one["name"])
    if crossed:
        table = _table(view, found, "Two attributes at once", crossed, axis)
        blocks.append(Fold(f"{count(len(crossed), 'crossed slice')}", (table,)))
    left = [f"{part['attribute']}: {part['reason']}" if part["attribute"] else part["reason"]
            for part in found.content.get("left_out") or []]  # fmt: skip
    if left:
        blocks.append(Prose((f"Left out: {'; '.join(left)}.",), "note"))
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
    last = () if view.audited else ("change",)
    head = ("Group", "n", *models.values(), "intervals", "against the rest", *last)
    rows = []
    for entry in entries:
        scores = {m: _estimate((entry["models"].get(m) or {}).get("score")) for m in models}
        beside = [v for s in scores.values() for v in ends(s)]
        name = " and ".join(f"{p['attribute']}: {p['value']}" for p in entry["where"])
        label = word(entry["where"][0]["value"] if len(entry["where"]) == 1 else name)
        if entry["note"] == "counts only":
            counted = [_count(entry, m) for m in models]
            rows.append(
                (
                    label,
                    Cell(f"{entry['n']:,}"),
                    *counted,
                    *(Cell("too few", kind="none") for _ in range(2 + len(last))),
                )
            )
            continue
        values = [_value(s, beside, mae) for s in scores.values()]
        tested = [
            _test(t, entry, mae) for t in (difference_of(entry), *(() if view.audited else (entry.get("change"),)))
        ]
        rows.append((label, Cell(f"{entry['n']:,}"), *values, _dots(name, scores, axis), *tested))
    measure = "mean absolute error" if mae else "every label right" if found.sets else "accuracy"
    ends_ = f"{number(axis[0], like=axis[1])} to {number(axis[1])}" if mae else (
        f"{percent(axis[0], places=0)} to {percent(axis[1], places=0)}")  # fmt: skip
    said = [*[f"{measure}{unit}"] * len(models), ends_, "deployed", *(["after − before"] if last else [])]
    notes = {i + 2: text for i, text in enumerate(said)}
    faint = frozenset(i for i, e in enumerate(entries) if e["note"] in ("counts only", "insufficient"))
    return Table(caption, head, tuple(rows), notes=notes, faint=faint)


def _count(entry: Mapping[str, Any], model: str) -> Cell:
    right = (entry["models"].get(model) or {}).get("right")
    return Cell("too few", kind="none") if right is None else Cell(f"{right:,} right")


def _value(score: Estimate | None, beside: list[float], mae: bool) -> Cell:
    if score is None or score.value is None or mae:
        return estimate(score, why="not computed for this slice", n=False, beside=beside)
    span = (
        "no interval" if score.low is None or score.high is None else f"{100 * score.low:.1f} to {100 * score.high:.1f}"
    )
    return Cell(percent(score.value), span)


def _test(test: Mapping[str, Any] | None, entry: Mapping[str, Any], mae: bool) -> Cell:
    if test is None:
        return Cell(entry["note"] or "not tested", kind="none")
    if test["value"] is None:
        return none(str(test.get("reason", "")))
    corrected = p_value(test.get("p_holm")) or str(test.get("reason", ""))
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
            said.append(f"{who} {number(score.value)}")
    return Cell(f"{name}: {', '.join(said)}", kind="dots", dots=tuple(dots))


def _gaps(found: Slices, gaps: list[dict[str, Any]]) -> list[str]:
    """The gap of the main measure in words, beside what chance gives."""
    said = []
    for gap in gaps:
        if gap["measure"] != found.content["measure"]:
            continue
        if gap["value"] is None:
            said.append(sentence(f"The largest gap was not tested: {gap['reason']}"))
            continue
        mae = gap["measure"] == "mae"
        unit = f" {found.content['unit']}" if found.content.get("unit") else ""
        like = max(gap["value"], gap["p95"])
        size = f"{number(gap['value'], like=like)}{unit}" if mae else f"{points(gap['value'])} points"
        usual, often = (number(gap[k], like=like) if mae else points(gap[k]) for k in ("expected", "p95"))
        beyond = gap["p_holm"] is not None and gap["p_holm"] < SIGNIFICANT
        said.append(
            f"Largest gap: {size}, from {gap['lowest']} to {gap['highest']}. Groups drawn by lot would differ by "
            f"{usual} on average and by up to {often} in 19 of 20 draws, so this gap is "
            f"{'larger than chance makes it' if beyond else 'not beyond chance'} ({p_value(gap['p_holm'])}, corrected)."
        )
    return said


def _rates(entries: list[dict[str, Any]]) -> Table:
    names = list(next(e["models"]["onnx"]["rates"] for e in entries if e["models"]["onnx"]["rates"]))
    rows = []
    for entry in entries:
        found = entry["models"]["onnx"]["rates"]
        cells = [estimate(_estimate(found.get(n)), why=entry["note"] or "not computed") for n in names]
        rows.append((word(entry["where"][0]["value"]), *cells))
    faint = frozenset(i for i, e in enumerate(entries) if e["note"] in ("counts only", "insufficient"))
    return Table("The deployed model", ("Group", *(_RATES.get(n, n) for n in names)), tuple(rows), faint=faint)
