"""Views of the whole model: closed forms, independent computations, degenerate cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from workbench.quality import overall as o


def test_importance_is_the_mean_size_with_an_interval_that_covers() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = rng.normal(size=(60, 3)) * [1, 2, 0]
        found = o.importance(values, rng, resamples=300)
        assert found[0].value == pytest.approx(np.abs(values[:, 0]).mean())
        assert (found[2].value, found[2].low, found[2].high) == (0, 0, 0)
        covered += found[1].low <= 2 * np.sqrt(2 / np.pi) <= found[1].high
    assert covered >= 0.89 * 200  # the mean of |N(0, 2)| at nominally 95 %, percentile intervals run short


def test_few_examples_have_no_interval_and_say_so() -> None:
    rng = np.random.default_rng(0)
    one = o.mean_estimate(np.array([2.0]), rng)
    assert one.value == 2 and one.low is None and "1 example: no interval" in one.reason
    assert o.mean_estimate(np.zeros(0), rng).value is None
    assert o.importance(np.ones((2, 3)), rng)[0].low is None


def test_permutation_rise_of_a_linear_model_is_known() -> None:
    # Shuffling x with coefficient b adds 2 b^2 var(x) to the squared error of an exact model.
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 2))
    y = x @ [2.0, 0.0]
    shuffled = []
    for _ in range(10):
        moved = x.copy()
        moved[:, 0] = rng.permutation(moved[:, 0])
        shuffled.append((moved @ [2.0, 0.0] - y) ** 2)
    found = o.permutation_rise((x @ [2.0, 0.0] - y) ** 2, np.array(shuffled), rng, resamples=200)
    assert found.value == pytest.approx(2 * 4, rel=0.1) and found.low < 8 < found.high and found.n == 3000
    reference = permutation_importance(
        LinearRegression().fit(x, y), x, y, scoring="neg_mean_squared_error", n_repeats=10, random_state=0
    )
    assert found.value == pytest.approx(reference.importances_mean[0], rel=0.05)
    nothing = o.permutation_rise(np.ones(50), np.ones((5, 50)), rng, resamples=50)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_a_root_is_taken_of_the_mean_not_the_other_way_round() -> None:
    rng = np.random.default_rng(2)
    own, shuffled = rng.random(40), rng.random((3, 40)) * 4
    found = o.permutation_rise(own, shuffled, rng, score=np.sqrt, resamples=50)
    assert found.value == pytest.approx(np.mean([np.sqrt(s.mean()) for s in shuffled]) - np.sqrt(own.mean()))


def test_grids_hold_known_values_only() -> None:
    assert o.grid_of(np.array([3.0, np.nan, 1.0, 3.0])).tolist() == [1, 3]
    grid = o.grid_of(np.random.default_rng(3).normal(size=500))
    assert len(grid) == 20 and (np.diff(grid) > 0).all()
    assert len(o.grid_of(np.full(4, np.nan))) == 0


def test_words_are_summed_within_a_text_and_averaged_over_texts() -> None:
    cases = [
        ("yes", ["Good,", "film", "good"], np.array([1.0, 0.1, 2.0])),
        ("yes", ["good", "--", "night"], np.array([1.0, 9.0, 7.0])),
        ("no", ["bad"], np.array([4.0])),
    ]
    found = o.words_by_class(cases, np.random.default_rng(0), resamples=50)
    assert [w for w, _ in found["yes"]] == ["night", "good", "film"]  # by the sum over texts; marks are no word
    assert found["yes"][1][1].value == pytest.approx(2) and found["yes"][1][1].n == 2
    assert [w for w, _ in found["no"]] == ["bad"]


def test_no_picture_outweighs_the_others_in_a_mean_map() -> None:
    a, b = np.array([[1.0, 0], [0, 0]]), np.array([[0, 0], [0, -100.0]])
    assert o.mean_saliency([a, b]).tolist() == [[0.5, 0], [0, -0.5]]
    assert o.mean_saliency([np.zeros((2, 2))]).tolist() == [[0, 0], [0, 0]]
