"""Long lists stand behind a line that names them; what was found stands open."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from workbench.data.checks import _CHECKS as CHECKS_OF_DATA
from workbench.data.column_checks import COLUMN_CHECKS
from workbench.data.label_checks import LABEL_CHECKS
from workbench.report.pages import coded
from workbench.report.sections.change import change
from workbench.report.sections.data import _CHECKS, data
from workbench.report.sections.performance import performance
from workbench.report.sections.training import training
from workbench.report.shapes import Facts, Fold, Prose, Table
from workbench.report.view import RunView
from workbench.run import Run


def _tables(blocks: Any) -> list[Table]:
    return [block for block in blocks if isinstance(block, Table)]


def _folds(blocks: Any) -> dict[str, Fold]:
    return {block.title: block for block in blocks if isinstance(block, Fold)}


def test_checks_that_found_nothing_stand_behind_one_line(samples: dict[str, Run]) -> None:
    section = data(RunView(samples["table"]))
    assert section is not None
    (found,) = (t for t in _tables(section.blocks) if t.caption == "What the checks found")
    assert [row[0].text for row in found.rows] == ["Duplicates across splits", "Missing values"]
    (clear,) = _folds(section.blocks)["1 check found nothing"].blocks
    assert [row[0].text for row in clear.rows] == ["Empty inputs"]


def test_every_check_has_a_title() -> None:
    assert len(_CHECKS) == len(CHECKS_OF_DATA) + len(COLUMN_CHECKS) + len(LABEL_CHECKS)


def test_many_columns_are_summed_up(samples: dict[str, Run]) -> None:
    section = data(RunView(samples["table"]))
    assert section is not None
    (title,) = (t for t in _folds(section.blocks) if "columns" in t)
    assert title == "All 17 columns: 16 numeric and 1 categorical; 8 with missing values"


@pytest.mark.parametrize("best", [90, 150])
def test_the_first_the_best_and_the_last_epoch_are_shown(copied: Callable[[str], Run], best: int) -> None:
    run = copied("text")
    lines = [
        {"step": 30 * e, "epoch": float(e), "validation_loss": 1 / e, "validation_score": 0.5, "score_name": "accuracy"}
        for e in range(1, 7)
    ]
    run.write_bytes("tuned/history.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    run.write_json("tuned/finetune.json", {**run.read_json("tuned/finetune.json"), "best_step": best})
    section = training(RunView(run))
    assert section is not None
    (table,) = _tables(section.blocks)
    assert [row[0].text for row in table.rows] == ["1", str(best // 30), "6"]
    assert [row[0].note for row in table.rows] == ["", "kept", ""]
    (every,) = _folds(section.blocks)["All 6 epochs"].blocks
    assert len(every.rows) == 6


def test_settings_are_the_resolved_ones(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    about = {**run.read_json("tuned/finetune.json"), "learning_rate": 2e-3}
    about["settings"] = {"learning_rate": 0.0, "epochs": 32.0, "batch_size": 256, "augment": True}
    run.write_json("tuned/finetune.json", about)
    section = training(RunView(run))
    assert section is not None
    (facts,) = (dict(block.facts) for block in section.blocks if isinstance(block, Facts))
    assert facts["Settings"].text == "learning rate 0.002 · batch size 256 · epochs 32 · augment yes"


def test_accuracy_takes_newcombes_interval_and_the_exact_test(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    comparison = run.read_json("comparison.json")
    comparison["measures"] = [m for m in comparison["measures"] if m["name"] != "accuracy"]
    comparison["accuracy"] |= {"difference": 0.05, "low": 0.0123, "high": 0.0877, "mcnemar_p": 0.0321}
    run.write_json("comparison.json", comparison)
    section = performance(RunView(run))
    assert section is not None
    row = next(row for row in _tables(section.blocks)[0].rows if row[0].text == "Accuracy")
    assert (row[-1].text, row[-1].note) == ("+0.050", "+0.012 to +0.088 · p = .032")


def test_references_are_lines_to_beat_and_do_not_change(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    for model in ("base", "tuned", "onnx"):
        entries = run.read_json(f"{model}/metrics.json")
        first = next(e for e in entries if e["name"] == "accuracy" and e["split"] == "test")
        low = {**first, "name": "baseline_accuracy", "value": 0.1, "low": 0.08, "high": 0.12, "better": ""}
        run.write_json(f"{model}/metrics.json", [*entries, low])
    section = performance(RunView(run))
    assert section is not None
    (table,) = next(f.blocks for title, f in _folds(section.blocks).items() if title.startswith("All "))
    place = [row[0].text for row in table.rows].index("Accuracy of the most frequent class")
    assert table.rows[place][4].text == "a reference itself"
    assert table.rows[place][-1].text == "the line to beat" and place in table.faint


def test_classes_that_moved_are_named_after_correction(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    entry = {"n": 60, "before": 0.7, "after": 0.82, "low": 0.04, "high": 0.2, "b": 2, "c": 9, "p": 0.01}
    classes = [
        {**entry, "label": "signal", "difference": 0.12, "p_holm": 0.03},
        {**entry, "label": "statistics", "difference": -0.3, "p_holm": 0.051},
    ]
    run.write_json("comparison.json", {**run.read_json("comparison.json"), "classes": classes})
    section = change(RunView(run))
    assert section is not None
    said = [p for block in section.blocks if isinstance(block, Prose) for p in block.paragraphs]
    assert "Beyond chance, after correction for 2 classes: “signal” +12.0 points." in said
    (table,) = _folds(section.blocks)["Each of the 2 classes"].blocks
    assert [row[0].text for row in table.rows] == ["statistics", "signal"]


def test_backticks_are_code_and_stay_escaped() -> None:
    assert coded("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"
    assert coded("a ` alone & <i>") == "a ` alone &amp; &lt;i&gt;"
    assert coded("`a` and `b") == "<code>a</code> and `b"
