"""The page as a whole: self-contained, deterministic, bounded, escaped, and honest about gaps."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile import SCRIPTS, hostile_sample
from opened import opened
from sample_run import KINDS, build_sample

from workbench.errors import ArtefactError, StageError
from workbench.report.build import build_report, render
from workbench.report.bundle import vega_bundle
from workbench.report.sections import SECTIONS
from workbench.report.view import RunView
from workbench.run import Run


class Page(HTMLParser):
    """Every tag with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self._inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?s)<(script|style).*?</\1>", "", text))))


@pytest.fixture(scope="module")
def pages(samples: dict[str, Run]) -> dict[str, str]:
    return {kind: opened(render(RunView(run))) for kind, run in samples.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_from_elsewhere(pages: dict[str, str], kind: str) -> None:
    for tag, attributes in Page(pages[kind]).tags:
        for name in ("src", "href", "action", "srcset", "poster", "data", "xlink:href"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:image/")), (tag, name, target)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert "style" not in attributes, (tag, attributes)
    assert not re.search(r"url\(|@import", "".join(Page(pages[kind]).texts["style"]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_script_and_style_is_allowed_by_its_hash_alone(pages: dict[str, str], kind: str) -> None:
    page = Page(pages[kind])
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy

    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    kinds = [a.get("type") for t, a in page.tags if t == "script"]
    run = [text for kind, text in zip(kinds, page.texts["script"], strict=True) if kind is None]
    assert len(run) == 1 and hashed(run[0]) in policy
    assert hashed(vega_bundle()) in policy
    assert len(page.texts["style"]) == 1 and hashed(page.texts["style"][0]) in policy
    assert set(kinds) <= {None, "application/json", "text/plain"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_part_fails_and_nothing_is_blank(pages: dict[str, str], kind: str) -> None:
    page = pages[kind]
    assert "could not be built" not in page
    assert not re.search(r'<td class="(number|word|none|code)"[^>]*><div>\s*(<bdi></bdi>)?\s*</div>', page)
    assert " nan" not in _plain(page).lower() and "None" not in _plain(page)
    for title in ("Purpose and limits", "Data", "Training", "Performance", "Before and after", "Cases", "Provenance"):
        assert f">{title}</h2>" in page


@pytest.mark.parametrize("kind", KINDS)
def test_size_and_determinism(samples: dict[str, Run], pages: dict[str, str], kind: str, tmp_path: Path) -> None:
    assert len(pages[kind].encode()) < 2e6
    shutil.copytree(samples[kind].path, tmp_path / "elsewhere")  # its place on the disk does not matter
    again = build_report(Run.open(tmp_path / "elsewhere")).read_text(encoding="utf-8")
    assert hashlib.sha256(opened(again).encode()).hexdigest() == hashlib.sha256(pages[kind].encode()).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_unique_and_links_lead_somewhere(pages: dict[str, str], kind: str) -> None:
    tags = Page(pages[kind]).tags
    ids = [a["id"] for _, a in tags if a.get("id")]
    assert len(ids) == len(set(ids))
    targets = {(a["href"] or "")[1:].partition(":")[0] for _, a in tags if (a.get("href") or "").startswith("#")}
    assert targets <= set(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_stays_text(tmp_path: Path, kind: str) -> None:
    run = build_sample(tmp_path / "run", kind, hostile_sample(kind))
    text = build_report(run, title=SCRIPTS[0] + "\u202e").read_text(encoding="utf-8")
    text = opened(text)
    page = Page(text)
    assert "could not be built" not in text
    assert "\u202e" not in text and "\x00" not in text
    scripts = [a.get("type") for t, a in page.tags if t == "script"]
    assert scripts.count(None) == 1
    assert not [t for t, a in page.tags if t == "img" or any(name.startswith("on") for name in a)]
    assert sum(t == "style" for t, _ in page.tags) == 1
    assert SCRIPTS[0] in _plain(text.replace("<bdi>", "").replace("</bdi>", ""))
    assert "{{ 7*7 }}" in _plain(text)


OPTIONAL = {
    "quality.json": "How far the explanations can be trusted",
    "comparison.json": "Better or worse than before",
    "onnx/parity.json": "Whether the deployed file equals the trained model",
    "cases.json": "Why the model decides as it does",
    "data/checks.json": "The data itself",
    "tuned/finetune.json": "",
    "tuned/history.jsonl": "No training history was kept",
    "onnx/providers.json": "not computed: no onnx/providers.json",
    "onnx/metrics.json": "onnx/metrics.json is not in this run",
    "base/metrics.json": "base/metrics.json is not in this run",
    "onnx/attributions/lime.parquet": "no attributions of lime in tuned and onnx",
    "base/attributions/shap.json": "",
    "config.toml": "Nobody has yet said what this model is for",
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_what_is_missing_is_said(copied: Callable[[str], Run], name: str) -> None:
    run = copied("text")
    (run.path / name).unlink()
    page = opened(build_report(run).read_text(encoding="utf-8"))
    assert "could not be built" not in page
    assert OPTIONAL[name] in _plain(page)


def test_the_script_of_the_charts_is_the_same_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = vega_bundle()
    assert "vegaEmbed" in beside and len(beside) > 500_000
    for broken in ("/no/such/python", "/bin/false", ""):
        monkeypatch.setattr(sys, "executable", broken)
        assert vega_bundle.__wrapped__() == beside


def test_a_bare_manifest_still_gives_a_page(copied: Callable[[str], Run]) -> None:
    run = copied("regression")
    for path in run.path.iterdir():
        if path.name != "manifest.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = build_report(run).read_text(encoding="utf-8")
    assert "could not be built" not in page
    assert "How good the answers are is not known" in page
    assert page.count("Not part of this report") == sum(bool(empty) for *_, empty in SECTIONS)
    assert 'id="vega"' not in page  # nothing to draw, so nothing is carried along


def test_a_part_that_fails_stands_in_its_place_and_on_the_first_screen(copied: Callable[[str], Run]) -> None:
    run = copied("text")
    (run.path / "cases.json").write_text("{", encoding="utf-8")
    (run.path / "onnx/parity.json").write_text('{"passed": true}', encoding="utf-8")
    page = _plain(build_report(run).read_text(encoding="utf-8"))
    assert "The part “Cases” could not be built" in page
    assert "The part “Deployed file” could not be built: KeyError" in page
    assert "is damaged" in page
    assert "Performance" in page and "0.9" in page


def test_a_run_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"manifest\.json"):
        build_report(Run(tmp_path))


def test_a_newer_schema_is_refused(copied: Callable[[str], Run]) -> None:
    run = copied("regression")
    run.write_manifest({**run.manifest, "schema": 99})
    with pytest.raises(ArtefactError, match="schema 99"):
        build_report(run)


def test_pictures_then_cases_are_left_out_to_fit(copied: Callable[[str], Run]) -> None:
    said_of = {"image": "pictures have at most", "text": "so that it stays within its size"}
    for kind, said in said_of.items():
        run = copied(kind)
        whole = len(build_report(run).read_bytes())
        page = build_report(run, max_mb=0.995 * whole / 1e6).read_bytes()
        assert len(page) <= 0.995 * whole
        assert said in page.decode()
    with pytest.raises(StageError, match="allowed are"):
        build_report(copied("regression"), max_mb=0.01)


def test_the_report_needs_no_torch() -> None:
    code = (
        "import sys, workbench.report.build, workbench.report.index, workbench.report.sections;"
        "heavy = {'torch', 'transformers', 'captum', 'shap', 'lime', 'workbench.tasks', 'workbench.explainers'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
