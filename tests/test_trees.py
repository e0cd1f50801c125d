"""Trees as arrays: which way a row goes, and what is kept."""

from __future__ import annotations

from dataclasses import replace

import forests
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.trees import Trees, join, round_down


def walk(trees: Trees, row: np.ndarray) -> np.ndarray:
    """The answer by going down each tree one node at a time."""
    total = trees.base.copy()
    for root in trees.roots:
        node = int(root)
        while trees.left[node] >= 0:
            x = row[trees.feature[node]]
            left = trees.missing_left[node] if np.isnan(x) else x <= trees.threshold[node]
            node = int(trees.left[node] if left else trees.right[node])
        total = total + trees.value[node]
    return total


def some(n: int = 200, seed: int = 0) -> tuple[Trees, np.ndarray]:
    rng = np.random.default_rng(seed)
    trees = forests.random_trees(rng, 7, 4, outputs=2)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    return trees, x


def test_rows_go_their_way() -> None:
    trees, x = some()
    assert np.abs(trees.raw(x) - [walk(trees, row) for row in x]).max() < 1e-12
    assert trees.is_leaf[trees.leaves(x)].all()
    assert trees.parameters == 7 * (7 + 8 * 2)


def test_a_row_at_a_threshold_goes_left() -> None:
    stump = forests.random_trees(np.random.default_rng(0), 1, 1, depth=1)
    at = np.float32(stump.threshold[0])
    rows = np.array([[at], [np.nextafter(at, np.float32(np.inf))]], dtype=np.float32)
    assert stump.leaves(rows)[:, 0].tolist() == [1, 2]


def test_the_first_trees_and_those_after_them_are_all() -> None:
    trees, x = some()
    rest = join([replace(trees.first(3), base=np.zeros(2))])
    assert len(rest) == 3 and len(trees.first(99)) == 7
    again = join([trees.first(3), replace(trees, base=np.zeros(2))])
    assert np.abs(again.raw(x) - trees.first(3).raw(x) - trees.raw(x) + trees.base).max() < 1e-12
    assert np.abs(trees.scaled(2).raw(x) - 2 * (trees.raw(x) - trees.base) - trees.base).max() < 1e-12


def test_arrays_read_back() -> None:
    trees, x = some()
    assert np.array_equal(Trees.of_arrays(trees.arrays()).raw(x), trees.raw(x))


@pytest.mark.parametrize("broken", ["left", "feature", "roots", "value"])
def test_arrays_that_lead_nowhere_are_refused(broken: str) -> None:
    arrays = {name: array.copy() for name, array in some()[0].arrays().items()}
    if broken == "value":
        arrays["value"] = arrays["value"][:-1]
    elif broken == "left":
        arrays["left"][1] = 0  # back to the root: no end
    else:
        arrays[broken][0] = -5 if broken == "feature" else 3
    with pytest.raises(ValueError, match=r"its arrays|its nodes"):
        Trees.of_arrays(arrays)


def test_shuffled_trees_keep_their_shape_and_nothing_else() -> None:
    trees, x = some()
    grid = np.sort(np.random.default_rng(1).normal(size=(4, 9)), axis=1).astype(np.float32)
    a, b = (trees.shuffled(np.random.default_rng(3), grid) for _ in range(2))
    assert np.array_equal(a.raw(x), b.raw(x))
    assert np.array_equal(a.left, trees.left) and np.allclose(np.sort(a.value, axis=0), np.sort(trees.value, axis=0))
    assert set(a.threshold[~a.is_leaf]) <= set(grid.ravel().astype(float))
    assert abs(np.corrcoef(a.raw(x)[:, 0], trees.raw(x)[:, 0])[0, 1]) < 0.5


@given(st.floats(-1e30, 1e30), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_rounding_down_sends_no_row_another_way(threshold: float, x: float) -> None:
    low = float(round_down(np.array([threshold]))[0])
    assert np.float32(low) == low
    assert (np.float32(x) <= low) == (x <= threshold)
    beside = np.nextafter(np.float32(low), np.float32(np.inf))  # the one that rounding to nearest gets wrong
    assert float(beside) > threshold
