"""The file that ships: does it behave like the trained model?"""

from __future__ import annotations

from typing import Any

from workbench.language import gettext as _
from workbench.language import stored
from workbench.report.contract import adopted
from workbench.report.gradients import HOW, gradient_blocks, gradient_facts
from workbench.report.shapes import Block, Cell, Facts, Fold, Section, Table
from workbench.report.variants import variant_blocks
from workbench.report.view import RunView
from workbench.report.words import listing, none, number, percent, size, word


def deployed(view: RunView) -> Section | None:
    """Parity of the ONNX file with the trained model, its facts and where it ran."""
    if view.audited:
        return adopted(view)
    parity = view.json("onnx/parity.json")
    if parity is None:
        return None
    finding = _(
        "The ONNX file gives the same answers as the trained model within {tolerance}, on {n:,} real examples."
    ).format(tolerance=number(parity["tolerance"], digits=4), n=parity["n"])
    if not parity["passed"]:
        finding = _(
            "The ONNX file differs from the trained model by {max_error}, more than the "
            "{tolerance} that is allowed, on {n:,} real examples."
        ).format(
            max_error=number(parity["max_error"], digits=4),
            tolerance=number(parity["tolerance"], digits=4),
            n=parity["n"],
        )
    blocks: list[Block] = [Facts(_facts(view, parity))]
    per_batch = parity.get("per_batch") or []
    if per_batch:
        rows = tuple(
            (
                word(f"{b['batch']:,}", _("with padding") if b.get("padded") else ""),
                Cell(number(b["max_error"], digits=4)),
                Cell(number(b["max_abs"], digits=4)),
            )
            for b in per_batch
        )
        head = (_("Examples at once"), _("Largest error"), _("Largest difference"))
        table = Table(_("Trained model and deployed file side by side"), head, rows, compact=True)
        blocks.append(Fold(_("The same for each number of examples at once"), (table,)))
    blocks += gradient_blocks(parity)
    blocks += variant_blocks(view)
    batches = listing([f"{b:,}" for b in parity.get("batch_sizes", [])])
    how = (
        _(
            "Error = |trained − deployed| / (1 + |trained|) of each output number, the largest "
            "over all examples, with {batches} examples at once."
        ).format(batches=batches or _("an unrecorded number of")),
        *((_(HOW),) if parity.get("gradients") else ()),
        _("The performance and the explanations marked “deployed” were computed on this very file."),
    )
    return Section("deployed", _("Deployed file"), finding, tuple(blocks), how)


def _facts(view: RunView, parity: dict[str, Any]) -> tuple[tuple[str, Cell], ...]:
    providers = view.json("onnx/providers.json")
    largest, allowed = number(parity["max_error"], digits=4), number(parity["tolerance"], digits=4)
    parameters = (
        _("{parameters:,} parameters").format(parameters=parity["parameters"]) if parity.get("parameters") else ""
    )
    absolute, weight = parity.get("max_abs"), parity.get("bytes")
    ran = (
        word(listing(providers["used"]), stored(providers.get("text", "")))
        if providers
        else none(_("no onnx/providers.json"))
    )
    return (
        (_("Largest error"), word(largest, _("allowed: {allowed}").format(allowed=allowed))),
        (_("Largest difference"), none(_("not recorded")) if absolute is None else word(number(absolute, digits=4))),
        (_("Same answer"), _agreement(parity.get("label_agreement") or {}, view)),
        (_("Ran on"), ran),
        *(((_("Nodes"), _nodes(providers)),) if (providers or {}).get("nodes") else ()),
        (
            _("Format"),
            word(
                _("ONNX opset {opset}").format(opset=parity.get("opset", _("not recorded"))),
                str(parity.get("exporter") or ""),
            ),
        ),
        (_("Size"), none(_("not recorded")) if weight is None else word(size(weight), parameters)),
        ("SHA-256", Cell(str(parity.get("sha256") or _("not recorded")), kind="code")),
        *gradient_facts(parity),
    )


def _nodes(providers: dict[str, Any]) -> Cell:
    """Which provider runs how many nodes, and the heavy ones that were left to the CPU."""
    said = listing(
        [
            _("{n:,} on {name}").format(n=n, name=name.removesuffix("ExecutionProvider"))
            for name, n in providers["nodes"].items()
        ]
    )
    fallen = sorted({f["operator"] for f in providers.get("fell_back") or ()})
    note = (
        _("left to the CPU: {fallen}").format(fallen=listing(fallen))
        if fallen
        else _("every one accounted for; no silent fallback")
    )
    return word(said, note)


def _agreement(agreement: dict[str, int], view: RunView) -> Cell:
    if view.regression:
        return none(_("a value is no label; see the largest difference"))
    if not agreement.get("n"):
        return none(_("no labels were compared"))
    ties = agreement.get("argmax_ties") or 0
    note = percent(agreement["agree"] / agreement["n"])
    return word(
        _("{agree:,} of {n:,}").format(agree=agreement["agree"], n=agreement["n"]),
        note + (_(" · {ties:,} ties").format(ties=ties) if ties else ""),
    )
