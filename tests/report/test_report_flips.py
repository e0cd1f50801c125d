"""Answers that turned open to both attributions, with the values that the run holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from runs import copy_of, made

from workbench.report.build import build_report, render
from workbench.report.excerpts import Turn, Turns
from workbench.report.flips import turned
from workbench.report.limits import Limits
from workbench.report.shapes import Fold, Table
from workbench.report.view import RunView
from workbench.run import Run


def opened(blocks: Any) -> list[Turn]:
    """Every answer that opens, in order, folds included."""
    found: list[Turn] = []
    for block in blocks:
        found += block.turns if isinstance(block, Turns) else opened(block.blocks) if isinstance(block, Fold) else []
    return found


def tables(blocks: Any) -> list[Table]:
    inner = [b for block in blocks for b in (block.blocks if isinstance(block, Fold) else [block])]
    return [b for b in inner if isinstance(b, Table)]


@pytest.mark.parametrize("kind", ["texts", "classes", "pictures"])
def test_every_flip_opens_to_what_the_run_holds(kind: str) -> None:
    run = made(kind)
    view = RunView(run)
    flips = view.comparison["flips"]
    turns = opened([*turned(view, "negative"), *turned(view, "positive")])
    assert [t.id for t in turns] == [*flips["negative"], *flips["positive"]] != []
    cases = {c["id"]: c for c in run.read_json("flips.json")["cases"]}
    for turn in turns:
        case = cases[turn.id]
        assert turn.question == f"Why {case['after']['label']} and not {case['before']['label']}?"
        assert turn.ends == (f"for {case['before']['label']}", f"for {case['after']['label']}")
        assert [p.who for p in turn.panels] == ["before", "after"]
        both = [pd.read_parquet(run.path / model / "flips" / "shap.parquet") for model in ("base", "onnx")]
        values = [frame[frame["id"] == turn.id].sort_values("index") for frame in both]
        assert [len(frame) for frame in values] == [len(case["features"])] * 2
        moved = (values[1]["value"].to_numpy() - values[0]["value"].to_numpy()).tolist()
        most = max(range(len(moved)), key=lambda i: abs(moved[i]))
        name = case["features"][most]["value" if kind == "pictures" else "name"]
        assert turn.moved.startswith("Largest change: ") and str(name) in turn.moved
        if kind == "texts":
            for panel, frame in zip(turn.panels, values, strict=True):
                shown = [p.value for p in panel.block.pieces if p.value]
                assert len(shown) == len(frame)
                for said, value in zip(shown, frame["value"], strict=True):
                    number = float(said.removesuffix(" logit").replace("−", "-"))
                    assert number == pytest.approx(value, abs=0.006 * max(1.0, abs(value)))


def test_the_page_draws_them_and_leaves_some_out_to_fit() -> None:
    view = RunView(made("texts"))
    page = render(view)
    n = len(view.comparison["flips"]["negative"]) + len(view.comparison["flips"]["positive"])
    assert len(re.findall(r'<details class="case flip">', page)) == n > 1 and "Asked of both:" in page
    lean = render(RunView(made("texts"), limits=Limits(flips=1)))
    assert len(re.findall(r'<details class="case flip">', lean)) < n
    assert "of the answers that turned at most 1 of each kind open to their reasons" in lean


def test_those_that_are_not_explained_are_listed(tmp_path: Path) -> None:
    run: Run = copy_of("texts", tmp_path)
    content = run.read_json("flips.json")
    kept = content["cases"][:1]
    run.write_json("flips.json", content | {"cases": kept, "selection": "1 of 5 are explained (compare.flips = 1)."})
    view = RunView(run)
    blocks = turned(view, kept[0]["why"])
    ids = view.comparison["flips"][kept[0]["why"]]
    assert [t.id for t in opened(blocks)] == [kept[0]["id"]]
    assert [r[0].text for t in tables(blocks) for r in t.rows] == [i for i in ids if i != kept[0]["id"]]
    (run.path / "flips.json").unlink()  # a run of an earlier program
    blocks = turned(RunView(run), "negative")
    assert (
        opened(blocks) == []
        and [r[0].text for t in tables(blocks) for r in t.rows] == view.comparison["flips"]["negative"]
    )


def test_a_run_that_is_not_whole_is_reported_as_such(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    page = build_report(run, problems=("onnx/parity.json is missing", "predict was made from another onnx/model.onnx"))
    text = page.read_text(encoding="utf-8")
    said = text.index("This run is not what its manifest says:")
    assert "onnx/parity.json is missing; predict was made from another" in text
    assert said < text.index('href="#', text.index("<main"))  # before every finding that leads on
