"""What every task says of scores: predictions, questions, frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

from workbench import registry
from workbench.errors import ConfigError, UnknownName
from workbench.types import ClassScores, Dataset, Question, Values

FACTS: dict[str, Any] = {
    "ids": np.array(["a", "b", "c"], dtype=object),
    "splits": np.array(["test"] * 3, dtype=object),
    "targets": [2, None, 0],
    "labels": tiny.LABELS,
    "unit": "mm",
    "groups": {"sex": np.array(["f", "m", "f"], dtype=object)},
}
SCORES = np.array([[0.0, 1.0, 3.0], [2.0, 2.0, 1.0], [-1.0, 0.0, -2.0]], dtype=np.float32)


@pytest.mark.parametrize("name", registry.TASKS)
def test_a_task_is_what_its_name_says(name: str) -> None:
    task = registry.load("tasks", name)
    assert task.name == name
    kinds = {"regression": "value", "multilabel": "labels", "classification": "class"}
    assert task.kind == kinds[name.rpartition("-")[2]]
    assert task.modality_name == {"tabular": "table"}.get(name.split("-")[0], name.split("-")[0])


@pytest.mark.parametrize("name", [n for n in registry.TASKS if n.endswith("classification")])
def test_classes_are_decoded_asked_and_framed(name: str) -> None:
    task = registry.load("tasks", name)
    found = task.decode(SCORES, FACTS)
    assert isinstance(found, ClassScores)
    assert found.targets.tolist() == [2, -1, 0]
    assert found.predicted.tolist() == [2, 0, 1]
    assert found.logits.dtype == np.float64
    question = task.question(found, 0)
    assert (question.kind, question.target, question.text, question.id) == ("logit", 2, "Why good?", "logit:2")
    frame = task.frame(found, 0)
    p = np.exp(SCORES[0]) / np.exp(SCORES[0]).sum()
    assert frame["label"] == "good"
    assert frame["probability"] == pytest.approx(p[2], rel=1e-6)
    assert [t[0] for t in frame["top"]] == ["good", "fine", "bad"]
    assert [task.frame(found, i)["right"] for i in range(3)] == [True, None, False]


@pytest.mark.parametrize("name", [n for n in registry.TASKS if n.endswith("classification")])
def test_a_contrast_is_with_the_runner_up_or_a_label(name: str) -> None:
    task = registry.load("tasks", name)
    found = task.decode(SCORES, FACTS)
    assert task.contrast is not None
    question = task.contrast(found, 0, "")
    assert (question.kind, question.target, question.against, question.unit) == ("contrast", 2, 1, "logit")
    assert question.text == "Why good and not fine?" and question.id == "contrast:2-1"
    assert task.contrast(found, 0, "bad").against == 0
    assert task.contrast(found, 0, "good") is None  # it is what was predicted
    assert task.contrast(found, 1, "").against == 1  # a tie: the first is predicted, the second runs up
    with pytest.raises(UnknownName, match="goof"):
        task.contrast(found, 0, "goof")


@pytest.mark.parametrize("name", registry.TASKS)
def test_the_scalar_is_the_same_for_arrays_and_tensors(name: str) -> None:
    task = registry.load("tasks", name)
    value = task.kind == "value"
    asked = [Question("value", "?")] if value else [Question("logit", "?", 1), Question("contrast", "?", 2, 0)]
    expected = [SCORES[:, 0]] if value else [SCORES[:, 1], SCORES[:, 2] - SCORES[:, 0]]
    for question, answer in zip(asked, expected, strict=True):
        np.testing.assert_array_equal(task.scalar(SCORES, question), answer)
        np.testing.assert_array_equal(task.scalar(torch.from_numpy(SCORES), question).numpy(), answer)


def test_values_are_decoded_asked_and_framed() -> None:
    task = registry.load("tasks", "tabular-regression")
    found = task.decode(SCORES[:, :1], FACTS)
    assert isinstance(found, Values)
    np.testing.assert_array_equal(found.targets, [2, np.nan, 0])
    assert found.unit == "mm"
    assert task.question(found, 1).text == "Why 2 mm?"
    assert task.frame(found, 2) == {"value": -1.0, "error": -1.0}
    assert task.frame(found, 1) == {"value": 2.0, "error": None}


@pytest.mark.parametrize(
    ("task", "backbone"),
    [
        ("text-classification", {"source": "bert"}),
        ("image-classification", {"source": "vit"}),
        ("image-classification", {"factory": "net", "image_size": tiny.SIDE}),
        ("tabular-classification", {}),
        ("tabular-regression", {}),
    ],
)
def test_a_task_loads_its_backbone(task: str, backbone: dict[str, Any]) -> None:
    keys = dict(backbone)
    if "source" in keys:
        keys["source"] = str(tiny.model(keys["source"]))
    if "factory" in keys:
        keys["factory"] = f"{tiny.factory()}:{keys['factory']}"
    loaded = registry.load("tasks", task)
    dataset: Any = tiny.table(40, classes=loaded.kind == "class")
    if not task.startswith("tabular"):
        dataset = type(dataset)("d", loaded.modality_name, (), tiny.LABELS)
    made, preparation = loaded.load(tiny.config(task, backbone=keys), dataset)
    inputs = {"text": ["the cat"], "image": tiny.pictures(1), "table": [e.input for e in dataset.examples[:1]]}
    batch = loaded.modality.encode(inputs[loaded.modality_name], preparation).batch([0])
    assert set(batch) >= set(made.inputs)
    assert made.modality == loaded.modality_name
    assert made.outputs(batch).shape == (1, 1 if loaded.kind == "value" else len(dataset.labels))


@pytest.mark.parametrize(
    ("backbone", "match"),
    [
        ({"source": "vit", "image_size": 20}, "20 by 20 pixels: ValueError"),
        ({"factory": "picky", "image_size": 8}, "8 by 8 pixels: RuntimeError"),
        ({"factory": "maps", "image_size": 8}, r"gave scores of shape \(2, 3, 6, 6\), not \(2, 3\)"),
    ],
)
def test_pictures_that_the_backbone_does_not_take_are_a_wrong_config(
    tmp_path: Any, backbone: dict[str, Any], match: str
) -> None:
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "def picky():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))\n"
        "def maps():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 1))\n"
    )
    keys = dict(backbone)
    if "source" in keys:
        keys["source"] = str(tiny.model(keys["source"]))
    else:
        keys["factory"] = f"{tmp_path / 'own.py'}:{keys['factory']}"
    task: Any = registry.load("tasks", "image-classification")
    with pytest.raises(ConfigError, match=match) as caught:
        task.load(tiny.config(task.name, backbone=keys), Dataset("d", "image", (), tiny.LABELS))
    assert caught.value.exit_code == 2
    assert caught.value.hint
