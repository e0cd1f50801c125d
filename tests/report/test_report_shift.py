"""The section on reasons, and the page of a comparison: true to their file, whole without it, safe with any names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from workbench.quality.reasons import Answers, Explained, Part, Settings, describe
from workbench.records import finite
from workbench.report.build import render
from workbench.report.compare import NAME, build_comparison
from workbench.report.sections.change import change
from workbench.report.sections.shift import FILE, reasons, shift
from workbench.report.sections.verdict import verdict
from workbench.report.shapes import Chart, Fold, Pair, Prose, Table
from workbench.report.view import RunView
from workbench.run import Run
from workbench.types import Feature

TRIGGER = "zq<b>7"


def _flat(blocks: Iterable[Any]) -> list[Any]:
    return [inner for b in blocks for inner in (_flat(b.blocks) if isinstance(b, Pair | Fold) else [b])]


def content(*, moved: bool = True, fixed: bool = False, named: bool = False) -> dict[str, Any]:
    """A described shift of 14 texts, half of which hold a trigger word."""
    rng = np.random.default_rng(0)
    examples, before, after = [], [], []
    for i in range(14):
        words = [f"word{k}" for k in range(9)] + ([TRIGGER] if i % 2 else ["other"])
        features = tuple(Feature(w, span=(10 * k, 10 * k + len(w))) for k, w in enumerate(words))
        examples.append(Explained(f"text-{i}", features))
        before.append(rng.normal(size=10) + 2)
        after.append(before[-1] + 0.05 * rng.normal(size=10))
        if moved and i % 2:
            after[-1] = np.append(0.3 * after[-1][:-1], 9.0)
    again = [([*side], [s + 0.05 * rng.normal(size=10) for s in side]) for side in (before, after)]
    rows = [i for i in range(14) if i % 2]
    part = Part(TRIGGER, "word", rows, [np.eye(10)[9]] * len(rows), [0.1] * len(rows))
    answers = {
        "shap": Answers("SHAP", before, after, () if fixed else again, fixed=fixed),
        "lime": Answers("LIME", before, after, () if fixed else again, fixed=fixed),
    }
    found = describe(examples, answers, (part,) if named else (), modality="text", settings=Settings(100))
    return finite({"before": {"model": "base", "text": "a linear head on frozen features"}, "after": {}} | found)


def test_without_the_file_the_place_says_so(samples: dict[str, Run]) -> None:
    assert shift(RunView(samples["text"])) is None and reasons(RunView(samples["text"])) == []
    assert "Explanations were not compared (no explanation_shift.json)" in render(RunView(samples["text"]))


def test_the_section_names_the_word_and_draws_both_bands(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    found = content()
    run.write_json(FILE, found)
    section = shift(RunView(run))
    assert section is not None and section.finding == found["sentence"] and TRIGGER in section.finding
    note = section.blocks[0]
    assert isinstance(note, Prose) and "A linear head on frozen features" in note.paragraphs[0]
    table = next(b for b in section.blocks if isinstance(b, Table))
    assert table.caption == "Where did attribution move to?" and table.rows[0][0].text == TRIGGER
    entry = found["moved_to"][0]
    assert table.rows[0][2].text == f"{100 * entry['before']:.1f} %" and table.rows[0][5].text == "yes"
    charts = [b for b in _flat(section.blocks) if isinstance(b, Chart)]
    assert len(charts) == 2
    values = charts[0].spec["data"]["values"]
    assert {v["who"] for v in values} == {"shift", "noise", "by lot"}
    cosine = {v["who"]: v for v in values if v["measure"] == "Direction"}
    measured = found["methods"]["shap"]["measures"]["cosine"]
    assert cosine["noise"]["high"] == measured["noise"]["p95"]
    assert cosine["shift"]["middle"] == measured["distance"]["median"]


def test_the_first_screen_has_a_line_for_each_outcome(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    for options, level, start in (
        ({"named": True}, "poor", "It now decides more by what was named"),
        ({}, "fair", "It decides for other reasons"),
        ({"moved": False}, "good", "No change of its reasons was shown"),
        ({"fixed": True}, "open", "Whether its reasons changed is not known"),
    ):
        run.write_json(FILE, content(**options))
        (line,) = reasons(RunView(run))
        assert (line.level, line.strong.startswith(start)) == (level, True), line
        lines = [f for block in verdict(RunView(run)).blocks for f in block.findings]
        assert line in lines


def test_a_method_without_noise_has_reasons_in_its_cells(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    run.write_json(FILE, content(fixed=True))
    section = shift(RunView(run))
    assert section is not None
    tables = [b for b in _flat(section.blocks) if isinstance(b, Table) and b.caption == "SHAP" and len(b.head) == 6]
    assert all("only retrained models" in row[4].text for row in tables[0].rows)


@pytest.fixture
def comparison(copied: Callable[[str], Run]) -> Run:
    """A comparison's folder, made of a sample run."""
    run = copied("text")
    (run.path / "config.toml").unlink()
    run.write_json(FILE, content(named=True))
    runs = {"base": {"name": "first", "path": "/a/first"}, "after": {"name": "second<i>", "path": "/a/second"}}
    run.write_manifest(run.manifest | {"kind": "comparison", "runs": runs})
    side = {"run": "first", "model": "onnx", "seed": 3, "data_sha256": "d" * 64, "files": {"onnx/model.onnx": "e" * 64}}
    test = {"passed": False, "sentence": "Underpowered: no claim.", "power": 0.3, "needed": 900, "n": 300}
    more = {
        "sides": {"before": side, "after": side | {"run": "second<i>", "data_sha256": "f" * 64}},
        "nulls": [side | {"run": "twin"}],
        "notes": ["3 of 9 test examples of first are not in the other run's."],
        "margin": {"margin": 0.02, "of": "accuracy", "noninferiority": test, "equivalence": test},
        "calibration": {"sentence": "More accurate, not demonstrably better or worse calibrated."},
    }
    run.write_json("comparison.json", run.read_json("comparison.json") | more)
    return run


def test_the_page_of_a_comparison_is_whole(comparison: Run) -> None:
    path = build_comparison(comparison)
    page = path.read_text(encoding="utf-8")
    assert path.name == NAME and "could not be built" not in page
    for said in (
        "From first to second&lt;i&gt;: what changed?",
        "Underpowered",
        "are not in the other run",
        "It now decides more by what was named",
        "e" * 64,
        "Retrained twins",
        "The two runs hold different data",
        "not demonstrably better or worse calibrated",
        "Comparison",
    ):
        assert said in page, said
    assert TRIGGER not in page and "zq&lt;b&gt;7" in page
    assert build_comparison(comparison).read_text(encoding="utf-8") == page


def test_every_flip_is_listed_and_explained_ones_lead_to_their_case(comparison: Run) -> None:
    view = RunView(comparison)
    section = change(view)
    assert section is not None
    flips = view.comparison["flips"]
    rows = [r for b in _flat(section.blocks) if isinstance(b, Table) and b.head[0] == "Example" for r in b.rows]
    assert [r[0].text for r in rows] == [*flips["negative"], *flips["positive"]]
    linked = {r[0].text: r[0].href for r in rows if r[0].href}
    assert linked == {i: f"#{a}" for i, a in view.anchors.items() if i in {*flips["negative"], *flips["positive"]}}
