"""What a model decides, as one plain question."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.language import N_
from workbench.language import gettext as _
from workbench.report.words import listing

_NAMED = 42  # letters up to which a title names every class
_THINGS = {"text": N_("text"), "image": N_("picture"), "table": N_("row")}


def question_of(modality: str, labels: Sequence[str], *, target: str = "", several: bool = False) -> str:
    """The question that a model answers.

    Args:
        modality: of its examples.
        labels: its classes.
        target: the name of the value that it predicts; empty: it names classes.
        several: whether more than one label may hold.
    """
    what = _(_THINGS.get(modality, N_("example")))
    if target:
        return _("What is the {named} of this {what}?").format(named=target, what=what)
    n, short = len(labels), sum(map(len, labels)) <= _NAMED
    if several and labels:
        said = (
            _("Which labels hold for this {what}: {labels}?")
            if short
            else _("Which of {n} labels hold for this {what}?")
        )
    elif labels:
        named = n > 1 and short
        said = _("Which is this {what}: {labels}?") if named else _("Which of {n} classes is this {what}?")
    else:
        said = _("What is this {what}?")
    return said.format(what=what, n=n, labels=listing(list(labels), either=True))
