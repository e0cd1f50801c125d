"""Descriptors of texts and pictures against values known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from tiny import bert_tokenizer, preparation

from workbench.modalities.descriptors import UNITS, describe_pictures, describe_texts


def test_texts_are_counted() -> None:
    found = describe_texts(["Ab 12", "", "naïve café"])
    assert found["length"].tolist() == [2, 0, 2]
    assert found["digits"].tolist() == [40, 0, 0] and found["capital letters"].tolist() == [20, 0, 0]
    assert found["characters that are not ASCII"].tolist() == [0, 0, 20]
    assert "unknown tokens" not in found and set(found) <= set(UNITS)


def test_unknown_tokens_are_those_of_the_tokenizer() -> None:
    found = describe_texts(["the cat", "the zebra", "zebra zebra", ""], preparation(bert_tokenizer()))
    assert found["unknown tokens"].tolist() == [0, 50, 100, 0]


def test_light_contrast_and_size_of_plain_pictures() -> None:
    black, white = np.zeros((10, 20, 3), np.uint8), np.full((30, 15, 3), 255, np.uint8)
    half = np.zeros((10, 10, 3), np.uint8)
    half[:, 5:] = 255
    found = describe_pictures([black, white, half])
    assert found["brightness"] == pytest.approx([0, 100, 50]) and found["contrast"] == pytest.approx([0, 0, 50])
    assert found["shorter side"].tolist() == [10, 15, 10] and found["width over height"].tolist() == [2, 0.5, 1]
    assert found["sharpness"][:2].tolist() == [0, 0]


def test_sharpness_is_lost_by_blur_and_not_by_contrast() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.uniform(60, 190, (64, 64))
    blurred = ndimage.gaussian_filter(sharp, 2)
    pale = 100 + 0.3 * (sharp - 100)
    pictures = [np.repeat(x[..., None], 3, axis=2).astype(np.uint8) for x in (sharp, blurred, pale)]
    found = describe_pictures(pictures)
    assert found["sharpness"][1] < 0.3 * found["sharpness"][0]
    assert found["sharpness"][2] == pytest.approx(found["sharpness"][0], rel=0.05)
    luma = pictures[0][..., 0] / 255
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    laplacian = ndimage.convolve(luma, kernel)[1:-1, 1:-1]
    assert found["sharpness"][0] == pytest.approx(np.sqrt((laplacian**2).mean()) / luma.std())


def test_large_and_tiny_pictures() -> None:
    large = np.tile(np.array([[[0], [255]]], np.uint8).repeat(3, 2).repeat(700, 0), (1, 1000, 1))
    found = describe_pictures([large, np.full((1, 1, 3), 9, np.uint8)])
    assert found["shorter side"].tolist() == [700, 1] and np.isfinite([list(v) for v in found.values()]).all()
