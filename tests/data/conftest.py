"""What the tests of the data room share: a loader from keys, writers of small files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from workbench.config import build_config
from workbench.data.sources import load_dataset
from workbench.types import Dataset


@pytest.fixture
def load() -> Callable[..., Dataset]:
    """`load(source, modality, kind, seed=0, **keys of [data])`."""

    def call(source: str | Path, modality: str, kind: str, seed: int = 0, **keys: Any) -> Dataset:
        config = build_config({"task": "t", "seed": seed, "data": {"source": str(source), **keys}})
        return load_dataset(config, modality, kind)

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """`write(name, text)` makes a file in a fresh folder."""

    def call(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return call


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """`pictures({"train/cat": 8, ...})` makes a folder of PNGs, all different."""

    def call(counts: dict[str, int], size: tuple[int, int] = (12, 10)) -> Path:
        rng = np.random.default_rng(0)
        root = tmp_path / "pictures"
        for name, n in counts.items():
            (root / name).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / name / f"{i}.png")
        return root

    return call


@pytest.fixture
def rows() -> Callable[..., str]:
    """`rows(n)` is a CSV of n rows: a number, a category, a label, two classes in turn."""

    def call(n: int, header: str = "size,colour,label") -> str:
        lines = [f"{i / 7:.4f},{('red', 'green', 'blue')[i % 3]},{('no', 'yes')[i % 2]}" for i in range(n)]
        return "\n".join([header, *lines]) + "\n"

    return call
