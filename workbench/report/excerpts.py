"""Shapes that show an input in short: training examples side by side, a text with words struck out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


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
