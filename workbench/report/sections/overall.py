"""What the model looks at overall: columns, words or places that count over many examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.language import gettext as _
from workbench.language import pgettext, stored
from workbench.report import pictures
from workbench.report.columns import table_views
from workbench.report.shapes import Block, Cell, Overlay, Pair, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import between, count, listing, sentence, signed, word

_WORDS = 12  # of a class


def overall(view: RunView) -> Section | None:
    """The part of the report that speaks of the model, not of single cases."""
    about = view.json("global.json")
    if not about:
        return None
    if not about.get("n"):
        return Section(
            "overall", _("Overall"), _("No example could be explained, so nothing is said of the whole."), ()
        )
    kind = about.get("modality")
    finding, blocks = {"table": table_views, "text": _text, "image": _image}[str(kind)](view, about)
    return Section("overall", _("What the model looks at overall"), finding, tuple(blocks), _how(view, about))


def _how(view: RunView, about: Mapping[str, Any]) -> tuple[str, ...]:
    model = view.after if view.audited else _("{after} customisation").format(after=view.after)
    how = [
        _(
            "{title} of {model} on {selection}. {caption} A hidden part is replaced by: "
            "{filler}. {evaluations} of the model."
        ).format(
            title=stored(about["title"]),
            model=model,
            selection=stored(about["selection"]),
            caption=sentence(about["caption"]),
            filler=stored(about["filler"]),
            evaluations=count(about["evaluations"], "{n} evaluation", "{n} evaluations"),
        ),
        _("These are means of explanations: they say what this model leans on in this data, not what causes what."),
    ]
    if about.get("masks"):
        how.append(
            _(
                "{masks:,} masks for each row, the same for all; intervals are percentiles of 2,000 "
                "bootstrap samples of the rows."
            ).format(masks=about["masks"])
        )
        how.append(
            _(
                "Partial dependence (Friedman 2001): one column is set to a value in every row, the "
                "others stay, and the answers are averaged. Where columns depend on each other it "
                "asks for rows that do not exist."
            )
        )
        how.append(
            _(
                "Permutation importance (Breiman 2001): how much worse the deployed file does on the "
                "test split when one column is shuffled, {shuffles} times; intervals over rows and "
                "shuffles. Columns that say the same as others lose little when shuffled alone."
            ).format(shuffles=about["permutation"].get("shuffles", 0))
        )
    return tuple(how)


# -- texts ----------------------------------------------------------------------------


def _text(view: RunView, about: Mapping[str, Any]) -> tuple[str, list[Block]]:
    words = about["words"]
    blocks: list[Block] = []
    if str(about["selection"]).startswith("the "):
        blocks.append(
            Prose(
                (
                    _(
                        "These words come from {selection}: a word seen in one text says little. "
                        "`explain.global_samples = 100` explains a hundred texts drawn by lot."
                    ).format(selection=stored(about["selection"])),
                ),
                "note",
            )
        )
    blocks.append(Pair(tuple(_words(label, entry, str(about["unit"])) for label, entry in words.items()), narrow=True))
    strongest = [
        _("“{word}” for {label}").format(word=row["word"], label=label)
        for label, entry in words.items()
        if (row := next((w for w in entry["words"] if (w.get("low") or 0) > 0), None))
    ]
    named = (
        _(" Clearly telling, over several texts: {strongest}.").format(strongest=listing(strongest[:4]))
        if strongest
        else ""
    )
    return _("The words that moved the answers most, by class, over {selection}.{named}").format(
        selection=stored(about["selection"]), named=named
    ), blocks


def _words(label: str, entry: Mapping[str, Any], unit: str) -> Table:
    rows = []
    shown = entry["words"][:_WORDS]
    for row in shown:
        like = max(abs(v) for v in (row["value"], row.get("low"), row.get("high")) if v is not None) or 1.0
        span = between(row.get("low"), row.get("high"), like=like, sign=True)
        rows.append((word(row["word"]), Cell(signed(row["value"], like=like), span), Cell(f"{row['n']:,}")))
    faint = frozenset(i for i, row in enumerate(shown) if row["n"] < 2)
    caption = _("{label} ({n})").format(label=label, n=count(entry["texts"], "{n} text", "{n} texts"))
    return Table(caption, (_("Word"), stored(unit), _("texts")), tuple(rows), compact=False, faint=faint)


# -- pictures -------------------------------------------------------------------------


def _image(view: RunView, about: Mapping[str, Any]) -> tuple[str, list[Block]]:
    arrays = view.arrays("global.safetensors")
    blocks: list[Block] = []
    drawn: list[Block] = []
    missing = []
    for entry in about["saliency"]:
        if not entry["n"] or entry["map"] not in arrays:
            why = stored(entry.get("reason", "")) or _("no map in the run")
            missing.append(_("{label} ({why})").format(label=entry["label"], why=why))
            continue
        drawn.append(_saliency(str(entry["label"]), entry["n"], arrays[entry["map"]], arrays[entry["frame"]], view))
    if drawn:
        blocks.append(Pair(tuple(drawn), narrow=True))
    if missing:
        blocks.append(Prose((_("Not drawn: {missing}.").format(missing=listing(missing)),), "note"))
    blocks.append(
        Prose(
            (
                _(
                    "Under the colours lies the mean picture of the class. Where things do not stand in "
                    "the same place in every picture, a mean map says little: look at the cases then."
                ),
            ),
            "note",
        )
    )
    finding = _(
        "Where the model looks for each class, averaged over {selection}: blue places speak "
        "for the class, orange ones against it."
    ).format(selection=stored(about["selection"]))
    return finding, blocks


def _saliency(label: str, n: int, values: np.ndarray, frame: np.ndarray, view: RunView) -> Overlay:
    longest = view.limits.picture
    small = pictures.dense_map(values, min(longest, 112))
    full = float(np.percentile(np.abs(small), 99)) or float(np.abs(small).max()) or 1.0
    base, width, height, tiny = pictures.from_array(frame, longest)
    note = _("{label} ({n})").format(label=label, n=count(n, "{n} picture", "{n} pictures"))
    y, x = np.unravel_index(int(np.argmax(small)), small.shape)
    down = (pgettext("place", "top"), pgettext("place", "middle"), pgettext("place", "bottom"))[
        min(2, int(3 * y / small.shape[0]))
    ]
    across = (pgettext("place", "left"), pgettext("place", "centre"), pgettext("place", "right"))[
        min(2, int(3 * x / small.shape[1]))
    ]
    said = _("Mean saliency of class {label} over {n}; strongest at the {down} {across}").format(
        label=label, n=count(n, "{n} picture", "{n} pictures"), down=down, across=across
    )
    return Overlay(base, pictures.overlay(small, full), width, height, said, note, pixelated=tiny)
