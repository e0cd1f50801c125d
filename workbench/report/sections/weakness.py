"""Where it fails: areas of the inputs and groups of examples with more mistakes than the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.language import N_, condition, stored
from workbench.language import gettext as _
from workbench.report.performance import positive_of
from workbench.report.shapes import Block, Branch, Cell, Fold, Prose, Section, Table, Tree
from workbench.report.slice_tables import slice_blocks
from workbench.report.slices import Slices, weak_area
from workbench.report.view import RunView
from workbench.report.words import count, joined, number, percent, sentence, word

_EVERYTHING = {"image": N_("all pictures"), "text": N_("all texts"), "table": N_("all rows")}


def weakness(view: RunView) -> Section | None:
    """The tree of weak areas, the slices and the classes that are taken for each other."""
    search, slices = view.json("weakness.json"), Slices(view)
    if not search and not slices.content:
        return None
    strong, rest = weak_area(view)
    reason = str((search or {}).get("reason") or "")
    parts = [
        f"{strong} {rest}"
        if strong
        else sentence(_("Weak areas were not sought: {reason}").format(reason=stored(reason) or _("no weakness.json")))
    ]
    parts += [said] if (said := _pair(view)) else []
    if slices.names:
        parts.append(_groups(view, slices))
    elif slices.reason and slices.reason != reason:
        parts.append(sentence(slices.reason))
    blocks = [*_tree(view), *_confused(view), *slice_blocks(view)]
    if not slices.attributes and not slices.reason:
        blocks.append(
            Prose((_("No column that names groups was given; `data.slices` in the config names them."),), "note")
        )
    return Section("weakness", _("Where it fails"), joined(*parts), tuple(blocks), tuple(_how(view, slices)))


def _groups(view: RunView, slices: Slices) -> str:
    tested = len(slices.tested)
    if not tested:
        return _("All groups are smaller than {few} examples, so none was tested.").format(few=slices.content["few"])
    worse, lost = len(slices.worse), len(slices.lost)
    one, many = _("Of {tested}, {worse} is worse than the rest"), _("Of {tested}, {worse} are worse than the rest")
    said = (one if worse < 2 else many).format(
        tested=count(tested, "{n} tested slice", "{n} tested slices"), worse=worse or _("none")
    )
    if view.audited:
        return _("{said}, beyond chance.").format(said=said)
    return _("{said} and {lost} worse than before, beyond chance.").format(said=said, lost=lost or _("none"))


def _tree(view: RunView) -> list[Block]:
    """The tree of the search with the error of every area; behind a line where nothing stands out."""
    found = view.json("weakness.json")
    if not found or found.get("reason") or not found.get("tree") or not found["tree"]["children"]:
        return []
    everything = found["tree"] | {"words": _(_EVERYTHING.get(view.modality, N_("all examples")))}
    most = max(node["value"] or 0.0 for node in _walk(everything)) or 1.0
    note = _(
        "Grown on {grown_on} ({n_grown}); what stands here was counted on {n} that it had "
        "not seen. The line is the error of all of them."
    ).format(
        grown_on=stored(found["grown_on"]),
        n_grown=count(found["n_grown"], "{n} example", "{n} examples"),
        n=count(found["n"], "{n} test example", "{n} test examples"),
    )
    drawn = Tree(
        _("Where the mistakes are"),
        _branch(everything, most, view.unit, found.get("measure", "")),
        (everything["value"] or 0.0) / most,
        note,
    )
    return [drawn] if found["areas"] else [Fold(_("The areas that were looked at"), (drawn,))]


def _walk(node: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        yield from _walk(child)


def _branch(node: Mapping[str, Any], most: float, unit: str, measure: str) -> Branch:
    if not node["n"]:
        text, note = _("no example"), ""
    elif node["errors"] is not None:
        text, note = (
            _("{errors:,} of {n:,} wrong").format(errors=node["errors"], n=node["n"]),
            percent(node["value"], places=0),
        )
    elif measure == "wrong decisions":
        text, note = _("{value} of decisions wrong").format(value=percent(node["value"])), f"n {node['n']:,}"
    else:
        value, unit_ = number(node["value"], like=most), f" {unit}" if unit else ""
        text, note = _("off by {value}{unit}").format(value=value, unit=unit_), f"n {node['n']:,}"
    children = tuple(_branch(child, most, unit, measure) for child in node["children"])
    return Branch(condition(node["words"]), text, (node["value"] or 0.0) / most, note, node["named"], children)


def _confused(view: RunView) -> list[Block]:
    """The classes that are taken for each other most often; with two classes the matrix says it."""
    pairs = (view.json("weakness.json") or {}).get("confused") or []
    if len(view.labels) < 3 or not pairs:
        return []
    rows = tuple(
        (
            word(p["true"]),
            word(p["decided"]),
            Cell(_("{n:,} of {of:,}").format(n=p["n"], of=p["of"])),
            Cell(percent(p["share"]), _("{low:.1f} to {high:.1f}").format(low=100 * p["low"], high=100 * p["high"])),
        )
        for p in pairs
    )
    head = (_("In truth"), _("Decided"), _("times"), _("of the class"))
    return [Table(_("Most confused classes"), head, rows, compact=True)]


def _pair(view: RunView) -> str:
    """The two classes that are confused most often, as a sentence; of one mistake nothing is said."""
    pairs = (view.json("weakness.json") or {}).get("confused") or []
    if len(view.labels) < 3 or not pairs or pairs[0]["n"] < 2:
        return ""
    most = pairs[0]
    text = _("Most often confused: {n} of {of} “{true}” were taken for “{decided}”.")
    return text.format(n=f"{most['n']:,}", of=f"{most['of']:,}", true=most["true"], decided=most["decided"])


def _how(view: RunView, slices: Slices) -> list[str]:
    lines = []
    search = view.json("weakness.json") or {}
    if search.get("properties"):
        lines.append(
            _(
                "Weak areas: a decision tree of at most three steps over {few} was grown on "
                "{grown_on}. Its areas were then counted on other examples; p-values are corrected "
                "(Holm) over the areas that were worse when it was grown."
            ).format(few=_few([stored(name) for name in search["properties"]]), grown_on=stored(search["grown_on"]))
        )
    if slices.names:
        few, fewest = slices.content["few"], slices.content["fewest"]
        lines.append(
            _(
                "{tests} P-values are corrected (Holm) over all tested slices. Slices of fewer than "
                "{few} examples are not tested, those of fewer than {fewest} only counted."
            ).format(tests=_tests(slices), few=few, fewest=fewest)
        )
        lines.append(
            _(
                "The gap between the best and the worst group is above 0 even where all groups are "
                "alike; it is therefore shown beside the gap that groups drawn by lot have "
                "(permutation test)."
            )
        )
        if any(e["models"]["onnx"]["rates"].get("recall") for e in slices.entries):
            lines.append(
                _(
                    "“{labels}” counts as positive. Where groups differ in how many are truly positive, "
                    "equal precision and equal error rates cannot hold together."
                ).format(labels=positive_of(view) or _("The second class"))
            )
    return lines


def _tests(slices: Slices) -> str:
    """How intervals and p-values of the slices came about."""
    if slices.groups:
        return _(
            "The examples come in {groups:,} groups (`data.group`); every interval is linearised "
            "over whole groups and every test shuffles whole groups or turns their signs, so "
            "that examples of one group do not count as independent."
        ).format(groups=slices.groups)
    if slices.content["measure"] == "mae":
        return _(
            "Intervals are the bootstrap's; against the rest the test shuffles which examples "
            "belong to a slice, for the change it swaps the two models at random."
        )
    shares = _(
        "Intervals: Wilson; differences from the rest: Newcombe and Fisher's exact test; "
        "changes: Newcombe's paired interval and McNemar's exact test."
    )
    if not slices.sets:
        return shares
    return _(
        "Of whole sets of labels: {shares} Of wrong decisions and the F1 of a label: "
        "bootstrap intervals; the test shuffles which examples belong to a slice."
    ).format(shares=shares)


def _few(names: list[str]) -> str:
    return (
        ", ".join(names)
        if len(names) < 6
        else _("{n} properties ({names}, …)").format(n=len(names), names=_(", ").join(names[:3]))
    )
