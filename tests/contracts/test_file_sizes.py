"""A file that is too long is in the wrong room."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench

ROOT = Path(workbench.__file__).resolve().parent
LONGEST = 300


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_file_is_over_the_limit(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST, f"{path.name} has {lines} lines: which part of it is a room of its own?"
