"""Pictures: what a file decodes to, whether it decodes at all, and folders of them by class."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from workbench.errors import DataError

SUFFIXES = frozenset(
    f".{s}" for s in ("jpg", "jpeg", "jpe", "jfif", "png", "bmp", "gif", "tif", "tiff", "webp", "avif", "jp2", "tga")
) | frozenset(f".p{s}m" for s in "bgnp")
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000", "TGA", "PPM")  # none runs a program
MAX_PIXELS = 64_000_000  # decoded, 192 MB; a file of a few kB can claim far more
_WIDE_MODES = ("I", "F")  # I;16, I;16B, I;16L, I;16N, I and F: more than eight bits a channel
_BROKEN = (  # what Pillow's decoders raise on bad bytes
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, MemoryError),
    *(RuntimeError, struct.error, zlib.error, Image.DecompressionBombError),
)

PictureInput = Path | str | bytes | NDArray[np.uint8]


def read_image(picture: PictureInput) -> NDArray[np.uint8]:
    """Decode a picture to an (H, W, 3) uint8 array in RGB, upright.

    EXIF orientation is applied; transparent pixels are laid over white; 16-bit channels are
    scaled by 255/65535 (not cut off); floating-point pixels are read as 0..1, or as 0..255
    where any is above 1; of several frames the first counts.

    Args:
        picture: a path, the bytes of a file, or an array that is returned as it is.

    Raises:
        DataError: the file is missing, cannot be decoded, or claims over `MAX_PIXELS` pixels.
    """
    if isinstance(picture, np.ndarray):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise DataError(
                f"a picture array of shape {picture.shape} and type {picture.dtype}", hint="(H, W, 3) uint8 is allowed"
            )
        return picture
    try:
        with _open(picture) as image:
            return np.asarray(_rgb(ImageOps.exif_transpose(image)), dtype=np.uint8)
    except _BROKEN as e:
        raise DataError(f"picture {_name(picture)}: {_reason(e)}", hint="replace or remove the file") from None


def picture_size(picture: PictureInput) -> tuple[int, int]:
    """Width and height as stored, read from the header only."""
    if isinstance(picture, np.ndarray):
        return picture.shape[1], picture.shape[0]
    try:
        with _open(picture) as image:
            return image.size
    except _BROKEN as e:
        raise DataError(f"picture {_name(picture)}: {_reason(e)}", hint="replace or remove the file") from None


def why_unreadable(picture: PictureInput) -> str:
    """Why a picture cannot be decoded to its end; empty where it can."""
    if isinstance(picture, np.ndarray):
        return ""
    try:
        with _open(picture) as image:
            image.draft("RGB", (1, 1))  # JPEG: every byte is still read, an eighth of the pixels is made
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
    except _BROKEN as e:
        return _reason(e)
    return ""


def unreadable(pictures: Iterable[PictureInput]) -> list[str]:
    """`why_unreadable` of many pictures, in order, decoded on several threads."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(why_unreadable, pictures))


def _open(picture: Path | str | bytes) -> Image.Image:
    image = Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=_FORMATS)
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ValueError(f"{image.width:,} x {image.height:,} pixels, at most {MAX_PIXELS:,} are read")
    return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(_WIDE_MODES):
        wide = np.asarray(image).astype(np.float64)
        if image.mode == "F":
            wide = np.nan_to_num(wide) * (255 if np.nan_to_num(wide).max(initial=0) <= 1 else 1)
        else:
            wide = wide * (255 / 65535)
        image = Image.fromarray(np.rint(wide).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _name(picture: Path | str | bytes) -> str:
    return f"of {len(picture):,} bytes" if isinstance(picture, bytes) else str(picture)


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that can be read"
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def inside(path: Path, root: Path) -> bool:
    """Whether a path, its symbolic links followed, stays in a folder."""
    return path.resolve().is_relative_to(root.resolve())


def pictures_below(folder: Path) -> list[Path]:
    """Picture files under a folder by suffix, sorted; hidden ones and linked folders left out."""
    found = []
    for place, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [f for f in folders if not f.startswith(".")]
        found += [Path(place, f) for f in files if Path(f).suffix.lower() in SUFFIXES and not f.startswith(".")]
    return sorted(found, key=lambda p: p.relative_to(folder).as_posix())


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted; hidden ones left out.

    Raises:
        DataError: one is a symbolic link that leaves the folder.
    """
    found = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
    for path in found:
        if path.is_symlink() and not inside(path, folder):
            raise DataError(
                f"{path} is a symbolic link that leaves the data folder", hint="copy the folder, or remove the link"
            )
    return found
