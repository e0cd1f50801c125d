"""Table files: what is read, and that a file that is no table is refused with its place."""

from __future__ import annotations

import json
import tracemalloc

import pandas as pd
import pytest

from workbench.data.tables import MAX_CELL, read_table
from workbench.errors import ConfigError, DataError


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet"])
def test_every_format_holds_the_same_table(tmp_path, name):
    frame = pd.DataFrame({"text": ['a "quoted", cell', "two\nlines", "café"], "n": [1, 2, 3]})
    path = tmp_path / name
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".json": lambda: frame.to_json(path, orient="records"),
        ".parquet": lambda: frame.to_parquet(path),
    }
    writers[path.suffix]()
    table = read_table(path)
    assert table.columns["text"] == frame["text"].tolist()
    assert [int(n) for n in table.columns["n"]] == [1, 2, 3]
    assert table.as_text == (path.suffix in (".csv", ".tsv"))


def test_csv_agrees_with_pandas_on_awkward_content(tmp_path):
    text = '\ufeffa,b\r\n1,"x ""y"" z"\r\n,"line\r\nbreak"\r\nNA, padded \r\n'
    path = put(tmp_path, "a.csv", text)
    expected = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert read_table(path).columns == expected.to_dict(orient="list")


def test_columns_of_lists_are_a_table_in_json(tmp_path):
    table = read_table(put(tmp_path, "a.json", json.dumps({"a": [1, 2], "b": ["x", None]})))
    assert table.columns == {"a": [1, 2], "b": ["x", None]}


def test_absent_keys_of_json_lines_are_missing(tmp_path):
    table = read_table(put(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a": 2, "b": "x"}\n'))
    assert table.columns == {"a": [1, 2], "b": [None, "x"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n3,4,5\n6,7\n", ["row 2", "3 fields", "header has 2"]),
        ("a,b\n1,2\n3,4\n5\n", ["row 3", "1 fields"]),
        ("a,b,a\n1,2,3\n", ["'a'", "1, 3 of the header"]),
        ("a,b\n", ["no rows"]),
        ("", ["empty"]),
        ("\n\n", ["no header"]),
        ('a,b\n1,2\n"open,3\n', ["row 2"]),
        ("a;b\n1;2\n", ["one column only"]),
    ],
)
def test_a_csv_without_a_tables_shape_is_refused(tmp_path, content, said):
    path = put(tmp_path, "bad.csv", content)
    with pytest.raises(DataError) as error:
        read_table(path)
    assert error.value.exit_code == 3
    assert all(word in error.value.message for word in ["bad.csv", *said])
    assert error.value.hint


def test_ragged_row_is_named_far_into_the_file(tmp_path):
    """Row numbers hold beyond the parser's first block."""
    line = "x" * 999 + ",1\n"
    path = put(tmp_path, "long.csv", "a,b\n" + line * 20_000 + "y,1,2\n" + line)
    with pytest.raises(DataError, match="row 20001: 3 fields"):
        read_table(path)


def test_wrong_delimiter_is_suggested(tmp_path):
    with pytest.raises(DataError) as error:
        read_table(put(tmp_path, "a.csv", "a;b\n1;2\n"))
    assert 'data.delimiter = ";"' in error.value.hint
    assert read_table(tmp_path / "a.csv", delimiter=";").columns == {"a": ["1"], "b": ["2"]}
    with pytest.raises(ConfigError, match="not one character"):
        read_table(tmp_path / "a.csv", delimiter=";;")


def test_wrong_encoding_names_byte_and_line(tmp_path):
    content = "text,label\nplain,a\ncafé,b\n".encode("latin-1")
    path = put(tmp_path, "a.csv", content)
    with pytest.raises(DataError) as error:
        read_table(path)
    assert f"byte {content.index(0xE9)} (line 3)" in error.value.message
    assert 'data.encoding = "latin-1"' in error.value.hint
    assert read_table(path, encoding="latin-1").columns["text"] == ["plain", "café"]
    with pytest.raises(ConfigError, match="not known"):
        read_table(path, encoding="latin-99")


def test_wrong_encoding_is_found_past_the_first_megabyte_and_inside_a_character(tmp_path):
    """A character cut in two by the reading buffer is no error; the offset counts the whole file."""
    head = b"text,label\n"
    body = b"x" * ((1 << 20) - len(head) - 1) + "é".encode() + b",a\n"
    path = put(tmp_path, "ok.csv", head + body)
    assert read_table(path).columns["text"][0].endswith("é")
    path = put(tmp_path, "bad.csv", head + body + b"\xff,b\n")
    with pytest.raises(DataError) as error:
        read_table(path)
    assert f"byte {len(head + body):,} (line 3)" in error.value.message


def test_utf16_is_recognised_by_its_mark(tmp_path):
    path = put(tmp_path, "a.csv", "text,label\nä,b\n".encode("utf-16"))
    with pytest.raises(DataError) as error:
        read_table(path)
    assert "utf-16" in error.value.hint
    assert read_table(path, encoding="utf-16").columns["text"] == ["ä"]


@pytest.mark.parametrize("length", [MAX_CELL + 1, 40_000_000])
def test_an_endless_cell_is_refused_with_bounded_memory(tmp_path, length):
    path = put(tmp_path, "a.csv", b"a,b\n1," + b"x" * length + b"\n2,3\n")
    tracemalloc.start()
    with pytest.raises(DataError) as error:
        read_table(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "quote" in error.value.message + error.value.hint
    assert peak < 100e6


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("a.jsonl", "[1, 2]\n", "row 1 is list"),
        ("a.json", '{"a": [1, 2], "b": [1]}', "different lengths"),
        ("a.json", "3", "neither a list"),
        ("a.parquet", "PAR1 and no more", "cannot read"),
        ("a.xlsx", "x", "not a table file"),
    ],
)
def test_damaged_files_of_other_formats_are_refused(tmp_path, name, content, said):
    with pytest.raises(DataError, match=said):
        read_table(put(tmp_path, name, content))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no file at .*gone\.csv"):
        read_table(tmp_path / "gone.csv")


def test_a_saved_row_index_is_left_out_with_a_note(tmp_path):
    pd.DataFrame({"a": [1, 2]}).to_csv(tmp_path / "a.csv")
    table = read_table(tmp_path / "a.csv")
    assert table.columns == {"a": ["1", "2"]}
    assert table.notes == ("Column 1 of a.csv has no name and is left out.",)
