"""Pictures of the explained examples: a base picture and transparent overlays, bounded in size.

One diverging scale, blue for and orange against, centred at zero; its two hues stay apart
for colour-blind readers, and opacity carries the size. Tiny pictures are enlarged without
smoothing, so that a pixel stays a pixel.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from workbench.errors import ArtefactError

FOR = (46, 122, 204)
AGAINST = (214, 106, 16)
TINY = 64  # pixels of the longer side up to which a picture is enlarged without smoothing
_LEVELS = 31  # shades of each colour in an overlay's palette


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
    colours = [AGAINST if i < _LEVELS else FOR for i in range(2 * _LEVELS + 1)]
    image.putpalette([channel for colour in colours for channel in colour])
    alpha = bytes(round(230 * abs(i - _LEVELS) / _LEVELS) for i in range(2 * _LEVELS + 1))
    return _uri(image, "png", optimize=True, transparency=alpha)
