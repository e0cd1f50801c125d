"""What the sections say, against counts made here from the run's own files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.report.difference import changed
from workbench.report.outcomes import MATRIX, confusions, regression
from workbench.report.panels import CaseView, panel
from workbench.report.sections import SECTIONS
from workbench.report.sections.mistakes import mistakes
from workbench.report.sections.performance import performance
from workbench.report.sections.purpose import purpose
from workbench.report.sections.verdict import verdict
from workbench.report.shapes import Bars, Chart, Finding, Findings, Fold, Heatmap, Overlay, Pair, Table, Tokens
from workbench.report.view import RunView
from workbench.run import Run


def _lines(run: Run) -> list[Finding]:
    return [line for block in verdict(RunView(run)).blocks for line in block.findings]


def _flat(blocks: Iterable[Any]) -> list[Any]:
    """Blocks with what stands in pairs and behind folds."""
    return [inner for b in blocks for inner in (_flat(b.blocks) if isinstance(b, Pair | Fold) else [b])]


def _line(run: Run, start: str) -> Finding:
    return next(line for line in _lines(run) if line.strong.startswith(start))


def test_sections_are_named_once_and_in_order() -> None:
    names = [name for name, *_ in SECTIONS]
    assert names[0] == "verdict" and len(names) == len(set(names))


def test_the_first_line_counts_right_answers(samples: dict[str, Run]) -> None:
    frame = pd.read_parquet(samples["text"].path / "onnx/predictions.parquet").query("split == 'test'")
    right = int((frame["target"] == frame["predicted"]).sum())
    train = pd.read_parquet(samples["text"].path / "onnx/predictions.parquet").query("split == 'train'")
    commonest = train["target"].mode()[0]
    line = _lines(samples["text"])[0]
    assert line.strong == f"Right in {right} of {len(frame)}"
    assert f"“{commonest}” would be right in {100 * (frame['target'] == commonest).mean():.1f} %" in line.rest
    assert line.level == "good"


def test_the_first_line_of_a_regression_compares_with_the_mean(samples: dict[str, Run]) -> None:
    frame = pd.read_parquet(samples["regression"].path / "onnx/predictions.parquet")
    train, test = frame[frame["split"] == "train"], frame[frame["split"] == "test"]
    constant = (test["target"] - train["target"].mean()).abs().mean()
    line = _lines(samples["regression"])[0]
    assert line.strong.startswith(f"Off by {(test['target'] - test['value']).abs().mean():.1f} units")
    assert f"would be off by {constant:.1f} units" in line.rest


def test_a_value_is_no_label(samples: dict[str, Run]) -> None:
    assert "same answer" not in _line(samples["regression"], "The deployed file behaves").rest
    assert "same answer on 300 of 300" in _line(samples["text"], "The deployed file behaves").rest


def test_no_better_than_guessing_is_a_problem(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    entries = run.read_json("onnx/metrics.json")
    for entry in entries:
        if entry["name"] == "accuracy":
            entry |= {"value": 0.5, "low": 0.4, "high": 0.6}
    run.write_json("onnx/metrics.json", entries)
    assert _lines(run)[0].level == "poor"


@pytest.mark.parametrize(
    ("low", "high", "level", "start"),
    [
        (0.01, 0.05, "good", "Better than before"),
        (-0.01, 0.05, "fair", "No clear difference"),
        (-0.05, -0.01, "poor", "Worse than before"),
        (None, None, "fair", "Better or worse than before is not settled"),
    ],
)
def test_better_and_worse_follow_the_interval(
    copied: Callable[[str], Run], low: float | None, high: float | None, level: str, start: str
) -> None:
    run = copied("table")
    entry = {"name": "accuracy", "before": 0.8, "after": 0.82, "difference": 0.02, "better": "higher"}
    run.write_json("comparison.json", {"measures": [{**entry, "low": low, "high": high}]})
    assert _line(run, start).level == level


def test_for_an_error_lower_is_better(copied: Callable[[str], Run]) -> None:
    run = copied("regression")
    entry = {"name": "mae", "before": 50.0, "after": 40.0, "difference": -10.0, "low": -13.0, "high": -7.0}
    run.write_json("comparison.json", {"measures": [{**entry, "better": "lower"}]})
    line = _line(run, "Better than before")
    assert "10.0 units" in line.rest and "7.0 to 13.0" in line.rest


def test_lost_answers_are_counted_with_their_class(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    base = pd.read_parquet(run.path / "base/predictions.parquet").query("split == 'test'")
    right = base[base["target"] == base["predicted"]]
    lost = list(right[right["target"] == "signal"]["id"].head(3))
    comparison = run.read_json("comparison.json")
    comparison["flips"]["negative"] = lost
    run.write_json("comparison.json", comparison)
    line = _line(run, "3 of ")
    assert line.strong == f"3 of {len(right)} answers that were right are now wrong"
    assert line.rest == ", all of class “signal”."


def test_failed_parity_code_and_remote_code_are_on_the_first_screen(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    run.write_json("onnx/parity.json", {**run.read_json("onnx/parity.json"), "passed": False, "max_error": 0.3})
    code = {"file": "model.py", "sha256": "0123456789abcdef" * 4}
    about = run.read_json("tuned/finetune.json")
    run.write_json("tuned/finetune.json", {**about, "runs_user_code": True, "code": code})
    config = (run.path / "config.toml").read_text(encoding="utf-8")
    (run.path / "config.toml").write_text(config + "[backbone]\ntrust_remote_code = true\n", encoding="utf-8")
    assert _line(run, "The deployed file does not").level == "poor"
    assert "model.py (sha256 0123456789ab…)" in _line(run, "The user's own code ran").rest
    assert _line(run, "Code that came with the downloaded model").level == "fair"


def test_unreliable_explanations_are_counted(samples: dict[str, Run]) -> None:
    quality, poor, cases = samples["text"].read_json("quality.json")["cases"], 0, set()
    for explainer, model in (("integrated-gradients", "tuned"), ("shap", "onnx"), ("lime", "onnx")):
        found = [case for case, entry in quality[model][explainer].items() if entry["light"] == "poor"]
        poor, cases = poor + len(found), cases | set(found)
    assert poor
    line = _line(samples["text"], f"Explanations of {len(cases)} of 12 cases are unreliable")
    assert f"{poor} by LIME, of 36 explanations by 3 methods (the model after)." in line.rest
    assert line.rest.endswith("The same tests called 11 of 12 random explanations unreliable.")


def test_purpose_says_what_is_missing(samples: dict[str, Run]) -> None:
    section = purpose(RunView(samples["text"]))
    assert "users, owner and licence" in section.blocks[1].paragraphs[0]
    assert "[card]" in section.blocks[1].paragraphs[1]


def test_performance_counts_what_moved(samples: dict[str, Run]) -> None:
    section = performance(RunView(samples["text"]))
    measures = samples["text"].read_json("comparison.json")["measures"]
    better = sum(-m["high"] > 0 if m["better"] == "lower" else m["low"] > 0 for m in measures)
    assert section is not None and section.finding.startswith(f"{better} of {len(measures)} compared measures improved")
    table = section.blocks[0]
    head = ("Measure", "before", "after", "deployed", "knowing nothing", "intervals", "change")
    assert isinstance(table, Table) and table.head == head
    for row in table.rows:
        assert all(0 <= v <= 1 for dot in row[4].dots for v in (dot.at, dot.low, dot.high) if v is not None)


def test_confusion_matrices_hold_every_test_example(samples: dict[str, Run]) -> None:
    blocks = _flat(confusions(RunView(samples["text"])))
    assert [b.caption.partition(":")[0] for b in blocks if isinstance(b, Heatmap)] == ["Deployed", "Before"]
    for block in blocks:
        assert isinstance(block, Heatmap)
        assert sum(int(cell.text.replace(",", "")) for _, cells in block.rows for cell in cells) == 300
        assert all(cell.shade >= 0 for i, (_, cells) in enumerate(block.rows) for j, cell in enumerate(cells) if i == j)


def test_many_classes_become_a_list(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    labels = [f"class {i}" for i in range(MATRIX + 6)]
    rng = np.random.default_rng(0)
    targets, predicted = (np.array(labels, dtype=object)[rng.integers(0, len(labels), 300)] for _ in range(2))
    scores = {f"score.{label}": rng.random(300) for label in labels}
    ids = [f"x{i}" for i in range(300)]
    frame = pd.DataFrame({"id": ids, "split": "test", "target": targets, "predicted": predicted, **scores})
    frame.to_parquet(run.path / "onnx/predictions.parquet")
    run.write_json("data/fingerprint.json", {**run.read_json("data/fingerprint.json"), "labels": labels})
    table = confusions(RunView(run))[0]
    assert isinstance(table, Table) and len(table.rows) == 20
    times = [int(row[2].text) for row in table.rows]
    assert times == sorted(times, reverse=True)


def test_mistakes_are_the_most_confident_ones_and_lead_to_their_case(samples: dict[str, Run]) -> None:
    view = RunView(samples["text"])
    section = mistakes(view)
    assert section is not None
    rows = [row for block in _flat(section.blocks) if isinstance(block, Table) for row in block.rows]
    frame = pd.read_parquet(samples["text"].path / "onnx/predictions.parquet").set_index("id")
    scores = frame[[c for c in frame if c.startswith("score.")]].max(axis=1)
    sure = [scores[row[0].text] for row in rows]
    assert len(rows) == 20 and sure == sorted(sure, reverse=True)
    assert all(frame.loc[row[0].text, "target"] != frame.loc[row[0].text, "predicted"] for row in rows)
    linked = {row[0].text: row[0].href for row in rows if row[0].href}
    assert linked and all(href == f"#{view.anchors[name]}" for name, href in linked.items())


def test_a_large_scatter_is_thinned(copied: Callable[[str], Run]) -> None:
    run = copied("regression")
    n = 9000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": [str(i) for i in range(n)], "split": "test", "target": rng.random(n), "value": 0.5})
    frame.to_parquet(run.path / "onnx/predictions.parquet")
    (pair,) = regression(RunView(run))
    assert isinstance(pair, Pair) and isinstance(pair.blocks[0], Chart)
    assert len(pair.blocks[0].spec["layer"][1]["data"]["values"]) <= 1200
    assert "Every 8th of 9,000" in pair.blocks[0].caption


def _case(run: Run, i: int = 0) -> CaseView:
    view = RunView(run)
    return CaseView(view, view.modality, view.cases[i], i)


def test_one_scale_for_all_methods_that_unreliable_ones_do_not_set(samples: dict[str, Run]) -> None:
    run = samples["text"]
    case = run.read_json("cases.json")["cases"][0]
    quality, tops = run.read_json("quality.json")["cases"], []
    for model in ("base", "tuned", "onnx"):
        for path in sorted((run.path / model / "attributions").glob("*.parquet")):
            if quality[model][path.stem][case["id"]]["light"] != "poor":
                rows = pd.read_parquet(path)
                tops.append(rows[rows["id"] == case["id"]]["value"].abs().max())
    assert len(tops) == 4  # LIME is marked on both sides
    assert _case(run).scale == pytest.approx(max(tops))


def test_words_join_to_the_text_and_the_strongest_is_darkest(samples: dict[str, Run]) -> None:
    shown = _case(samples["text"], 1)
    block = panel(shown, "shap", "after").block
    assert isinstance(block, Tokens)
    assert "".join(piece.text for piece in block.pieces) == shown.case["text"]
    words = [piece for piece in block.pieces if piece.value]
    values = shown.values("after", "shap")
    strongest = int(np.abs(values).argmax())
    assert abs(words[strongest].shade) == max(abs(w.shade) for w in words)
    assert all(np.sign(w.shade) in (0, np.sign(v)) for w, v in zip(words, values, strict=True))


def test_bars_have_the_same_rows_on_both_sides_and_the_rest_is_summed(samples: dict[str, Run]) -> None:
    shown = _case(samples["table"])
    before, after = (panel(shown, "shap", who).block for who in ("before", "after"))
    assert isinstance(before, Bars) and isinstance(after, Bars)
    assert [bar.label for bar in before.bars] == [bar.label for bar in after.bars]
    drawn = {bar.label for bar in after.bars}
    names = [feature["name"] for feature in shown.case["features"]]
    rest = sum(v for n, v in zip(names, shown.values("after", "shap"), strict=True) if n not in drawn)
    assert f"{abs(rest):.2f}" in after.note
    assert all(bar.low is not None and bar.low <= bar.value <= (bar.high or 1) for bar in after.bars)


def test_pictures_have_parts_and_where_there_is_one_a_dense_map(samples: dict[str, Run]) -> None:
    shown = _case(samples["image"])
    assert isinstance(panel(shown, "shap", "after").block, Overlay)
    dense: Any = panel(shown, "integrated-gradients", "after").block
    assert isinstance(dense, Pair) and dense.blocks[1].note == "pixel by pixel, on a scale of its own"


@pytest.mark.parametrize(("p", "sure"), [(0.6, False), (0.01, True)])
def test_of_groups_accuracy_is_judged_by_their_own_test(copied: Callable[[str], Run], p: float, sure: bool) -> None:
    """McNemar's, which takes examples one by one, stands in the file beside it and says the contrary."""
    run = copied("table")
    content = run.read_json("comparison.json")
    own = {"difference": 0.1, "low": 0.02, "high": 0.2, "mcnemar_p": 0.01 if not sure else 0.6, "p": p}
    content["accuracy"] |= own | {"groups": 20, "test": "randomisation of groups"}
    run.write_json("comparison.json", content)
    (line,) = changed(RunView(run))
    assert line.strong.startswith("Better than before" if sure else "Not certain whether better")
    assert sure or "the test of whole groups does not confirm it (p = .600)" in line.rest
    section = performance(RunView(run))
    table = next(b for b in section.blocks if isinstance(b, Table))
    row = next(row for row in table.rows if row[0].text == "Accuracy")
    assert ("p = .600" in str(row[-1].note)) != sure


def test_a_file_that_answers_exactly_alike_has_no_error_of_four_zeros(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    run.write_json("onnx/parity.json", run.read_json("onnx/parity.json") | {"max_error": 0.0})
    said = [f.rest for b in verdict(RunView(run)).blocks if isinstance(b, Findings) for f in b.findings]
    assert any(rest.endswith("largest relative error 0.") for rest in said)
