"""The gradients of the deployed file: whether they are those of the trained model, or why there are none."""

from __future__ import annotations

from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Fold, Table
from workbench.report.words import none, number, word

HOW = N_(
    "Gradients that are explained come from the deployed file's own gradient graph "
    "(onnx/explain.onnx) where it is equal: length of the difference over length of "
    "autograd's gradient, of randomly weighted scores, the largest of all examples; and "
    "central differences of the scores along random directions correlate with it."
)


def gradient_facts(parity: dict[str, Any]) -> tuple[tuple[str, Cell], ...]:
    """What stands among the facts of the deployed file; nothing for a run of before there were such graphs."""
    found = parity.get("gradients")
    if found is None:
        return ()
    if not found.get("passed"):
        reason = stored(found.get("reason") or _("not recorded")).rstrip(".")
        return (
            (_("Gradients"), none(_("from torch, as the file has no gradient graph: {reason}").format(reason=reason))),
        )
    bound = found.get("binding") or {}
    kinks = found.get("at_kinks") or 0
    note = _("allowed: {tolerance}; against autograd, on {n:,} examples").format(
        tolerance=number(found["tolerance"], digits=4), n=found["n"]
    )
    if kinks:
        note += _(", {kinks:,} of them at a kink where autograd's own gradient jumps").format(kinks=kinks)
    if found.get("agree_beside"):
        note += _(" (moved by a millionth, {n:,} of these agree as well)").format(n=found["agree_beside"])
    return (
        (_("Gradients, largest error"), word(number(found["max_error"], digits=4), note)),
        (
            _("Slope of the file itself"),
            word(
                f"r = {number(bound['correlation'], digits=6)}",
                _("least: {least}; central differences in {directions} directions").format(
                    least=number(bound["least"], digits=3), directions=bound["directions"]
                ),
            ),
        ),
    )


def gradient_blocks(parity: dict[str, Any]) -> list[Block]:
    """The errors for each number of examples at once."""
    per_batch = (parity.get("gradients") or {}).get("per_batch") or []
    if not per_batch:
        return []
    rows = tuple(
        (word(f"{b['batch']:,}", _("with padding") if b.get("padded") else ""), Cell(number(b["max_error"], digits=4)))
        for b in per_batch
    )
    head = (_("Examples at once"), _("Largest error"))
    table = Table(_("Gradients of the deployed file and of autograd"), head, rows, compact=True)
    return [Fold(_("Gradients for each number of examples at once"), (table,))]
