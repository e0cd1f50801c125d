"""Reading a run directory: what is missing is empty, what is damaged is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workbench.errors import ArtefactError
from workbench.report.build import build_report
from workbench.report.limits import Limits
from workbench.report.performance import unseen
from workbench.report.view import RunView
from workbench.run import Run


def test_measures_are_read_with_their_classes(samples: dict[str, Run]) -> None:
    found = RunView(samples["text"]).measures("onnx")
    assert found["accuracy"].n == 300 and found["accuracy"].split == "test"
    assert set(found["recall"].per_class) == set(RunView(samples["text"]).labels)
    assert RunView(samples["text"]).measures("onnx", "train")["accuracy"].n == 900


def test_after_means_the_deployed_file_where_it_was_asked(samples: dict[str, Run]) -> None:
    view = RunView(samples["text"])
    models = {e: answer.model for e in view.explainers if (answer := view.answer("after", e))}
    assert models == {"integrated-gradients": "tuned", "shap": "onnx", "lime": "onnx"}
    assert view.explainers == ["integrated-gradients", "shap", "lime"]
    before = [view.answer("before", e) for e in view.explainers]
    assert [answer.model for answer in before if answer] == ["base"] * 3


def test_titles_ask_what_the_model_decides(samples: dict[str, Run]) -> None:
    assert RunView(samples["table"]).title == "Which is this row: benign or malignant?"
    assert RunView(samples["text"]).title == "Which of 5 classes is this text?"
    assert RunView(samples["regression"]).title == "What is the disease progression of this row?"
    assert RunView(samples["text"], title="Mine").title == "Mine"


def test_limits_shorten_the_anchors(samples: dict[str, Run]) -> None:
    assert len(RunView(samples["text"], limits=Limits(cases=3)).anchors) == 3


def test_what_is_missing_is_empty(copied: Callable[[str], Run]) -> None:
    run = copied("image")
    for name in ("base/predictions.parquet", "quality.json", "tuned/attributions/integrated-gradients.safetensors"):
        (run.path / name).unlink()
    view = RunView(run)
    assert view.predictions("base") is None
    assert view.quality("onnx", "shap", view.cases[0]["id"]) == {}
    assert view.dense("tuned", "integrated-gradients") == {}


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("onnx/predictions.parquet", lambda v: v.predictions("onnx")),
        ("onnx/attributions/shap.parquet", lambda v: v.answers),
        ("tuned/attributions/integrated-gradients.safetensors", lambda v: v.dense("tuned", "integrated-gradients")),
        ("tuned/history.jsonl", lambda v: v.history),
        ("config.toml", lambda v: v.config),
        ("cases.json", lambda v: v.cases),
    ],
)
def test_what_is_damaged_is_named(copied: Callable[[str], Run], name: str, read: Callable[[RunView], object]) -> None:
    run = copied("image")
    (run.path / name).write_bytes(b"{damaged")
    with pytest.raises(ArtefactError, match="is damaged"):
        read(RunView(run))


def test_examples_that_also_occur_in_training_are_not_called_unseen(copied: Callable[[str], Run]) -> None:
    run = copied("table")
    assert unseen(RunView(run)) and "unseen" in build_report(run).read_text(encoding="utf-8")
    leak = {
        "check": "leak_test",
        "level": "warning",
        "sentence": "1 of 3 also occurs in train.",
        "n": 1,
        "examples": [],
    }
    run.write_json("data/checks.json", [leak])
    page = build_report(run).read_text(encoding="utf-8")
    assert not unseen(RunView(run)) and "unseen examples" not in page and "it never saw" not in page
