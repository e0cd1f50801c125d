"""New inputs without targets: lines of a text file, booleans in another format."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from workbench.config import Data
from workbench.data.single import single_input
from workbench.data.unlabelled import new_inputs
from workbench.errors import DataError
from workbench.types import Column


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_the_end_of_a_line_ends_a_text(tmp_path: Path, end: str) -> None:
    path = tmp_path / "new.txt"
    texts = ("one\u2028still one", "two\x0bstill\x0ctwo", "three\x85still\x1cthree")
    path.write_bytes(("\ufeff" + end.join((texts[0], "", *texts[1:])) + end).encode())
    assert new_inputs(path, Data(source="a.csv"), "text") == (("row-1", "row-3", "row-4"), texts)
    assert single_input(path, Data(source="a.csv"), "text")[1].startswith("one\u2028")


@pytest.mark.parametrize("known", [("False", "True"), ("false", "true"), ("FALSE", "TRUE")])
def test_booleans_are_answered_alike_in_every_format(tmp_path: Path, known: tuple[str, str]) -> None:
    columns = (Column("b", "categorical", known),)
    (tmp_path / "a.csv").write_text('b\ntrue\nFALSE\n""\n')
    (tmp_path / "a.jsonl").write_text('{"b": true}\n{"b": false}\n{"b": null}\n')
    pd.DataFrame({"b": [True, False, None]}).to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        inputs = new_inputs(tmp_path / name, Data(source="a.csv"), "table", columns)[1]
        assert inputs == ({"b": known[1]}, {"b": known[0]}, {"b": None}), name
    for row in ('{"b": true}', {"b": "True"}):
        assert single_input(row, Data(source="a.csv"), "table", columns)[1] == {"b": known[1]}


def test_categories_that_differ_in_case_alone_stay_what_they_were(tmp_path: Path) -> None:
    columns = (Column("b", "categorical", ("True", "true")),)
    (tmp_path / "a.csv").write_text("b\ntrue\nTrue\n")
    inputs = new_inputs(tmp_path / "a.csv", Data(source="a.csv"), "table", columns)[1]
    assert inputs == ({"b": "true"}, {"b": "True"})


def test_all_that_cannot_be_used_is_named_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    for i in range(9):
        if i % 4:
            (folder / f"{i}.png").write_bytes(b"no picture")
        else:
            Image.new("RGB", (8, 8)).save(folder / f"{i}.png")
    with pytest.raises(DataError, match=r"1\.png: not a picture.*; 5 more cannot be used: .*2\.png, .*7\.png$") as e:
        new_inputs(folder, Data(source="a"), "image")
    assert e.value.hint == "repair or remove the file, and the other 5"
    (tmp_path / "t.csv").write_text('text\na b\n""\nc\n"  "\n')
    with pytest.raises(DataError, match=r"row 2: .*; 1 more cannot be used: .*row 4$"):
        new_inputs(tmp_path / "t.csv", Data(source="a.csv"), "text")
