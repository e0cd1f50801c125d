"""Slices and weak areas in the report: the first screen, the section and what is said where there is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.language import speaking
from workbench.metrics.attributes import attribute
from workbench.metrics.slices import FEW, slice_results
from workbench.metrics.weakness import Property, grow, judge
from workbench.records import finite
from workbench.report.build import build_report
from workbench.report.sections.verdict import verdict
from workbench.report.sections.weakness import weakness
from workbench.report.shapes import Finding, Findings, Fold, Prose, Table, Tree
from workbench.report.slice_tables import slice_blocks
from workbench.report.slices import Slices, _ranged, slice_findings, weak_area
from workbench.report.view import RunView
from workbench.run import Run
from workbench.types import ClassScores, Values


def predictions(frame: pd.DataFrame) -> ClassScores | Values:
    ids, splits = frame["id"].to_numpy(object), frame["split"].to_numpy(object)
    if "value" in frame:
        return Values(ids, splits, frame["target"].to_numpy(float), frame["value"].to_numpy(float), "units")
    labels = tuple(c.removeprefix("logit.") for c in frame if c.startswith("logit."))
    index = frame["target"].map({label: k for k, label in enumerate(labels)}).to_numpy(int)
    return ClassScores(ids, splits, index, frame[[f"logit.{c}" for c in labels]].to_numpy(float), labels)


def sliced(run: Run, weak: str = "", *, groups: bool = True) -> tuple[ClassScores | Values, np.ndarray]:
    """Give a sample run its slices; the deployed model fails in the ward `weak`, on the longest rows."""
    before, after = (predictions(pd.read_parquet(run.path / m / "predictions.parquet")) for m in ("base", "onnx"))
    place = np.arange(len(after.ids))
    ward = np.where(place % 33 == 0, "hut", np.where(place % 3 == 0, "north", "west")).astype(object)
    bad = ward == weak
    if isinstance(after, ClassScores):
        wrong = (after.targets + 1) % len(after.labels)
        logits = np.where(bad[:, None], 9.0 * np.eye(len(after.labels))[wrong], after.logits)
        after = ClassScores(after.ids, after.splits, after.targets, logits, after.labels)
    else:
        after = Values(after.ids, after.splits, after.targets, after.values + 90 * bad, "units")
    by = (
        [attribute(n, v.tolist(), after.splits) for n, v in (("ward", ward), ("hour", place % 2 + 1.0))]
        if groups
        else []
    )
    options = {"resamples": 200, "permutations": 200}
    found = slice_results(before, after, by, **options)  # type: ignore[arg-type]
    run.write_json("slices.json", finite(found))
    length = np.where(bad, 100.0, 10.0) + np.random.default_rng(0).normal(size=len(place))
    rows = {s: np.flatnonzero(after.splits == s) for s in ("validation", "test")}
    error = (
        (after.predicted != after.targets).astype(float)
        if isinstance(after, ClassScores)
        else np.abs(after.values - after.targets)
    )
    first, second = ([Property("length", length[r], True, "words")] for r in rows.values())
    judged = judge(
        grow(first, error[rows["validation"]]), second, error[rows["test"]], decisions="value" not in vars(after)
        and isinstance(after, ClassScores), resamples=200, permutations=200,
    )  # fmt: skip
    facts = {"split": "test", "n": 300, "n_grown": 150, "grown_on": "the validation split", "reason": "", "unit": ""}
    pair = {"true": "a", "decided": "b", "n": 3, "of": 9, "share": 1 / 3, "low": 0.12, "high": 0.65}
    run.write_json("weakness.json", finite({**facts, "properties": ["length"], "confused": [pair], **judged}))
    return after, ward


def lines(view: RunView) -> list[Finding]:
    return [line for block in verdict(view).blocks if isinstance(block, Findings) for line in block.findings]


def tables(blocks: Any) -> list[Table]:
    return [
        t for b in blocks for t in (tables(b.blocks) if isinstance(b, Fold) else [b] if isinstance(b, Table) else [])
    ]


def test_a_worse_group_and_a_weak_area_stand_on_the_first_screen(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    after, ward = sliced(run, weak="north")
    assert isinstance(after, ClassScores)
    view = RunView(run)
    mine = after.splits == "test"
    wrong = (after.predicted != after.targets)[mine]
    north = (ward == "north")[mine]
    worse = next(line for line in lines(view) if line.strong.startswith("Worse for some groups"))
    assert worse.level == "fair" and f"for ward = north (n {north.sum():,})" in worse.rest
    lost = next(line for line in lines(view) if line.strong.startswith("Worse than before for some"))
    assert lost.level == "poor" and "points" in lost.rest
    area = next(line for line in lines(view) if "mistakes are in" in line.strong)
    found = view.json("weakness.json")["areas"][0]
    assert area.strong == f"{found['errors']} of {wrong.sum()} mistakes are in {found['n']} of 300 rows:"
    assert found["errors"] >= wrong[north].sum() and found["n"] <= north.sum() + 15
    assert area.rest.startswith("length over") and area.level == "fair" and area.href == "#weakness"
    assert not any(line.strong.startswith("Differences between groups") for line in lines(view))


def test_no_difference_is_said_too(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    sliced(run)
    found = lines(RunView(run))
    good = next(line for line in found if line.strong == "No group is worse off than the rest beyond chance")
    assert good.level == "good" and "ward and hour" in good.rest
    section = weakness(RunView(run))
    assert section is not None and "none is worse than the rest and none worse than before" in section.finding
    strong, _ = weak_area(RunView(run))
    assert strong.startswith("No area")


def test_groups_that_differ_beyond_chance_are_said_though_none_is_worse_than_the_rest(
    copied: Callable[[str], Run],
) -> None:
    """Slices and gaps are corrected apart, and other rates have no slice tests at all."""
    run = copied("table")
    sliced(run)
    content = run.read_json("slices.json")
    ward = next(a for a in content["attributes"] if a["name"] == "ward")
    for gap in ward["gaps"]["onnx"]:
        if gap["measure"] in ("accuracy", "selection_rate"):
            gap |= {"value": 0.2, "expected": 0.05, "p95": 0.1, "lowest": "north", "highest": "west", "p_holm": 0.2}
    for measures, first in ((("accuracy", "selection_rate"), "accuracy"), (("selection_rate",), "flagged of all")):
        for gap in ward["gaps"]["onnx"]:
            gap["p_holm"] = 0.03 if gap["measure"] in measures else gap["p_holm"] and 0.2
        run.write_json("slices.json", content)
        found = slice_findings(RunView(run))
        said = [line.strong for line in found]
        assert said[0] == "Groups differ beyond chance:" and found[0].level == "fair"
        # That more of one group are flagged makes none worse off: how often it is right is another matter.
        assert said[1:] == ([] if "accuracy" in measures else ["No group is worse off than the rest beyond chance"])
        assert found[0].rest.startswith(f"by ward, {first} differs by 20.0 points from north to west (p = .030).")
        assert ("1 more gap too." in found[0].rest) == (len(measures) == 2)
        said = [p for b in slice_blocks(RunView(run)) if isinstance(b, Prose) for p in b.paragraphs]
        assert any("Beyond chance, corrected" in p and "flagged of all differs by 20.0 points" in p for p in said)


def test_every_slice_is_a_row_and_small_ones_are_faint(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    sliced(run, weak="north")
    view = RunView(run)
    ward = next(t for t in tables(slice_blocks(view)) if t.caption == "By ward")
    by_name = {row[0].text: row for row in ward.rows}
    entries = {e["where"][0]["value"]: e for e in Slices(view).entries if len(e["where"]) == 1}
    assert set(by_name) == {"north", "west", "hut"}
    assert by_name["north"][1].text == f"{entries['north']['n']:,}"
    share = entries["north"]["models"]["onnx"]["score"]["value"]
    assert by_name["north"][3].text == ("0 %" if share == 0 else f"{100 * share:.1f} %")
    assert by_name["north"][5].text.startswith("−") and "p < .001" in by_name["north"][5].note
    assert len(by_name["north"][4].dots) == 2
    few = [i for i, row in enumerate(ward.rows) if row[0].text == "hut"]
    assert ward.faint == frozenset(few) and entries["hut"]["n"] < FEW
    everything = tables(slice_blocks(view))
    assert any(t.caption == "Two attributes at once" for t in everything)
    assert sum(t.caption == "The deployed model" for t in everything) == 2  # the rates of two classes


def test_many_groups_stand_behind_a_line(copied: Callable[[str], Run]) -> None:
    run = copied("image")
    before, after = (predictions(pd.read_parquet(run.path / m / "predictions.parquet")) for m in ("base", "onnx"))
    cities = [f"c{chr(97 + i % 15)}" for i in range(len(after.ids))]
    found = slice_results(before, after, [attribute("city", cities, after.splits)], resamples=200, permutations=200)
    run.write_json("slices.json", finite(found))
    blocks = slice_blocks(RunView(run))
    assert isinstance(blocks[0], Table) and "the 12 largest of 15" in blocks[0].caption and len(blocks[0].rows) == 12
    assert isinstance(blocks[1], Fold) and len(blocks[1].blocks[0].rows) == 15
    (open_,) = slice_findings(RunView(run))
    assert open_.level == "open" and "fewer than 30" in open_.rest


@pytest.mark.parametrize("kind", ["regression", "text", "table"])
def test_the_whole_page_is_built(kind: str, copied: Callable[[str], Run]) -> None:
    run = copied(kind)
    sliced(run, weak="north")
    section = weakness(RunView(run))
    assert section is not None and any(isinstance(b, Tree) for b in section.blocks)
    if kind == "regression":
        assert section.finding.startswith("Off by ") and "RMSE" in json.dumps([t.head for t in tables(section.blocks)])
    assert any(t.caption == "Most confused classes" for t in tables(section.blocks)) == (kind == "text")
    assert ("Most often confused: 3 of 9 “a” were taken for “b”." in section.finding) == (kind == "text")
    page = build_report(run).read_text(encoding="utf-8")
    assert 'id="weakness"' in page and "could not be built" not in page
    assert 'class="area named"' in page and "length over" in page


def test_without_the_files_the_section_says_so(samples: dict[str, Run], copied: Callable[[str], Run]) -> None:
    view = RunView(samples["table"])
    assert weakness(view) is None and slice_findings(view) == [] and weak_area(view) == ("", "")
    unchecked = [line for line in lines(view) if line.strong.startswith("Differences between groups")]
    assert unchecked[0].level == "open" and "data.slices" in unchecked[0].rest
    run = copied("table")
    sliced(run, groups=False)
    section = weakness(RunView(run))
    assert section is not None and "data.slices" in str(section.blocks[-1])


def test_another_task_is_told_that_nothing_was_computed(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    reason = "slices are not computed for this task"
    run.write_json("slices.json", {"reason": reason, "slices": [], "attributes": [], "measure": ""})
    run.write_json("weakness.json", {"reason": reason, "areas": [], "tree": None, "confused": []})
    section = weakness(RunView(run))
    assert section is not None and "slices are not computed for this task." in section.finding
    line = next(line for line in lines(RunView(run)) if line.strong.startswith("Differences between groups"))
    assert line.rest == "Slices are not computed for this task."


def test_a_gap_between_ranges_is_told_in_the_language_that_is_spoken() -> None:
    gap = {"measure": "accuracy", "lowest": "over 33, up to 41", "highest": "over 41"}
    ranges = {"name": "age", "edges": [33, 41], "gaps": {"onnx": [gap, {**gap, "lowest": "", "highest": ""}]}}
    with speaking("zh-CN"):
        told = _ranged(ranges)["gaps"]["onnx"]
        assert _ranged({**ranges, "edges": []})["gaps"]["onnx"][0] == gap  # of categories: data
    assert (told[0]["lowest"], told[0]["highest"]) == ("超过 33，不超过 41", "超过 41")
    assert told[1]["lowest"] == "" and _ranged(ranges)["gaps"]["onnx"][0] == gap
