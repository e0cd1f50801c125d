"""Counterfactuals on models whose least change is known, and against trying everything."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from workbench.explainers.counterfactual import least_part, search


def hidden(value: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The margin of a model that says yes where `value` of the kept features is above 0."""
    return lambda states: -value((states == 0).astype(float))


def by_trying(margin: Callable[[np.ndarray], np.ndarray], options: list[int]) -> int:
    """Fewest changed features over all states; 0 where none turns the answer."""
    states = np.array(list(itertools.product(*(range(k + 1) for k in options))))
    sizes = (states > 0).sum(axis=1)[margin(states) > 0]
    return int(sizes.min()) if len(sizes) else 0


class TestKnownGames:
    def test_linear_takes_the_largest_weights(self) -> None:
        weights = np.array([0.5, -1.0, 3.0, 2.0, 0.1, 1.5])
        # 6.1 in all; without 3 and 2 it is 1.1, without 3, 2 and 1.5 it is -0.4
        found = search(hidden(lambda z: z @ weights), [1] * 6, weights)
        assert found.state is not None and set(np.flatnonzero(found.state)) == {2, 3, 5}
        assert found.minimal and found.least and found.margin == pytest.approx(0.4)

    def test_and_needs_one(self) -> None:
        found = search(hidden(lambda z: z[:, :4].prod(axis=1) - 0.5), [1] * 7, np.zeros(7))
        assert found.size == 1 and found.minimal and found.least
        assert int(np.flatnonzero(found.state)[0]) < 4

    @pytest.mark.parametrize("k", [2, 3, 5])
    def test_or_needs_all(self, k: int) -> None:
        found = search(hidden(lambda z: z[:, :k].max(axis=1) - 0.5), [1] * 8, np.zeros(8))
        assert found.state is not None and set(np.flatnonzero(found.state)) == set(range(k))
        assert found.minimal and found.least is (k <= 3)  # pairs are ruled out by asking; larger sets are not

    def test_misleading_attributions_cost_nothing_but_time(self) -> None:
        weights = np.array([0.5, -1.0, 3.0, 2.0, 0.1, 1.5])
        found = search(hidden(lambda z: z @ weights), [1] * 6, -weights)
        assert found.size == 3 and found.minimal

    def test_two_that_matter_only_together(self) -> None:
        """Either of two words keeps the answer; no single effect shows which."""
        either = hidden(lambda z: np.maximum(z[:, 7], z[:, 18]) - 0.5)
        found = search(either, [1] * 20, np.zeros(20))
        assert found.state is not None and set(np.flatnonzero(found.state)) == {7, 18} and found.least

    def test_none(self) -> None:
        found = search(lambda states: np.full(len(states), -1.0), [1] * 12, np.arange(12.0))
        assert found.state is None and found.ruled_out == 2 and not found.least and 0 < found.evaluations <= 1024


class TestLimits:
    def test_the_budget_is_kept_and_each_state_asked_once(self) -> None:
        asked: list[bytes] = []

        def margin(states: np.ndarray) -> np.ndarray:
            asked.extend(row.tobytes() for row in states)
            return -np.ones(len(states))

        for budget in (2, 7, 50, 300):
            asked.clear()
            found = search(margin, [1] * 40, np.zeros(40), budget=budget)
            assert found.state is None and found.evaluations == len(asked) == len(set(asked)) <= budget

    def test_what_must_not_change_does_not(self) -> None:
        weights = np.array([5.0, 1.0, 1.0])
        found = search(hidden(lambda z: z @ weights - 5.5), [0, 1, 1], weights)
        assert found.state is not None and found.state[0] == 0 and found.size == 2
        assert search(hidden(lambda z: z @ weights), [0, 0, 0], weights).state is None

    def test_nothing_proved_beyond_what_was_asked(self) -> None:
        found = search(lambda states: np.full(len(states), -1.0), [1] * 60, np.zeros(60), budget=100)
        assert found.ruled_out == 0
        assert search(lambda states: np.full(len(states), -1.0), [1] * 60, np.zeros(60), budget=200).ruled_out == 1


class TestAlternatives:
    def test_the_nearest_of_those_that_suffice(self) -> None:
        """A column with values 1, 2, 3 away from its own: 2 suffices, 3 is not needed."""
        found = search(lambda s: s[:, 0] - 1.5, [3, 3], np.zeros(2), cost=lambda s: s.sum(axis=1).astype(float))
        assert found.state is not None and found.state.tolist() == [2, 0]

    @pytest.mark.parametrize("seed", range(12))
    def test_never_larger_than_proved_and_always_valid(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        options = rng.integers(1, 3, 6).tolist()
        tables = [np.concatenate([[0.0], rng.normal(size=k)]) for k in options]
        inter = np.triu(rng.normal(size=(6, 6)), 1)

        def margin(states: np.ndarray) -> np.ndarray:
            x = np.column_stack([t[s] for t, s in zip(tables, states.T, strict=True)])
            return x.sum(axis=1) + np.einsum("ni,ij,nj->n", x, inter, x) - 1.5

        found, wanted = search(margin, options, np.zeros(6), budget=5000), by_trying(margin, options)
        assert found.size >= wanted and (found.size > 0) is (wanted > 0)
        if found.state is not None:
            assert margin(found.state[None])[0] > 0 and found.minimal
            parts = [
                np.where(np.isin(np.arange(6), kept), found.state, 0)
                for size in range(found.size)
                for kept in itertools.combinations(np.flatnonzero(found.state), size)
            ]
            assert (margin(np.array(parts)) <= 0).all()
        if found.least or found.state is None:
            assert found.size == wanted or found.ruled_out < wanted


def test_a_large_set_loses_what_it_does_not_need() -> None:
    wanted = [2, 5, 11]
    margin = lambda s: (s[:, wanted] > 0).all(axis=1) - 0.5  # noqa: E731
    state, minimal, needed = least_part(margin, np.ones(14, dtype=np.int64), lambda s: np.zeros(len(s)))
    assert np.flatnonzero(state).tolist() == wanted and minimal and needed


@pytest.mark.parametrize("budget", [40, 60, 100, 256])
def test_nothing_is_claimed_that_was_not_asked(budget: int) -> None:
    """Of 24 words any 9 must go: far more parts than the budget holds."""
    asked: set[bytes] = set()

    def margin(states: np.ndarray) -> np.ndarray:
        asked.update(row.tobytes() for row in states)
        return (states > 0).sum(axis=1) - 8.5

    found = search(margin, [1] * 24, np.arange(24.0), budget=budget)
    assert len(asked) <= budget
    if found.state is None:
        assert not found.minimal and not found.needed
        return
    without = [np.where(np.arange(24) == i, 0, found.state) for i in np.flatnonzero(found.state)]
    each = all(np.asarray(s, dtype=np.int64).tobytes() in asked for s in without)
    assert found.needed is each and (found.size == 9 or not found.needed) and not found.minimal
