"""The list of predictions in a real browser: search, filter, sort, drill-down, a case beside it, speed, paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sample_stages
from sample_run import KINDS, build_sample

from workbench.report.build import build_report

pytestmark = pytest.mark.browser

ROWS = "[...document.querySelectorAll('.cases tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim()))"
READY = ".casebook[data-state=ready]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("casebooks")


@pytest.fixture(scope="module")
def visit(browser: Any, folder: Path) -> Any:
    contexts, built = [], {}

    def visited(kind: str, *, width: int = 1280, hash: str = "") -> Any:
        if kind not in built:
            built[kind] = build_report(build_sample(folder / kind, kind))
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.goto(built[kind].as_uri() + hash)
        page.wait_for_selector(READY)
        return page

    yield visited
    for context in contexts:
        context.close()


Visit = Callable[..., Any]


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_opens_beside_the_list(visit: Visit, kind: str) -> None:
    page = visit(kind)
    assert page.locator(".found").inner_text() == "300 of 300 predictions"
    assert page.locator("article#case-1 .method").count() == 3  # the first stands open
    page.locator(".cases tbody a").nth(2).press("Enter")
    opened = page.locator("article#case-3")
    opened.wait_for()
    assert page.evaluate("document.activeElement.matches('#case-3 h3')")
    assert page.locator(".casebook tr.current").count() == 1
    listing, beside = page.locator(".listing").bounding_box(), opened.bounding_box()
    assert listing["x"] + listing["width"] <= beside["x"]
    page.keyboard.press("Escape")
    assert not opened.is_visible()
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#case-3"
    page.keyboard.press("Enter")  # the same address again
    assert page.locator("article#case-3").is_visible()


def test_what_was_not_explained_still_opens(visit: Visit) -> None:
    page = visit("text")
    page.select_option("[name=light]", "none")
    first = page.evaluate(ROWS)[0]
    page.locator(".cases tbody a").first.click()
    said = page.locator("article.case", has_text="Not explained in this run").inner_text()  # waits for the address
    assert first[0].split()[-1] in said
    assert first[2] in said and first[3] in said


def test_filters_agree_with_the_predictions(visit: Visit, folder: Path) -> None:
    import pandas as pd

    page = visit("text")
    test = pd.read_parquet(folder / "text/onnx/predictions.parquet").query("split == 'test'")
    base = pd.read_parquet(folder / "text/base/predictions.parquet").query("split == 'test'")
    found = page.locator(".found")
    wrong = test["target"] != test["predicted"]
    page.select_option("[name=state]", "2")
    assert found.inner_text() == f"{int(wrong.sum())} of 300 predictions"
    page.select_option("[name=truth]", label="signal")
    assert found.inner_text() == f"{int((wrong & (test['target'] == 'signal')).sum())} of 300 predictions"
    page.locator("button[type=reset]").click()
    page.locator(".found", has_text=re.compile("^300 of 300 predictions$")).wait_for()
    lost = (base["target"] == base["predicted"]).to_numpy() & wrong.to_numpy()
    page.select_option("[name=turn]", "2")
    assert found.inner_text() == f"{int(lost.sum())} of 300 predictions"
    page.locator("button[type=reset]").click()
    sure = test[[c for c in test if c.startswith("score.")]].max(axis=1)
    page.select_option("[name=sure]", "0.9 2")
    assert found.inner_text() == f"{int((sure.round(6) >= 0.9).sum())} of 300 predictions"
    page.locator("button[type=reset]").click()
    page.fill("[name=words]", str(test["id"].iloc[7]).upper())
    assert [row[0].split()[-1] for row in page.evaluate(ROWS)] == [test["id"].iloc[7]]
    page.fill("[name=words]", "no such thing")
    assert page.evaluate(ROWS) == [] and page.locator(".listing .none").is_visible()


def test_columns_sort_both_ways(visit: Visit) -> None:
    page = visit("text")
    head = page.locator(".casebook th[data-by='10']")
    for way, sign in (("descending", -1), ("ascending", 1)):
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == way
        shown = [float(row[3].strip("<>% ")) for row in page.evaluate(ROWS)]
        assert shown == sorted(shown, key=lambda v: sign * v)


def test_links_open_cases_and_filtered_lists(visit: Visit) -> None:
    page = visit("text", hash="#case-7")
    assert page.locator("article#case-7").is_visible()
    page.evaluate("location.hash = '#case-6'")
    page.wait_for_selector("article#case-6")
    page.evaluate("location.hash = '#cases:truth=linear%20algebra&decided=signal'")
    page.locator("[name=truth]", has=page.locator("option:checked", has_text="linear algebra")).wait_for()
    assert {(row[1], row[2]) for row in page.evaluate(ROWS)} <= {("linear algebra", "signal")}


def test_a_case_fits_a_narrow_screen(visit: Visit) -> None:
    page = visit("image", width=360)
    page.locator(".cases tbody a").nth(1).click()
    opened = page.locator("article#case-2")
    for _ in range(100):  # the page may still be on its way there
        box = opened.bounding_box()
        if 0 <= box["y"] < 450:
            break
        page.wait_for_timeout(50)
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360 and 0 <= box["y"] < 450  # the case was scrolled to


def test_paper_shows_every_case(visit: Visit) -> None:
    page = visit("table")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".printed article").count() + page.locator("article.case[id]").count() == 12
    assert page.locator(".printed .method").first.is_visible() and not page.locator(".filters").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".printed").count() == 0


# Charts are drawn when the page is idle; here they never are, so that what is counted is the list alone.
NO_CHARTS = """window.requestIdleCallback = () => {};
window.IntersectionObserver = class { observe() {} unobserve() {} };"""


@pytest.mark.slow
def test_two_thousand_predictions_are_usable_within_a_second(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split, n in (("train", 3000), ("validation", 500), ("test", 2500)):
        monkeypatch.setitem(sample_stages.SIZES, split, n)
    report = build_report(build_sample(tmp_path / "many", "text", cases=200), max_mb=3)
    page = browser.new_page(offline=True)
    page.add_init_script(NO_CHARTS)
    clock = page.context.new_cdp_session(page)  # CPU time of the page's own thread: other work does not count
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(report.as_uri())
    page.wait_for_selector(READY)
    text = page.locator(".casebook").inner_text()
    assert "2,000 of 2,000 predictions" in text and "2,000 of 2,500 predictions are listed" in text
    metrics = {m["name"]: m["value"] for m in clock.send("Performance.getMetrics")["metrics"]}
    ready = metrics["TaskDuration"]
    steps = page.evaluate("""() => {
      const form = document.querySelector('.filters'), took = [];
      for (const [name, value] of [['words', 'signal'], ['words', ''], ['state', '2'], ['truth', '1']]) {
        const start = performance.now();
        form.elements[name].value = value;
        form.elements[name].dispatchEvent(new Event('input', { bubbles: true }));
        document.querySelector('.casebook').getBoundingClientRect();
        took.push(performance.now() - start);
      }
      return took;
    }""")
    assert ready < 1 and max(steps) < 500, (ready, steps)
    page.close()
