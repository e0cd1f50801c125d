"""The index page of several reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.errors import UsageError
from workbench.report.build import build_report
from workbench.report.index import build_index
from workbench.run import Run


def test_index_links_reports_and_names_what_cannot_be_read(copied: Callable[[str], Run], tmp_path: Path) -> None:
    built, unbuilt = copied("text"), copied("regression")
    build_report(built)
    out = build_index([built.path, unbuilt.path, tmp_path / "gone"], tmp_path / "index.html")
    page = out.read_text(encoding="utf-8")
    assert 'href="text/report.html"' in page
    assert "regression/report.html" not in page and "no report was built" in page
    assert "Right in " in page and "Better than before customisation" in page
    assert "This run cannot be read:" in page and "no run at" in page
    asked = page.replace('"http://www.w3.org/2000/svg"', "")  # the name of SVG's elements, which nothing fetches
    assert "http:" not in asked and "https:" not in asked
    assert build_index([built.path, unbuilt.path, tmp_path / "gone"], out).read_text(encoding="utf-8") == page


def test_links_are_quoted_and_relative(copied: Callable[[str], Run], tmp_path: Path) -> None:
    run = copied("table")
    build_report(run)
    odd = run.path.rename(tmp_path / 'a "b" #1')
    (tmp_path / "pages").mkdir()
    page = build_index([odd], tmp_path / "pages/index.html").read_text(encoding="utf-8")
    assert 'href="../a%20%22b%22%20%231/report.html"' in page


def test_an_index_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        build_index([], tmp_path / "index.html")
