"""How far off a predicted value may be: the range that holds a wanted share of the truths."""

from __future__ import annotations

from typing import Any

from workbench.report.shapes import Block, Cell, Fold, Prose, Table
from workbench.report.words import between, count, number, percent, word

SHOWN = 0.9  # the range that is told in words
HOW = (
    "Ranges are split conformal ones (Lei et al. 2018): as wide as the error that the wanted share of the validation "
    "examples stays within, the same for every prediction. How many of the test examples' true values they hold (the "
    "coverage, PICP) has a 95 % interval; their width is the MPIW."
)


def ranges(about: dict[str, Any], unit: str) -> tuple[str, tuple[Block, ...]]:
    """One sentence, and the tables behind it; nothing for runs that are older than ranges."""
    found = about.get("ranges")
    if not found:
        return "", ()
    told = next(entry for entry in found["levels"] if entry["level"] == SHOWN)
    named = f" {unit}" if unit else ""
    head = ("Wanted", f"range around a prediction{f' ({unit})' if unit else ''}", "test examples inside", "n")
    note = f"Widths were fixed on {count(found['n_validation'], 'validation example')}."
    table = Table("How wide a range must be", head, tuple(_row(entry) for entry in found["levels"]), note, compact=True)
    blocks: list[Block] = [Prose((_sentence(told, named),), heading="How far off may it be?"), table]
    if told["bins"]:
        blocks.append(Fold(f"Where the {SHOWN:.0%} range holds".replace("%", " %"), (_bins(told, unit),)))
    return _sentence(told, named), tuple(blocks)


def range_of(about: dict[str, Any]) -> dict[str, Any] | None:
    """The level that is told in words, where its width is known."""
    levels = (about.get("ranges") or {}).get("levels", [])
    return next((entry for entry in levels if entry["level"] == SHOWN and entry["half_width"] is not None), None)


def _sentence(told: dict[str, Any], named: str) -> str:
    wanted = percent(told["level"], places=0)
    if told["half_width"] is None:
        return f"No range that holds {wanted} of the true values could be fixed: {told['reason']}."
    held = f"{percent(told['coverage'])} of the test examples"
    said = f"A range of ± {number(told['half_width'])}{named} should hold {wanted} of the true values; it holds {held}"
    if told["low"] is None:
        return f"{said}."
    span = f"{percent(told['low'])} to {percent(told['high'])}"
    if told["high"] < told["level"]:
        return f"{said} ({span}): fewer than promised, so new errors are larger than those it was fixed on."
    if told["low"] > told["level"]:
        return f"{said} ({span}): more than promised."
    return f"{said} ({span}), as promised."


def _row(entry: dict[str, Any]) -> tuple[Cell, ...]:
    wanted = word(percent(entry["level"], places=0))
    if entry["half_width"] is None:
        return wanted, Cell(f"none: {entry['reason']}", kind="none"), Cell("not counted", kind="none"), Cell("0")
    width = Cell(f"± {number(entry['half_width'])}", f"{number(entry['mean_width'])} wide")
    return wanted, width, _held(entry), Cell(f"{entry['n']:,}")


def _held(entry: dict[str, Any]) -> Cell:
    span = "" if entry["low"] is None else f"{percent(entry['low'])} to {percent(entry['high'])}"
    return Cell(percent(entry["coverage"]), span or "no interval")


def _bins(told: dict[str, Any], unit: str) -> Table:
    rows = tuple((word(between(b["lower"], b["upper"])), _held(b), Cell(f"{b['n']:,}")) for b in told["bins"])
    note = "One width for all predictions holds fewer where the errors are larger."
    head = (f"Predicted{f' ({unit})' if unit else ''}", "test examples inside", "n")
    return Table(f"True values inside ± {number(told['half_width'])}, by what was predicted", head, rows, note)
