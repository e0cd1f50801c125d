"""Shards: done once, whole or not there, and of one key."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.engines.shards import remove_shards, run_shards, shard_bounds


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (3, 3), (4, 3), (10, 1)])
def test_bounds_cover_everything_once(n: int, size: int) -> None:
    bounds = shard_bounds(n, size)
    assert [i for start, end in bounds for i in range(start, end)] == list(range(n))
    assert all(0 < end - start <= size for start, end in bounds)


def test_shards_are_computed_once_and_go_on_after_an_interruption(tmp_path: Path) -> None:
    asked: list[int] = []
    bounds = shard_bounds(7, 2)

    def compute(start: int, end: int) -> bytes:
        asked.append(start)
        if start == 4 and asked.count(4) == 1:
            raise KeyboardInterrupt
        return bytes(range(start, end))

    with pytest.raises(KeyboardInterrupt):
        run_shards(tmp_path / "s", "key", bounds, compute)
    assert len(list((tmp_path / "s").iterdir())) == 2  # no half shard
    paths = run_shards(tmp_path / "s", "key", bounds, compute)
    assert asked == [0, 2, 4, 4, 6]
    assert b"".join(p.read_bytes() for p in paths) == bytes(range(7))
    assert run_shards(tmp_path / "s", "key", bounds, compute) == paths
    assert len(asked) == 5


def test_shards_of_another_key_are_not_taken(tmp_path: Path) -> None:
    bounds = shard_bounds(4, 2)
    old = run_shards(tmp_path / "s", "old", bounds, lambda *_: b"old")
    new = run_shards(tmp_path / "s", "new", bounds, lambda *_: b"new")
    assert [p.read_bytes() for p in new] == [b"new", b"new"]
    assert not any(p.exists() for p in old)
    remove_shards(tmp_path / "s")
    assert not (tmp_path / "s").exists()
    remove_shards(tmp_path / "s")  # what is not there is removed already
