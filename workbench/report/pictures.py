"""Pictures of the explained examples: a base picture and transparent overlays, bounded in size.

One diverging scale (`scale.py`), blue for and orange against, centred at zero; opacity
carries the size. Tiny pictures are enlarged without smoothing, so that a pixel stays a pixel.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from workbench.errors import ArtefactError
from workbench.language import pgettext
from workbench.report.scale import BLUE, ORANGE, opacities

_HATCH = (190, 24, 140)
TINY = 64  # pixels of the longer side up to which a picture is enlarged without smoothing
_FULL = 0.9  # opacity of full colour on a picture
_LEVELS = 31  # shades of each colour in an overlay's palette
_PLACES = {
    "top left": lambda: pgettext("place", "top left"),
    "top": lambda: pgettext("place", "top"),
    "top right": lambda: pgettext("place", "top right"),
    "left": lambda: pgettext("place", "left"),
    "centre": lambda: pgettext("place", "centre"),
    "right": lambda: pgettext("place", "right"),
    "bottom left": lambda: pgettext("place", "bottom left"),
    "bottom": lambda: pgettext("place", "bottom"),
    "bottom right": lambda: pgettext("place", "bottom right"),
}


def place_name(place: str) -> str:
    """Where a part of a picture lies ("top left") in the language that is spoken."""
    return _PLACES[place]() if place in _PLACES else place


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image.copy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as e:
        raise ArtefactError(f"{path} is damaged: {e}", hint="delete it and run the config again") from None


def _uri(image: Image.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def base_picture(path: Path, longest: int) -> tuple[str, int, int, bool]:
    """The picture as a data URI of at most `longest` pixels, its width and height, and whether it is tiny."""
    return _based(_open(path).convert("RGB"), longest)


def from_array(frame: np.ndarray, longest: int) -> tuple[str, int, int, bool]:
    """The same for an (H, W, 3) uint8 array."""
    return _based(Image.fromarray(frame), longest)


def _based(image: Image.Image, longest: int) -> tuple[str, int, int, bool]:
    tiny = max(image.size) <= TINY
    if tiny:
        return _uri(image, "png", optimize=True), *image.size, True
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return _uri(image, "webp", quality=80, method=4), *image.size, False


def read_segments(path: Path) -> np.ndarray:
    """Segment indices, (H, W) int."""
    return np.asarray(_open(path)).astype(np.int64)


def segment_map(segments: np.ndarray, values: np.ndarray, longest: int) -> np.ndarray:
    """Every pixel with the value of its segment, at most `longest` pixels a side; (h, w).

    Pixels of a segment without a value get 0.
    """
    step = max(1, -(-max(segments.shape) // longest))
    small = segments[::step, ::step]
    padded = np.append(values, 0.0)
    return np.asarray(padded[np.where((small >= 0) & (small < len(values)), small, len(values))], dtype=float)


def dense_map(dense: np.ndarray, longest: int) -> np.ndarray:
    """A dense map averaged over blocks to at most `longest` pixels a side; (h, w)."""
    step = max(1, -(-max(dense.shape) // longest))
    high, wide = (-(-side // step) * step for side in dense.shape)
    padded = np.full((high, wide), np.nan)
    padded[: dense.shape[0], : dense.shape[1]] = dense
    return np.asarray(np.nanmean(padded.reshape(high // step, step, wide // step, step), axis=(1, 3)))


def overlay(values: np.ndarray, scale: float) -> str:
    """A map of signed values as a transparent PNG data URI; full colour at ±`scale`."""
    share = np.clip(np.nan_to_num(values) / scale if scale else np.zeros_like(values), -1, 1)
    index = np.rint(share * _LEVELS).astype(int) + _LEVELS  # 0 against ... 2 * _LEVELS for
    image = Image.frombytes("P", index.shape[::-1], index.astype(np.uint8).tobytes())
    colours = [ORANGE if i < _LEVELS else BLUE for i in range(2 * _LEVELS + 1)]
    image.putpalette([channel for colour in colours for channel in colour])
    sides = (opacities(side, steps=_LEVELS, top=_FULL) for side in (ORANGE, BLUE))
    against, with_it = ([round(255 * a) for a in side] for side in sides)
    alpha = bytes([*against[:0:-1], *with_it])
    return _uri(image, "png", optimize=True, transparency=alpha)


def covered(inside: np.ndarray, longest: int) -> str:
    """A mask (H, W) as a PNG data URI: magenta hatching, a colour that neither scale nor picture has."""
    step = max(1, -(-max(inside.shape) // longest))
    small = inside[::step, ::step]
    grow = max(1, 96 // max(small.shape))  # a hatch needs pixels
    large = np.kron(small.astype(np.uint8), np.ones((grow, grow), np.uint8)).astype(bool)
    y, x = np.indices(large.shape)
    index = np.where(large, np.where((x + y) // 4 % 2, 2, 1), 0).astype(np.uint8)
    image = Image.frombytes("P", index.shape[::-1], index.tobytes())
    image.putpalette([0, 0, 0, *_HATCH, *_HATCH])
    return _uri(image, "png", optimize=True, transparency=bytes((0, 110, 235)))
