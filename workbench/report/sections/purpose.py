"""What the model is for, as its owner says."""

from __future__ import annotations

from workbench.language import N_
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Facts, Prose, Section
from workbench.report.view import RunView
from workbench.report.words import listing

_ASKED = {
    "purpose": N_("Purpose"),
    "users": N_("Users"),
    "limits": N_("Limits"),
    "owner": N_("Owner"),
    "licence": N_("Licence"),
}


def purpose(view: RunView) -> Section:
    """The card of the config; what it leaves open is named, with the way to fill it in."""
    card = view.config.get("card", {})
    given = {key: str(card[key]).strip() for key in _ASKED if str(card.get(key) or "").strip()}
    missing = [key for key in _ASKED if key not in given]
    blocks: list[Block] = []
    if given:
        blocks.append(Facts(tuple((_(_ASKED[key]), Cell(text, kind="prose")) for key, text in given.items())))
    if missing:
        keys = listing([f'`{key} = "…"`' for key in missing])
        blocks.append(
            Prose(
                (
                    _("Not stated: {those}. Only a person can say these; no number below replaces them.").format(
                        those=listing([_(_ASKED[key]).lower() for key in missing])
                    ),
                    _(
                        "To fill them in, write {keys} under `[card]` in the config and run `workbench report` again."
                    ).format(keys=keys),
                ),
                "note",
            )
        )
    finding = (
        _("In the words of the people who answer for the model.")
        if given
        else _("Nobody has yet said what this model is for and where it must not be used.")
    )
    return Section("purpose", _("Purpose and limits"), finding, tuple(blocks))
