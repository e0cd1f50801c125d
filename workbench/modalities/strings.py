"""Texts for models that take the text itself: the words are its tokens, and a token is spelled out again.

Such models (a scikit-learn pipeline with its vectoriser) cut the text themselves; the words
that a reader sees are what can be hidden from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from workbench.modalities.text import SPACELESS

_PIECE = re.compile(rf"\s*(?:[{SPACELESS}]|[^\s{SPACELESS}]+)|\s+$")


@dataclass(frozen=True)
class Encoding:
    """What `tokenizers` would give: ids, characters of each token, nothing special among them."""

    ids: list[int]
    offsets: list[tuple[int, int]]

    @property
    def type_ids(self) -> list[int]:
        return [0] * len(self.ids)

    @property
    def special_tokens_mask(self) -> list[int]:
        return [0] * len(self.ids)


class Pieces:
    """Texts as words with the spaces before them, numbered as they come; 0 is nothing."""

    def __init__(self) -> None:
        self.pieces: list[str] = [""]
        self._numbers: dict[str, int] = {"": 0}

    def encode(self, text: str) -> Encoding:
        ids, offsets = [], []
        for match in _PIECE.finditer(text):
            piece = match.group()
            number = self._numbers.setdefault(piece, len(self.pieces))
            if number == len(self.pieces):
                self.pieces.append(piece)
            ids.append(number)
            offsets.append(match.span())
        return Encoding(ids, offsets)

    def encode_batch_fast(self, texts: Sequence[str], add_special_tokens: bool = True) -> list[Encoding]:
        """As `tokenizers` names it; there are no special tokens to add."""
        return [self.encode(text) for text in texts]

    def token_to_id(self, name: str) -> int | None:
        """No token stands for what is unknown."""
        return None


@dataclass(frozen=True)
class StringPreparation:
    """What a text modality asks of a preparation, for a model whose input is the text."""

    inputs: tuple[str, ...] = ("input_ids",)
    pad_id: int = 0
    mask_id: int | None = field(default=None)

    modality = "text"

    @cached_property
    def machine(self) -> Pieces:
        """Words with their spaces."""
        return Pieces()

    def text(self, ids: np.ndarray) -> str:
        """The text of a row of pieces; padding spells nothing."""
        pieces = self.machine.pieces
        return "".join(pieces[int(i)] for i in ids)

    def to_json(self) -> dict[str, Any]:
        return {"modality": self.modality, "strings": True, "inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StringPreparation:
        return cls(tuple(value["inputs"]))
