"""The fingerprint: what it counts, and what its hash does and does not depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import statistics

import numpy as np
import pytest

from workbench.data.fingerprint import fingerprint, input_hash, input_hashes
from workbench.types import Column, Dataset, Example, Skipped


def texts(**changes):
    examples = tuple(
        Example(f"e{i}", f"text {i}", i % 2, ("train", "train", "validation", "test")[i % 4]) for i in range(8)
    )
    return Dataset("toy", "text", examples, labels=("no", "yes"), **changes)


def test_counts_of_classes_and_splits():
    found = fingerprint(texts(skipped=(Skipped("a.csv, row 3", "empty text"),), notes=("A note.",)), source="a.csv")
    assert found["splits"] == {"train": 4, "validation": 2, "test": 2}
    assert found["classes"]["train"] == {"no": 2, "yes": 2}
    assert found["classes"]["test"] == {"no": 0, "yes": 2}
    assert found["skipped"] == [{"where": "a.csv, row 3", "reason": "empty text"}]
    assert (found["source"], found["notes"], found["labels"]) == ("a.csv", ["A note."], ["no", "yes"])
    assert "target" not in found
    assert "columns" not in found
    json.dumps(found, allow_nan=False)


def test_summary_of_values_and_missing_cells():
    values = [1.0, 4.0, 2.5, 8.0]
    examples = tuple(
        Example(str(i), {"a": None if i == 1 else math.nan if i == 2 else 1.0, "b": "x"}, v, "train")
        for i, v in enumerate(values)
    )
    columns = (Column("a", "numeric"), Column("b", "categorical", ("x",)))
    found = fingerprint(Dataset("toy", "table", examples, columns=columns, target="price", unit="EUR"))
    assert found["target"]["train"] == pytest.approx(
        {"mean": statistics.mean(values), "sd": statistics.stdev(values), "min": 1, "max": 8}
    )
    assert found["target"]["test"] == dict.fromkeys(("mean", "sd", "min", "max"))
    assert found["columns"][0] == {
        "name": "a",
        "kind": "numeric",
        "categories": [],
        "missing": {"train": 2, "validation": 0, "test": 0},
    }
    assert (found["target_name"], found["unit"]) == ("price", "EUR")
    json.dumps(found, allow_nan=False)


def change(index, **fields):
    dataset = texts()
    examples = list(dataset.examples)
    examples[index] = dataclasses.replace(examples[index], **fields)
    return dataclasses.replace(dataset, examples=tuple(examples))


@pytest.mark.parametrize(
    "fields", [{"id": "x"}, {"input": "text 1 "}, {"target": 0}, {"split": "test"}, {"target": None}]
)
def test_the_hash_covers_id_input_target_and_split(fields):
    assert fingerprint(change(1, **fields))["sha256"] != fingerprint(texts())["sha256"]


def test_the_hash_covers_nothing_else():
    same = dataclasses.replace(texts(), name="other", notes=("x",))
    assert fingerprint(same)["sha256"] == fingerprint(change(1, meta={"a": "b"}))["sha256"]
    assert fingerprint(same, source="elsewhere")["sha256"] == fingerprint(texts())["sha256"]
    assert fingerprint(texts(), hashes=input_hashes(texts())) == fingerprint(texts())


def test_hash_of_a_picture_is_that_of_its_bytes_wherever_it_lies(tmp_path):
    for name in ("a.png", "deep/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"pixels")
    expected = hashlib.sha256(b"pixels").hexdigest()
    assert {input_hash(tmp_path / "a.png"), input_hash(tmp_path / "deep/b.png"), input_hash(b"pixels")} == {expected}


def test_hash_of_a_row_is_that_of_its_cells():
    row = {"a": 1.0, "b": "x", "c": None}
    assert input_hash(row) == hashlib.sha256(b'{"a":1.0,"b":"x","c":null}').hexdigest()
    assert input_hash({"c": math.nan, "b": "x", "a": 1}) == input_hash(row)
    assert input_hash({"a": "1.0", "b": "x", "c": None}) != input_hash(row)


def test_hash_of_an_array_knows_its_shape():
    flat = np.zeros((2, 6, 3), dtype=np.uint8)
    assert input_hash(flat) != input_hash(flat.reshape(6, 2, 3))
    assert input_hash(flat) == input_hash(flat[:, ::-1])
