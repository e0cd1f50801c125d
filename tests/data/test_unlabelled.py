"""New inputs without targets: lines of a text file, booleans in another format."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import Data
from workbench.data.single import single_input
from workbench.data.unlabelled import new_inputs


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_the_end_of_a_line_ends_a_text(tmp_path: Path, end: str) -> None:
    path = tmp_path / "new.txt"
    texts = ("one\u2028still one", "two\x0bstill\x0ctwo", "three\x85still\x1cthree")
    path.write_bytes(("\ufeff" + end.join((texts[0], "", *texts[1:])) + end).encode())
    assert new_inputs(path, Data(source="a.csv"), "text") == (("row-1", "row-3", "row-4"), texts)
    assert single_input(path, Data(source="a.csv"), "text")[1].startswith("one\u2028")
