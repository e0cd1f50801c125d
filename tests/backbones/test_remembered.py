"""Each input is asked once, whatever the batch it comes in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.backbones.remembered import Remembered


class Sums:
    """Two scores of a row; counts the rows it was asked."""

    name = "sums"

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        self.rows += list(batch["x"])
        return np.column_stack([batch["x"].sum(axis=1), batch["x"][:, 0] * batch["k"][:, 0]]).astype(np.float32)


def test_every_row_once_and_the_same_answers() -> None:
    rng = np.random.default_rng(0)
    plain, inner = Sums(), Sums()
    remembered = Remembered(inner)
    rows = {"x": rng.normal(size=(30, 4)), "k": rng.integers(0, 3, (30, 1))}
    for _ in range(5):
        picked = rng.integers(0, 30, 40)
        batch = {name: array[picked] for name, array in rows.items()}
        np.testing.assert_array_equal(remembered.outputs(batch), plain.outputs(batch))
    assert len(inner.rows) == remembered.asked <= 30 and remembered.name == "sums"


def test_another_shape_or_type_is_another_input() -> None:
    inner = Sums()
    remembered = Remembered(inner)
    zero = np.zeros((1, 1), dtype=np.int64)
    for x in (np.zeros((1, 2)), np.zeros((1, 4)), np.zeros((1, 4), np.float32)):
        remembered.outputs({"x": x, "k": zero})
    assert remembered.asked == 3
