"""The four reports of the demonstration, made small, as readers of two languages use them without a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from offline import no_network
from report.test_report_language import data_of, left_in_english

from workbench.assets import asset
from workbench.language import LANGUAGES
from workbench.pipeline import DEMO, run_config
from workbench.reporting import build_report
from workbench.run import Run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SMALL = (
    *("export.latency_seconds=0", "finetune.epochs=1", "explain.samples=3", "explain.budget=48"),
    *("evaluate.resamples=100", "data.limit=160", "compare.flips=4", "explain.global_samples=8"),
    *("assess.seeds=2", "assess.randomised=2", "assess.masked=4"),
)
DRAWN = "figure.chart:not([data-state=drawn])"
ROWS = ".cases tbody tr"
Reports = Callable[[str, str], Path]
Open = Callable[..., Any]
every_report = pytest.mark.parametrize(("name", "lang"), [(name, lang) for name in DEMO for lang in LANGUAGES])


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """The page of a run in a language: each run is made once, and its page is drawn again for every language."""
    folder = tmp_path_factory.mktemp("demo")

    @cache
    def pages(name: str) -> dict[str, Path]:
        config = asset("fixtures", "demo", f"{name}.toml")
        found = {}
        with no_network() as tried:
            run = run_config(config, (*SMALL, f"out={str(folder)!r}"), device="cpu")
            for lang in LANGUAGES:
                found[lang] = folder / f"{name}.{lang}.html"
                found[lang].write_bytes(build_report(run, lang=lang).read_bytes())
        assert tried == []
        return found

    return lambda name, lang: pages(name)[lang]


@pytest.fixture(scope="module")
def visit(browser: Any, reports: Reports) -> Iterator[Open]:
    """Open a report without a network; at the end nothing was complained of, and nothing asked of anyone."""
    contexts, said, asked = [], [], []

    def open_page(name: str, lang: str, *, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: said.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(reports(name, lang).as_uri())
        page.wait_for_selector(DRAWN, state="detached")
        page.wait_for_selector(".casebook[data-state=ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []  # Vega's warnings too
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def shared(visit: Open) -> Open:
    """One page of a report, opened once; each test leaves it as it found it."""
    return cache(visit)


def found(page: Any) -> tuple[int, int]:
    """How many predictions the list shows, and of how many, whatever the order in which a language says it."""
    shown, every = sorted(int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", page.locator(".found").inner_text()))
    return shown, every


def reset(page: Any) -> None:
    page.locator("button[type=reset]").click()
    n = min(50, found(page)[1])  # waited for by a selector: the page's policy lets no expression be asked
    page.wait_for_selector(f".cases tbody:has(tr:nth-child({n})):not(:has(tr:nth-child({n + 1})))")


@every_report
def test_it_speaks_its_language(shared: Open, name: str, lang: str) -> None:
    page = shared(name, lang)
    assert page.evaluate("document.documentElement.lang") == lang
    spoken = page.locator("nav a, main h2, .cases thead th, .filters label > span, .saves button").all_inner_texts()
    spoken += page.evaluate("[...document.querySelectorAll('.saves button, article')].map(e => e.ariaLabel)")
    chinese = [bool(re.search("[\u4e00-\u9fff]", text)) for text in spoken if text not in ("", "CSV", "SVG")]
    assert len(chinese) > 40 and set(chinese) == {lang == "zh-CN"}


@pytest.mark.parametrize("name", DEMO)
def test_nothing_of_a_chinese_page_is_english(reports: Reports, name: str) -> None:
    page = reports(name, "zh-CN")
    run = Run.open(page.parent / name)
    said = ("contrasts.json", "flips.json", "slices.json")
    data = " ".join((data_of(run), *((run.path / file).read_text(encoding="utf-8") for file in said if run.has(file))))
    left = [re.sub(r"n \d+$", "", text) for text in left_in_english(page.read_text(encoding="utf-8"), data)]
    assert [text for text in left if text not in data] == []


@every_report
def test_predictions_are_filtered_and_searched(shared: Open, name: str, lang: str) -> None:
    page = shared(name, lang)
    shown, every = found(page)
    assert shown == every > 50 == page.locator(ROWS).count()
    page.select_option("[name=light]", "explained")
    shown, _ = found(page)
    assert shown == page.locator(ROWS).count() == page.locator(f"{ROWS} a[href^='#case-']").count() in (3, 4)
    id = page.locator(f"{ROWS} a").first.inner_text()
    reset(page)
    page.fill("[name=words]", id.upper())
    assert id in page.locator(f"{ROWS} a").all_inner_texts() and found(page)[0] < every
    page.fill("[name=words]", "no such thing")
    assert page.locator(ROWS).count() == 0 and page.locator(".listing .none").is_visible()
    reset(page)
    assert found(page) == (every, every)


@every_report
def test_a_case_is_opened_read_and_closed_by_keyboard(shared: Open, name: str, lang: str) -> None:
    page = shared(name, lang)
    page.locator(f"{ROWS} a").nth(1).focus()
    page.keyboard.press("Enter")
    opened = page.locator("article.case:not([hidden])")
    opened.locator(".method").first.wait_for()
    assert opened.get_attribute("id") == "case-2" and opened.locator(".method").count() >= 2
    assert page.evaluate("document.activeElement.matches('article.case h3')")
    for _ in range(6):  # what is reached by Tab shows that it is
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    word = opened.locator(".tokens .w")
    if word.count():  # a text is one stop, and its words are reached by the arrow keys
        word.first.focus()
        page.keyboard.press("ArrowRight")
        assert word.nth(1).evaluate("e => e === document.activeElement") and word.nth(1).get_attribute("aria-label")
    page.locator("article.case h3").focus()
    page.keyboard.press("Escape")
    assert not opened.is_visible()
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#case-2"


@every_report
def test_a_number_of_the_matrix_leads_to_its_cases(shared: Open, name: str, lang: str) -> None:
    page = shared(name, lang)
    links = page.locator("#performance .heat a")
    assert (links.count() > 0) == (name != "diabetes")  # a predicted value is in no cell
    for place in {0, links.count() - 1} if links.count() else ():
        n = int(links.nth(place).locator(".of").inner_text().replace(",", ""))
        links.nth(place).press("Enter")
        page.wait_for_selector("[name=words]:focus")
        assert found(page)[0] == n and page.locator(ROWS).count() == min(n, 50)
        drawn = page.evaluate(f"[...document.querySelectorAll('{ROWS}')].map(r => r.cells[1].innerText)")
        assert len(set(drawn)) == 1  # of one true class
    reset(page)


@every_report
def test_sliders_move(shared: Open, name: str, lang: str) -> None:
    page = shared(name, lang)
    slider, missed = page.locator(".operating [type=range]"), page.locator(".operating [data-of=fn]")
    assert slider.count() == (name != "diabetes")  # a predicted value has no threshold
    if slider.count():
        slider.focus()
        page.keyboard.press("Home")
        assert missed.inner_text() == "0"  # everything is called
        page.keyboard.press("End")
        assert missed.inner_text() != "0" and slider.get_attribute("aria-valuetext")
    page.evaluate("location.hash = '#case-1'")
    page.wait_for_selector("article#case-1:not([hidden])")
    strength = page.locator("article.case .slider input")
    assert strength.count() == (name == "digits")
    if strength.count():
        strength.fill("20")
        overlay = page.locator("article.case image.overlay").first
        assert float(overlay.evaluate("e => getComputedStyle(e).opacity")) == pytest.approx(0.2)


@every_report
def test_dark_follows_the_system(shared: Open, name: str, lang: str) -> None:
    page = shared(name, lang)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    ink = "getComputedStyle(document.querySelector('h1')).color"
    light = page.evaluate(ground), page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground), page.evaluate(ink)
    page.emulate_media(color_scheme="light")
    assert light[0] == "rgb(255, 255, 255)" and light[0] != dark[0] and light[1] != dark[1]


@every_report
def test_paper_is_white_and_shows_what_was_shut(shared: Open, name: str, lang: str) -> None:
    page = shared(name, lang)
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("main details:not([open])").count() == 0
    assert not page.locator("input:visible, select:visible, .saves button:visible").count()
    cases = page.locator(".printed article").count() + page.locator("article.case[id]").count()
    cards = page.locator("article .card table:visible")
    assert cases >= 3 and cards.count() >= 2 * cases  # of every method
    assert len(cards.first.locator("tr").all()) > 8
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen", color_scheme="light")
    assert page.locator("main details:not([open])").count() > 3


@pytest.mark.parametrize("width", [500, 760, 1160, 1280])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_answers_beside_a_picture_are_seen_whole(visit: Open, lang: str, width: int) -> None:
    page = visit("digits", lang, width=width)
    page.evaluate("location.hash = '#case-1'")
    page.wait_for_selector("article#case-1 .original .scroll")
    hidden = "[...document.querySelectorAll('.original .scroll')].map(e => e.scrollWidth - e.clientWidth)"
    assert set(page.evaluate(hidden)) == {0}
    page.close()


@every_report
def test_it_fits_a_telephone(visit: Open, name: str, lang: str) -> None:
    page = visit(name, lang, width=360, scheme="dark")
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.wait_for_timeout(200)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.close()
