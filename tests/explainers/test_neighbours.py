"""Neighbours against brute force in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.explainers import neighbours
from workbench.explainers.neighbours import nearest, share_nearer, sharing_leaves, unit


def distance(a: list[float], b: list[float]) -> float:
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return 1 - dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


@pytest.mark.parametrize("at_once", [1 << 24, 90])
def test_against_brute_force(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    known, queries = rng.normal(size=(40, 5)), rng.normal(size=(7, 5))
    rows, distances = nearest(queries, unit(known), 4)
    for query, found, far in zip(queries.tolist(), rows, distances, strict=True):
        every = [distance(query, row) for row in known.tolist()]
        assert found.tolist() == sorted(range(40), key=lambda i: every[i])[:4]
        np.testing.assert_allclose(far, sorted(every)[:4], atol=1e-6)


def test_halves_are_precise_enough() -> None:
    rng = np.random.default_rng(1)
    known, queries = unit(rng.normal(size=(200, 64))), rng.normal(size=(9, 64))
    _, exact = nearest(queries, known, 3)
    _, half = nearest(queries, known.astype(np.float16), 3)
    np.testing.assert_allclose(half, exact, atol=5e-4)


def test_length_does_not_matter_and_ties_keep_their_order() -> None:
    rows, distances = nearest(np.array([[0.0, 5.0]]), unit(np.array([[1.0, 0], [0, 3], [0, 1e-3], [0, -1]])), 9)
    assert rows[0].tolist() == [1, 2, 0, 3]
    np.testing.assert_allclose(distances[0], [0, 0, 1, 2], atol=1e-6)


def test_a_row_of_zeros_is_far_from_everything() -> None:
    _, distances = nearest(np.zeros((1, 3)), unit(np.eye(3)), 1)
    assert distances[0, 0] == 1


def test_share() -> None:
    assert share_nearer(0.2, np.array([0.1, 0.2, 0.3, 0.4])) == 0.5
    assert share_nearer(0.2, np.zeros(0)) is None


def test_proximity_is_the_share_of_trees_with_one_leaf() -> None:
    rng = np.random.default_rng(3)
    known, queries = rng.integers(0, 4, (40, 25)).astype(np.int32), rng.integers(0, 4, (6, 25)).astype(np.float32)
    rows, distances = sharing_leaves(queries, known, 5)
    far = 1 - (queries[:, None].astype(int) == known[None]).mean(axis=2)
    order = np.argsort(far, axis=1, kind="stable")[:, :5]
    assert np.array_equal(rows, order)
    assert np.allclose(distances, np.take_along_axis(far, order, axis=1))
    assert sharing_leaves(known[:1], known, 99)[1][0, 0] == 0
