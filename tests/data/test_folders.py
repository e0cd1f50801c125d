"""Folders: pictures by split and class, tables by split, and what is neither."""

from __future__ import annotations

import pytest

from workbench.data.folders import has_class_folders, picture_folder, split_files
from workbench.errors import DataError


def test_pictures_by_split_and_class(pictures):
    root = pictures({"train/cat": 2, "train/dog/young": 1, "valid/cat": 1, "test/dog": 1})
    found = picture_folder(root)
    assert [(r.id, r.target, r.split) for r in found.rows] == [
        ("train/cat/0.png", "cat", "train"),
        ("train/cat/1.png", "cat", "train"),
        ("train/dog/young/0.png", "dog", "train"),
        ("valid/cat/0.png", "cat", "validation"),
        ("test/dog/0.png", "dog", "test"),
    ]


def test_pictures_by_class_only(pictures):
    root = pictures({"cat": 1, "dog": 1})
    assert [(r.id, r.target, r.split) for r in picture_folder(root).rows] == [
        ("cat/0.png", "cat", ""),
        ("dog/0.png", "dog", ""),
    ]


def test_train_may_be_a_class(pictures):
    """Pictures of trains and cars: a folder without class folders is no split."""
    assert {r.target for r in picture_folder(pictures({"train": 1, "car": 1})).rows} == {"train", "car"}


def test_what_is_left_out_is_noted(pictures):
    root = pictures({"train/cat": 1, "extra/cat": 1})
    (root / "train" / "loose.png").touch()
    notes = picture_folder(root).notes
    assert "1 pictures directly in train have no class and are left out." in notes
    assert "Folders beside the splits are left out: extra." in notes


def test_a_class_folder_without_a_picture_is_said_with_what_it_holds(pictures):
    root = pictures({"cat": 2, "dog": 2})
    (root / "Empty").mkdir()
    (root / "phone").mkdir()
    for name in ("1.heic", "2.HEIC", "plain"):
        (root / "phone" / name).write_bytes(b"x")
    found = picture_folder(root)
    assert {r.target for r in found.rows} == {"cat", "dog"}
    start = "holds no picture of a known kind and makes no class:"
    assert f"The folder Empty {start} it is empty." in found.notes
    assert f"The folder phone {start} *.heic (2), * (1)." in found.notes


def test_a_link_out_of_the_folder_is_skipped_and_one_inside_is_not(pictures, tmp_path):
    root = pictures({"cat": 1, "dog": 1})
    (tmp_path / "secret.png").touch()
    (root / "cat" / "secret.png").symlink_to(tmp_path / "secret.png")
    (root / "cat" / "same.png").symlink_to(root / "cat" / "0.png")
    found = picture_folder(root)
    assert [(s.where, s.reason) for s in found.skipped] == [
        ("cat/secret.png", "a symbolic link that leaves the data folder")
    ]
    assert "cat/same.png" in [r.id for r in found.rows]


@pytest.mark.parametrize("layout", [{}, {"cat": 0}])
def test_no_picture_is_an_error_that_shows_the_layout(pictures, tmp_path, layout):
    root = pictures(layout)
    root.mkdir(exist_ok=True)
    with pytest.raises(DataError) as error:
        picture_folder(root)
    assert "FOLDER/train/CLASS" in error.value.hint


def test_one_split_twice_is_an_error(pictures):
    with pytest.raises(DataError, match="both the validation split"):
        picture_folder(pictures({"train/a": 1, "val/a": 1, "dev/a": 1}))


def test_tables_by_split(tmp_path):
    for name in ("train.csv", "dev.csv", "test.tsv", "other.csv", "notes.md"):
        (tmp_path / name).touch()
    assert {s: p.name for s, p in split_files(tmp_path).items()} == {
        "train": "train.csv",
        "validation": "dev.csv",
        "test": "test.tsv",
    }


def test_the_only_table_is_taken_and_several_are_not(tmp_path):
    (tmp_path / "a.csv").touch()
    assert split_files(tmp_path) == {"": tmp_path / "a.csv"}
    (tmp_path / "b.csv").touch()
    with pytest.raises(DataError, match=r"table files there: a\.csv, b\.csv"):
        split_files(tmp_path)
    (tmp_path / "train.csv").touch()
    (tmp_path / "train.tsv").touch()
    with pytest.raises(DataError, match="both the train split"):
        split_files(tmp_path)


def test_a_linked_table_outside_is_refused(tmp_path):
    (tmp_path / "secret.csv").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(DataError, match="symbolic link that leaves"):
        split_files(tmp_path / "data")


def test_folders_or_a_table_tell_classes_apart(pictures):
    root = pictures({"images": 2})
    (root / "labels.csv").touch()
    assert not has_class_folders(root)
    (root / "other").mkdir()
    (root / "images" / "0.png").rename(root / "other" / "0.png")
    assert has_class_folders(root)
    (root / "train.csv").touch()
    assert not has_class_folders(root)
