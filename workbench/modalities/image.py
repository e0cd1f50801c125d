"""Pictures: pixels for the model, segments for the reader.

The picture that is cut, hidden and shown is the one the model sees, after resizing and
cropping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from workbench.data.pictures import read_image
from workbench.errors import ConfigError
from workbench.types import Feature

FILLERS = {
    "blur": "a strongly blurred copy of the picture",
    "mean": "the mean colour that the model was prepared with",
    "own-mean": "the picture's own mean colour",
    "neighbours": "the picture itself, moved sideways by a segment's width",
    "grey": "middle grey",
    "black": "black",
}
_CACHE_BYTES = 1 << 30
_NEIGHBOUR = 1 / 6  # of the width: about a segment's
_SMALL = 16  # pixels of the shorter side below which superpixels mean nothing and a grid is used


@dataclass(frozen=True)
class ImagePreparation:
    """What turns a picture into `pixel_values` (3, height, width) float32.

    `resize` is (height, width) exactly, or (shorter side,) keeping the aspect ratio; then a
    central crop to (height, width); then /255, minus `mean`, over `std` (per channel).
    """

    height: int
    width: int
    resize: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: int = 2  # Pillow's filter number: 0 nearest, 2 bilinear, 3 bicubic
    scale: float = 1 / 255

    modality = "image"
    inputs = ("pixel_values",)

    def to_json(self) -> dict[str, Any]:
        return {
            "modality": self.modality,
            "inputs": list(self.inputs),
            "layout": "NCHW",
            "channels": "RGB",
            "height": self.height,
            "width": self.width,
            "resize": list(self.resize),
            "mean": list(self.mean),
            "std": list(self.std),
            "resample": self.resample,
            "scale": self.scale,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ImagePreparation:
        return cls(
            value["height"],
            value["width"],
            tuple(value["resize"]),
            tuple(value["mean"]),
            tuple(value["std"]),
            value["resample"],
            value["scale"],
        )

    def frame(self, picture: Any) -> np.ndarray:
        """The picture as the model sees it, before normalisation: (height, width, 3) uint8."""
        image = Image.fromarray(read_image(picture))
        if len(self.resize) == 2:
            target = (self.resize[1], self.resize[0])
        else:
            shorter = min(image.size)
            target = (
                int(self.resize[0] * image.width / shorter),
                int(self.resize[0] * image.height / shorter),
            )
        if image.size != target:
            image = image.resize(target, Image.Resampling(self.resample))
        left, top = (image.width - self.width) // 2, (image.height - self.height) // 2
        if (left, top) != (0, 0) or image.size != (self.width, self.height):
            image = image.crop((left, top, left + self.width, top + self.height))
        return np.asarray(image)

    def normalise(self, frames: np.ndarray) -> np.ndarray:
        """(n, height, width, 3) uint8 or float in 0..255 to (n, 3, height, width) float32."""
        scaled = frames.astype(np.float32) * np.float32(self.scale)
        normal: np.ndarray = (scaled - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))


class EncodedImages:
    """Pictures, read when needed; kept in memory where they fit one gigabyte."""

    def __init__(self, inputs: Sequence[Any], preparation: ImagePreparation) -> None:
        self._inputs, self._preparation = list(inputs), preparation
        self._keep = len(self._inputs) * preparation.height * preparation.width * 3 <= _CACHE_BYTES
        self._frames: dict[int, np.ndarray] = {}
        self.lengths = np.ones(len(self._inputs), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._inputs)

    def _frame(self, row: int) -> np.ndarray:
        if row in self._frames:
            return self._frames[row]
        frame = self._preparation.frame(self._inputs[row])
        if self._keep:
            self._frames[row] = frame
        return frame

    def batch(
        self, rows: Sequence[int] | np.ndarray, change: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """`pixel_values` (rows, 3, height, width); `change` may alter the uint8 frames first."""
        frames = np.stack([self._frame(int(r)) for r in rows])
        return {"pixel_values": self._preparation.normalise(frames if change is None else change(frames))}


@dataclass(frozen=True)
class Segments:
    """One picture cut into segments: `label` (height, width) holds each pixel's segment."""

    features: tuple[Feature, ...]
    frame: np.ndarray
    label: np.ndarray
    method: str
    # What is shown and what stands for it, by preparation and filler: every batch of masks needs both.
    _layers: dict[Any, tuple[np.ndarray, np.ndarray]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )


def encode(inputs: Sequence[Any], preparation: ImagePreparation) -> EncodedImages:
    """Pictures for the model."""
    return EncodedImages(inputs, preparation)


def segment(picture: Any, preparation: ImagePreparation, *, segments: int = 48, **_: Any) -> Segments:
    """Cut a picture into about `segments` segments: SLIC superpixels, a grid for small ones.

    Source: Achanta et al. 2012 (SLIC), as in scikit-image.
    """
    frame = preparation.frame(picture)
    height, width = frame.shape[:2]
    label: Any
    if min(height, width) < _SMALL:
        rows = max(1, min(height, round(np.sqrt(segments * height / width))))
        columns = max(1, min(width, round(segments / rows)))
        down = np.arange(height) * rows // height
        across = np.arange(width) * columns // width
        label = down[:, None] * columns + across[None, :]
        method = f"grid {rows} by {columns}"
    else:
        from skimage.segmentation import slic

        label = slic(frame, n_segments=segments, compactness=10, sigma=1, start_label=0, channel_axis=-1)
        method = f"SLIC, about {segments} segments"
    label = np.unique(label, return_inverse=True)[1].reshape(height, width)
    names = tuple(Feature(f"segment {i}", value=_place(label == i)) for i in range(int(label.max()) + 1))
    return Segments(names, frame, label, method)


def _place(inside: np.ndarray) -> str:
    """Where a segment lies, in words: "top left", "centre", ..."""
    y, x = (c.mean() / s for c, s in zip(np.nonzero(inside), inside.shape, strict=True))
    down = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    return f"{down} {across}".strip() or "centre"


def choose_filler(name: str, preparation: ImagePreparation) -> str:
    """The filler to use: the asked one, else blur."""
    if name and name not in FILLERS:
        raise ConfigError(f"explain.filler = {name!r} is none for pictures", hint=f"allowed: {', '.join(FILLERS)}")
    return name or "blur"


def filling(frame: np.ndarray, preparation: ImagePreparation, filler: str) -> np.ndarray:
    """What stands behind hidden segments: (height, width, 3) float32 in 0..255."""
    if filler in ("black", "grey"):
        return np.full(frame.shape, 0 if filler == "black" else 127.5, np.float32)
    if filler == "neighbours":  # mirrored at the border, so that the picture's colours and textures stay
        shift = max(1, round(frame.shape[1] * _NEIGHBOUR))
        padded = np.pad(frame, ((0, 0), (shift, 0), (0, 0)), mode="symmetric")
        return padded[:, : frame.shape[1]].astype(np.float32)
    if filler == "mean":
        colour = np.array(preparation.mean, np.float32) / np.float32(preparation.scale)
        return np.broadcast_to(colour, frame.shape).astype(np.float32)
    if filler == "own-mean":
        return np.broadcast_to(frame.mean(axis=(0, 1)), frame.shape).astype(np.float32)
    from scipy.ndimage import gaussian_filter

    sigma = max(frame.shape[:2]) / 8  # an eighth of the side: shapes go, the overall light stays
    return gaussian_filter(frame.astype(np.float32), sigma=(sigma, sigma, 0))


def layers(cut: Segments, preparation: ImagePreparation, filler: str) -> tuple[np.ndarray, np.ndarray]:
    """What is shown and what stands behind it, each (3, height, width) float32 as the model takes it."""
    if (preparation, filler) not in cut._layers:
        frames = (cut.frame, filling(cut.frame, preparation, filler))
        shown, hidden = (preparation.normalise(frame[None])[0] for frame in frames)
        cut._layers[preparation, filler] = shown, hidden
    return cut._layers[preparation, filler]


def hide(
    cut: Segments, masks: np.ndarray, preparation: ImagePreparation, *, filler: str, background: Any = None
) -> dict[str, np.ndarray]:
    """`pixel_values` with the segments of each (n, M) mask kept and the others filled."""
    shown, hidden = layers(cut, preparation, filler)
    keep = np.take(masks, cut.label, axis=1)[:, None]  # half the time of indexing
    return {"pixel_values": np.where(keep, shown, hidden)}


def pool(cut: Segments, attributions: np.ndarray) -> np.ndarray:
    """Sum (3, height, width) attributions of pixels to (M,) segments."""
    pixels = attributions.reshape(-1, *cut.label.shape).sum(axis=0)
    return np.bincount(cut.label.ravel(), weights=pixels.ravel(), minlength=len(cut.features))


def dense(attributions: np.ndarray) -> np.ndarray:
    """Sum (3, height, width) attributions over the channels to a (height, width) map."""
    return attributions.sum(axis=0)


def hierarchy(cut: Segments) -> np.ndarray:
    """Which segments belong together: those that lie near (Ward's linkage of their middles), (M - 1, 4)."""
    from scipy.cluster.hierarchy import linkage

    height, width = cut.label.shape
    count = np.bincount(cut.label.ravel(), minlength=len(cut.features))
    down, across = np.mgrid[:height, :width]
    middles = [np.bincount(cut.label.ravel(), weights=at.ravel()) / count for at in (down, across)]
    return np.asarray(linkage(np.stack(middles, axis=1), "ward"))
