"""The one colour scale of all attributions: blue for, orange against, paper at zero.

The two ends have the same CIE lightness and the same chroma, so neither side looks stronger, and
their hues stay apart for readers with any of the common colour deficiencies. Colours are laid on
as a transparent film; its opacity is set so that equal steps of the value are equal distances
from the paper (CIE 1976, perceptually uniform), in light and in dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

BLUE = (35, 119, 213)
ORANGE = (179, 98, 33)
# on dark paper the ends are lighter: equal again in lightness and chroma
DARK_BLUE = (70, 139, 236)
DARK_ORANGE = (201, 120, 51)
PAPER, DARK_PAPER = (255, 255, 255), (19, 23, 27)
STEPS = 20  # shades of either side in the page
TOP = 0.68  # opacity of full colour behind text
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)


def lab(colour: Sequence[float] | np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of sRGB colours of 0 to 255, (..., 3)."""
    share = np.asarray(colour, dtype=float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def over(colour: tuple[int, int, int], opacity: Any, paper: tuple[int, int, int]) -> tuple[Any, Any, Any]:
    """A film of a colour on paper, as the browser blends it; of several opacities (n,) the channels, (n,) each."""
    red, green, blue = (opacity * c + (1 - opacity) * p for c, p in zip(colour, paper, strict=True))
    return red, green, blue


def distance(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """How far two colours lie apart to the eye (CIE 1976)."""
    return float(np.linalg.norm(lab(a) - lab(b)))


@cache
def opacities(
    colour: tuple[int, int, int], paper: tuple[int, int, int] = PAPER, steps: int = STEPS, top: float = TOP
) -> tuple[float, ...]:
    """Opacity of the shades 0 to `steps`: equal steps of distance from the paper, `top` at the last."""
    grid = np.linspace(0, top, 513)
    films = lab(np.stack(over(colour, grid, paper), axis=-1))
    reached = np.maximum.accumulate(np.linalg.norm(films - lab(paper), axis=-1))
    return tuple(float(a) for a in np.interp(np.linspace(0, reached[-1], steps + 1), reached, grid))
