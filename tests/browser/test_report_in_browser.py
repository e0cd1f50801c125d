"""The report in a real browser: it draws, it adapts, it can be used by keyboard, and nothing else runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hostile import hostile_sample
from sample_run import KINDS, build_sample

from workbench.report.build import build_report
from workbench.report.index import build_index
from workbench.report.inspect import write_inspection
from workbench.run import Run

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
STATES = "[...document.querySelectorAll('figure.chart')].map(f => f.dataset.state ?? 'waiting')"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    found = {kind: build_report(build_sample(folder / kind, kind)) for kind in KINDS}
    for kind in ("text", "table", "image"):
        run = build_sample(folder / f"hostile-{kind}", kind, hostile_sample(kind))
        found[f"hostile-{kind}"] = build_report(run, title="<script>window.pwned=1</script>")
    for kind in KINDS:
        run = Run.open(found[kind].parent)
        write_inspection(run, run.read_json("cases.json")["cases"][0]["id"], folder / f"one-{kind}", name=kind)
    found["index"] = build_index([path.parent for path in found.values()], folder / "index.html")
    return found | {f"one-{kind}": folder / f"one-{kind}" / "inspect.html" for kind in KINDS}


@pytest.fixture
def visit(browser: Any, reports: dict[str, Path]) -> Iterator[Open]:
    """Open a report; at the end no error was logged and nothing was asked of any other address."""
    contexts, errors, requests = [], [], []

    def open_page(name: str, *, width: int = 1280, scheme: str = "light", drawn: bool = True, hash: str = "") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("request", lambda r: requests.append(r.url))
        page.goto(reports[name].as_uri() + hash)
        for _ in range(200 if drawn else 0):
            if set(page.evaluate(STATES)) <= {"drawn"}:
                break
            page.wait_for_timeout(50)
        page.wait_for_selector(".casebook:not([data-state=ready])", state="detached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_is_drawn(visit: Open, kind: str) -> None:
    page = visit(kind)
    states = page.evaluate(STATES)
    assert len(states) >= 3 and set(states) == {"drawn"}
    for chart in page.locator("figure.chart svg.marks").all():
        box = chart.bounding_box()
        assert box and box["width"] > 200 and box["height"] > 150


@pytest.mark.parametrize("kind", [*KINDS, "hostile-text", "hostile-table", "hostile-image", "index"])
def test_the_page_never_scrolls_sideways(visit: Open, kind: str) -> None:
    page = visit(kind)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.locator(".casebook[data-state=ready]").count() == (kind != "index")
    for width in (1280, 768, 360):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("kind", ["hostile-text", "hostile-table", "hostile-image"])
def test_nothing_from_the_data_runs(visit: Open, kind: str) -> None:
    page = visit(kind)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.wait_for_timeout(100)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.querySelectorAll('main img, main iframe, main style').length") == 0
    assert page.evaluate("getComputedStyle(document.querySelector('main')).display") != "none"


def test_light_and_dark_follow_the_system_without_drawing_again(visit: Open) -> None:
    page = visit("text")

    def colours() -> tuple[str, str]:
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        line = "getComputedStyle(document.querySelector('figure.chart path[stroke*=\"--after\"]')).stroke"
        return ground, page.evaluate(line)

    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    assert light[0] == "rgb(255, 255, 255)" and light[0] != dark[0] and light[1] != dark[1]
    page.emulate_media(media="print", color_scheme="dark")
    assert colours() == light  # paper is white


def test_words_are_read_by_keyboard(visit: Open) -> None:
    page = visit("text")
    first = page.locator("#case-1 .tokens .w").first
    first.focus()
    assert first.evaluate("e => getComputedStyle(e, '::after').content").strip('"').endswith("logit")
    label = first.get_attribute("aria-label")
    assert label and label.endswith("logit") and label.startswith(first.inner_text())
    page.keyboard.press("ArrowRight")
    second = page.locator("#case-1 .tokens").first.locator(".w").nth(1)
    assert second.evaluate("e => e === document.activeElement")
    assert second.get_attribute("tabindex") == "0" and first.get_attribute("tabindex") == "-1"
    page.keyboard.press("End")
    last = page.locator("#case-1 .tokens").first.locator(".w").last
    assert last.evaluate("e => e === document.activeElement")
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.matches('.w')")


def test_a_value_shows_on_hover_too(visit: Open) -> None:
    page = visit("text", drawn=False)
    word = page.locator("#case-1 .tokens .w").nth(2)
    assert word.evaluate("e => getComputedStyle(e, '::after').content") == "none"
    word.hover()
    assert word.evaluate("e => getComputedStyle(e, '::after').content") != "none"


def test_the_slider_changes_the_strength_of_one_case(visit: Open) -> None:
    page = visit("image", drawn=False)
    slider = page.locator("#case-1 .slider input")
    overlay = page.locator("#case-1 image.overlay").first
    strength = "e => getComputedStyle(e).opacity"
    assert float(overlay.evaluate(strength)) == pytest.approx(0.75)
    slider.focus()
    page.keyboard.press("Home")
    assert float(overlay.evaluate(strength)) == 0
    page.evaluate("location.hash = '#case-2'")
    page.wait_for_selector("#case-2 image.overlay")
    assert float(page.locator("#case-2 image.overlay").first.evaluate(strength)) == pytest.approx(0.75)


def test_pictures_are_seen_below_their_overlays(visit: Open) -> None:
    page = visit("image", drawn=False)
    sizes = page.evaluate("[...document.querySelectorAll('#case-1 use')].map(u => u.getBoundingClientRect().width)")
    assert len(sizes) == 10 and min(sizes) > 50  # the picture, and below every map of methods and contrast


def test_every_stop_of_the_keyboard_shows_its_focus(visit: Open) -> None:
    page = visit("table", drawn=False)
    for _ in range(25):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


def test_structure_is_announced(visit: Open) -> None:
    page = visit("regression", drawn=False)
    assert page.locator("main").count() == page.locator("nav[aria-label]").count() == page.locator("h1").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert all(after - before <= 1 or after == 4 for before, after in pairwise(levels))
    assert page.evaluate("document.querySelectorAll('svg[role=img]:not([aria-label])').length") == 0


CONTRAST = """() => {
  const channels = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const over = (top, below, a = top[3] ?? 1) => top.slice(0, 3).map((v, i) => v * a + below[i] * (1 - a));
  const ground = (e) => {
    if (!e) return [255, 255, 255];
    const c = channels(getComputedStyle(e).backgroundColor);
    return c[3] === 0 ? ground(e.parentElement) : over(c, ground(e.parentElement));
  };
  let checked = 0;
  const low = [];
  for (const e of document.querySelectorAll('main *, nav *')) {
    if (e.closest('figure.chart svg, .hidden, .poor .drawn') || !e.checkVisibility()) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const below = ground(e), ink = over(channels(getComputedStyle(e).color), below);
    checked += 1;
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) low.push([ratio.toFixed(2), e.outerHTML.slice(0, 120)]);
  }
  return [checked, low];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["text", "image"])
def test_text_has_enough_contrast(visit: Open, kind: str, scheme: str) -> None:
    page = visit(kind, scheme=scheme)
    checked, low = page.evaluate(CONTRAST)
    assert checked > 300 and low == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_prediction_on_one_page(visit: Open, kind: str) -> None:
    page = visit(f"one-{kind}", drawn=False)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for link in page.locator(".findings a").all():
        assert page.locator(link.get_attribute("href")).count() == 1
    if kind == "image":
        strength = "getComputedStyle(document.querySelector('.panel .overlay')).opacity"
        page.locator(".slider input").fill("20")
        assert float(page.evaluate(strength)) == pytest.approx(0.2)
