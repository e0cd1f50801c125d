"""The file that ships: does it behave like the trained model?"""

from __future__ import annotations

from workbench.report.shapes import Block, Cell, Facts, Section, Table
from workbench.report.view import RunView
from workbench.report.words import none, number, percent, sentence, size, word


def deployed(view: RunView) -> Section | None:
    """Parity of the ONNX file with the trained model, its facts and where it ran."""
    parity = view.json("onnx/parity.json")
    if parity is None:
        return None
    agreement = parity.get("label_agreement") or {}
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
    blocks: list[Block] = []
    batches = parity.get("per_batch") or []
    if batches:
        rows = tuple(
            (
                word(f"{b['batch']:,}", "with padding" if b.get("padded") else ""),
                Cell(number(b["max_error"], digits=4)),
                Cell(number(b["max_abs"], digits=4)),
            )
            for b in batches
        )
        blocks.append(
            Table(
                "Trained model and deployed file side by side",
                ("Examples at once", "Largest error", "Largest difference"),
                rows,
            )
        )
    providers = view.json("onnx/providers.json") or {}
    facts = [
        (
            "Largest error",
            Cell(number(parity["max_error"], digits=4), f"allowed: {number(parity['tolerance'], digits=4)}", "word"),
        ),
        (
            "Largest difference",
            word(number(parity["max_abs"], digits=4)) if parity.get("max_abs") is not None else none("not recorded"),
        ),
        ("Same answer", _agreement(agreement, view)),
        (
            "Ran on",
            word(", ".join(providers.get("used", [])), providers.get("text", ""))
            if providers
            else none("onnx/providers.json is missing"),
        ),
        ("Format", word(f"ONNX opset {parity.get('opset', '?')}", str(parity.get("exporter") or ""))),
        (
            "Size",
            word(size(parity["bytes"]), f"{parity['parameters']:,} parameters" if parity.get("parameters") else "")
            if parity.get("bytes")
            else none("not recorded"),
        ),
        ("SHA-256", Cell(str(parity.get("sha256") or "not recorded"), kind="code")),
    ]
    blocks.append(Facts(tuple(facts)))
    how = (
        "Error = |trained − deployed| / (1 + |trained|) of each output number, the largest over all examples, "
        f"with {sentence(', '.join(f'{b:,}' for b in parity.get('batch_sizes', [])) or 'unrecorded numbers of')[:-1]} examples at once.",
        "The performance and the explanations marked “deployed” were computed on this very file.",
    )
    return Section("deployed", "Deployed file", finding, tuple(blocks), how)


def _agreement(agreement: dict[str, int], view: RunView) -> Cell:
    if view.regression:
        return none("a value is no label; see the largest difference")
    if not agreement.get("n"):
        return none("no labels were compared")
    ties = agreement.get("argmax_ties") or 0
    note = percent(agreement["agree"] / agreement["n"])
    return word(f"{agreement['agree']:,} of {agreement['n']:,}", note + (f" · {ties:,} ties" if ties else ""))
