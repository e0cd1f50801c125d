"""Real sets: known sizes, known leaks between training and test, and time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from workbench.data.checks import check
from workbench.data.fingerprint import fingerprint, input_hashes

ROOT = Path(os.environ.get("WORKBENCH_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data")

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="set WORKBENCH_REAL_DATA to the folder of real data")


def look(load, name, modality, kind, **keys):
    dataset = load(ROOT / name, modality, kind, **keys)
    hashes = input_hashes(dataset)
    content = fingerprint(dataset, hashes=hashes)
    return dataset, content, {f["check"]: f for f in check(dataset, hashes=hashes)}


def test_adult_income_has_23_test_rows_in_training_and_is_read_in_seconds(load):
    begun = time.perf_counter()
    dataset, content, checks = look(load, "adult_income", "table", "class", target="income")
    assert time.perf_counter() - begun < 30  # about 3 s on one core
    assert content["splits"]["train"] + content["splits"]["validation"] == 32_561
    assert content["splits"]["test"] == 16_281
    assert dataset.labels == ("<=50K", ">50K")
    assert "23 with the same target" in checks["leak_test"]["sentence"]
    assert checks["missing_values"]["n"] == 3_620
    assert dataset.skipped == ()


@pytest.mark.parametrize(
    ("name", "sizes", "leaks"), [("sst2", (6920, 872, 1821), 2), ("ag_news", (6800, 1200, 7600), 16)]
)
def test_known_leaks_of_texts(load, name, sizes, leaks):
    _, content, checks = look(load, name, "text", "class")
    assert tuple(content["splits"].values()) == sizes
    assert (checks["leak_test"]["level"], checks["leak_test"]["n"]) == ("warning", leaks)


def test_california_housing_has_207_missing_cells(load):
    _, content, checks = look(load, "california_housing", "table", "value", target="median_house_value")
    assert sum(content["splits"].values()) == 20_640
    assert checks["missing_values"]["n"] == 207
    assert checks["target_leak"]["level"] == "ok"


def test_german_credit_is_mostly_categories(load):
    dataset, content, checks = look(load, "german_credit", "table", "class", target="credit_risk")
    assert sum(content["splits"].values()) == 1000
    assert sum(c.kind == "categorical" for c in dataset.columns) == 13
    assert checks["leak_test"]["level"] == "ok"


def test_json_lines_with_nested_columns(load):
    dataset, content, checks = look(load, "movies_rationales", "text", "class")
    assert sum(content["splits"].values()) == 1800
    assert dataset.examples[0].id == "negR_000.txt"
    assert checks["long_texts"]["n"] > 1000


@pytest.mark.parametrize(("name", "n", "classes"), [("hymenoptera", 397, 2), ("cifar10_small", 3000, 10)])
def test_folders_of_pictures(load, name, n, classes):
    dataset, content, _ = look(load, name, "image", "class")
    assert (sum(content["splits"].values()), len(dataset.labels), dataset.skipped) == (n, classes, ())
