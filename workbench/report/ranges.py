"""How far off a predicted value may be: the range that holds a wanted share of the truths."""

from __future__ import annotations

from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Fold, Prose, Table
from workbench.report.words import between, count, number, percent, sentence, word

SHOWN = 0.9  # the range that is told in words
HOW = N_(
    "Ranges are split conformal ones (Lei et al. 2018): as wide as the error that the "
    "wanted share of the validation examples stays within, the same for every "
    "prediction. How many of the test examples' true values they hold (the coverage, "
    "PICP) has a 95 % interval; their width is the MPIW."
)


def ranges(about: dict[str, Any], unit: str) -> tuple[str, tuple[Block, ...]]:
    """One sentence, and the tables behind it; nothing for runs that are older than ranges."""
    found = about.get("ranges")
    if not found:
        return "", ()
    told = next(entry for entry in found["levels"] if entry["level"] == SHOWN)
    named = f" {unit}" if unit else ""
    head = (
        _("Wanted"),
        _("range around a prediction{unit}").format(unit=f" ({unit})" if unit else ""),
        _("test examples inside"),
        "n",
    )
    note = _("Widths were fixed on {n_validation}.").format(
        n_validation=count(found["n_validation"], "{n} validation example", "{n} validation examples")
    )
    table = Table(
        _("How wide a range must be"), head, tuple(_row(entry) for entry in found["levels"]), note, compact=True
    )
    blocks: list[Block] = [Prose((), heading=_("How far off may it be?")), table]
    if told["bins"]:
        blocks.append(
            Fold(_("Where the {share} range holds").format(share=percent(SHOWN, places=0)), (_bins(told, unit),))
        )
    return _sentence(told, named), tuple(blocks)


def range_of(about: dict[str, Any]) -> dict[str, Any] | None:
    """The level that is told in words, where its width is known."""
    levels = (about.get("ranges") or {}).get("levels", [])
    return next((entry for entry in levels if entry["level"] == SHOWN and entry["half_width"] is not None), None)


def _sentence(told: dict[str, Any], named: str) -> str:
    wanted = percent(told["level"], places=0)
    if told["half_width"] is None:
        return _("No range that holds {wanted} of the true values could be fixed: {reason}.").format(
            wanted=wanted, reason=stored(told["reason"])
        )
    held = _("{coverage} of the test examples").format(coverage=percent(told["coverage"]))
    said = _("A range of ± {half_width}{named} should hold {wanted} of the true values; it holds {held}").format(
        half_width=number(told["half_width"]), named=named, wanted=wanted, held=held
    )
    if told["low"] is None:
        return sentence(said)
    span = _("{low} to {high}").format(low=percent(told["low"]), high=percent(told["high"]))
    if told["high"] < told["level"]:
        return _("{said} ({span}): fewer than promised, so new errors are larger than those it was fixed on.").format(
            said=said, span=span
        )
    if told["low"] > told["level"]:
        return _("{said} ({span}): more than promised.").format(said=said, span=span)
    return _("{said} ({span}), as promised.").format(said=said, span=span)


def _row(entry: dict[str, Any]) -> tuple[Cell, ...]:
    wanted = word(percent(entry["level"], places=0))
    if entry["half_width"] is None:
        return (
            wanted,
            Cell(_("none: {why}").format(why=stored(entry["reason"])), kind="none"),
            Cell(_("not counted"), kind="none"),
            Cell("0"),
        )
    width = Cell(
        f"± {number(entry['half_width'])}", _("{mean_width} wide").format(mean_width=number(entry["mean_width"]))
    )
    return wanted, width, _held(entry), Cell(f"{entry['n']:,}")


def _held(entry: dict[str, Any]) -> Cell:
    span = (
        ""
        if entry["low"] is None
        else _("{low} to {high}").format(low=percent(entry["low"]), high=percent(entry["high"]))
    )
    return Cell(percent(entry["coverage"]), span or _("no interval"))


def _bins(told: dict[str, Any], unit: str) -> Table:
    rows = tuple((word(between(b["lower"], b["upper"])), _held(b), Cell(f"{b['n']:,}")) for b in told["bins"])
    note = _("One width for all predictions holds fewer where the errors are larger.")
    head = (_("Predicted{named}").format(named=f" ({unit})" if unit else ""), _("test examples inside"), "n")
    return Table(
        _("True values inside ± {half_width}, by what was predicted").format(half_width=number(told["half_width"])),
        head,
        rows,
        note,
    )
