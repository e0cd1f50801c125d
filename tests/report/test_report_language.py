"""Pages in another language: whole, with the data as it is; no English sentence is left."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from workbench.language import speaking
from workbench.report.build import build_report
from workbench.report.inspect import write_inspection
from workbench.run import Run

# Three words of English, one after the other.
ENGLISH = re.compile(r"[A-Za-z][A-Za-z'’]+(?:[,;:.]? [A-Za-z][A-Za-z'’-]+){2,}")
INLINE = frozenset({"b", "span", "bdi", "small", "a"})
# Names that stay as they are.
NAMES = re.compile(r"et al\. |NIST AI RMF|EU AI Act|Art\. \d|Annex I|ONNX opset")
# What the invented runs of these tests put where a stage's own sentence would stand.
INVENTED = (
    "test examples are equal to training examples",
    "values are missing",
    "Gradients summed along the path",
    "Shapley values by kernel regression",
    "A weighted linear surrogate of the model",
    "masks it was not fitted to",
    "its order changes with the seed",
    "it predicts masks it never saw",
    "its surrogate explains",
    "Invented for the tests of the report",
    "No licence is needed",
    "The text is empty",
    "no input is empty",
    "at random, stratified by class",
    "Duplicates across splits",
    "the pretrained encoder as it came",
    "all 4 epochs were done",
    "Customisation made the answers better",
    "wrong answers and",
    "The predictions are closer to the truth",
    "Integrated gradients. Gradients",
    "every node ran on",
    " and the like",
)


class Texts(HTMLParser):
    """Everything that a reader sees or hears of a page, code apart."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._said, self._inside = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside += tag in ("script", "style", "code")
        self.found += [v for k, v in attrs if k in ("aria-label", "title", "alt") or k.startswith("data-") if v]
        if tag not in INLINE:
            self._end()

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag in ("script", "style", "code")
        if tag not in INLINE:
            self._end()

    def handle_data(self, data: str) -> None:
        self._said += "" if self._inside else data

    def _end(self) -> None:
        if self._said.strip():
            self.found.append(re.sub(r"\s+", " ", self._said).strip())
        self._said = ""


def texts(page: str) -> list[str]:
    """The texts of a page, of its packed cases and of its charts."""
    found = []
    parts = [page]
    for packed in re.findall(r'class="packed">([^<]+)<', page):
        parts += json.loads(gzip.decompress(base64.b64decode(packed)))["cases"]
    for part in parts:
        reader = Texts()
        reader.feed(part)
        found += reader.found
    for spec in re.findall(r'class="spec">(.*?)</script>', page, re.S):
        found += words_of(json.loads(html.unescape(spec)))
    return found


def words_of(spec: Any, key: str = "") -> list[str]:
    """Titles of axes and the names of lines of a chart."""
    if isinstance(spec, dict):
        return [word for k, v in spec.items() if k != "config" for word in words_of(v, k)]
    if isinstance(spec, list):
        return [word for v in spec for word in words_of(v, key)]
    return [spec] if isinstance(spec, str) and key in ("title", "domain", "who", "shade") else []


def data_of(run: Run) -> str:
    """What stands in a run of its data: texts, names of columns and classes, what people said of it."""
    said = [(run.path / "config.toml").read_text(encoding="utf-8")] if run.has("config.toml") else []
    about, cases = run.read_json("data/fingerprint.json"), run.read_json("cases.json")
    said += [json.dumps(part, ensure_ascii=False) for part in (about, cases, run.manifest.get("title", ""))]
    return " ".join(said)


def left_in_english(page: str, data: str) -> list[str]:
    """Texts with three words of English that are neither data nor a name."""
    left = []
    for text in texts(page):
        for run in ENGLISH.findall(text):
            known = run in data or any(word.lower() in text.lower() for word in INVENTED) or NAMES.search(text)
            if not known and not all(word.strip(",;:.") in data for word in run.split()):
                left.append(text)
    return left


@pytest.mark.parametrize("kind", ["text", "image", "table", "regression"])
def test_nothing_of_a_chinese_report_is_english(samples: dict[str, Run], kind: str, tmp_path: Path) -> None:
    shutil.copytree(samples[kind].path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    with speaking("zh-CN"):
        page = build_report(run).read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in page and "结论" in page
    assert left_in_english(page, data_of(run)) == []
    machine = (run.path / "report.json").read_text(encoding="utf-8") + (run.path / "workbench.junit.xml").read_text()
    assert not re.search("[\u4e00-\u9fff]", machine), "what programs read is the same in every language"


@pytest.mark.parametrize("kind", ["text", "table"])
def test_nothing_of_a_chinese_case_is_english(samples: dict[str, Run], kind: str, tmp_path: Path) -> None:
    run = samples[kind]
    write_inspection(run, run.read_json("cases.json")["cases"][0]["id"], tmp_path, name="run", lang="zh-CN")
    page = (tmp_path / "inspect.html").read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in page
    assert left_in_english(page, data_of(run)) == []
    assert "如何计算" not in (tmp_path / "inspect.json").read_text(encoding="utf-8")


def test_an_unmarked_sentence_is_found() -> None:
    assert left_in_english("<p>全部 <b>This was forgotten</b></p>", "") == ["全部 This was forgotten"]
    assert left_in_english('<p aria-label="Nobody marked this">全部</p>', "") == ["Nobody marked this"]
    assert left_in_english("<p>mean area error</p><code>three words here</code>", "mean area error") == []


def test_an_english_page_speaks_english_after_a_chinese_one(samples: dict[str, Run], tmp_path: Path) -> None:
    shutil.copytree(samples["table"].path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    first = build_report(run).read_bytes()
    with speaking("zh-CN"):
        other = build_report(run).read_bytes()
    assert build_report(run).read_bytes() == first != other
    text = first.decode()
    assert '<html lang="en">' in text and 'id="retold"' not in text
    assert not [t for t in texts(text) if re.search("[\u4e00-\u9fff]", t)]
