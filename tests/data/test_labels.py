"""Rows with several labels: how they are written, what is refused, how they are split and described."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from workbench.config import build_config
from workbench.data.checks import check
from workbench.data.fingerprint import fingerprint
from workbench.data.label_cells import label_sets
from workbench.data.sources import load_dataset
from workbench.data.splits import Shares, assign_splits
from workbench.data.tables import Table
from workbench.data.unlabelled import new_inputs
from workbench.errors import ConfigError, DataError
from workbench.types import Dataset, indicators


def load(source: Path, modality: str = "table", **data: Any) -> Dataset:
    task = {"table": "tabular", "text": "text", "image": "image"}[modality] + "-multilabel"
    config = build_config({"task": task, "data": {"source": str(source), **data}})
    return load_dataset(config, modality, "labels")


def sets(dataset: Dataset) -> list[tuple[str, ...]]:
    return [tuple(dataset.labels[k] for k in e.target) for e in dataset.examples]  # type: ignore[union-attr]


def csv(folder: Path, cells: list[str], head: str = "x,labels") -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([head, *(f"{i},{cell}" for i, cell in enumerate(cells))]) + "\n", encoding="utf-8")
    return path


CELLS = ["a;b", "b", "", " a ; a", '"[""b"", ""a""]"', "a", "b", "a;b"] * 5
MEANT = [("a", "b"), ("b",), (), ("a",), ("a", "b"), ("a",), ("b",), ("a", "b")] * 5


class TestCells:
    def test_text_json_and_nothing(self, tmp_path: Path) -> None:
        dataset = load(csv(tmp_path, CELLS))
        assert dataset.labels == ("a", "b") and dataset.kind == "labels" and dataset.target == "labels"
        assert sets(dataset) == MEANT
        assert [e.target for e in dataset.examples][:4] == [(0, 1), (1,), (), (0,)]

    @pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
    def test_lists(self, tmp_path: Path, suffix: str) -> None:
        lists = [list(s) for s in MEANT]
        path = tmp_path / f"t.{suffix}"
        if suffix == "jsonl":
            path.write_text("\n".join(json.dumps({"x": i, "tags": s}) for i, s in enumerate(lists)))
        else:
            pq.write_table(pa.table({"x": range(len(lists)), "tags": lists}), path)
        assert sets(load(path)) == MEANT

    def test_another_separator_and_numbers(self, tmp_path: Path) -> None:
        dataset = load(csv(tmp_path, ["1|2", "10", "2", "1|10"] * 6), label_separator="|")
        assert dataset.labels == ("1", "2", "10") and sets(dataset)[:2] == [("1", "2"), ("10",)]

    def test_columns_of_zero_and_one(self, tmp_path: Path) -> None:
        rows = ["1,yes", "0,no", "1,False", "0,TRUE", "1.0,1"] * 5
        dataset = load(csv(tmp_path, rows, "x,hot,wet"), targets=["wet", "hot"])
        assert dataset.labels == ("wet", "hot") and [c.name for c in dataset.columns] == ["x"]
        assert sets(dataset)[:5] == [("wet", "hot"), (), ("hot",), ("wet",), ("wet", "hot")]

    def test_a_missing_cell_is_an_unknown_target(self, tmp_path: Path) -> None:
        rows = [{"x": i, "labels": list(s) if i != 3 else None} for i, s in enumerate(MEANT)]
        path = tmp_path / "t.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        dataset = load(path, max_skipped=0.1)
        assert len(dataset.examples) == len(MEANT) - 1
        assert [(s.where, s.reason) for s in dataset.skipped] == [("t.jsonl, row 4", "the target is missing")]
        rows = ["1,0", "0,1", ",1", "1,1", "0,0"] * 4
        dataset = load(csv(tmp_path, rows, "x,hot,wet"), targets=["hot", "wet"], max_skipped=0.5)
        assert len(dataset.examples) == 16

    def test_one_value_is_one_label(self) -> None:
        data = build_config({"task": "text-multilabel", "data": {"source": "x"}}).data
        table = Table("t", {"y": [3, 2.0, True, float("nan"), [1, "b"], []]})
        assert label_sets(table, data, "y") == [("3",), ("2",), ("True",), (), ("1", "b"), ()]

    def test_labels_of_the_config_give_the_order(self, tmp_path: Path) -> None:
        assert load(csv(tmp_path, CELLS), labels=["b", "a", "c"]).labels == ("b", "a", "c")


class TestRefused:
    @pytest.mark.parametrize(
        ("cells", "data", "says", "hint"),
        [
            ([""] * 20, {}, "holds no label in any of", "data.targets"),
            (["a", ""] * 20, {}, "holds one label only in the training split: 'a'", "classification task"),
            (["a;;b", "b"] * 20, {}, r"row 1, column 'labels': \['a', '', 'b'\] holds something that is no", "';'"),
            (['"[a, b]"', "b"] * 20, {}, "is not a JSON list", "first;second"),
            ([f"l{i}" for i in range(40)], {}, "40 distinct labels", "label_separator"),
            (["a;b", "b"] * 20, {"labels": ["a", "d"]}, "row 1, .*: label 'b' is not in data.labels", "repair it"),
            (["a;b", "b"] * 20, {"target": "label"}, "no column 'label'", "did you mean 'labels'?"),
        ],
    )
    def test_cells(self, tmp_path: Path, cells: list[str], data: dict[str, Any], says: str, hint: str) -> None:
        with pytest.raises(DataError, match=says) as caught:
            load(csv(tmp_path, cells), **data)
        assert hint in caught.value.hint and caught.value.exit_code == 3

    def test_a_label_that_training_does_not_know(self, tmp_path: Path) -> None:
        source = csv(tmp_path, CELLS)
        test = tmp_path / "test.csv"
        test.write_text("x,labels\n1,a;bb\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"test.csv, row 1, column 'labels': label 'bb' is not in the training"):
            load(source, test=str(test))

    @pytest.mark.parametrize(
        ("cell", "says"), [("2", "'2' does not say"), ("maybe", "'maybe' does not say"), ("-1", "'-1' does not say")]
    )
    def test_columns_of_other_values(self, tmp_path: Path, cell: str, says: str) -> None:
        with pytest.raises(DataError, match=f"row 3, column 'wet': {says}") as caught:
            load(csv(tmp_path, ["1,0", "0,1", f"1,{cell}"], "x,hot,wet"), targets=["hot", "wet"])
        assert "0 and 1" in caught.value.hint

    def test_a_column_that_never_holds(self, tmp_path: Path) -> None:
        path = csv(tmp_path, ["1,0", "0,0"] * 10, "x,hot,wet")
        with pytest.raises(DataError, match=r"column 'wet' \(data.targets\) holds no 1 in the training split"):
            load(path, targets=["hot", "wet"])

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            ({"targets": ["hot"], "target": "wet"}, "both given"),
            ({"targets": ["hot", "hot"]}, "named a second time"),
            ({"targets": ["hot", "wet"], "features": ["hot"]}, "named a second time"),
            ({"targets": ["hot", "wet"], "labels": ["hot", "cold"]}, "name different labels"),
            ({"targets": ["hot", "wet"], "labels": ["hot", "hot"]}, "holds a name twice"),
        ],
    )
    def test_contradictions(self, tmp_path: Path, data: dict[str, Any], says: str) -> None:
        path = csv(tmp_path, ["1,0", "0,1"] * 10, "x,hot,wet")
        with pytest.raises(ConfigError, match=says):
            load(path, **data)

    def test_columns_of_labels_in_another_task(self, tmp_path: Path) -> None:
        path = csv(tmp_path, ["1,0", "0,1"] * 10, "x,hot,wet")
        config = build_config({"task": "tabular-classification", "data": {"source": str(path), "targets": ["hot"]}})
        with pytest.raises(ConfigError, match="for multi-label tasks"):
            load_dataset(config, "table", "class")

    def test_a_fixture_of_classes(self) -> None:
        config = build_config({"task": "tabular-multilabel", "data": {"source": "fixture:breast-cancer"}})
        with pytest.raises(ConfigError, match="is table classification"):
            load_dataset(config, "table", "labels")


def test_pictures_beside_a_table_even_where_there_are_folders(tmp_path: Path) -> None:
    rows = ["file_name,labels"]
    for i in range(24):
        place = tmp_path / ("one", "two")[i % 2]
        place.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(place / f"{i}.png")
        rows.append(f"{place.name}/{i}.png,{('a;b', 'a', '', 'b')[i % 4]}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n")
    dataset = load(tmp_path, "image")
    assert len(dataset.examples) == 24 and dataset.examples[0].target == (0, 1)


def test_a_test_split_without_any_label_is_left_out(tmp_path: Path) -> None:
    source = csv(tmp_path, CELLS)
    test = tmp_path / "test.csv"
    test.write_text("x,labels\n1,\n2,\n", encoding="utf-8")
    dataset = load(source, test=str(test))
    assert any("test split has no targets" in note for note in dataset.notes)


def test_every_split_has_its_share_of_the_rarest_label() -> None:
    rng = np.random.default_rng(0)
    targets = [
        tuple(n for n, share in (("a", 0.6), ("b", 0.3), ("c", 0.04)) if rng.random() < share) for _ in range(500)
    ]
    total = Counter(label for t in targets for label in t)
    for seed in range(5):
        splits, how = assign_splits([""] * 500, targets, [""] * 500, Shares(0.15, 0.2, seed))
        found = Counter(label for t, s in zip(targets, splits, strict=True) if s == "test" for label in t)
        assert found["c"] == pytest.approx(0.2 * total["c"], abs=1)
        assert found["a"] == pytest.approx(0.2 * total["a"], rel=0.25)
    assert "stratified by the rarest label of each example" in how


def test_groups_stay_on_one_side() -> None:
    groups = [f"g{i // 4}" for i in range(200)]
    targets = [("a",) if i % 3 else ("a", "b") for i in range(200)]
    splits, how = assign_splits([""] * 200, targets, groups, Shares(0.15, 0.2, 0, group="who"))
    assert len({(g, s) for g, s in zip(groups, splits, strict=True)}) == 50 and "each who on one side" in how


def test_the_fingerprint_counts_labels(tmp_path: Path) -> None:
    dataset = load(csv(tmp_path, CELLS))
    found = fingerprint(dataset)
    assert sum(found["classes"][s]["a"] for s in found["splits"]) == sum("a" in s for s in MEANT)
    train = [sets(dataset)[i] for i, e in enumerate(dataset.examples) if e.split == "train"]
    assert found["label_sets"]["train"]["cardinality"] == pytest.approx(np.mean([len(s) for s in train]))
    assert found["label_sets"]["train"]["empty"] == sum(not s for s in train)
    assert "target" not in found and json.dumps(found)
    other = load(csv(tmp_path, ["b", *CELLS[1:]]))
    assert fingerprint(other)["sha256"] != found["sha256"]


def test_what_the_checks_say_of_labels(tmp_path: Path) -> None:
    cells = ["a", "b;a", "", "a"] * 50
    cells[7] = cells[8] = "c"
    found = {c["check"]: c for c in check(load(csv(tmp_path, cells)))}
    assert found["missing_labels"]["level"] == "warning" and "'c'" in found["missing_labels"]["sentence"]
    assert found["label_balance"]["level"] in ("note", "warning") and "'c'" in found["label_balance"]["sentence"]
    assert "have none" in found["label_sets"]["sentence"] and "class_imbalance" not in found
    assert "Labels with fewer than 10 test examples" in found["small_classes"]["sentence"]
    one = {c["check"]: c for c in check(load(csv(tmp_path, ["a", "b"] * 30)))}
    assert one["label_sets"]["level"] == "note" and "exactly one label" in one["label_sets"]["sentence"]
    assert one["missing_labels"]["level"] == "ok"


def test_a_column_that_tells_one_label_is_found(tmp_path: Path) -> None:
    rows = [f"{i % 2},{'a;b' if i % 2 else ('b' if i % 3 else '')}" for i in range(90)]
    found = {c["check"]: c for c in check(load(csv(tmp_path, rows, "x,leak,labels")))}
    assert found["target_leak"]["level"] == "warning" and "leak" in found["target_leak"]["sentence"]


def test_new_texts_may_come_with_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("comment,labels\nfirst words,a;b\nother words,\n")
    data = build_config({"task": "text-multilabel", "data": {"source": "x"}}).data
    assert new_inputs(path, data, "text")[1] == ("first words", "other words")


def test_indicators_are_the_sets_and_unknown_ones_are_minus_one() -> None:
    found = indicators([(0, 2), (), None], 3)
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [-1, -1, -1]] and found.dtype == np.int8
