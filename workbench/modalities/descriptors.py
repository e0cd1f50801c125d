"""Plain properties of texts and pictures by which a model may fail: length, script, light, sharpness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.modalities.text import TextPreparation

Floats = NDArray[np.float64]

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_SIDE = 512  # pixels of the longer side from which on every k-th pixel is read


def describe_texts(texts: Sequence[str], preparation: TextPreparation | None = None) -> dict[str, Floats]:
    """Properties of texts, (n,) each.

    `length` in words, the shares of characters that are not ASCII, digits and capitals (in
    percent, so that a rule reads well), and with the model's preparation the share of its
    tokens that its vocabulary does not know.
    """
    counts = [max(len(t), 1) for t in texts]
    found = {
        "length": np.array([len(t.split()) for t in texts], dtype=np.float64),
        "characters that are not ASCII": _percent((sum(not c.isascii() for c in t) for t in texts), counts),
        "digits": _percent((sum(c.isdigit() for c in t) for t in texts), counts),
        "capital letters": _percent((sum(c.isupper() for c in t) for t in texts), counts),
    }
    unknown = None if preparation is None else _unknown_tokens(texts, preparation)
    return found if unknown is None else found | {"unknown tokens": unknown}


UNITS = {
    "length": "words",
    "characters that are not ASCII": "%",
    "digits": "%",
    "capital letters": "%",
    "unknown tokens": "%",
    "brightness": "%",
    "contrast": "%",
    "shorter side": "pixels",
}


def _percent(counted: Iterable[int], of: Sequence[int]) -> Floats:
    return np.array([100 * k / n for k, n in zip(counted, of, strict=True)], dtype=np.float64)


def _unknown_tokens(texts: Sequence[str], preparation: TextPreparation) -> Floats | None:
    """Share of tokens that are the tokenizer's unknown one; None where it has none."""
    machine = preparation.machine
    unknown = {machine.token_to_id(name) for name in ("[UNK]", "<unk>")} - {None}
    if not unknown:
        return None
    encodings = machine.encode_batch_fast(list(texts), add_special_tokens=False)
    return _percent((sum(i in unknown for i in e.ids) for e in encodings), [max(len(e.ids), 1) for e in encodings])


def describe_pictures(pictures: Iterable[NDArray[np.uint8]]) -> dict[str, Floats]:
    """Properties of pictures (H, W, 3) uint8 at their own size, (n,) each.

    `brightness` is the mean and `contrast` the standard deviation of the luma, in percent of
    white; `sharpness` the root mean square of the luma's Laplacian over its standard
    deviation (blur lowers it, contrast does not change it); `shorter side` in pixels and
    `width over height` say its size and shape.
    """
    rows = [_picture(p) for p in pictures]
    names = ("brightness", "contrast", "sharpness", "shorter side", "width over height")
    return {name: np.array([row[j] for row in rows], dtype=np.float64) for j, name in enumerate(names)}


def _picture(picture: NDArray[np.uint8]) -> tuple[float, float, float, float, float]:
    height, width = picture.shape[:2]
    step = -(-max(height, width) // _SIDE)  # a large picture's light is known from a part of its pixels
    luma = picture[::step, ::step].astype(np.float64) @ _LUMA / 255
    spread = float(luma.std())
    sharp = 0.0
    if min(luma.shape) > 2 and spread > 0:
        inner = luma[1:-1, 1:-1]
        laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
        sharp = float(np.sqrt(np.mean(laplacian**2))) / spread
    return 100 * float(luma.mean()), 100 * spread, sharp, float(min(height, width)), width / height
