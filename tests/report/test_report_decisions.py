"""The section on decisions and confidence: plain sentences, reasons, charts that can be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import pytest
import vl_convert

from workbench.report.sections.decisions import decisions
from workbench.report.shapes import Chart, Fold, Pair, Prose, Section, Table
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


def test_how_far_off_a_value_may_be_is_told(copied: Callable[[str], Run]) -> None:
    run = copied("regression")
    found = run.read_json("onnx/decisions.json")
    part = {"lower": 1.0, "upper": 2.0, "n": 40, "coverage": 0.5, "low": 0.35, "high": 0.65, "interval": "wilson"}
    entry = {"half_width": 12.0, "mean_width": 24.0, "hits": 66, "n": 80, "reason": "", "bins": [part]}
    none = {"half_width": None, "mean_width": None, "coverage": None, "low": None, "high": None, "hits": None}
    missing = {"level": 0.95, **none, "n": 80, "bins": [], "reason": "18 validation examples are too few"}
    for low, high, verdict in (
        (0.7, 0.85, "fewer than promised"),
        (0.8, 0.95, "as promised"),
        (0.91, 0.99, "more than"),
    ):
        told = {"level": 0.9, "coverage": 0.825, "low": low, "high": high, "interval": "wilson", **entry}
        found["ranges"] = {"n_validation": 18, "levels": [told, missing], "signature": "x"}
        run.write_json("onnx/decisions.json", found)
        section = built(run)
        assert "A range of ± 12.0 units should hold 90 % of the true values" in section.finding
        assert verdict in section.finding and "it holds 82.5 % of the test examples" in section.finding
    rows = tables(section)["How wide a range must be"].rows
    assert [cell.text for cell in rows[0]] == ["90 %", "± 12.0", "82.5 %", "80"]
    assert rows[1][1].text == "none: 18 validation examples are too few"
    (fold,) = [b for b in flat(section) if isinstance(b, Fold)]
    assert fold.title == "Where the 90 % range holds"
    found["ranges"]["levels"] = [missing | {"level": 0.9}]
    run.write_json("onnx/decisions.json", found)
    assert "No range that holds 90 %" in built(run).finding
    del found["ranges"]
    run.write_json("onnx/decisions.json", found)
    assert "range of ±" not in built(run).finding
