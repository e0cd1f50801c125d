"""The four reports of the demonstration, made small, as a reader uses them: nothing that they hold escapes the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from workbench.assets import asset
from workbench.pipeline import DEMO, run_config

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SMALL = (
    *("export.latency_seconds=0", "finetune.epochs=1", "explain.samples=3", "explain.budget=48"),
    "evaluate.resamples=100",
)
DRAWN = "figure.chart:not([data-state=drawn])"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("demo")

    @cache
    def report(name: str) -> Path:
        config = asset("fixtures", "demo", f"{name}.toml")
        return run_config(config, (*SMALL, f"out={str(folder)!r}"), device="cpu").path / "report.html"

    return report


@pytest.fixture
def visit(browser: Any, reports: Callable[[str], Path]) -> Iterator[Open]:
    """Open a report without a network; at the end nothing was complained of, and nothing asked of anyone."""
    contexts, said, asked = [], [], []

    def open_page(name: str, *, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: said.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(reports(name).as_uri())
        page.wait_for_selector(DRAWN, state="detached")
        page.wait_for_selector(".casebook[data-state=ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []  # Vega's warnings too
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("name", DEMO)
def test_predictions_are_found_and_opened_by_keyboard(visit: Open, name: str) -> None:
    page = visit(name)
    found = page.locator(".found")
    every = re.fullmatch(r"([\d,]+) of \1 predictions", found.inner_text())
    assert every
    page.select_option("[name=light]", "explained")
    few = int(found.inner_text().split(" of ")[0].replace(",", ""))
    assert 0 < few < int(every[1].replace(",", ""))
    page.locator(".cases tbody a").nth(min(1, few - 1)).press("Enter")
    opened = page.locator("article.case:not([hidden])")
    opened.locator(".method").first.wait_for()
    assert opened.locator(".method").count() >= 2
    assert page.evaluate("document.activeElement.matches('article.case h3')")
    page.keyboard.press("Escape")
    assert not opened.is_visible()
    if page.locator("#performance .heat a").count():  # drill-down: a number of the matrix leads to its cases
        link = page.locator("#performance .heat a").first
        n = link.locator(".of").inner_text()
        link.press("Enter")
        page.locator(".found", has_text=re.compile(rf"^{n} of ")).wait_for()


@pytest.mark.parametrize("name", DEMO)
def test_sliders_move(visit: Open, name: str) -> None:
    page = visit(name)
    if page.locator(".operating").count():
        slider = page.locator(".operating [type=range]")
        slider.focus()
        page.keyboard.press("Home")
        all_called = page.locator(".operating [data-of=fn]").inner_text()
        page.keyboard.press("End")
        assert all_called == "0" != page.locator(".operating [data-of=fn]").inner_text()
    strength = page.locator("article.case .slider input")
    assert strength.count() == (name == "digits")
    if strength.count():
        strength.fill("20")
        overlay = page.locator("article.case image.overlay").first
        assert float(overlay.evaluate("e => getComputedStyle(e).opacity")) == pytest.approx(0.2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", DEMO)
def test_it_fits_a_telephone(visit: Open, name: str, scheme: str) -> None:
    page = visit(name, width=360, scheme=scheme)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("name", DEMO)
def test_paper_is_white_and_shows_what_was_shut(visit: Open, name: str) -> None:
    page = visit(name, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("main details:not([open])").count() == 0
    assert not page.locator("input:visible, select:visible").count()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("main details:not([open])").count() > 3
