"""A model file from elsewhere: what is known of it, how that came to be known, and its torch twin."""

from __future__ import annotations

from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Facts, Finding, Fold, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import count, listing, none, number, size, word

_KINDS = {
    "logits": (N_("scores before softmax"), N_("explanations are of the score itself")),
    "probabilities": (N_("probabilities that sum to 1"), N_("explanations are of the logarithm of a probability")),
    "sigmoid": (
        N_("one probability for each label"),
        N_("explanations are of its logit, or its logarithm where one is chosen"),
    ),
    "probability": (
        N_("the probability of the second class"),
        N_("explanations are of the logarithm of a probability"),
    ),
    "logit": (
        N_("the second class's score before the sigmoid"),
        N_("explanations are of half of it, with the class's sign"),
    ),
    "value": (N_("the predicted value"), N_("explanations are of the value")),
}
_NEEDING = N_("methods that need gradients")


def twin_finding(view: RunView) -> list[Finding]:
    """The first screen's line on the file: whether it has gradients that can be trusted."""
    twin = view.json("onnx/twin.json")
    if twin is None:
        return []
    link = ("#deployed", _("details"))
    if twin["passed"]:
        largest = number(twin["max_error"], digits=2)
        rest = _("(largest relative difference {largest} on {n}), so its gradients can be asked.").format(
            largest=largest, n=count(twin["n"], "{n} real example", "{n} real examples")
        )
        return [Finding("good", _("The audited file was rebuilt operator by operator and answers alike"), rest, *link)]
    rest = _("{reason}. Methods that need gradients are left out; the others ask the file itself.").format(
        reason=stored(twin["reason"])
    )
    return [Finding("open", _("The audited file has no gradients here:"), rest, *link)]


def labels_finding(view: RunView) -> list[Finding]:
    """The first screen's line where the file's own labels are not what its scores decide."""
    own = ((view.json("onnx/contract.json") or {}).get("facts") or {}).get("own_labels")
    if not own or not own["differ"]:
        return []
    rest = _("on {differ:,} of {n:,} examples tried (output {output}). Everything here goes by the scores.").format(
        **own
    )
    return [Finding("fair", _("The file's own labels are not what its scores decide"), rest, "#deployed", _("details"))]


def adopted(view: RunView) -> Section | None:
    """The audited file: what goes in, what comes out, and how each of that is known."""
    contract = view.json("onnx/contract.json")
    if contract is None:
        return None
    twin = view.json("onnx/twin.json") or {"passed": False, "reason": _("it was not tried"), "n": 0}
    facts = contract["facts"]
    blocks: list[Block] = [
        Prose(tuple(map(stored, contract["said"])), heading=_("What was found out about the file")),
        Facts(_facts(view, contract, twin)),
    ]
    rows = tuple(
        (
            Cell(feed["name"], kind="code"),
            word(feed["dtype"]),
            word(" × ".join(_("any") if s is None else f"{s:,}" for s in feed["shape"]) or _("one number")),
            word(_takes(feed["takes"])),
        )
        for feed in contract["feeds"]
    )
    table = Table(_("What goes in"), (_("Input"), _("Type"), _("Sizes"), _("Takes")), rows, compact=True)
    blocks.append(table if len(rows) <= 6 else Fold(_("All {n} inputs").format(n=len(rows)), (table,)))
    if facts.get("operators"):
        used = tuple((Cell(name, kind="code"), Cell(f"{n:,}")) for name, n in facts["operators"].items())
        total = sum(facts["operators"].values())
        table = Table(_("Operators of the file"), (_("Operator"), _("Times")), used, compact=True)
        blocks.append(Fold(_("Its {total}").format(total=count(total, "{n} operator", "{n} operators")), (table,)))
    kind, _asked = map(_, _KINDS[contract["kind"]])
    takes = listing([feed["name"] for feed in contract["feeds"][:3]])
    more = len(contract["feeds"]) - 3
    finding = _("{producer} wrote this file. It takes {takes}{more} and gives {kind}.").format(
        producer=facts.get("producer") or _("An unnamed program"),
        takes=takes,
        more=_(" and {more} more").format(more=more) if more > 0 else "",
        kind=kind,
    )
    how = (
        _("The file was taken as it is; performance and explanations were computed on it, in ONNX Runtime."),
        _(
            "For gradients its operators are rebuilt in torch. That twin is used only where it "
            "gives the file's answers on real examples: error = |twin − file| / (1 + |file|) of "
            "each score, the largest over all."
        ),
    )
    return Section("deployed", _("Deployed file"), finding, tuple(blocks), how)


def _takes(names: list[str]) -> str:
    plain = {"pixel_values": _("the picture"), "text": _("the text itself")}
    shown = [plain.get(n, n) for n in names[:8]]
    return ", ".join(shown) + (_(" and {n} more").format(n=len(names) - 8) if len(names) > 8 else "")


def _facts(view: RunView, contract: dict[str, Any], twin: dict[str, Any]) -> tuple[tuple[str, Cell], ...]:
    facts, providers = contract["facts"], view.json("onnx/providers.json")
    kind, asked = map(_, _KINDS[contract["kind"]])
    opsets = listing([f"{name} {v}" for name, v in facts.get("opsets", {}).items()])
    ran = (
        word(listing(providers["used"]), stored(providers.get("text", "")))
        if providers
        else none(_("no onnx/providers.json"))
    )
    if twin["passed"]:
        allowed = _("largest relative difference {max_error}, allowed {tolerance:g}").format(
            max_error=number(twin["max_error"], digits=2), tolerance=twin["tolerance"]
        )
        rebuilt = word(
            _("answers alike on {n}").format(n=count(twin["n"], "{n} real example", "{n} real examples")), allowed
        )
    else:
        rebuilt = none(twin["reason"])
    parameters = (
        _("{parameters:,} numbers in its tensors").format(parameters=facts["parameters"])
        if facts.get("parameters")
        else ""
    )
    picture = [contract["layout"], contract["channels"].upper()] if contract["layout"] else []
    return (
        (_("Made by"), word(facts.get("producer") or _("not recorded in the file"))),
        (_("Answer"), word(_("output {output}: {kind}").format(output=contract["output"], kind=kind), asked)),
        *(((_("Layout"), word(", ".join(picture))),) if picture else ()),
        (_("Rebuilt for gradients"), rebuilt),
        (_("Ran on"), ran),
        (
            _("Format"),
            word(
                _("ONNX opset {opsets}").format(opsets=opsets),
                _("IR version {ir_version}").format(ir_version=facts.get("ir_version", _("not recorded"))),
            ),
        ),
        (_("Size"), word(size(facts["bytes"]), parameters)),
        ("SHA-256", Cell(contract["sha256"], kind="code")),
    )
