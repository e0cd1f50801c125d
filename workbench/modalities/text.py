"""Texts: tokens for the model, words for the reader.

Hiding happens on token ids, never on strings, so a mask costs no tokenisation and the
other words keep their tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from workbench.errors import ArtefactError, ConfigError
from workbench.markup import brief
from workbench.types import Feature

FILLERS = {
    "mask": "the tokenizer's mask token",
    "delete": "nothing (the word is removed)",
    "pad": "the padding token, hidden from attention",
}

# Scripts written without spaces (kana, CJK ideographs) count one character as one word.
SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}]+")
_START = 64  # characters a token of the model's limit: what is tokenised first of a text that is far longer


@dataclass(frozen=True)
class TextPreparation:
    """What turns a text into the model's inputs; `tokenizer` is a tokenizers JSON document."""

    tokenizer: str
    inputs: tuple[str, ...]  # of input_ids, attention_mask, token_type_ids
    max_length: int
    pad_id: int
    mask_id: int | None

    modality = "text"

    @cached_property
    def machine(self) -> Tokenizer:
        """The tokenizer, cutting at `max_length` tokens, never padding."""
        try:
            machine = Tokenizer.from_str(self.tokenizer)
        except Exception as e:  # tokenizers raises bare Exception
            raise ArtefactError(f"the tokenizer cannot be read: {e}", hint="export the model again") from e
        machine.no_padding()
        machine.enable_truncation(self.max_length)
        return machine

    def to_json(self) -> dict[str, Any]:
        return {
            "modality": self.modality,
            "tokenizer": self.tokenizer,
            "inputs": list(self.inputs),
            "max_length": self.max_length,
            "pad_id": self.pad_id,
            "mask_id": self.mask_id,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TextPreparation:
        return cls(
            value["tokenizer"], tuple(value["inputs"]), value["max_length"], value["pad_id"], value.get("mask_id")
        )


class EncodedTexts:
    """Tokenised texts, padded batch by batch to the longest of the batch."""

    def __init__(self, ids: list[np.ndarray], types: list[np.ndarray], preparation: TextPreparation) -> None:
        self._ids, self._types, self._preparation = ids, types, preparation
        self.lengths = np.array([len(i) for i in ids], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def batch(self, rows: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Model inputs of some rows, each (rows, longest) int64."""
        return pad([self._ids[r] for r in rows], [self._types[r] for r in rows], self._preparation)


@dataclass(frozen=True)
class Words:
    """One text cut into words: which token belongs to which word.

    `word` (L,) holds the word's index for every token, -1 for special tokens.
    """

    features: tuple[Feature, ...]
    ids: np.ndarray
    types: np.ndarray
    word: np.ndarray
    cut: int  # words that the model never sees


def encode(inputs: Sequence[str], preparation: TextPreparation) -> EncodedTexts:
    """Tokenise texts."""
    encodings = preparation.machine.encode_batch_fast([start(text, preparation) for text in inputs])
    return EncodedTexts(
        [np.array(e.ids, dtype=np.int64) for e in encodings],
        [np.array(e.type_ids, dtype=np.int64) for e in encodings],
        preparation,
    )


def start(text: str, preparation: TextPreparation) -> str:
    """As much of a text's beginning as the model can read: the tokens up to its limit are those of the whole text.

    A tokenizer cuts a text only after it has read all of it. What is twice as long as the limit in
    tokens ends too late to change those that are read.
    """
    limit = getattr(preparation, "max_length", 0)
    size = _START * limit
    while limit and 2 * size < len(text):
        space = max(text.rfind(" ", size // 2, size), text.rfind("\n", size // 2, size))
        part = text[: space if space > 0 else size]
        encoding = preparation.machine.encode(part)
        if len(encoding.ids) + sum(len(e.ids) for e in encoding.overflowing) >= 2 * limit:
            return part
        size *= 4
    return text


def pad(
    ids: Sequence[np.ndarray],
    types: Sequence[np.ndarray],
    preparation: TextPreparation,
    attend: Sequence[np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Token ids of several lengths as one batch, with only the inputs the model takes."""
    longest = max((len(i) for i in ids), default=1) or 1  # no model takes a batch of no tokens at all
    shape = (len(ids), longest)
    batch = {
        "input_ids": np.full(shape, preparation.pad_id, dtype=np.int64),
        "attention_mask": np.zeros(shape, dtype=np.int64),
        "token_type_ids": np.zeros(shape, dtype=np.int64),
    }
    for row, (one, kind) in enumerate(zip(ids, types, strict=True)):
        batch["input_ids"][row, : len(one)] = one
        batch["attention_mask"][row, : len(one)] = 1 if attend is None else attend[row]
        batch["token_type_ids"][row, : len(one)] = kind
    return {name: batch[name] for name in preparation.inputs}


def segment(text: str, preparation: TextPreparation, **_: Any) -> Words:
    """Cut a text into the words that the model sees.

    A word is a run of characters without spaces; in scripts without spaces, a character.
    Words that share a token cannot be hidden apart and are one feature.
    """
    whole, text = text, start(text, preparation)
    spans = [m.span() for m in _WORD.finditer(text)]
    rest = 0 if text is whole else sum(1 for _ in _WORD.finditer(whole)) - len(spans)
    encoding = preparation.machine.encode(text)
    starts = np.array([s for s, _ in spans] or [0])
    word = np.full(len(encoding.ids), -1)
    seen = np.zeros(len(spans), dtype=bool)
    joined = np.zeros(len(spans), dtype=bool)  # to the word before
    for position, ((begin, end), special) in enumerate(
        zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    ):
        if special or not spans:
            continue
        # A token may carry the space before its word (byte-level and SentencePiece models).
        while begin < end - 1 and text[begin : begin + 1].isspace():
            begin += 1
        first, last = np.maximum(np.searchsorted(starts, [begin, max(end - 1, begin)], side="right") - 1, 0)
        word[position] = first
        seen[first : last + 1] = True
        joined[first + 1 : last + 1] = True
    number = np.cumsum(seen & ~joined) - 1  # of the feature that a word belongs to
    ends = {int(number[w]): spans[w][1] for w in np.flatnonzero(seen)}
    begins = [spans[w][0] for w in np.flatnonzero(seen & ~joined)]
    features = tuple(Feature(brief(text[b : ends[i]]), span=(b, ends[i])) for i, b in enumerate(begins))
    return Words(
        features,
        np.array(encoding.ids, dtype=np.int64),
        np.array(encoding.type_ids, dtype=np.int64),
        np.array([number[w] if w >= 0 else -1 for w in word], dtype=np.int64),
        cut=int((~seen).sum()) + rest,
    )


def choose_filler(name: str, preparation: TextPreparation) -> str:
    """The filler to use: the asked one, else the mask token where the tokenizer has one."""
    if not name:
        return "mask" if preparation.mask_id is not None else "delete"
    if name not in FILLERS:
        raise ConfigError(f"explain.filler = {name!r} is none for texts", hint=f"allowed: {', '.join(FILLERS)}")
    if name == "mask" and preparation.mask_id is None:
        raise ConfigError("explain.filler = 'mask', but this tokenizer has no mask token", hint="use 'delete' or 'pad'")
    return name


def hide(
    words: Words, masks: np.ndarray, preparation: TextPreparation, *, filler: str, background: Any = None
) -> dict[str, np.ndarray]:
    """Model inputs with the words of each (n, M) mask kept and the others replaced."""
    keep = np.ones((len(masks), len(words.ids)), dtype=bool)
    inside = words.word >= 0
    keep[:, inside] = masks[:, words.word[inside]]
    if filler == "delete":
        rows = [np.flatnonzero(k) for k in keep]
        return pad([words.ids[r] for r in rows], [words.types[r] for r in rows], preparation)
    masked = filler == "mask" and preparation.mask_id is not None  # `choose_filler` refuses a mask that is not there
    replacement: Any = preparation.mask_id if masked else preparation.pad_id
    ids = np.where(keep, words.ids, replacement)
    types = np.broadcast_to(words.types, ids.shape)
    attend = keep.astype(np.int64) if filler == "pad" else np.ones_like(ids)
    return pad(list(ids), list(types), preparation, list(attend))


def lengths(words: Words, masks: np.ndarray) -> np.ndarray:
    """Tokens that are left of a text when the words of each (n, M) mask are kept and the others deleted: (n,)."""
    inside = words.word >= 0
    tokens = np.bincount(words.word[inside], minlength=len(words.features))
    return np.asarray(masks @ tokens + int((~inside).sum()))


def padding(preparation: TextPreparation) -> dict[str, int]:
    """What fills up the shorter of two texts, by input name; 0 for those not named."""
    return {"input_ids": preparation.pad_id}


def pool(words: Words, attributions: np.ndarray) -> np.ndarray:
    """Sum (L, D) attributions of embeddings to (M,) words."""
    tokens = attributions.reshape(len(words.ids), -1).sum(axis=1)
    inside = words.word >= 0
    return np.bincount(words.word[inside], weights=tokens[inside], minlength=len(words.features))


def hierarchy(words: Words) -> np.ndarray:
    """Which words belong together: neighbours first, clauses before sentences, as a linkage matrix (M - 1, 4)."""
    from scipy.cluster.hierarchy import linkage

    gaps = [4.0 if f.name[-1:] in ".!?;:" else 2.0 if f.name[-1:] == "," else 1.0 for f in words.features]
    places = np.concatenate([[0.0], np.cumsum(gaps[:-1])])
    return np.asarray(linkage(places[:, None], "complete"))
