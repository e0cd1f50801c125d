"""The report as PDF: contents with the pages of the sections, an outline, everything open, nothing to click."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sample_run import build_sample

from workbench.chromium import find_chromium
from workbench.report.build import build_report
from workbench.report.paper import print_page, section_pages
from workbench.run import Run

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return build_sample(tmp_path_factory.mktemp("paper") / "table", "table")


@pytest.fixture(scope="module")
def pdf(run: Run) -> Path:
    if not find_chromium():
        pytest.skip("no Chromium here")
    page = build_report(run)
    return print_page(page, page.with_suffix(".pdf"), made=run.manifest["created"])


def _pages(pdf: Path) -> list[str]:
    """The text of each page, read by poppler."""
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext (poppler-utils) is not installed")
    text = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    return text.split("\f")[:-1]


def test_the_contents_name_the_page_on_which_a_section_begins(pdf: Path) -> None:
    pages = _pages(pdf)
    listed = next(text for text in pages if re.search(r"(?m)^ *Sections$", text)).split("Sections", 1)[1]
    found = dict(re.findall(r"(?m)^ *(\S.*?) {3,}(\d+)$", listed))
    assert len(found) > 12 and int(found["Verdict"]) == 1
    for title, number in found.items():
        if title != "Verdict":  # set in capitals
            assert re.search(rf"(?m)^ *{re.escape(title)}$", pages[int(number) - 1]), (title, number)


def test_every_page_has_its_number(pdf: Path) -> None:
    pages = _pages(pdf)
    for i, text in enumerate(pages):
        assert re.search(rf"\b{i + 1} / {len(pages)}$", text.rstrip()), i


def test_it_has_an_outline_and_a_place_for_every_link(pdf: Path) -> None:
    content = pdf.read_bytes()
    assert b"/Outlines" in content and b"/StructTreeRoot" in content
    places = section_pages(content)
    assert {"verdict", "performance", "cases", "provenance"} <= set(places)
    assert places["verdict"] == 1 and list(places.values()) == sorted(places.values())


def test_everything_is_open_and_nothing_is_for_the_mouse(pdf: Path) -> None:
    text = "\n".join(_pages(pdf))
    assert "All measures" in text and "12 of 24" not in text
    assert len(re.findall("(?m)^ *Asked: ", text)) == 12  # every case of the sample
    assert text.count("Quality card: every measure") >= 12 and re.search(r"before 0\.\d+ (good|with care|poor)", text)
    for control in ("Download", "Search", "Clear", "Show 50 more", "A false alarm costs", "CSV", "SVG"):
        assert control not in text
    assert "50 of 300 predictions" in text
    assert "In truth" in text  # the list keeps its heads


def test_equal_pages_give_equal_bytes(run: Run, pdf: Path, tmp_path: Path) -> None:
    again = print_page(run.path / "report.html", tmp_path / "again.pdf", made=run.manifest["created"])
    assert again.read_bytes() == pdf.read_bytes()
    assert b"D:20261123100000" in pdf.read_bytes()
