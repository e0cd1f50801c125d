"""Closed forms that every method of a claim must meet: 1e-10 in float64, 1e-5 in float32.

A new explainer is covered by what it `claims`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import forests
import numpy as np
import pytest
import torch
from games import continuous, game, owen_by_definition, quadratic, shapley_by_definition, table_game
from scipy.cluster.hierarchy import linkage

from workbench import registry
from workbench.explainers import Explainer, run_explainer
from workbench.probe import Probe
from workbench.trees import Trees

M = 6
Game = Callable[[np.ndarray], np.ndarray]
PRECISE = (np.float64, 1e-10), (np.float32, 1e-5)


def claiming(claim: str) -> list[str]:
    return [n for n in registry.names("explainers") if registry.load("explainers", n).claims == claim]


def values(name: str, probe: Probe, budget: int = 2**M) -> np.ndarray:
    explainer: Explainer = registry.load("explainers", name)
    return run_explainer(explainer, probe, seed=0, budget=budget).values


def in_precision(value: Game, precision: type, m: int = M) -> Probe:
    """A game whose answers have a model's precision, with a tree of neighbours."""
    probe = game(lambda z: value(z).astype(precision), m)
    return replace(probe, hierarchy=lambda: linkage(np.arange(m, dtype=float)[:, None], "complete"))


def test_every_claim_is_one_that_is_tested_here() -> None:
    known = {"", "shapley", "owen", "path", "trees"}
    assert {registry.load("explainers", n).claims for n in registry.names("explainers")} == known


@pytest.mark.parametrize(("precision", "close"), PRECISE)
@pytest.mark.parametrize("name", claiming("shapley") + claiming("owen"))
class TestGamesOfFewParts:
    """Where every order can be asked for."""

    @pytest.mark.parametrize("members", [(0,), (1, 3), (0, 5), (0, 1, 2, 3, 4, 5)])
    def test_unanimity_games_split_one(
        self, name: str, precision: type, close: float, members: tuple[int, ...]
    ) -> None:
        found = values(name, in_precision(lambda z: z[:, list(members)].prod(axis=1), precision), 4096)
        truth = np.zeros(M)
        truth[list(members)] = 1 / len(members)
        if len(members) < 3:  # of more, random orders and trees of parts tell only the sum
            assert np.abs(found - truth).max() < close
        assert found.sum() == pytest.approx(1, abs=10 * close)

    def test_efficiency_and_dummies(self, name: str, precision: type, close: float) -> None:
        table = np.random.default_rng(0).normal(size=2**M)
        codes = np.arange(2**M)
        table = table[codes & ~5]  # neither 0 nor 2 changes anything
        found = values(name, in_precision(lambda z: table[(z @ (1 << np.arange(M))).astype(int)], precision))
        assert np.abs(found[[0, 2]]).max() < close
        assert found.sum() == pytest.approx(table[-1] - table[0], abs=10 * close)


@pytest.mark.parametrize(("precision", "close"), PRECISE)
@pytest.mark.parametrize("name", claiming("shapley"))
@pytest.mark.parametrize("m", [4, 9, 12])
def test_games_of_order_two_are_main_effects_and_half_of_each_pair(
    name: str, precision: type, close: float, m: int
) -> None:
    probe, truth = quadratic(np.random.default_rng(m), m)
    rounded = in_precision(lambda z: probe.score(z > 0), precision, m)
    assert np.abs(values(name, rounded, 2 * m + 2) - truth).max() < close * max(1, 10 * np.abs(truth).max())


@pytest.mark.parametrize("name", claiming("owen"))
def test_owen_values_are_the_mean_over_the_orders_of_the_tree(name: str) -> None:
    table = np.random.default_rng(1).normal(size=2**M)
    probe = replace(table_game(table), hierarchy=lambda: linkage(np.arange(M, dtype=float)[:, None], "complete"))
    assert np.abs(values(name, probe, 4096) - owen_by_definition(probe)).max() < 1e-10


@pytest.mark.parametrize(("precision", "close"), PRECISE)
@pytest.mark.parametrize("name", claiming("path"))
def test_quadratic_forms_are_x_times_ax(name: str, precision: type, close: float) -> None:
    rng = np.random.default_rng(1)
    A, x = rng.normal(size=(7, 7)).astype(precision) / 7, rng.normal(size=7).astype(precision)
    A = A + A.T
    form = torch.as_tensor(A)
    probe = continuous(lambda X: torch.einsum("ni,ij,nj->n", X, form, X), x, np.zeros((1, 7), dtype=precision))
    assert np.abs(values(name, probe) - x * (A @ x)).max() < close


@pytest.mark.parametrize("name", claiming("path"))
def test_paths_credit_a_product_evenly_and_a_polynomial_of_one_part_whole(name: str) -> None:
    probe = continuous(lambda X: X[:, :2].prod(dim=1) + X[:, 2] ** 5, np.array([2.0, 3.0, 1.5]), np.zeros((1, 3)))
    assert values(name, probe) == pytest.approx([3, 3, 1.5**5], abs=1e-10)


def tree_of(table: np.ndarray) -> Probe:
    """One tree that asks every part in turn and holds a game's (2^M,) values in its leaves."""
    m = int(np.log2(len(table)))
    inner, nodes = 2**m - 1, np.arange(2 ** (m + 1) - 1)
    depth = np.floor(np.log2(nodes + 1)).astype(int)
    leaf = nodes >= inner
    codes = sum((((nodes - inner) >> (m - 1 - d)) & 1) << d for d in range(m))  # of which parts went right
    trees = Trees(
        left=np.where(leaf, -1, 2 * nodes + 1),
        right=np.where(leaf, -1, 2 * nodes + 2),
        feature=np.where(leaf, -1, depth),
        threshold=np.where(leaf, 0.0, 0.5),
        missing_left=np.zeros(len(nodes), dtype=bool),
        value=np.where(leaf, table[np.where(leaf, codes, 0)], 0.0)[:, None],
        weight=2.0 ** (m - depth),
        roots=np.zeros(1, dtype=int),
        base=np.zeros(1),
    )
    return forests.probe_of(trees, np.ones(m, dtype=np.float32), np.zeros((1, m), dtype=np.float32))


@pytest.mark.parametrize("name", claiming("trees"))
class TestTrees:
    """Any game of few parts is a tree, so every closed form can be put to a method that reads trees."""

    @pytest.mark.parametrize("members", [(0,), (1, 3), (0, 2, 5), (0, 1, 2, 3, 4, 5)])
    def test_unanimity_games_split_one(self, name: str, members: tuple[int, ...]) -> None:
        whole = sum(1 << i for i in members)
        found = values(name, tree_of((np.arange(2**M) & whole == whole).astype(float)))
        assert found == pytest.approx([1 / len(members) if i in members else 0.0 for i in range(M)], abs=1e-10)

    def test_any_game_by_the_definition_with_efficiency_and_dummies(self, name: str) -> None:
        table = np.random.default_rng(0).normal(size=2**M)[np.arange(2**M) & ~5]
        found = values(name, tree_of(table))
        assert np.abs(found - shapley_by_definition(table_game(table))).max() < 1e-10
        assert np.abs(found[[0, 2]]).max() < 1e-10 and found.sum() == pytest.approx(table[-1] - table[0], abs=1e-10)

    def test_games_of_order_two_and_sums_of_games(self, name: str) -> None:
        probe, truth = quadratic(np.random.default_rng(5), M)
        masks = (np.arange(2**M)[:, None] >> np.arange(M)) & 1
        table, other = probe.score(masks > 0), np.random.default_rng(1).normal(size=2**M)
        assert np.abs(values(name, tree_of(table)) - truth).max() < 1e-10 * max(1, 10 * np.abs(truth).max())
        both = values(name, tree_of(2 * table + other))
        assert both == pytest.approx(2 * values(name, tree_of(table)) + values(name, tree_of(other)), abs=1e-9)

    def test_saturation(self, name: str) -> None:
        kept = (np.arange(4)[:, None] >> np.arange(2)) & 1
        for table, truth in ((kept.max(axis=1), 0.5), (np.maximum(kept.sum(axis=1) - 1, 0), 0.5)):
            assert values(name, tree_of(table.astype(float))) == pytest.approx([truth, truth], abs=1e-10)
