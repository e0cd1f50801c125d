"""Pictures against transformers' own processors, segments, fillers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from workbench.backbones.hf import _processor, image_preparation
from workbench.config import Backbone
from workbench.errors import ConfigError
from workbench.modalities import image

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
# What `preprocessor_config.json` holds, as the hub's models have it; bare numbers are the older form.
SETTINGS: dict[str, dict[str, Any]] = {
    "vit": {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 2},
    "vit, older": {"feature_extractor_type": "ViTFeatureExtractor", "size": 32},
    "vit, oblong": {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 40}},
    "resnet": {
        "feature_extractor_type": "ConvNextFeatureExtractor",
        "crop_pct": 0.875,
        "size": 28,
        "resample": 3,
        **IMAGENET,
    },
    "convnext": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 30}, "crop_pct": 0.9},
    "convnext, default crop": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 28}},
    "convnext, large": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}},
    "bit": {
        "image_processor_type": "BitImageProcessor",
        "do_center_crop": True,
        "size": {"shortest_edge": 36},
        "crop_size": {"height": 32, "width": 32},
        **IMAGENET,
    },
    "deit": {"image_processor_type": "DeiTImageProcessor", "size": 36, "crop_size": 32, "do_center_crop": True},
    "not normalised": {"image_processor_type": "ViTImageProcessor", "size": 32, "do_normalize": False},
    "nearest": {"image_processor_type": "ViTImageProcessor", "size": 32, "resample": 0},
}
SIZES = ((32, 32), (57, 33), (31, 90), (200, 141))


def prepared(folder: Path, settings: dict[str, Any], **keys: Any) -> image.ImagePreparation:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    config = Backbone(**keys)
    return image_preparation(_processor(str(folder), config), config)


@pytest.mark.parametrize("name", SETTINGS)
def test_pixels_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    from transformers import AutoImageProcessor

    preparation = prepared(tmp_path, SETTINGS[name])
    theirs = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    rng = np.random.default_rng(0)
    for width, height in SIZES:
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = theirs(Image.fromarray(picture), return_tensors="np")["pixel_values"]
        found = image.encode([picture], preparation).batch([0])["pixel_values"]
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() <= 1 / 255 / min(preparation.std)


def test_a_wish_for_another_size_overrides_the_backbone(tmp_path: Path) -> None:
    preparation = prepared(tmp_path, SETTINGS["resnet"], image_size=20, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    assert (preparation.height, preparation.width, preparation.resize) == (20, 20, (20, 20))
    assert (preparation.mean, preparation.std) == ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))


def test_settings_of_an_unknown_class_are_read_as_they_are(tmp_path: Path) -> None:
    preparation = prepared(tmp_path, {"image_processor_type": "OurOwn", "size": 18, **IMAGENET})
    assert (preparation.height, preparation.mean) == (18, tuple(IMAGENET["image_mean"]))


@pytest.mark.parametrize("bad", [{"mean": (0.5,)}, {"std": (1.0, 0.0, 1.0)}])
def test_means_and_deviations_are_three_numbers(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"backbone\.mean, backbone\.std"):
        prepared(tmp_path, SETTINGS["vit"], **bad)


def make(side: int = 16, height: int = 0) -> image.ImagePreparation:
    high = height or side
    return image.ImagePreparation(high, side, (high, side), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_preparation_travels_as_json() -> None:
    preparation = image.ImagePreparation(20, 30, (24,), (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), 3, 1.0)
    assert image.ImagePreparation.from_json(json.loads(json.dumps(preparation.to_json()))) == preparation


def test_a_file_its_bytes_and_its_array_are_the_same(tmp_path: Path) -> None:
    array = picture(40, 50)
    Image.fromarray(array).save(tmp_path / "a.png")
    file = tmp_path / "a.png"
    batch = image.encode([array, file, str(file), file.read_bytes()], make()).batch([0, 1, 2, 3])["pixel_values"]
    for row in batch[1:]:
        np.testing.assert_array_equal(row, batch[0])


def test_a_change_of_the_frames_is_not_kept() -> None:
    encoded = image.encode([picture(16, 16)], make())
    before = encoded.batch([0])["pixel_values"]
    changed = encoded.batch([0], lambda frames: 255 - frames)["pixel_values"]
    assert not np.allclose(before, changed)
    np.testing.assert_array_equal(encoded.batch([0])["pixel_values"], before)


@pytest.mark.parametrize(("height", "width", "segments"), [(16, 16, 9), (8, 31, 48), (5, 5, 100), (96, 80, 30)])
def test_segments_cover_the_picture_without_gaps(height: int, width: int, segments: int) -> None:
    cut = image.segment(picture(height, width), make(width, height), segments=segments)
    assert cut.label.shape == (height, width)
    assert sorted(np.unique(cut.label)) == list(range(len(cut.features)))
    assert 0.5 * min(segments, height * width) <= len(cut.features) <= 1.6 * segments
    assert cut.method.startswith("SLIC" if min(height, width) >= 16 else "grid")
    again = image.segment(picture(height, width), make(width, height), segments=segments)
    np.testing.assert_array_equal(cut.label, again.label)


def test_segments_say_where_they_lie() -> None:
    cut = image.segment(picture(15, 15), make(15), segments=9)
    assert [f.value for f in cut.features] == [
        "top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right",
    ]  # fmt: skip


@pytest.mark.parametrize("filler", image.FILLERS)
def test_hiding_keeps_exactly_the_kept_pixels(filler: str) -> None:
    preparation, shown = make(), picture(16, 16)
    cut = image.segment(shown, preparation, segments=9)
    masks = np.random.default_rng(0).random((6, len(cut.features))) < 0.5
    masks[0], masks[1] = True, False
    found = image.hide(cut, masks, preparation, filler=filler)["pixel_values"]
    plain = image.encode([shown], preparation).batch([0])["pixel_values"][0]
    np.testing.assert_array_equal(found[0], plain)
    assert found.dtype == np.float32
    for row, mask in zip(found, masks, strict=True):
        keep = mask[cut.label]
        np.testing.assert_array_equal(row[:, keep], plain[:, keep])
        np.testing.assert_array_equal(row[:, ~keep], found[1][:, ~keep])


def test_fillers_are_the_colours_that_they_name() -> None:
    preparation, shown = make(), picture(16, 16)
    mean, std = np.array(preparation.mean)[:, None, None], np.array(preparation.std)[:, None, None]
    cut = image.segment(shown, preparation, segments=9)
    nothing = np.zeros((1, len(cut.features)), bool)

    def colours(filler: str) -> np.ndarray:
        return image.hide(cut, nothing, preparation, filler=filler)["pixel_values"][0] * std + mean

    np.testing.assert_allclose(colours("black"), 0, atol=1e-6)
    np.testing.assert_allclose(colours("grey"), 0.5, atol=1e-6)
    moved, original = colours("neighbours"), shown.transpose(2, 0, 1) / 255
    np.testing.assert_allclose(moved[:, :, 3:], original[:, :, :-3], atol=1e-6)
    np.testing.assert_allclose(moved[:, :, :3], original[:, :, 2::-1], atol=1e-6)  # mirrored at the border
    np.testing.assert_allclose(image.hide(cut, nothing, preparation, filler="mean")["pixel_values"], 0, atol=1e-5)
    own = np.broadcast_to(shown.mean(axis=(0, 1))[:, None, None] / 255, (3, 16, 16))
    np.testing.assert_allclose(colours("own-mean"), own, atol=1e-5)
    blurred = colours("blur")
    assert blurred.std() < 0.5 * (shown / 255).std()
    np.testing.assert_allclose(blurred.mean(axis=(1, 2)), own[:, 0, 0], atol=0.05)
    with pytest.raises(ConfigError, match="none for pictures"):
        image.choose_filler("mask", preparation)
    assert image.choose_filler("", preparation) == "blur"


def test_pool_and_dense_sum_the_pixels() -> None:
    preparation = make()
    cut = image.segment(picture(16, 16), preparation, segments=9)
    values = np.random.default_rng(0).normal(size=(3, 16, 16))
    expected = [sum(values[:, y, x].sum() for y, x in np.argwhere(cut.label == s)) for s in range(len(cut.features))]
    np.testing.assert_allclose(image.pool(cut, values), expected, rtol=1e-10)
    np.testing.assert_allclose(image.pool(cut, values).sum(), values.sum(), rtol=1e-10)
    np.testing.assert_allclose(image.dense(values), values[0] + values[1] + values[2], rtol=1e-12)


def test_segments_that_lie_near_belong_together() -> None:
    cut = image.segment(picture(15, 15), make(15), segments=9)
    tree = image.hierarchy(cut)
    assert tree.shape == (8, 4) and tree[-1, 3] == 9
    middle = np.array([np.argwhere(cut.label == k).mean(axis=0) for k in range(9)])
    for a, b in tree[tree[:, 3] == 2, :2].astype(int):
        assert np.linalg.norm(middle[a] - middle[b]) == pytest.approx(5)  # the segment beside it
