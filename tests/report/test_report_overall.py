"""The section on the whole model: what is drawn, said and missing, from files written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from workbench.report.sections.overall import overall
from workbench.report.shapes import Chart, Fold, Overlay, Pair, Prose, Table
from workbench.report.view import RunView
from workbench.run import Run

COMMON = {"filler": "nothing", "selection": "all 5 test examples", "n": 5, "method": "shap", "title": "SHAP"}
COMMON |= {"caption": "what it says", "unit": "logit", "evaluations": 100}


def written(tmp_path: Path, **content: Any) -> RunView:
    run = Run.create(tmp_path / "run")
    run.begin(name="run", task="tabular-classification")
    run.write_json("global.json", {**COMMON, **content})
    return RunView(run)


def table_run(tmp_path: Path, **more: Any) -> RunView:
    def estimate(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 5}

    names = ("age", "colour")
    view = written(
        tmp_path,
        modality="table",
        label="yes",
        masks=64,
        columns=[
            {"name": n, "kind": k, "unit": "", "importance": estimate(v)}
            for n, k, v in zip(names, ("numeric", "categorical"), (3.0, 1.0), strict=True)
        ],
        partial=[
            {"column": n, "kind": k, "unit": "", "rows": 9, "grid": grid,
             "curves": [{"label": "yes", "mean": [0.1, 0.9], "low": [0.0, 0.8], "high": [0.2, 1.0]}]}
            for n, k, grid in (("age", "numeric", [1.0, 2.0]), ("colour", "categorical", ["red", "blue"]))
        ],
        permutation={"scores": ["log_loss"], "n": 5, "shuffles": 5, "reason": "",
                     "columns": [{"name": n, "log_loss": estimate(v)} for n, v in zip(names, (0.3, 0.0), strict=True)]},
        **more,
    )  # fmt: skip
    rows = [
        {"id": str(i), "column": c, "value": v * (i - 2), "number": float(i) if c == "age" else None,
         "category": "red" if c == "colour" else None}
        for i in range(5)
        for c, v in (("age", 2.0), ("colour", -1.0))
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(view.run.path / "global.parquet")
    return view


def flat(blocks: Any) -> list[Any]:
    return [b for block in blocks for b in (flat(block.blocks) if isinstance(block, Pair | Fold) else [block])]


def test_a_table_is_drawn_and_told(tmp_path: Path) -> None:
    section = overall(table_run(tmp_path))
    assert section is not None and "leans most on age and colour" in section.finding and "100 %" in section.finding
    charts = [b for b in flat(section.blocks) if isinstance(b, Chart)]
    labels = [c.label for c in charts]
    assert len(charts) == 2 + 1 + 2 + 2 and all(labels)
    assert "high values raise the answer (rank correlation +1.00)" in labels[2]
    assert "1 of 2 columns clearly above zero" in charts[1].caption
    assert "(test split, n 5, 5 shuffles)" in charts[1].caption
    numbers = next(b for b in flat(section.blocks) if isinstance(b, Table))
    assert [row[0].text for row in numbers.rows] == ["age", "colour"] and numbers.rows[0][1].note == "2.90 to 3.10"
    assert any("Permutation importance" in line for line in section.how)


def test_a_sample_of_the_test_split_is_said_to_be_one(tmp_path: Path) -> None:
    view = table_run(tmp_path)
    view.json("global.json")["permutation"] |= {"n": 10_000, "of": 1_000_000}
    section = overall(view)
    assert section is not None
    captions = [b.caption for b in flat(section.blocks) if isinstance(b, Chart)]
    assert sum("(test split, n 10,000 drawn by lot from 1,000,000, 5 shuffles)" in c for c in captions) == 1


def test_the_swarm_says_how_high_the_value_is(tmp_path: Path) -> None:
    section = overall(table_run(tmp_path))
    assert section is not None
    chart = next(b for b in flat(section.blocks) if isinstance(b, Chart) and "every row" in b.label)
    drawn = (layer["data"]["values"] for layer in chart.spec["layer"])
    data = next(values for values in drawn if len(values) > 1)
    shades = {row["shown"]: row["shade"] for row in data if row["column"] == "age"}
    assert list(shades.values()) == ["low", "below middle", "middle", "above middle", "high"]
    assert {row["shade"] for row in data if row["column"] == "colour"} == {"missing or a category"}


def test_words_of_a_single_text_are_faint(tmp_path: Path) -> None:
    words = {
        "yes": {
            "texts": 3,
            "words": [
                {"word": "good", "value": 2.0, "low": 1.0, "high": 3.0, "n": 3},
                {"word": "once", "value": -4.0, "low": None, "high": None, "n": 1, "reason": "1 example: no interval"},
            ],
        }
    }
    section = overall(written(tmp_path, modality="text", words=words, selection="the 3 explained cases"))
    assert section is not None and "“good” for yes" in section.finding
    note, table = flat(section.blocks)
    assert isinstance(note, Prose) and "a word seen in one text says little" in note.paragraphs[0]
    assert table.faint == {1} and table.rows[0][1].note == "+1.00 to +3.00" and table.rows[1][2].text == "1"


def test_pictures_are_drawn_by_class_and_absent_classes_named(tmp_path: Path) -> None:
    listed = [{"label": "a", "n": 2, "map": "map.0", "frame": "frame.0"}, {"label": "b", "n": 0, "reason": "none seen"}]
    view = written(tmp_path, modality="image", saliency=listed)
    values = np.zeros((8, 8), np.float32)
    values[0, 7] = 1
    save_file({"map.0": values, "frame.0": np.full((8, 8, 3), 90, np.uint8)}, view.run.path / "global.safetensors")
    section = overall(view)
    assert section is not None
    picture, missing, _ = flat(section.blocks)
    assert (
        isinstance(picture, Overlay) and "strongest at the top right" in picture.label and "2 pictures" in picture.note
    )
    assert "b (none seen)" in missing.paragraphs[0]


@pytest.mark.parametrize("content", [{"n": 0, "modality": "text"}])
def test_nothing_explained_is_said(tmp_path: Path, content: dict[str, Any]) -> None:
    section = overall(written(tmp_path, **content))
    assert section is not None and "No example could be explained" in section.finding
    (tmp_path / "run" / "global.json").unlink()
    assert overall(RunView(Run(tmp_path / "run"))) is None
