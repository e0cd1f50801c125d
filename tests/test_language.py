"""The language that is spoken: catalogues are whole, and nothing of one page leaks into another."""

from __future__ import annotations

import re
import string
import threading
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from contracts.test_docs import load_script

import workbench
from workbench.errors import UnknownName
from workbench.language import ENGLISH, LANGUAGES, condition, gettext, language, ngettext, speaking, stored
from workbench.report.words import between, count, date, listing, percent, sentence

CHECKOUT = Path(workbench.__file__).resolve().parent.parent
OTHERS = sorted(LANGUAGES.keys() - {ENGLISH})
CJK = re.compile(r"[\u4e00-\u9fff]")


def places(message: str) -> set[tuple[str, str]]:
    """What a message names, each with how it is written."""
    return {(name, spec or "") for _, name, spec, _ in string.Formatter().parse(message) if name}


def catalogue(name: str, domain: str) -> Any:
    with load_script(CHECKOUT / "docs" / "make_catalogues.py").path_of(name, domain).open("rb") as file:
        return read_po(file)


@pytest.mark.parametrize("name", OTHERS)
def test_every_message_has_its_translation_and_none_is_left_over(name: str) -> None:
    wanted = {m.id: m for m in load_script(CHECKOUT / "docs" / "make_catalogues.py").extracted() if m.id}
    known = {m.id: m for m in catalogue(name, "workbench") if m.id}
    assert not wanted.keys() - known.keys(), "python docs/make_catalogues.py adds these, then they want a translation"
    assert not known.keys() - wanted.keys(), "python docs/make_catalogues.py takes these away"
    for message, entry in known.items():
        one = message if isinstance(message, str) else message[1]
        said = entry.string if isinstance(entry.string, str) else entry.string[0]
        assert said.strip() and not entry.fuzzy, f"no translation: {one!r}"
        assert places(said) == places(one), f"{one!r} and {said!r} name different things"


@pytest.mark.parametrize("name", OTHERS)
def test_stored_sentences_name_what_their_templates_name(name: str) -> None:
    entries = [m for m in catalogue(name, "stored") if m.id]
    assert len(entries) > 400
    for entry in entries:
        assert entry.string and places(entry.string) == places(entry.id), entry.id


def test_a_page_of_one_language_does_not_change_another() -> None:
    said = {}

    def speak(name: str, barrier: threading.Barrier) -> None:
        with speaking(name):
            barrier.wait(10)
            said[name] = (language(), gettext("Verdict"), ngettext("{n} example", "{n} examples", 2))
            barrier.wait(10)

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=speak, args=(name, barrier)) for name in ("en", "zh-CN")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {"en": ("en", "Verdict", "{n} examples"), "zh-CN": ("zh-CN", "结论", "{n} 个样本")}
    assert language() == ENGLISH and gettext("Verdict") == "Verdict"


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match="zh-TW"), speaking("zh-TW"):
        pass
    assert language() == ENGLISH


def test_numbers_and_days_as_the_language_writes_them() -> None:
    # Figures need no translation where a language groups and points them as English does.
    assert format_decimal(1234567.891, locale="zh_CN") == format_decimal(1234567.891, locale="en")
    with speaking("zh-CN"):
        assert percent(0.953) == "95.3%" and between(1.0, 2.5) == "1.00 至 2.50"
        assert count(3, "{n} example", "{n} examples") == "3 个样本"
        assert listing(["a", "b", "c"]) == "a、b和c" and sentence("很好") == "很好。"
        assert date("2026-11-23T10:00:00+00:00") == "2026年11月23日 10:00 UTC"
    assert percent(0.953) == "95.3 %" and between(1.0, 2.5) == "1.00 to 2.50"
    assert date("2026-11-23T10:00:00+00:00") == "23 November 2026, 10:00 UTC"


def test_what_stages_wrote_is_retold_by_its_template() -> None:
    text = "In training the largest class, 'a and b', has 15 examples (25.0%) and the smallest, 'c', 3 (5.0%)."
    assert stored(text) == text
    with speaking("zh-CN"):
        assert stored(text) == "训练集中最大的类别 'a and b' 有 15 个样本（25.0%），最小的 'c' 有 3 个（5.0%）。"
        assert stored("No text is empty. No cell is missing.") == "没有空文本。没有缺失的单元。"
        assert stored("nobody ever wrote a template for this") == "nobody ever wrote a template for this"
        assert condition("age over 30 and sex is 2") == "age 超过 30 且 sex 为 2"
        assert condition("words that are no rule") == "words that are no rule"
    assert condition("age over 30 and sex is 2") == "age over 30 and sex is 2"
