"""Shapes that show examples: training examples side by side, a text with words struck out, answers that turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training example: its label, how far it is, and an excerpt of it (a picture is a data: URI)."""

    id: str
    target: str
    note: str
    text: str = ""
    picture: str = ""
    cells: tuple[tuple[str, str, bool], ...] = ()  # column, value, whether it is the example's own value


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Training examples side by side, the nearest first."""

    template: ClassVar[str] = "neighbours.html"
    label: str
    examples: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Struck:
    """A text in which some words are struck out: (text, whether it is)."""

    template: ClassVar[str] = "struck.html"
    label: str
    pieces: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer that turned: what was decided, and one method's answer for both models."""

    id: str
    headline: str
    level: str
    turn: str
    question: str
    scale: str
    ends: tuple[str, str]  # what the two colours say, the negative one first
    panels: tuple[Any, ...]  # one `Panel` a model
    moved: str = ""  # what differs most, in a sentence
    note: str = ""
    href: str = ""  # of the full case, where it is one
    base: str = ""  # as of a `Case`
    picture: str = ""
    width: int = 0
    height: int = 0
    pixelated: bool = False


@dataclass(frozen=True, slots=True)
class Turns:
    """Answers that turned, one below the other."""

    template: ClassVar[str] = "turns.html"
    turns: tuple[Turn, ...]
