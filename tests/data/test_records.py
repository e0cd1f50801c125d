"""Tables as records: inputs, kinds of columns, ids, splits, metadata; bad cells by file, row and column."""

from __future__ import annotations

import math

import pytest

from workbench.config import Data
from workbench.data.records import table_records
from workbench.data.tables import Table
from workbench.errors import DataError
from workbench.types import Column, Skipped


def records(columns, modality="table", kind="class", as_text=True, split="", test=None, folder=None, **keys):
    parts = [(split, Table("t.csv", columns, folder=folder, as_text=as_text))]
    if test is not None:
        parts = [("train", parts[0][1]), ("test", Table("test.csv", test, folder=folder, as_text=as_text))]
    return table_records(parts, Data(source="t.csv", target="y", **keys), modality, kind)


def test_rows_of_a_csv():
    found = records({"n": ["1", "", "2.5"], "c": ["a", "", " b "], "y": ["u", "v", ""]})
    assert found.columns == (Column("n", "numeric"), Column("c", "categorical"))
    assert [r.input for r in found.rows] == [{"n": 1.0, "c": "a"}, {"n": None, "c": None}, {"n": 2.5, "c": "b"}]
    assert [r.target for r in found.rows] == ["u", "v", None]
    assert [r.id for r in found.rows] == ["row-1", "row-2", "row-3"]
    assert found.rows[1].where == "t.csv, row 2"


def test_typed_cells_are_what_their_type_says():
    cells = {"i": [1, 2], "f": [0.5, math.nan], "s": ["1", "2"], "b": [True, False], "k": [3, 4.0], "y": [0, 1]}
    found = records(cells, as_text=False, categorical=("k",))
    assert [c.kind for c in found.columns] == ["numeric", "numeric", "categorical", "categorical", "categorical"]
    assert [r.input for r in found.rows] == [
        {"i": 1.0, "f": 0.5, "s": "1", "b": "True", "k": "3"},
        {"i": 2.0, "f": None, "s": "2", "b": "False", "k": "4"},
    ]
    assert [r.target for r in found.rows] == ["0", "1"]
    assert [c.name for c in found.columns if c.meant] == ["k"]


def test_true_and_false_are_one_category_each_however_they_are_spelt():
    cells = ["true", "TRUE", "", "False", "false"]
    found = records({"b": cells, "y": list("uvuvu")}, slices=("b",), test={"b": ["FALSE", "True"], "y": ["u", "v"]})
    assert [r.input["b"] for r in found.rows] == ["true", "true", None, "False", "False", "False", "true"]
    assert [r.meta["b"] for r in found.rows] == ["true", "true", "missing", "False", "False", "False", "true"]
    typed = records({"b": ["TRUE", "true", True], "y": list("uvu")}, as_text=False)
    assert [r.input["b"] for r in typed.rows] == ["TRUE"] * 3
    words = records({"b": ["true", "True", "no"], "y": list("uvu")})
    assert [r.input["b"] for r in words.rows] == ["true", "True", "no"]


def test_an_empty_column_is_left_out_with_a_note():
    found = records({"a": ["1", "2"], "void": ["", " "], "y": ["u", "v"]})
    assert [c.name for c in found.columns] == ["a"]
    assert any("'void'" in note for note in found.notes)
    with pytest.raises(DataError, match="every feature column is empty"):
        records({"void": ["", " "], "y": ["u", "v"]})


def test_kinds_come_from_training_and_a_word_among_test_numbers_is_named():
    with pytest.raises(DataError) as error:
        records({"n": ["1", "2"], "y": ["u", "v"]}, test={"n": ["3", "many"], "y": ["u", "v"]})
    assert "test.csv, row 2, column 'n': 'many' is not a number" in error.value.message
    assert "data.categorical" in error.value.hint


def test_a_column_that_a_test_file_lacks_is_named():
    with pytest.raises(DataError, match=r"test\.csv has no column 'n'"):
        records({"n": ["1", "2"], "y": ["u", "v"]}, test={"m": ["3"], "y": ["u"]})
    extra = records({"n": ["1", "2"], "y": ["u", "v"]}, test={"n": ["3"], "y": ["u"], "m": ["3"]})
    assert extra.rows[-1].input == {"n": 3.0}


def test_infinity_is_skipped_by_name():
    found = records({"n": ["1", "inf", "-Infinity"], "y": ["u", "v", "u"]})
    assert found.skipped == [
        Skipped("t.csv, row 2", "infinity in column 'n'"),
        Skipped("t.csv, row 3", "infinity in column 'n'"),
    ]
    assert [r.id for r in found.rows] == ["row-1"]


def test_empty_texts_are_skipped_and_numbers_are_no_text():
    found = records({"t": ["words", "  ", ""], "y": ["u", "v", "u"]}, "text", text="t")
    assert [s.where for s in found.skipped] == ["t.csv, row 2", "t.csv, row 3"]
    with pytest.raises(DataError, match="column 't': int, not text"):
        records({"t": ["words", 3], "y": ["u", "v"]}, "text", as_text=False, text="t")


def test_regression_targets_are_numbers():
    found = records({"n": ["1", "2"], "y": ["0.5", "nan"]}, kind="value")
    assert found.rows[0].target == 0.5
    assert math.isnan(found.rows[1].target)
    with pytest.raises(DataError) as error:
        records({"n": ["1", "2"], "y": ["0.5", "cheap"]}, kind="value")
    assert "t.csv, row 2, column 'y': target 'cheap' is not a number" in error.value.message


def test_ids_are_unique():
    columns = {"n": ["1", "2", "3"], "nr": ["a", "b", "a"], "y": ["u", "v", "u"]}
    with pytest.raises(DataError, match=r"row 3, column 'nr': id 'a' is also that of row 1"):
        records(columns, id="nr")
    with pytest.raises(DataError, match="row 2, column 'nr': the id is missing"):
        records(columns | {"nr": ["a", "", "c"]}, id="nr")


def test_ids_that_repeat_from_file_to_file_are_told_apart():
    part = {"n": ["1", "2"], "nr": ["a", "b"], "y": ["u", "v"]}
    found = records(part, test=part, id="nr")
    assert [r.id for r in found.rows] == ["train-a", "train-b", "test-a", "test-b"]
    assert any("Ids repeat" in note for note in found.notes)


def test_a_split_column_names_splits():
    columns = {"n": ["1", "2", "3"], "part": ["Train", "dev", "TEST"], "y": ["u", "v", "u"]}
    found = records_with_split(columns)
    assert [r.split for r in found.rows] == ["train", "validation", "test"]
    with pytest.raises(DataError) as error:
        records_with_split(columns | {"part": ["train", "train", "fold3"]})
    assert "row 3, column 'part': 'fold3' is no split" in error.value.message


def records_with_split(columns):
    return table_records(
        [("", Table("t.csv", columns, as_text=True))], Data(source="t", target="y", split="part"), "table", "class"
    )


def test_slices_and_group_go_to_meta():
    columns = {"n": ["1", "2"], "sex": ["f", ""], "who": ["p", "q"], "y": ["u", "v"]}
    found = records(columns, slices=("sex",), group="who")
    assert [r.meta for r in found.rows] == [{"sex": "f", "who": "p"}, {"sex": "missing", "who": "q"}]
    assert found.rows[0].input == {"n": 1.0, "sex": "f"}


def test_a_picture_outside_the_folder_is_skipped(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
    cells = ["a.png", "../secret.png", "link.png", str(tmp_path / "secret.png"), ""]
    found = records({"image": cells, "y": list("uvuvu")}, "image", folder=tmp_path / "data", image="image")
    assert [r.input for r in found.rows] == [tmp_path / "data" / "a.png"]
    assert [s.reason for s in found.skipped][:3] == [f"{c!r} lies outside the data folder" for c in cells[1:4]]
    assert found.skipped[3].reason == "no picture"
