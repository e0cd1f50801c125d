"""Overlays: what a pixel of the PNG says about the value below it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.errors import ArtefactError
from workbench.report import pictures, scale
from workbench.report.scale import PAPER, distance, over


def _pixels(uri: str) -> np.ndarray:
    kind, _, data = uri.partition(";base64,")
    assert kind.startswith("data:image/")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def test_overlay_is_centred_at_zero_and_symmetric() -> None:
    drawn = _pixels(pictures.overlay(np.array([[-2.0, -1.0, 0.0, 1.0, 2.0, 9.0]]), 2.0))[0]
    assert drawn[2, 3] == 0
    assert tuple(drawn[0, :3]) == scale.ORANGE and tuple(drawn[4, :3]) == scale.BLUE
    assert drawn[0, 3] == drawn[4, 3] == drawn[5, 3] == drawn[:, 3].max()
    assert drawn[0, 3] > drawn[1, 3] > 0
    on_white = [distance(over(tuple(int(v) for v in p[:3]), p[3] / 255, PAPER), PAPER) for p in drawn]
    assert on_white[1] == pytest.approx(on_white[0] / 2, rel=0.06)  # half the value looks half as far from white
    assert on_white[3] == pytest.approx(on_white[4] / 2, rel=0.06)
    assert on_white[0] == pytest.approx(on_white[4], rel=0.03)


def test_overlay_of_nothing_is_transparent() -> None:
    assert not _pixels(pictures.overlay(np.zeros((3, 3)), 0.0))[..., 3].any()


def test_segments_take_their_value_and_unknown_ones_none() -> None:
    segments = np.array([[0, 0, 1], [2, 7, 1]])
    assert pictures.segment_map(segments, np.array([1.0, -2.0, 3.0]), 10).tolist() == [[1, 1, -2], [3, 0, -2]]


def test_sixteen_bit_segments_survive(tmp_path: Path) -> None:
    wanted = np.array([[0, 300], [40000, 5]], dtype=np.uint16)
    Image.fromarray(wanted).save(tmp_path / "s.png")
    assert pictures.read_segments(tmp_path / "s.png").tolist() == wanted.tolist()


def test_dense_map_averages_blocks() -> None:
    dense = np.arange(30.0).reshape(5, 6)
    small = pictures.dense_map(dense, 3)
    assert small.shape == (3, 3)
    assert small[0, 0] == dense[:2, :2].mean()
    assert small[2, 2] == dense[4:, 4:].mean()


def test_tiny_pictures_keep_their_pixels_and_large_ones_shrink(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "tiny.png")
    uri, width, height, tiny = pictures.base_picture(tmp_path / "tiny.png", 224)
    assert (width, height, tiny) == (8, 8, True)
    assert (_pixels(uri)[..., :3] == pixels).all()
    Image.new("RGB", (400, 300)).save(tmp_path / "large.png")
    uri, width, height, tiny = pictures.base_picture(tmp_path / "large.png", 224)
    assert (width, height, tiny) == (224, 168, False)


def test_a_damaged_picture_is_an_artefact_error(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(ArtefactError, match=r"x\.png is damaged"):
        pictures.base_picture(tmp_path / "x.png", 100)
