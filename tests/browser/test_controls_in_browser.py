"""Thresholds, matrices and downloads in a real browser."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hostile import SCRIPTS
from sample_run import Sample, build_sample

from workbench.report.build import build_report
from workbench.report.operating import operating
from workbench.report.thresholds import thresholds
from workbench.report.view import RunView
from workbench.run import Run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return build_sample(tmp_path_factory.mktemp("controls") / "table", "table")


@pytest.fixture(scope="module")
def page(browser: Any, run: Run) -> Iterator[Any]:
    opened = browser.new_page(offline=True, accept_downloads=True)
    opened.goto(build_report(run).as_uri())
    opened.wait_for_selector(".casebook[data-state=ready]")
    opened.wait_for_selector(".operating figure[data-state=drawn]")
    yield opened
    opened.close()


def _shown(page: Any, name: str) -> str:
    return str(page.locator(f".operating [data-of={name}]").inner_text()).replace("\n", " ")


def test_at_the_threshold_of_a_rule_the_slider_says_what_the_table_says(page: Any, run: Run) -> None:
    own = RunView(run).json("onnx/decisions.json")
    rules = [r for r in own["thresholds"]["rules"] if r["threshold"] is not None]
    rows = [row for row in thresholds(own)[1].rows if row[1].kind != "none"]  # type: ignore[union-attr]
    buttons = page.locator(".operating .rules button")
    assert buttons.count() == len(rules) == len(rows) >= 3
    for i, (rule, row) in enumerate(zip(rules, rows, strict=True)):
        buttons.nth(i).press("Enter")
        assert buttons.nth(i).get_attribute("aria-pressed") == "true"
        for name in ("tp", "fp", "fn", "tn"):
            assert _shown(page, name) == f"{rule[name]:,}"
        for name, cell in zip(("recall", "precision", "specificity", "selected"), row[2:6], strict=True):
            if cell.kind != "none":
                assert _shown(page, name).startswith(cell.text)
                assert cell.note in _shown(page, name)
        cut = page.evaluate("document.querySelector('.operating figure').view.signal('threshold')")
        assert cut == rule["threshold"]  # the line in the chart


def test_the_slider_moves_by_keyboard_and_the_price_follows(page: Any, run: Run) -> None:
    block = operating(RunView(run), RunView(run).json("onnx/decisions.json"))[1]
    (entry,) = block.classes  # type: ignore[union-attr]
    slider, ratio = page.locator(".operating [type=range]"), page.locator(".operating .ratio")
    slider.focus()
    page.keyboard.press("Home")
    assert (_shown(page, "fn"), _shown(page, "tn")) == ("0", "0")  # everything is called
    page.keyboard.press("ArrowRight")
    assert _shown(page, "tp") == f"{entry['tp'][1]:,}" and _shown(page, "fp") == f"{entry['fp'][1]:,}"
    page.keyboard.press("End")
    assert "not defined" in _shown(page, "precision") or int(_shown(page, "tp")) + int(_shown(page, "fp")) > 0
    slider.fill(str(entry["half"]))
    ratio.fill("3")
    fp, fn = (int(_shown(page, name)) for name in ("fp", "fn"))
    assert _shown(page, "cost") == f"{(3 * fp + fn) / 300:.3f}"


def test_a_number_of_the_matrix_leads_to_its_cases(page: Any) -> None:
    link = page.locator("#performance .heat a", has_text="").first
    n = int(link.locator(".of").inner_text())
    link.press("Enter")
    page.locator(".found", has_text=re.compile(rf"^{n} of ")).wait_for()
    rows = page.evaluate(
        "[...document.querySelectorAll('.cases tbody tr')].map(r => [r.cells[1].innerText, r.cells[2].innerText])"
    )
    assert set(map(tuple, rows)) == {("benign", "benign")} and len(rows) == min(n, 50)
    page.locator("button[type=reset]").click()


def test_shares_of_the_row_take_the_place_of_counts(browser: Any, tmp_path: Path) -> None:
    labels = tuple(f"class {i}" for i in range(8))
    report = build_report(build_sample(tmp_path / "many", "text", Sample("text", labels=labels, cases=2)))
    page = browser.new_page(offline=True)
    page.goto(report.as_uri())
    cell = page.locator("#performance .matrix").first.locator("td.hit").first
    assert "%" not in cell.inner_text()
    page.locator("#performance .switch [value=shares]").first.check()
    assert cell.inner_text().endswith("%")
    page.close()


def test_tables_are_saved_as_csv_and_formulas_are_disarmed(page: Any, run: Run) -> None:
    page.fill("[name=words]", "")
    with page.expect_download() as saved:
        page.locator(".listing .saves button").click()
    text = Path(saved.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    test = RunView(run).predictions("onnx", "test")
    assert test is not None and len(rows) == 301 and rows[0][0] == "Example"
    assert {row[0] for row in rows[1:]} == set(test["id"])
    right = dict(zip(test["id"], test["target"] == test["predicted"], strict=True))
    assert all((row[1] == "right") == right[row[0]] for row in rows[1:])
    assert saved.value.suggested_filename.endswith(".csv")
    guarded = page.evaluate("""() => {
      const table = document.querySelector('#performance table.data');
      const cells = ['=1+1', '+cmd', '-2+3', '@sum', '−0.25', '+1,234.5', 'say "hi", you'];
      table.lines = () => [cells.map((c) => [c, ''])];
      return cells.length;
    }""")
    with page.expect_download() as saved:
        page.locator("#performance .saves.csv button").first.click()
    (row,) = csv.reader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8-sig")))
    assert row == ["'=1+1", "'+cmd", "'-2+3", "'@sum", "-0.25", "+1234.5", 'say "hi", you'] and len(row) == guarded


@pytest.mark.parametrize("place", ["#performance figure.chart", ".case"])
def test_pictures_are_saved_as_svg(page: Any, place: str) -> None:
    with page.expect_download() as saved:
        page.locator(place).first.locator(".saves.svg button").first.click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg") and len(list(root.iter())) > 5
    assert "var(--" not in text and float(str(root.get("width"))) > 100


def test_the_corpus_runs_nowhere_even_in_opened_cases(browser: Any, tmp_path: Path) -> None:
    from hostile import hostile_sample

    for kind in ("text", "table", "regression"):
        run = build_sample(tmp_path / kind, kind, hostile_sample(kind))
        page = browser.new_page(offline=True)
        asked: list[str] = []
        page.on("request", lambda r, asked=asked: asked.append(r.url))
        page.on("dialog", lambda d: pytest.fail("a dialog was opened"))
        page.goto(build_report(run, title=SCRIPTS[0]).as_uri())
        page.wait_for_selector(".casebook[data-state=ready]")
        for i in range(min(8, page.locator(".cases tbody a").count())):
            page.locator(".cases tbody a").nth(i).press("Enter")
            assert page.locator("article.case h3").inner_text()
        page.fill("[name=words]", "onerror")
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("document.querySelectorAll('main img, main iframe, main style, main object').length") == 0
        names = page.evaluate("[...document.querySelectorAll('main *')].flatMap((e) => e.getAttributeNames())")
        assert not [name for name in names if name.startswith("on")]
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        page.close()
