"""Columns by what they mean: as named, inferred where one reading is possible, else an error that lists them."""

from __future__ import annotations

import pytest

from workbench.config import Data
from workbench.data.roles import find_roles, require
from workbench.data.tables import Table
from workbench.errors import ConfigError, DataError


def table(as_text=False, **columns):
    return Table("t.csv", columns, as_text=as_text)


def roles(modality, columns, as_text=False, **keys):
    return find_roles(table(as_text, **columns), Data(source="t.csv", **keys), modality)


TEXTS = {"review": ["good film", "bad film"], "label": ["pos", "neg"]}


def test_the_only_string_column_is_the_text():
    found = roles("text", TEXTS | {"stars": [1, 2]})
    assert (found.inputs, found.target) == (("review",), "label")


def test_numbers_of_a_csv_are_no_text():
    assert roles("text", TEXTS | {"stars": ["1", "2"]}, as_text=True).inputs == ("review",)


def test_a_column_called_text_wins_over_others():
    assert roles("text", {"text": ["a", "b"], "title": ["c", "d"], "label": ["x", "y"]}).inputs == ("text",)


def test_two_possible_texts_are_an_error_that_lists_the_columns():
    with pytest.raises(DataError) as error:
        roles("text", TEXTS | {"title": ["c", "d"]})
    assert "'review' and 'title' could be it" in error.value.message
    assert "set data.text; columns: review, label, title" in error.value.hint


def test_an_unnamed_target_is_found_by_name_only():
    for name in ("target", "Label", "class", "y"):
        assert roles("table", {"a": [1, 2], name: [0, 1]}).target == name
    with pytest.raises(DataError, match="which column is the target\\? none is called"):
        roles("table", {"a": [1, 2], "outcome": [0, 1]})
    with pytest.raises(DataError, match="'label' and 'y' could be it"):
        roles("table", {"a": [1, 2], "label": [0, 1], "y": [0, 1]})


def test_a_missing_column_is_suggested():
    with pytest.raises(DataError) as error:
        roles("text", TEXTS, target="labl")
    assert "t.csv has no column 'labl' (data.target)" in error.value.message
    assert "did you mean 'label'?" in error.value.hint
    with pytest.raises(DataError, match=r"'colour' \(data.slices\)"):
        roles("text", TEXTS, slices=("colour",))


def test_features_are_all_columns_without_another_role():
    columns = {"a": [1, 2], "b": [1, 2], "who": ["x", "y"], "part": ["train", "test"], "nr": [1, 2], "label": [0, 1]}
    found = roles("table", columns, group="who", split="part", id="nr", ignore=("b",), slices=("a",))
    assert found.inputs == ("a",)
    assert (found.group, found.split, found.id, found.slices) == ("who", "part", "nr", ("a",))


def test_a_group_may_be_listed_as_a_feature():
    found = roles("table", {"a": [1, 2], "who": ["x", "y"], "label": [0, 1]}, group="who", features=("who", "a"))
    assert set(found.inputs) == {"a", "who"}


def test_a_unique_column_called_id_is_no_feature_unless_listed():
    columns = {"id": [7, 8], "a": [1, 2], "label": [0, 1]}
    found = roles("table", columns)
    assert (found.id, found.inputs) == ("id", ("a",))
    assert "used as the examples' id" in found.notes[0]
    assert roles("table", columns, features=("id", "a")).id == ""
    assert roles("table", columns | {"id": [7, 7]}).inputs == ("id", "a")


def test_lists_are_left_out_with_a_note():
    found = roles("table", {"a": [1, 2], "spans": [[1], [2]], "label": [0, 1]})
    assert found.inputs == ("a",)
    assert "'spans'" in found.notes[0]


@pytest.mark.parametrize(
    "keys",
    [
        {"target": "label", "features": ("label", "a")},
        {"target": "label", "ignore": ("label",)},
        {"features": ("spans",)},
        {"features": ("a", "b"), "ignore": ("b",)},
        {"ignore": ("b",), "categorical": ("b",)},
    ],
)
def test_contradicting_roles_are_a_config_error(keys):
    with pytest.raises(ConfigError) as error:
        roles("table", {"a": [1, 2], "b": [1, 2], "spans": [[1], [2]], "label": [0, 1]}, **keys)
    assert error.value.exit_code == 2


def test_no_feature_is_an_error():
    with pytest.raises(DataError, match="no feature column beside 'label'"):
        roles("table", {"label": [0, 1]})


def test_pictures_are_paths_or_bytes():
    assert roles("image", {"scan": ["a.png", "b.JPG"], "label": [0, 1], "who": ["x", "y"]}).inputs == ("scan",)
    assert roles("image", {"scan": [{"bytes": b"x", "path": None}], "label": [0]}).inputs == ("scan",)
    with pytest.raises(DataError, match="which column is the image"):
        roles("image", {"scan": ["a.doc"], "label": [0]})


def test_require_lists_the_columns_where_nothing_is_close():
    with pytest.raises(DataError) as error:
        require(table(a=[1], b=[2]), "zzzzz", "data.text")
    assert error.value.hint == "columns: a, b"
