"""Checks on examples: each finding on data made to show it, and "ok" where there is none."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from workbench.data.checks import check
from workbench.types import Dataset, Example, Skipped


def texts(rows, **fields):
    examples = tuple(Example(f"e{i}", text, target, split) for i, (text, target, split) in enumerate(rows))
    return Dataset("toy", "text", examples, labels=("no", "yes"), **fields)


def found(dataset, name, **options):
    findings = {f["check"]: f for f in check(dataset, **options)}
    return findings[name]


CLEAN = [(f"text {i}", i % 2, s) for i, s in enumerate(["train"] * 40 + ["validation"] * 20 + ["test"] * 20)]


def test_clean_data_is_ok_in_every_check():
    findings = check(texts(CLEAN))
    assert {f["level"] for f in findings} == {"ok"}
    assert {f["n"] for f in findings} == {0}
    assert all(set(f) == {"check", "level", "sentence", "n", "examples"} for f in findings)
    assert all(f["sentence"].endswith(".") for f in findings)
    json.dumps(findings)


def test_test_texts_that_were_trained_on_are_a_warning():
    rows = [*CLEAN, ("Text  3", 1, "test"), ("text 5 ", 0, "test"), ("text 45", 1, "test"), ("text 7", 1, "validation")]
    leak = found(texts(rows), "leak_test")
    assert (leak["level"], leak["n"], leak["examples"]) == ("warning", 3, ["e80", "e81", "e82"])
    assert "3 of 23 test inputs also occur in train or validation, 2 with the same target" in leak["sentence"]
    assert found(texts(rows), "leak_validation")["examples"] == ["e83"]
    assert found(texts(rows), "conflicting_targets")["examples"] == ["e5", "e81"]


def test_repeats_within_a_split_are_a_note():
    rows = [*CLEAN, ("text 1", 1, "train"), ("text 1", 1, "train"), ("text 61", 1, "test")]
    finding = found(texts(rows), "duplicates")
    assert (finding["level"], finding["n"], finding["examples"]) == ("note", 3, ["e80", "e81", "e82"])
    assert "2 in train, 1 in test" in finding["sentence"]


@pytest.mark.parametrize(("ones", "level"), [(20, "ok"), (10, "note"), (3, "warning")])
def test_imbalance_by_its_ratio(ones, level):
    rows = [(f"text {i}", int(i < ones), "train") for i in range(40)]
    finding = found(texts(rows), "class_imbalance")
    assert finding["level"] == level
    assert finding["n"] == (0 if level == "ok" else ones)  # examples of the smallest class
    if level != "ok":
        assert f"'no', has {40 - ones} examples" in finding["sentence"]


def test_small_test_classes_are_named():
    rows = [*CLEAN[:60], *[(f"more {i}", int(i < 3), "test") for i in range(20)]]
    finding = found(texts(rows), "small_classes")
    assert (finding["level"], finding["n"]) == ("warning", 1)
    assert "'yes' (3)" in finding["sentence"]


def test_what_could_not_be_read_is_told():
    skipped = tuple(Skipped(f"a.csv, row {i}", "empty text") for i in range(5))
    dataset = texts(CLEAN, skipped=skipped)
    assert found(dataset, "unreadable")["n"] == 5
    assert "a.csv, row 2: empty text; ..." in found(dataset, "unreadable")["sentence"]
    assert (found(dataset, "empty_texts")["level"], found(dataset, "empty_texts")["n"]) == ("note", 5)


def test_empty_and_long_texts():
    rows = [*CLEAN, (" ", 1, "train"), ("word " * 513, 1, "train"), ("word " * 512, 0, "train")]
    empty, long = found(texts(rows), "empty_texts"), found(texts(rows), "long_texts")
    assert (empty["level"], empty["examples"]) == ("warning", ["e80"])
    assert (long["n"], long["examples"]) == (1, ["e81"])


def test_only_ten_examples_are_named():
    finding = found(texts([*CLEAN, *[("same", 0, "train")] * 30]), "duplicates")
    assert (finding["n"], len(finding["examples"])) == (29, 10)


def test_a_group_in_two_splits_is_a_warning():
    groups = ["p", "p", "q", "q", "missing", "missing"]
    splits = ["train", "test", "train", "train", "train", "test"]
    examples = tuple(
        Example(f"e{i}", f"t{i}", i % 2, s, {"who": g}) for i, (g, s) in enumerate(zip(groups, splits, strict=True))
    )
    dataset = Dataset("toy", "text", examples, labels=("no", "yes"))
    finding = found(dataset, "group_leak", group="who")
    assert (finding["level"], finding["n"], finding["examples"]) == ("warning", 1, ["e1"])
    assert "group_leak" not in {f["check"] for f in check(dataset)}


def test_tiny_and_repeated_pictures():
    def png(width, colour):
        buffer = io.BytesIO()
        Image.new("RGB", (width, 20), colour).save(buffer, "PNG")
        return buffer.getvalue()

    inputs = [png(7, "red"), png(8, "red"), png(8, "blue"), png(8, "blue")]
    examples = tuple(
        Example(f"e{i}", x, i % 2, s)
        for i, (x, s) in enumerate(zip(inputs, ["train", "train", "train", "test"], strict=True))
    )
    dataset = Dataset("toy", "image", examples, labels=("no", "yes"))
    assert found(dataset, "tiny_pictures")["examples"] == ["e0"]
    assert found(dataset, "leak_test")["examples"] == ["e3"]
