"""Columns as groups: categories, ranges, what is rare and what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.metrics.attributes import MISSING, MOST_VALUES, OTHERS, attribute, spell


def splits(train: int, test: int) -> np.ndarray:
    return np.array(["train"] * train + ["test"] * test, dtype=object)


def test_words_are_categories_the_most_frequent_first() -> None:
    cells = ["b", "a", "a", None, "c", "a", "c"]
    found = attribute("ward", cells, splits(1, 6))
    assert found.kind == "category" and found.order == ("a", "c", MISSING)
    assert found.values.tolist() == [OTHERS, "a", "a", MISSING, "c", "a", "c"]  # "b" is of training only


def test_few_numbers_are_categories_in_their_order() -> None:
    found = attribute("stage", [3.0, 1.0, 2.0, 3.0, float("nan")], splits(0, 5))
    assert found.order == ("1", "2", "3", MISSING) and found.values.tolist() == ["3", "1", "2", "3", MISSING]
    assert attribute("stage", ["10", "9", "10"], splits(0, 3)).order == ("9", "10")


def test_many_numbers_are_cut_at_the_training_splits_quantiles() -> None:
    rng = np.random.default_rng(0)
    training, test = rng.normal(50, 10, 1000), rng.normal(60, 10, 200)
    found = attribute("age", [*training.tolist(), *test.tolist()], splits(1000, 200))
    assert found.kind == "range" and len(found.edges) == 3 and len(found.order) == 4
    np.testing.assert_allclose(found.edges, np.quantile(training, [0.25, 0.5, 0.75]), atol=0.051)
    assert all(round(e, 1) == e for e in found.edges)
    for label, low, high in zip(found.order, (-np.inf, *found.edges), (*found.edges, np.inf), strict=True):
        expected = (low < np.r_[training, test]) & (np.r_[training, test] <= high)
        assert ((found.values == label) == expected).all()
    assert found.order[0] == f"up to {spell(found.edges[0])}" and found.order[-1] == f"over {spell(found.edges[-1])}"


def test_the_number_of_ranges_follows_the_examples() -> None:
    for n, parts in ((50, 2), (130, 3), (1000, 4)):
        assert len(attribute("x", list(np.arange(n) * 1.0), splits(0, n)).order) == parts


def test_words_that_spell_numbers_are_numbers_and_missing_ones_apart() -> None:
    found = attribute("x", [*map(str, range(100)), None, ""], splits(0, 102))
    assert found.kind == "range" and found.order[-1] == MISSING and (found.values == MISSING).sum() == 2
    assert attribute("x", [*map(str, range(100)), "many"], splits(0, 101)).kind == "category"


def test_heavy_ties_leave_fewer_edges_and_every_row_in_one_range() -> None:
    values = [0.0] * 150 + list(np.arange(50) / 7)
    found = attribute("x", values, splits(0, 200))
    assert len(set(found.edges)) == len(found.edges) and set(found.values) <= set(found.order)


def test_rare_values_are_taken_together() -> None:
    cells = [f"v{i:02d}" for i in range(30) for _ in range(30 - i)]
    found = attribute("city", cells, splits(0, len(cells)))
    assert len(found.order) == MOST_VALUES and found.order[-1] == OTHERS
    assert (found.values == OTHERS).sum() == sum(30 - i for i in range(MOST_VALUES - 1, 30))


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234.5"), (0.1, "0.1"), (-3.0, "-3"), (2e-7, "2e-07")])
def test_numbers_are_spelled_with_their_own_digits(value: float, text: str) -> None:
    assert spell(value) == text
