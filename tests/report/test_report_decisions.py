"""The section on decisions and confidence: plain sentences, reasons, charts that can be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import pytest
import vl_convert

from workbench.report.sections.decisions import decisions
from workbench.report.shapes import Chart, Pair, Prose, Section, Table
from workbench.report.view import RunView
from workbench.run import Run


def built(run: Run) -> Section:
    section = decisions(RunView(run))
    assert section is not None
    return section


def flat(section: Section) -> list[object]:
    return [inner for b in section.blocks for inner in (b.blocks if isinstance(b, Pair) else [b])]


def said(section: Section) -> str:
    return " ".join(p for b in flat(section) if isinstance(b, Prose) for p in (b.heading, *b.paragraphs))


def tables(section: Section) -> dict[str, Table]:
    return {b.caption: b for b in flat(section) if isinstance(b, Table)}


@pytest.mark.parametrize("kind", ["table", "text", "regression"])
def test_charts_can_be_drawn_in_the_pages_colours(samples: dict[str, Run], kind: str) -> None:
    section = built(samples[kind])
    charts = [b for b in flat(section) if isinstance(b, Chart)]
    assert len(charts) == {"table": 4, "text": 3, "regression": 1}[kind]
    for chart in charts:
        text = json.dumps(chart.spec, allow_nan=False)
        assert "http" not in text and "#" not in text and chart.label and chart.caption
        svg = vl_convert.vegalite_to_svg({**chart.spec, "width": 300})
        assert "var(--" in svg and "NaN" not in svg
    assert section.how and section.finding.endswith(".")


def test_the_sentence_on_the_surest_counts(samples: dict[str, Run]) -> None:
    frame = pd.read_parquet(samples["text"].path / "onnx/predictions.parquet").query("split == 'test'")
    sure = frame[[c for c in frame if c.startswith("score.")]].max(axis=1)
    first = frame.loc[sure.sort_values(ascending=False).index[:240]]
    right = 100 * (first["target"] == first["predicted"]).mean()
    finding = built(samples["text"]).finding
    assert f"answers only the 80 % it is surest of, it is right {right:.1f} % of the time" in finding


def test_thresholds_stand_with_counts_and_promises(samples: dict[str, Run]) -> None:
    run = samples["table"]
    rules = run.read_json("onnx/decisions.json")["thresholds"]["rules"]
    table = tables(built(run))["Thresholds for malignant"]
    assert len(table.rows) == len(rules) == 8 and "Costs: a false alarm counts 0.5 times" in table.note
    for row, rule in zip(table.rows, rules, strict=True):
        assert row[-1].text == f"{rule['tp']:,} · {rule['fp']:,} · {rule['fn']:,}"
    assert [row[0].text for row in table.rows][5:] == [
        "Find at least 90 %",
        "Be right at least 90 % when called",
        "Call at most 10 % of all",
    ]


def test_what_was_not_computed_has_its_reason(copied: Callable[[str], Run]) -> None:
    several = built(copied("text"))
    assert "name it with evaluate.positive" in said(several)
    run = copied("table")
    found = run.read_json("onnx/decisions.json")
    found["temperature"] |= {"value": None, "measures": [], "reason": "no validation example"}
    found["thresholds"]["rules"][1] |= {"threshold": None, "reason": "all have the same score"}
    found["net_benefit"] |= {"curve": [], "reason": "no test example is of the class"}
    run.write_json("onnx/decisions.json", found)
    section = built(run)
    assert "No temperature could be fitted: no validation example." in said(section)
    assert "No decision curve: No test example is of the class." in said(section)
    row = tables(section)["Thresholds for malignant"].rows[1]
    assert row[1].kind == "none" and "the same score" in row[1].text
    run.write_json("onnx/decisions.json", {"kind": "class", "reason": "no example of this split has a known target"})
    assert built(run).finding == "Not computed: no example of this split has a known target."
    (run.path / "onnx/decisions.json").unlink()
    assert decisions(RunView(run)) is None


def test_calibration_is_told_beside_its_floor(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    part = run.read_json("onnx/decisions.json")["reliability"]
    text = said(built(run))
    assert f"(floor {part['floor']:.3f}; {'above' if part['above'] else 'within'})" in text
    for above, sentence in ((True, "more than chance explains"), (False, "as far as chance lets one see")):
        found = run.read_json("onnx/decisions.json")
        found["reliability"]["above"] = above
        run.write_json("onnx/decisions.json", found)
        assert sentence in built(run).finding


def test_a_regression_that_leans_says_where(copied: Callable[[str], Run]) -> None:
    run = copied("regression")
    found = run.read_json("onnx/decisions.json")
    for b in found["residuals"]["bins"]:
        b |= {"mean": 1.0, "low": -1.0, "high": 3.0}
    run.write_json("onnx/decisions.json", found)
    assert "In none of 10 ranges" in built(run).finding
    found["residuals"]["bins"][3] |= {"mean": -20.0, "low": -30.0, "high": -10.0}
    group = {"value": "a", "n": 9, "mean": 2.0, "low": None, "high": None, "mae": 3.0, "reason": "no interval: x"}
    found["residuals"]["groups"] = {"sex": [group]}
    run.write_json("onnx/decisions.json", found)
    section = built(run)
    assert "In 1 of 10 ranges" in section.finding and "20.0 units too low on average" in section.finding
    assert tables(section)["Residuals by sex"].rows[0][1].note == "no interval: x"
