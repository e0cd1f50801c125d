"""Work in shards: each is written atomically and named by what it depends on, so it is done once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.run import digest, write_atomically


def shard_bounds(n: int, size: int) -> list[tuple[int, int]]:
    """[start, end) of every shard of `n` things."""
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def run_shards(
    folder: Path, key: str, bounds: Sequence[tuple[int, int]], compute: Callable[[int, int], bytes]
) -> list[Path]:
    """Compute the shards that are not there yet; the others are taken as they are.

    Args:
        folder: where the shards lie while the work is not complete.
        key: hash of all that the content depends on; shards of another key are removed.
        bounds: [start, end) of every shard.
        compute: the content of one shard.
    """
    name = digest([key])[:16]
    if folder.exists():
        for old in folder.iterdir():
            if not old.name.startswith(name):
                old.unlink()
    paths = []
    for start, end in bounds:
        path = folder / f"{name}-{start:09d}-{end:09d}"
        if not path.exists():
            write_atomically(path, compute(start, end))
        paths.append(path)
    return paths


def remove_shards(folder: Path) -> None:
    """Remove the shards of work that is complete."""
    shutil.rmtree(folder, ignore_errors=True)
