"""The file that ships: does it behave like the trained model?"""

from __future__ import annotations

from typing import Any

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
    verb = "gives the same answers as" if parity["passed"] else "differs from"
    finding = (
        f"The ONNX file {verb} the trained model within {'' if parity['passed'] else 'more than '}"
        f"{number(parity['tolerance'], digits=4)}, on {parity['n']:,} real examples."
    )
    if not parity["passed"]:
        finding = (
            f"The ONNX file differs from the trained model by {number(parity['max_error'], digits=4)}, "
            f"more than the {number(parity['tolerance'], digits=4)} that is allowed, on {parity['n']:,} real examples."
        )
    blocks: list[Block] = [Facts(_facts(view, parity))]
    per_batch = parity.get("per_batch") or []
    if per_batch:
        rows = tuple(
            (
                word(f"{b['batch']:,}", "with padding" if b.get("padded") else ""),
                Cell(number(b["max_error"], digits=4)),
                Cell(number(b["max_abs"], digits=4)),
            )
            for b in per_batch
        )
        head = ("Examples at once", "Largest error", "Largest difference")
        table = Table("Trained model and deployed file side by side", head, rows, compact=True)
        blocks.append(Fold("The same for each number of examples at once", (table,)))
    blocks += gradient_blocks(parity)
    blocks += variant_blocks(view)
    batches = listing([f"{b:,}" for b in parity.get("batch_sizes", [])])
    how = (
        "Error = |trained − deployed| / (1 + |trained|) of each output number, the largest over all examples, "
        f"with {batches or 'an unrecorded number of'} examples at once.",
        *((HOW,) if parity.get("gradients") else ()),
        "The performance and the explanations marked “deployed” were computed on this very file.",
    )
    return Section("deployed", "Deployed file", finding, tuple(blocks), how)


def _facts(view: RunView, parity: dict[str, Any]) -> tuple[tuple[str, Cell], ...]:
    providers = view.json("onnx/providers.json")
    largest, allowed = number(parity["max_error"], digits=4), number(parity["tolerance"], digits=4)
    parameters = f"{parity['parameters']:,} parameters" if parity.get("parameters") else ""
    absolute, weight = parity.get("max_abs"), parity.get("bytes")
    ran = word(listing(providers["used"]), providers.get("text", "")) if providers else none("no onnx/providers.json")
    return (
        ("Largest error", word(largest, f"allowed: {allowed}")),
        ("Largest difference", none("not recorded") if absolute is None else word(number(absolute, digits=4))),
        ("Same answer", _agreement(parity.get("label_agreement") or {}, view)),
        ("Ran on", ran),
        *((("Nodes", _nodes(providers)),) if (providers or {}).get("nodes") else ()),
        ("Format", word(f"ONNX opset {parity.get('opset', 'not recorded')}", str(parity.get("exporter") or ""))),
        ("Size", none("not recorded") if weight is None else word(size(weight), parameters)),
        ("SHA-256", Cell(str(parity.get("sha256") or "not recorded"), kind="code")),
        *gradient_facts(parity),
    )


def _nodes(providers: dict[str, Any]) -> Cell:
    """Which provider runs how many nodes, and the heavy ones that were left to the CPU."""
    said = listing([f"{n:,} on {name.removesuffix('ExecutionProvider')}" for name, n in providers["nodes"].items()])
    fallen = sorted({f["operator"] for f in providers.get("fell_back") or ()})
    note = f"left to the CPU: {listing(fallen)}" if fallen else "every one accounted for; no silent fallback"
    return word(said, note)


def _agreement(agreement: dict[str, int], view: RunView) -> Cell:
    if view.regression:
        return none("a value is no label; see the largest difference")
    if not agreement.get("n"):
        return none("no labels were compared")
    ties = agreement.get("argmax_ties") or 0
    note = percent(agreement["agree"] / agreement["n"])
    return word(f"{agreement['agree']:,} of {agreement['n']:,}", note + (f" · {ties:,} ties" if ties else ""))
