"""What multi-label tasks say of scores: sets, questions, frames; which cases are chosen; how they lie on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench import registry
from workbench.records import read_predictions, write_predictions
from workbench.run import Run
from workbench.stages.selection import choose_cases
from workbench.tasks import labels as several
from workbench.types import LabelScores

FACTS: dict[str, Any] = {
    "ids": np.array(["a", "b", "c"], dtype=object),
    "splits": np.array(["test"] * 3, dtype=object),
    "targets": [(0, 2), None, ()],
    "labels": ("x", "y", "z"),
    "thresholds": [0.5, 0.9, 0.2],
    "groups": {"sex": np.array(["f", "m", "f"], dtype=object)},
}
SCORES = np.array([[1.0, 2.0, -1.0], [0.5, 3.0, 2.0], [-2.0, 1.0, -3.0]], dtype=np.float32)


@pytest.mark.parametrize("name", [n for n in registry.TASKS if n.endswith("multilabel")])
def test_scores_are_decoded_asked_and_framed(name: str) -> None:
    task = registry.load("tasks", name)
    found = task.decode(SCORES, FACTS)
    assert found.targets.tolist() == [[1, 0, 1], [-1, -1, -1], [0, 0, 0]]
    assert found.predicted.tolist() == [[True, False, True], [True, True, True], [False, False, False]]
    asked = [task.question(found, row) for row in range(3)]
    # the most probable label that is given; y is more probable in the first row and not given
    assert [(q.id, q.text) for q in asked] == [
        ("logit:0", "Why x?"), ("logit:1", "Why y?"), ("logit:1", "Why not y?"),
    ]  # fmt: skip
    frames = [task.frame(found, row) for row in range(3)]
    assert [f["labels"] for f in frames] == [["x", "z"], ["x", "y", "z"], []]
    assert [f["right"] for f in frames] == [True, None, True]
    assert frames[0]["top"][0][0] == "y" and frames[0]["thresholds"]["y"] == 0.9
    assert frames[0]["probability"] == pytest.approx(1 / (1 + np.exp(-1)))
    np.testing.assert_array_equal(task.scalar(SCORES, asked[0]), SCORES[:, 0])


def test_without_thresholds_a_label_is_given_from_one_half_on() -> None:
    found = several.decode(SCORES, {**FACTS, "thresholds": None})
    np.testing.assert_array_equal(found.predicted, SCORES >= 0)


def test_rows_are_picked_with_all_that_belongs_to_them() -> None:
    found = several.decode(SCORES, FACTS).where(np.array([2, 0]))
    assert found.ids.tolist() == ["c", "a"] and found.targets.tolist() == [[0, 0, 0], [1, 0, 1]]
    assert found.groups["sex"].tolist() == ["f", "f"] and found.thresholds.tolist() == [0.5, 0.9, 0.2]


def test_predictions_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    scores = several.decode(SCORES, FACTS)
    run = Run(tmp_path)
    write_predictions(run, "onnx", scores)
    frame = pd.read_parquet(tmp_path / "onnx" / "predictions.parquet")
    assert list(frame.columns) == [
        "id", "split", "target.x", "target.y", "target.z", "predicted.x", "predicted.y", "predicted.z",
        "score.x", "score.y", "score.z", "logit.x", "logit.y", "logit.z", "group.sex",
    ]  # fmt: skip
    assert frame["target.x"].isna().tolist() == [False, True, False]
    back = read_predictions(run, "onnx")
    assert isinstance(back, LabelScores) and back.labels == scores.labels and back.targets.dtype == np.int8
    for name in ("ids", "splits", "targets", "logits", "thresholds", "predicted"):
        np.testing.assert_array_equal(getattr(back, name), getattr(scores, name))
    assert back.groups["sex"].tolist() == ["f", "m", "f"]


def test_cases_are_of_every_kind_and_the_gravest_mistake_is_among_them() -> None:
    rng = np.random.default_rng(0)
    n = 80
    targets = (rng.random((n, 3)) < 0.4).astype(np.int8)
    ids, splits = np.arange(n).astype(str), np.array(["train", "test"] * (n // 2))

    def model(skill: float) -> LabelScores:
        logits = skill * (targets - 0.5) + rng.normal(size=(n, 3))
        return LabelScores(ids, splits, targets, logits, ("x", "y", "z"), np.full(3, 0.5))

    before, after = model(2.0), model(3.0)
    chosen = choose_cases(before, after, samples=12, seed=1)
    assert sorted({why for _, why in chosen}) == ["changed", "right", "unsure", "wrong"] and len(chosen) == 12
    rows = {why: [row for row, w in chosen if w == why] for why in ("right", "wrong", "changed")}
    off = after.predicted != (targets == 1)
    assert all(splits[row] == "test" for row, _ in chosen)
    assert not off[rows["right"]].any() and off[rows["wrong"]].any(axis=1).all()
    assert (before.predicted != after.predicted)[rows["changed"]].any(axis=1).all()
    gravity = np.where(off, np.abs(after.probabilities - targets), 0).max(axis=1)
    gravity[splits == "train"] = 0
    assert int(gravity.argmax()) in rows["wrong"]
    sets = [tuple(after.predicted[row]) for row in rows["right"]]
    assert len(set(sets)) == len(sets)  # the sets that are given take turns
    assert choose_cases(before, after, samples=12, seed=1) == chosen
