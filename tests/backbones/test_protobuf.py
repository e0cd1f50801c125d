"""The reading of protobuf messages, against the bytes that the format's own documentation gives."""

from __future__ import annotations

import struct

import pytest

from workbench.backbones.protobuf import Reader, number, numbers, text, varints


def fields(content: bytes, **more: object) -> list[tuple[int, object]]:
    found = Reader().fields(memoryview(content), **more)  # type: ignore[arg-type]
    return [(n, v if isinstance(v, int) else bytes(v)) for n, v in found]


def test_the_examples_of_the_format() -> None:
    assert fields(bytes.fromhex("089601")) == [(1, 150)]
    assert fields(bytes.fromhex("120774657374696e67")) == [(2, b"testing")]
    assert fields(bytes.fromhex("1a03089601")) == [(3, bytes.fromhex("089601"))]
    assert list(varints(memoryview(bytes.fromhex("038e029ea705")))) == [3, 270, 86942]
    assert list(varints(7)) == [7]
    assert text(memoryview("ä".encode())) == "ä"


def test_runs_of_numbers_are_skipped_and_nothing_else() -> None:
    floats = b"".join(b"\x3d" + struct.pack("<f", v) for v in range(1000))
    ints = b"".join(b"\x40" + bytes([v % 128]) for v in range(1000)) + b"\x40\x96\x01"
    doubles = b"\x51" + struct.pack("<d", 1.5)
    content = b"\x0a\x01a" + floats + ints + doubles + b"\xa0\x01\x06"
    skip = numbers(fixed32=(7,), fixed64=(10,), varint=(8,))
    assert fields(content, skip=skip) == [(1, b"a"), (20, 6)]
    assert len(fields(content)) == 2004


@pytest.mark.parametrize("content", ["08", "0896", "12077465", "0b", "0f", "00", "08" + "ff" * 11, "0d0000"])
def test_damage_is_seen(content: str) -> None:
    with pytest.raises(ValueError):
        fields(bytes.fromhex(content))


def test_a_file_that_would_keep_it_busy_is_refused() -> None:
    with pytest.raises(ValueError, match="too many parts"):
        list(Reader(most=99).fields(memoryview(b"\x08\x01" * 100)))
    with pytest.raises(ValueError, match="number stands"):
        list(Reader().fields(5))
    with pytest.raises(ValueError, match="number stands"):
        text(5)
    with pytest.raises(ValueError, match="bytes stand"):
        number(memoryview(b"7"))
    assert number(7) == 7
