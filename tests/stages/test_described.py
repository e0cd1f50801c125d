"""A case as it is kept: words and cells of a length that nobody reads are cut in their middle."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from workbench.markup import brief
from workbench.stages.described import _legible
from workbench.types import Feature


def test_what_is_short_stays_and_what_is_long_keeps_its_ends() -> None:
    assert brief("a" * 200) == "a" * 200
    assert brief("b" + "a" * 10_000_000 + "z") == "b" + "a" * 99 + "…" + "a" * 49 + "z"
    assert brief("0123456789", most=8) == "0123…89"


@pytest.mark.parametrize(
    ("text", "cut", "shown"),
    [
        ("a good\n day", 0, "a good\n day"),
        ("a " + "w" * 1000 + " day", 0, "a " + "w" * 100 + "…" + "w" * 50 + " day"),
        ("a" + " " * 1000 + "day ", 0, "a" + " " * 100 + "…" + " " * 50 + "day "),
        ("a day", 0, "a day"),
    ],
)
def test_words_are_where_they_are_said_to_be(text: str, cut: int, shown: str) -> None:
    at, features = 0, []
    for word in text.split():
        at = text.index(word, at)
        features.append(Feature(brief(word), span=(at, at + len(word))))
        at += len(word)
    found, spans = _legible(text, SimpleNamespace(features=features, cut=cut))
    assert found == shown
    assert [found[slice(*span)] for span in spans] == [f.name for f in features]


def test_of_a_book_only_the_beginning_of_what_was_not_read_is_kept() -> None:
    cut = SimpleNamespace(features=[Feature("a", span=(0, 1))], cut=90_000)
    assert _legible("a" + " b" * 90_000, cut)[0] == "a" + " b" * 500
    assert len(_legible("a" + " " * 90_000, SimpleNamespace(features=cut.features, cut=0))[0]) < 1000
