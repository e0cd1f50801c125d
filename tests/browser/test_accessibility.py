"""axe-core finds nothing serious on any page, in light and in dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_run import KINDS, build_sample

from workbench.report.build import build_report
from workbench.report.index import build_index
from workbench.report.inspect import write_inspection
from workbench.run import Run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("axe")
    found = {kind: build_report(build_sample(folder / kind, kind)) for kind in KINDS}
    run = Run.open(found["text"].parent)
    write_inspection(run, run.read_json("cases.json")["cases"][0]["id"], folder / "one", name="text")
    found["inspect"] = folder / "one/inspect.html"
    found["index"] = build_index([found[kind].parent for kind in KINDS], folder / "index.html")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*KINDS, "inspect", "index"])
def test_axe_finds_nothing_serious(browser: Any, pages: dict[str, Path], name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    page = browser.new_page(color_scheme=scheme, offline=True)
    page.set_default_timeout(300_000)
    page.goto(pages[name].as_uri())
    for waiting in ("figure.chart:not([data-state=drawn])", ".casebook:not([data-state])"):
        page.wait_for_selector(waiting, state="detached")  # a selector: the page's policy lets no expression be asked
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate(Path(axe.AXE_FILE_PATH).read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run(document, {{ runOnly: {RULES} }})")
    assert {"color-contrast", "html-has-lang", "link-name"} <= {p["id"] for p in found["passes"]}
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in serious] == []
    page.close()
