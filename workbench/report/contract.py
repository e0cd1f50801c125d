"""A model file from elsewhere: what is known of it, how that came to be known, and its torch twin."""

from __future__ import annotations

from typing import Any

from workbench.report.shapes import Block, Cell, Facts, Finding, Fold, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import count, listing, none, number, size, word

_KINDS = {
    "logits": ("scores before softmax", "explanations are of the score itself"),
    "probabilities": ("probabilities that sum to 1", "explanations are of the logarithm of a probability"),
    "sigmoid": (
        "one probability for each label",
        "explanations are of its logit, or its logarithm where one is chosen",
    ),
    "probability": ("the probability of the second class", "explanations are of the logarithm of a probability"),
    "logit": ("the second class's score before the sigmoid", "explanations are of half of it, with the class's sign"),
    "value": ("the predicted value", "explanations are of the value"),
}
_NEEDING = "methods that need gradients"


def twin_finding(view: RunView) -> list[Finding]:
    """The first screen's line on the file: whether it has gradients that can be trusted."""
    twin = view.json("onnx/twin.json")
    if twin is None:
        return []
    link = ("#deployed", "details")
    if twin["passed"]:
        largest = number(twin["max_error"], digits=2)
        rest = (
            f"(largest relative difference {largest} on {count(twin['n'], 'real example')}), "
            "so its gradients can be asked."
        )
        return [Finding("good", "The audited file was rebuilt operator by operator and answers alike", rest, *link)]
    rest = f"{twin['reason']}. {_NEEDING[:1].upper()}{_NEEDING[1:]} are left out; the others ask the file itself."
    return [Finding("open", "The audited file has no gradients here:", rest, *link)]


def adopted(view: RunView) -> Section | None:
    """The audited file: what goes in, what comes out, and how each of that is known."""
    contract = view.json("onnx/contract.json")
    if contract is None:
        return None
    twin = view.json("onnx/twin.json") or {"passed": False, "reason": "it was not tried", "n": 0}
    facts = contract["facts"]
    blocks: list[Block] = [
        Prose(tuple(contract["said"]), heading="What was found out about the file"),
        Facts(_facts(view, contract, twin)),
    ]
    rows = tuple(
        (
            Cell(feed["name"], kind="code"),
            word(feed["dtype"]),
            word(" × ".join("any" if s is None else f"{s:,}" for s in feed["shape"]) or "one number"),
            word(_takes(feed["takes"])),
        )
        for feed in contract["feeds"]
    )
    table = Table("What goes in", ("Input", "Type", "Sizes", "Takes"), rows, compact=True)
    blocks.append(table if len(rows) <= 6 else Fold(f"All {len(rows)} inputs", (table,)))
    if facts.get("operators"):
        used = tuple((Cell(name, kind="code"), Cell(f"{n:,}")) for name, n in facts["operators"].items())
        total = sum(facts["operators"].values())
        table = Table("Operators of the file", ("Operator", "Times"), used, compact=True)
        blocks.append(Fold(f"Its {count(total, 'operator')}", (table,)))
    kind, _ = _KINDS[contract["kind"]]
    takes = listing([feed["name"] for feed in contract["feeds"][:3]])
    more = len(contract["feeds"]) - 3
    finding = (
        f"{facts.get('producer') or 'An unnamed program'} wrote this file. It takes {takes}"
        f"{f' and {more} more' if more > 0 else ''} and gives {kind}."
    )
    how = (
        "The file was taken as it is; performance and explanations were computed on it, in ONNX Runtime.",
        "For gradients its operators are rebuilt in torch. That twin is used only where it gives the file's answers on "
        "real examples: error = |twin − file| / (1 + |file|) of each score, the largest over all.",
    )
    return Section("deployed", "Deployed file", finding, tuple(blocks), how)


def _takes(names: list[str]) -> str:
    plain = {"pixel_values": "the picture", "text": "the text itself"}
    shown = [plain.get(n, n) for n in names[:8]]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _facts(view: RunView, contract: dict[str, Any], twin: dict[str, Any]) -> tuple[tuple[str, Cell], ...]:
    facts, providers = contract["facts"], view.json("onnx/providers.json")
    kind, asked = _KINDS[contract["kind"]]
    opsets = listing([f"{name} {v}" for name, v in facts.get("opsets", {}).items()])
    ran = word(listing(providers["used"]), providers.get("text", "")) if providers else none("no onnx/providers.json")
    if twin["passed"]:
        allowed = f"largest relative difference {number(twin['max_error'], digits=2)}, allowed {twin['tolerance']:g}"
        rebuilt = word(f"answers alike on {count(twin['n'], 'real example')}", allowed)
    else:
        rebuilt = none(twin["reason"])
    parameters = f"{facts['parameters']:,} numbers in its tensors" if facts.get("parameters") else ""
    picture = [contract["layout"], contract["channels"].upper()] if contract["layout"] else []
    return (
        ("Made by", word(facts.get("producer") or "not recorded in the file")),
        ("Answer", word(f"output {contract['output']}: {kind}", asked)),
        *((("Layout", word(", ".join(picture))),) if picture else ()),
        ("Rebuilt for gradients", rebuilt),
        ("Ran on", ran),
        ("Format", word(f"ONNX opset {opsets}", f"IR version {facts.get('ir_version', 'not recorded')}")),
        ("Size", word(size(facts["bytes"]), parameters)),
        ("SHA-256", Cell(contract["sha256"], kind="code")),
    )
