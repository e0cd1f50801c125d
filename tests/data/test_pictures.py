"""Every kind of picture decodes to upright RGB; what does not decode is named."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from workbench.data.pictures import (
    folders_in,
    picture_size,
    pictures_below,
    read_image,
    unreadable,
    why_unreadable,
)
from workbench.errors import DataError

RAMP = np.arange(60, dtype=np.uint8).reshape(4, 5, 3) * 4


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_rgb_is_read_as_it_is(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RAMP).save(path)
    for picture in (path, str(path), path.read_bytes(), RAMP):
        found = read_image(picture)
        assert found.dtype == np.uint8
        assert np.array_equal(found, RAMP)
    assert picture_size(path) == picture_size(RAMP) == (5, 4)


def test_greyscale_and_one_bit_have_three_equal_channels():
    grey = np.array([[0, 100, 255]], dtype=np.uint8)
    assert np.array_equal(read_image(encode(Image.fromarray(grey), "PNG")), np.stack([grey] * 3, axis=-1))
    bits = encode(Image.fromarray(grey).convert("1", dither=Image.Dither.NONE), "PNG")
    assert read_image(bits)[0].tolist() == [[0] * 3, [0] * 3, [255] * 3]


def test_a_single_pixel_is_a_picture():
    assert read_image(encode(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG")).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_cut_off(kind):
    wide = np.array([[0, 257, 32896, 65535, 300]], dtype=np.uint16)
    found = read_image(encode(Image.fromarray(wide), kind))
    expected = np.rint(wide / 65535 * 255).astype(np.uint8)
    assert np.array_equal(found[..., 0], expected)
    assert expected.tolist() == [[0, 1, 128, 255, 1]]


def test_floating_point_pixels_are_read_as_zero_to_one():
    found = read_image(encode(Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)), "TIFF"))
    assert found[0, :, 0].tolist() == [0, 128, 255]


def test_alpha_is_laid_over_white():
    pixels = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], dtype=np.uint8)
    found = read_image(encode(Image.fromarray(pixels), "PNG")).astype(float)
    alpha = pixels[..., 3:] / 255
    assert np.abs(found - (pixels[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1
    assert found[0, 1].tolist() == [255, 255, 255]


def test_palette_and_its_transparent_colour():
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for x in range(3):
        image.putpixel((x, 0), x)
    assert read_image(encode(image, "PNG"))[0].tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    assert read_image(encode(image, "PNG", transparency=1))[0, 1].tolist() == [255, 255, 255]


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(read_image(encode(image, "JPEG", quality=100)).astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    """Tag 0x0112 says which side of the stored array is up (EXIF 2.3, section 4.6.4)."""
    stored_from_upright = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(stored_from_upright[orientation](RAMP))
    assert np.array_equal(read_image(encode(Image.fromarray(stored), "PNG", exif=exif)), RAMP)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_truncated_file_is_found_without_a_full_decode(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encode(Image.fromarray(noise), kind)
    assert why_unreadable(whole) == ""
    cut = whole[: len(whole) * 2 // 3]
    assert why_unreadable(cut)
    with pytest.raises(DataError, match="picture of"):
        read_image(cut)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "TGA"])
def test_damaged_bytes_end_in_a_named_error_or_a_picture(kind):
    """Whatever a decoder raises is translated, and the cheap check agrees with the full one."""
    rng = np.random.default_rng(0)
    whole = np.frombuffer(encode(Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)), kind), np.uint8)
    for _ in range(60):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 5)] = rng.integers(0, 256, 5)
        reason = why_unreadable(damaged.tobytes())
        if reason:
            with pytest.raises(DataError):
                read_image(damaged.tobytes())
        else:
            assert read_image(damaged.tobytes()).shape[2] == 3


def test_a_file_that_a_program_would_be_run_for_is_no_picture():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    assert why_unreadable(postscript) == "not a picture that can be read"


def test_zero_bytes_text_and_missing_files_are_named(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    with pytest.raises(DataError, match=r"empty\.jpg: not a picture"):
        read_image(tmp_path / "empty.jpg")
    reasons = unreadable([tmp_path / "empty.jpg", RAMP, tmp_path / "text.jpg", tmp_path / "gone.jpg"])
    assert reasons == ["not a picture that can be read", "", "not a picture that can be read", "no such file"]


def test_a_pixel_bomb_is_refused_before_it_is_decoded():
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    for side in (9_000, 60_000):  # below and above the bound at which Pillow itself objects
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        with pytest.raises(DataError, match=r"pixels|decompression bomb"):
            read_image(bomb)
        assert why_unreadable(bomb)


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(DataError, match=r"shape \(4, 5\)"):
        read_image(np.zeros((4, 5), dtype=np.uint8))


def test_only_visible_pictures_are_found_in_order(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden.png", "notes.txt", "deep/c.gif", ".cache/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in pictures_below(tmp_path)] == ["a.JPG", "b.png", "deep/c.gif"]
    assert [p.name for p in folders_in(tmp_path)] == ["deep"]


def test_a_linked_folder_outside_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="symbolic link that leaves"):
        folders_in(tmp_path / "data")
