"""Maps of a network's places (patches, cells of a convolution) and of the picture's pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image

_PREFIXES = (0, 1, 2, 4, 5, 8, 9)  # class, distillation and register tokens in front of the patches


def token_grid(tokens: int, height: int, width: int) -> tuple[int, int, int] | None:
    """(rows, columns, leading tokens) of a picture's tokens, None where they make no grid of its shape."""
    for prefix in _PREFIXES:
        patches = tokens - prefix
        rows = round(float(np.sqrt(max(patches, 0) * height / width)))
        if rows > 1 and patches % rows == 0 and patches // rows > 1:
            columns = patches // rows
            if abs(rows * width / (columns * height) - 1) < 0.1:
                return rows, columns, prefix
    return None


def enlarge(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """A (rows, columns) map at the picture's size, bilinear between the middles of the cells."""
    image = Image.fromarray(np.asarray(small, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float64)
