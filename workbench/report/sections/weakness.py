"""Where it fails: areas of the inputs and groups of examples with more mistakes than the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.report.shapes import Block, Branch, Cell, Fold, Prose, Section, Table, Tree
from workbench.report.slice_tables import slice_blocks
from workbench.report.slices import Slices, weak_area
from workbench.report.view import RunView
from workbench.report.words import count, number, percent, sentence, word

_EVERYTHING = {"image": "all pictures", "text": "all texts", "table": "all rows"}


def weakness(view: RunView) -> Section | None:
    """The tree of weak areas, the slices and the classes that are taken for each other."""
    search, slices = view.json("weakness.json"), Slices(view)
    if not search and not slices.content:
        return None
    strong, rest = weak_area(view)
    reason = str((search or {}).get("reason") or "")
    parts = [f"{strong} {rest}" if strong else sentence(f"Weak areas were not sought: {reason or 'no weakness.json'}")]
    parts += [said] if (said := _pair(view)) else []
    if slices.names:
        parts.append(_groups(view, slices))
    elif slices.reason and slices.reason != reason:
        parts.append(sentence(slices.reason))
    blocks = [*_tree(view), *_confused(view), *slice_blocks(view)]
    if not slices.attributes and not slices.reason:
        blocks.append(
            Prose(("No column that names groups was given; `data.slices` in the config names them.",), "note")
        )
    return Section("weakness", "Where it fails", " ".join(parts), tuple(blocks), tuple(_how(view, slices)))


def _groups(view: RunView, slices: Slices) -> str:
    tested = len(slices.tested)
    if not tested:
        return f"All groups are smaller than {slices.content['few']} examples, so none was tested."
    worse, lost = len(slices.worse), len(slices.lost)
    said = f"Of {count(tested, 'tested slice')}, {worse or 'none'} {'is' if worse < 2 else 'are'} worse than the rest"
    if view.audited:
        return f"{said}, beyond chance."
    return f"{said} and {lost or 'none'} worse than before, beyond chance."


def _tree(view: RunView) -> list[Block]:
    """The tree of the search with the error of every area; behind a line where nothing stands out."""
    found = view.json("weakness.json")
    if not found or found.get("reason") or not found.get("tree") or not found["tree"]["children"]:
        return []
    everything = found["tree"] | {"words": _EVERYTHING.get(view.modality, "all examples")}
    most = max(node["value"] or 0.0 for node in _walk(everything)) or 1.0
    note = (
        f"Grown on {found['grown_on']} ({count(found['n_grown'], 'example')}); what stands here was counted on "
        f"{count(found['n'], 'test example')} that it had not seen. The line is the error of all of them."
    )
    drawn = Tree(
        "Where the mistakes are",
        _branch(everything, most, view.unit, found.get("measure", "")),
        (everything["value"] or 0.0) / most,
        note,
    )
    return [drawn] if found["areas"] else [Fold("The areas that were looked at", (drawn,))]


def _walk(node: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        yield from _walk(child)


def _branch(node: Mapping[str, Any], most: float, unit: str, measure: str) -> Branch:
    if not node["n"]:
        text, note = "no example", ""
    elif node["errors"] is not None:
        text, note = f"{node['errors']:,} of {node['n']:,} wrong", percent(node["value"], places=0)
    elif measure == "wrong decisions":
        text, note = f"{percent(node['value'])} of decisions wrong", f"n {node['n']:,}"
    else:
        text, note = f"off by {number(node['value'], like=most)}{f' {unit}' if unit else ''}", f"n {node['n']:,}"
    children = tuple(_branch(child, most, unit, measure) for child in node["children"])
    return Branch(node["words"], text, (node["value"] or 0.0) / most, note, node["named"], children)


def _confused(view: RunView) -> list[Block]:
    """The classes that are taken for each other most often; with two classes the matrix says it."""
    pairs = (view.json("weakness.json") or {}).get("confused") or []
    if len(view.labels) < 3 or not pairs:
        return []
    rows = tuple(
        (
            word(p["true"]),
            word(p["decided"]),
            Cell(f"{p['n']:,} of {p['of']:,}"),
            Cell(percent(p["share"]), f"{100 * p['low']:.1f} to {100 * p['high']:.1f}"),
        )
        for p in pairs
    )
    head = ("In truth", "Decided", "times", "of the class")
    return [Table("Most confused classes", head, rows, compact=True)]


def _pair(view: RunView) -> str:
    """The two classes that are confused most often, as a sentence; of one mistake nothing is said."""
    pairs = (view.json("weakness.json") or {}).get("confused") or []
    if len(view.labels) < 3 or not pairs or pairs[0]["n"] < 2:
        return ""
    most = pairs[0]
    return f"Most often confused: {most['n']:,} of {most['of']:,} “{most['true']}” were taken for “{most['decided']}”."


def _how(view: RunView, slices: Slices) -> list[str]:
    lines = []
    search = view.json("weakness.json") or {}
    if search.get("properties"):
        lines.append(
            f"Weak areas: a decision tree of at most three steps over {_few(search['properties'])} was grown on "
            f"{search['grown_on']}. Its areas were then counted on other examples; p-values are "
            "corrected (Holm) over the areas that were worse when it was grown."
        )
    if slices.names:
        few, fewest = slices.content["few"], slices.content["fewest"]
        lines.append(
            f"{_tests(slices)} P-values are corrected (Holm) over all tested slices. Slices of fewer than {few} "
            f"examples are not tested, those of fewer than {fewest} only counted."
        )
        lines.append(
            "The gap between the best and the worst group is above 0 even where all groups are alike; it is "
            "therefore shown beside the gap that groups drawn by lot have (permutation test)."
        )
        if any(e["models"]["onnx"]["rates"].get("recall") for e in slices.entries):
            lines.append(
                f"“{view.labels[1] if len(view.labels) > 1 else 'The second class'}” counts as positive. Where groups "
                "differ in how many are truly positive, equal precision and equal error rates cannot hold together."
            )
    return lines


def _tests(slices: Slices) -> str:
    """How intervals and p-values of the slices came about."""
    if slices.groups:
        return (
            f"The examples come in {slices.groups:,} groups (`data.group`); every interval is linearised over "
            "whole groups and every test shuffles whole groups or turns their signs, so that examples of one group "
            "do not count as independent."
        )
    if slices.content["measure"] == "mae":
        return (
            "Intervals are the bootstrap's; against the rest the test shuffles which examples belong to a slice, for "
            "the change it swaps the two models at random."
        )
    shares = (
        "Intervals: Wilson; differences from the rest: Newcombe and Fisher's exact test; changes: Newcombe's paired "
        "interval and McNemar's exact test."
    )
    if not slices.sets:
        return shares
    return (
        f"Of whole sets of labels: {shares} Of wrong decisions and the F1 of a label: bootstrap intervals; the test "
        "shuffles which examples belong to a slice."
    )


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 6 else f"{len(names)} properties ({', '.join(names[:3])}, …)"
