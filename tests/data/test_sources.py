"""From a config to a dataset: every kind of source, and every kind of bad data with its exit code."""

from __future__ import annotations

import sys
import types
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench import registry
from workbench.data.fingerprint import fingerprint
from workbench.data.records import sufficient_share
from workbench.errors import ConfigError, DataError, UnknownName
from workbench.types import Column, Dataset, Example


def sizes(dataset):
    return {s: len(dataset.split(s)) for s in ("train", "validation", "test")}


# -- what is read -------------------------------------------------------------------------


def test_a_csv_becomes_a_dataset(write, rows, load):
    path = write("things.csv", rows(100))
    found = load(path, "table", "class", unit="kg")
    assert (found.name, found.modality, found.target, found.unit) == ("things", "table", "label", "")
    assert found.labels == ("no", "yes")
    assert found.columns == (Column("size", "numeric"), Column("colour", "categorical", ("blue", "green", "red")))
    assert sizes(found) == {"train": 65, "validation": 15, "test": 20}
    assert found.by_id["row-3"].input == {"size": 0.2857, "colour": "blue"}
    assert found.by_id["row-3"].target == 0
    assert found.skipped == ()
    assert "No split is given" in found.split_method


def test_a_folder_of_tables_is_named_after_the_folder(write, rows, load):
    write("cars/train.csv", rows(60))
    write("cars/dev.csv", rows(20))
    path = write("cars/test.csv", rows(30)).parent
    found = load(path, "table", "class")
    assert (found.name, sizes(found)) == ("cars", {"train": 60, "validation": 20, "test": 30})
    assert found.examples[0].id == "train-1"
    assert found.split_method == "Training, validation and test split as given."
    assert load(path / "train.csv", "table", "class").name == "cars"


def test_files_of_their_own_are_splits(write, rows, load):
    source, validation, test = (write(f"{n}.csv", rows(k)) for n, k in (("a", 60), ("b", 20), ("c", 30)))
    found = load(source, "table", "class", validation=str(validation), test=str(test))
    assert sizes(found) == {"train": 60, "validation": 20, "test": 30}
    asked = load(source, "table", "class", validation=str(validation))
    assert sizes(asked) == {"train": 48, "validation": 20, "test": 12}
    with pytest.raises(ConfigError, match=r"data\.split"):
        load(source, "table", "class", test=str(test), split="colour")


def test_regression_keeps_values_and_unit(write, load):
    path = write("a.csv", "x,y\n" + "".join(f"{i},{i * 2.5}\n" for i in range(40)))
    found = load(path, "table", "value", unit="EUR")
    assert (found.labels, found.unit, found.target) == ((), "EUR", "y")
    assert found.by_id["row-4"].target == 7.5


def test_labels_are_sorted_by_value_or_as_told(write, load):
    path = write("a.csv", "x,y\n" + "".join(f"{i},{i % 11}\n" for i in range(110)))
    assert load(path, "table", "class").labels == tuple(str(i) for i in range(11))
    order = tuple(str(i) for i in reversed(range(11)))
    told = load(path, "table", "class", labels=order)
    assert told.labels == order
    assert told.by_id["row-3"].target == 8
    with pytest.raises(ConfigError, match="a name twice"):
        load(path, "table", "class", labels=("0", "0"))


def test_a_label_of_one_is_a_label_of_one_point_zero(write, rows, load):
    train = write("a.csv", "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    test = write("b.csv", "x,y\n" + "".join(f"{i},{i % 2}.0\n" for i in range(10)))
    assert [e.target for e in load(train, "table", "class", test=str(test)).split("test")] == [0, 1] * 5


def test_a_folder_of_pictures(pictures, load):
    found = load(pictures({"train/cat": 20, "train/dog": 20, "val/cat": 5, "val/dog": 5}), "image", "class")
    assert found.labels == ("cat", "dog")
    assert sizes(found) == {"train": 34, "validation": 6, "test": 10}
    assert "the given validation split is used as the test split" in found.split_method
    assert found.by_id["train/dog/3.png"].input.name == "3.png"


def test_a_table_of_picture_paths(pictures, load):
    root = pictures({"images": 20})
    lines = [f"images/{i}.png,{'ab'[i % 2]},{'mf'[i % 2]}" for i in range(20)]
    (root / "labels.csv").write_text("file,label,sex\n" + "\n".join(lines) + "\n")
    found = load(root, "image", "class", slices=["sex"])
    assert found.labels == ("a", "b")
    assert found.by_id["row-1"].meta == {"sex": "m"}
    assert found.by_id["row-1"].input == root / "images" / "0.png"


def test_a_fixture_is_made_with_the_seed_and_can_be_limited(monkeypatch, load):
    def toy(seed):
        examples = [Example(f"{i}", f"text {seed}", i % 2, ("train", "test")[i % 3 == 0]) for i in range(60)]
        return Dataset("toy", "text", tuple(examples), labels=("a", "b"))

    monkeypatch.setitem(sys.modules, "toy_fixtures", types.SimpleNamespace(toy=toy))
    monkeypatch.setitem(registry.FIXTURES, "toy", ("toy_fixtures:toy", "A toy."))
    found = load("fixture:toy", "text", "class", seed=3)
    assert found.examples[0].input == "text 3"
    small = load("fixture:toy", "text", "class", limit=10)
    assert Counter((e.split, e.target) for e in small.examples) == {
        (s, t): 5 for s in ("train", "test") for t in (0, 1)
    }
    assert "at most 10" in small.split_method
    with pytest.raises(ConfigError, match="is text classification"):
        load("fixture:toy", "text", "value")
    with pytest.raises(DataError, match=r"no column 'sex' \(data.slices\)"):
        load("fixture:toy", "text", "class", slices=["sex"])
    with pytest.raises(UnknownName, match="unknown fixture 'tou'"):
        load("fixture:tou", "text", "class")


def test_groups_stay_on_one_side(write, load):
    lines = [f"{i},{'ab'[i % 2]},p{i // 5}" for i in range(300)]
    found = load(write("a.csv", "x,label,who\n" + "\n".join(lines)), "table", "class", group="who")
    assert [c.name for c in found.columns] == ["x"]
    sides = {}
    for e in found.examples:
        sides.setdefault(e.meta["who"], set()).add(e.split)
    assert {len(s) for s in sides.values()} == {1}
    assert all(n > 0 for n in sizes(found).values())


def test_a_limit_is_a_stratified_sample_that_the_seed_decides(write, rows, load):
    path = write("a.csv", rows(400))
    one, same, other = (load(path, "table", "class", seed=s, limit=20) for s in (0, 0, 1))
    assert sizes(one) == {"train": 20, "validation": 20, "test": 20}
    assert Counter(e.target for e in one.split("train")) == {0: 10, 1: 10}
    assert [e.id for e in one.examples] == [e.id for e in same.examples]
    assert [e.id for e in one.examples] != [e.id for e in other.examples]


def test_equal_configs_give_equal_bytes_wherever_the_data_lies(write, rows, load):
    first, second = (fingerprint(load(write(f"{d}/a.csv", rows(90)), "table", "class")) for d in ("x", "deep/y"))
    assert first == second


def test_a_category_never_seen_in_training_is_allowed(write, rows, load):
    test = write("t.csv", rows(20).replace("red", "violet"))
    found = load(write("a.csv", rows(80)), "table", "class", test=str(test))
    assert found.columns[1].categories == ("blue", "green", "red")
    assert "violet" in {e.input["colour"] for e in found.split("test")}


# -- what is skipped, and when that is too much --------------------------------------------


def test_up_to_a_share_is_skipped_by_name(write, rows, load):
    lines = rows(300).splitlines()
    lines[5], lines[9] = "inf,red,no", "1.5,red,"
    found = load(write("a.csv", "\n".join(lines)), "table", "class")
    assert len(found.examples) == 298
    assert [(s.where, s.reason) for s in found.skipped] == [
        ("a.csv, row 5", "infinity in column 'size'"),
        ("a.csv, row 9", "the target is missing"),
    ]


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        ("inf,red,no", "class", "row 5: infinity in column 'size'"),
        ("1,red,", "class", "row 5: the target is missing"),
        ("1,red,NaN", "class", "row 5: the target is missing"),
    ],
)
def test_more_is_an_error_that_names_the_first(write, rows, load, cells, kind, reason):
    lines = rows(50).splitlines()
    lines[5] = cells
    path = write("a.csv", "\n".join(lines))
    with pytest.raises(DataError) as error:
        load(path, "table", kind)
    assert error.value.exit_code == 3
    assert "1 of 50 examples cannot be used" in error.value.message
    assert reason in error.value.message
    assert error.value.hint.endswith("--set data.max_skipped=0.02")
    assert len(load(path, "table", kind, max_skipped=0.02).skipped) == 1


@pytest.mark.parametrize("bad", [2, 3, 7, 29, 30, 33, 49])
def test_the_share_that_the_hint_names_suffices(write, load, bad):
    lines = ["x,y", *(f"{'inf' if i < bad else i},{i % 7}" for i in range(97))]
    path = write("a.csv", "\n".join(lines))
    with pytest.raises(DataError) as error:
        load(path, "table", "value")
    share = error.value.hint.rpartition("=")[2]
    assert len(share.lstrip("0.")) <= 2 and float(share) < bad / 97 + 0.01
    assert ("first reasons first" in error.value.hint) == (bad > 97 / 4)
    assert len(load(path, "table", "value", max_skipped=float(share)).skipped) == bad


def test_the_share_suffices_in_floating_point_too():
    assert sufficient_share(29, 21) == 0.59  # 0.58 * 50 is less than 29
    assert sufficient_share(1, 2) == 0.34 and sufficient_share(1, 99_999) == 1e-5 and sufficient_share(999, 1) == 1.0


@pytest.mark.parametrize(("cell", "reason"), [("", "missing"), ("nan", "missing"), ("-inf", "infinite")])
def test_a_regression_target_that_is_no_number_to_learn(write, load, cell, reason):
    path = write("a.csv", "x,y\n" + "".join(f"{i},{i}\n" for i in range(30)) + f"7,{cell}\n")
    with pytest.raises(DataError, match=f"row 31: the target is {reason}"):
        load(path, "table", "value")


def test_empty_texts(write, load):
    lines = [f'"words {i}",{"ab"[i % 2]}' for i in range(30)]
    path = write("a.csv", "text,label\n" + "\n".join([*lines, '"  ",a', '"",b']))
    with pytest.raises(DataError, match=r"2 of 32.*row 31: empty text; a.csv, row 32: empty text"):
        load(path, "text", "class")


def test_unreadable_pictures(pictures, load):
    root = pictures({"cat": 60, "dog": 60})
    (root / "cat" / "0.png").write_bytes((root / "cat" / "0.png").read_bytes()[:200])
    found = load(root, "image", "class")
    assert [s.where for s in found.skipped] == ["cat/0.png"]
    assert "cat/0.png" not in found.by_id
    (root / "dog" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 120 .*cat/0\.png: .*dog/0\.png: not a picture"):
        load(root, "image", "class")


def test_odd_pictures_are_no_reason_to_skip(pictures, load):
    root = pictures({"cat": 10, "dog": 10})
    Image.new("RGB", (1, 1)).save(root / "cat" / "one.png")
    Image.new("CMYK", (9, 9)).save(root / "cat" / "cmyk.jpg")
    Image.fromarray(np.zeros((9, 9), dtype=np.uint16)).save(root / "dog" / "wide.png")
    Image.new("RGBA", (9, 9)).save(root / "dog" / "clear.png")
    found = load(root, "image", "class")
    assert (len(found.examples), found.skipped) == (24, ())


def test_a_linked_picture_outside_is_skipped(pictures, load, tmp_path):
    root = pictures({"cat": 60, "dog": 60})
    (tmp_path / "secret.png").write_bytes((root / "cat" / "0.png").read_bytes())
    (root / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    found = load(root, "image", "class")
    assert [(s.where, s.reason) for s in found.skipped] == [
        ("cat/link.png", "a symbolic link that leaves the data folder")
    ]


# -- what is refused -----------------------------------------------------------------------


def test_no_data_at_the_path(load):
    with pytest.raises(DataError) as error:
        load("nowhere/data.csv", "table", "class")
    assert "no data at 'nowhere/data.csv'" in error.value.message
    assert "fixture:NAME" in error.value.hint
    with pytest.raises(DataError, match="no data at ''"):
        load("", "table", "class")


def test_a_folder_that_may_not_be_read(tmp_path, load, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("workbench.data.folders.split_files", refuse)
    with pytest.raises(DataError) as error:
        load(tmp_path, "table", "class")
    assert f"cannot read {tmp_path}: Permission denied" in error.value.message


def test_a_missing_column(write, rows, load):
    with pytest.raises(DataError) as error:
        load(write("a.csv", rows(30)), "table", "class", target="lable")
    assert "a.csv has no column 'lable' (data.target)" in error.value.message
    assert "did you mean 'label'?" in error.value.hint


def test_an_unknown_label_in_the_test_split(write, rows, load):
    test = write("t.csv", "size,colour,label\n1,red,yes\n2,red,yess\n")
    with pytest.raises(DataError) as error:
        load(write("a.csv", rows(50)), "table", "class", test=str(test))
    assert "t.csv, row 2, column 'label': label 'yess' is not in the training split (no, yes)" in error.value.message
    assert "did you mean 'yes'?" in error.value.hint


def test_a_label_that_is_not_among_those_told(write, rows, load):
    with pytest.raises(DataError, match=r"row 2, column 'label': label 'yes' is not in data.labels \(no, maybe\)"):
        load(write("a.csv", rows(50)), "table", "class", labels=["no", "maybe"])


def test_one_class_only(write, rows, load, pictures):
    with pytest.raises(DataError, match="column 'label' holds one class only in the training split: 'no'"):
        load(write("a.csv", rows(50).replace("yes", "no")), "table", "class")
    with pytest.raises(DataError, match="one class only"):
        load(pictures({"cat": 20}), "image", "class")


def test_values_are_no_classes(write, load):
    path = write("a.csv", "x,y\n" + "".join(f"{i},{i / 7}\n" for i in range(100)))
    with pytest.raises(DataError) as error:
        load(path, "table", "class")
    assert "distinct values" in error.value.message
    assert "regression" in error.value.hint


def test_words_are_no_values(write, rows, load):
    with pytest.raises(DataError, match=r"a\.csv, row 1, column 'label': target 'no' is not a number"):
        load(write("a.csv", rows(50)), "table", "value")


def test_a_folder_of_pictures_has_no_columns_and_no_values(pictures, load):
    root = pictures({"cat": 9, "dog": 9})
    with pytest.raises(ConfigError, match=r"data\.group names a column"):
        load(root, "image", "class", group="who")
    with pytest.raises(DataError, match="regression needs a table"):
        load(root, "image", "value")


def test_a_class_of_one_is_kept_for_training(write, rows, load):
    found = load(write("a.csv", rows(60) + "1,red,rare\n"), "table", "class")
    assert found.by_id["row-61"].split == "train"
    assert found.labels == ("no", "rare", "yes")


# -- size ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_hundred_thousand_rows_stay_small(tmp_path, load):
    import tracemalloc

    n = 100_000
    rng = np.random.default_rng(0)
    columns = {f"n{i}": rng.normal(size=n) for i in range(8)}
    columns |= {f"c{i}": rng.choice([f"value {k}" for k in range(20)], n) for i in range(6)}
    pd.DataFrame(columns | {"label": rng.choice(["a", "b"], n)}).to_csv(tmp_path / "big.csv", index=False)
    tracemalloc.start()
    found = load(tmp_path / "big.csv", "table", "class")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.examples) == n
    assert peak < 700e6
