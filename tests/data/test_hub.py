"""Hugging Face datasets: saved directories with coded classes and pictures; errors of the hub."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from PIL import Image

from workbench.data import hub
from workbench.errors import DataError

CODED = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})


def texts(n, labels=None):
    content = {"text": [f"words {i}" for i in range(n)], "label": labels or [i % 2 for i in range(n)]}
    return datasets.Dataset.from_dict(content, features=CODED)


def test_a_saved_dataset_with_splits_and_coded_classes(tmp_path, load):
    parts = {"train": texts(40), "validation": texts(10), "test": texts(6, [-1] * 6), "unsupervised": texts(3)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    assert hub.is_saved(tmp_path / "saved")
    tables = dict(hub.saved_tables(tmp_path / "saved"))
    assert tables["train"].columns["label"][:2] == ["neg", "pos"]
    assert tables["test"].columns["label"] == [None] * 6  # -1 stands for "not published"
    found = load(tmp_path / "saved", "text", "class")
    assert found.labels == ("neg", "pos")
    assert any("unsupervised" in note for note in found.notes)
    assert any("test split has no targets" in note for note in found.notes)
    assert len(found.split("test")) == 10  # the validation split, where the test split has no targets
    assert "used as the test split" in found.split_method


def test_the_order_of_coded_classes_is_kept(tmp_path, load):
    features = datasets.Features(
        {"n": datasets.Value("int64"), "y": datasets.ClassLabel(names=["zero", "a", "unused"])}
    )
    content = {"n": list(range(30)), "y": [i % 2 for i in range(30)]}
    datasets.Dataset.from_dict(content, features=features).save_to_disk(tmp_path / "saved")
    found = load(tmp_path / "saved", "table", "class")
    assert found.labels == ("zero", "a")
    assert {len(found.split(s)) for s in ("train", "validation", "test")} == {20, 4, 6}


def test_pictures_stay_encoded_until_they_are_read(tmp_path, load):
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(20)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    content = datasets.Dataset.from_dict({"image": images, "label": [i % 2 for i in range(20)]}, features=features)
    content.save_to_disk(tmp_path / "saved")
    found = load(tmp_path / "saved", "image", "class")
    assert all(isinstance(e.input, bytes) for e in found.examples)
    assert len(found.examples) == 20


def test_a_hub_name_is_loaded_with_subset_and_revision(monkeypatch, load):
    asked = []

    def load_dataset(*args, **keys):
        asked.append((args, keys))
        return datasets.DatasetDict({"train": texts(40), "test": texts(10)})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = load("hf:someone/reviews", "text", "class", subset="en", revision="abc")
    assert asked == [(("someone/reviews", "en"), {"revision": "abc"})]
    assert found.name == "someone/reviews"
    assert len(found.split("test")) == 10


@pytest.mark.parametrize(
    "raised",
    [
        ConnectionError("Couldn't reach 'x' on the Hub"),
        datasets.exceptions.DatasetNotFoundError("Dataset 'x' doesn't exist"),
        ValueError("BuilderConfig 'y' not found"),
    ],
)
def test_errors_of_the_hub_are_translated(monkeypatch, raised):
    def load_dataset(*args, **keys):
        raise raised

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError) as error:
        hub.hub_tables("x", "y")
    assert str(raised) in error.value.message
    assert "hf:x (y)" in error.value.message


def test_a_damaged_directory_and_a_lack_of_splits_are_named(tmp_path):
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(DataError, match="cannot load the saved dataset"):
        hub.saved_tables(tmp_path)
    datasets.DatasetDict({"a": texts(3), "b": texts(3)}).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="no training split; its splits are a, b"):
        hub.saved_tables(tmp_path / "saved")
    datasets.DatasetDict({"all": texts(3)}).save_to_disk(tmp_path / "one")
    assert [split for split, _ in hub.saved_tables(tmp_path / "one")] == [""]
