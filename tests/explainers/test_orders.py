"""SHAP by enumeration, by orders and by a hierarchy: definitions, closed forms, intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from games import additive, game, net, owen_by_definition, quadratic, shapley_by_definition, table_game
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage

from workbench.errors import Refusal
from workbench.explainers import run_explainer
from workbench.explainers.orders import EXACT_SHAP, PARTITION_SHAP, PERMUTATION_SHAP
from workbench.probe import Probe

random_games = st.integers(0, 2**31).map(np.random.default_rng)


def with_tree(probe: Probe, seed: int | None = None) -> Probe:
    """The probe with a hierarchy: of neighbours, or of places drawn by lot."""
    m = len(probe.features)
    places = np.arange(m, dtype=float) if seed is None else np.random.default_rng(seed).normal(size=m)
    return replace(probe, hierarchy=lambda: linkage(places[:, None], "average"))


@pytest.mark.parametrize("m", [1, 2, 3, 7])
def test_enumeration_is_the_definition(m: int) -> None:
    probe = net(np.random.default_rng(m), m)
    found = run_explainer(EXACT_SHAP, probe, seed=0)
    assert np.abs(found.values - shapley_by_definition(probe)).max() < 1e-10
    assert found.evaluations == 2**m and found.params["exact"] and found.gap < 1e-10


def test_enumeration_is_shaps_exact_explainer() -> None:
    import shap

    probe = net(np.random.default_rng(0), 9)
    theirs = shap.explainers.Exact(probe.score, np.zeros((1, 9)))(np.ones((1, 9)), max_evals=512, silent=True)
    assert np.abs(run_explainer(EXACT_SHAP, probe, seed=0).values - theirs.values[0]).max() < 1e-10


def test_enumeration_stops_where_coalitions_are_too_many() -> None:
    with pytest.raises(Refusal, match="15 features make"):
        run_explainer(EXACT_SHAP, additive(np.ones(15)), seed=0)


@pytest.mark.parametrize("m", [2, 5, 12, 48])
def test_one_order_and_its_reverse_recover_games_of_order_two(m: int) -> None:
    probe, truth = quadratic(np.random.default_rng(m), m)
    found = run_explainer(PERMUTATION_SHAP, probe, seed=1, budget=2 * m)
    assert found.params["orders"] == 1 and found.evaluations == 2 * m and found.low is None
    assert np.abs(found.values - truth).max() < 1e-10 * max(1, np.abs(truth).max())


@pytest.mark.parametrize("method", [EXACT_SHAP, PERMUTATION_SHAP, PARTITION_SHAP])
def test_unanimity_games_of_two_split_one(method: object) -> None:
    probe = with_tree(game(lambda z: z[:, 1] * z[:, 3], 6))
    found = run_explainer(method, probe, seed=0)  # type: ignore[arg-type]
    assert found.values == pytest.approx([0, 0.5, 0, 0.5, 0, 0], abs=1e-10)


def test_permutations_converge_and_their_intervals_cover() -> None:
    inside, errors = [], {200: [], 2000: []}
    for seed in range(20):
        probe = net(np.random.default_rng(seed), 8)
        truth = shapley_by_definition(probe)
        for budget, so_far in errors.items():
            found = run_explainer(PERMUTATION_SHAP, probe, seed=seed, budget=budget)
            inside.append((found.low <= truth) & (truth <= found.high))
            so_far.append(np.linalg.norm(found.values - truth))
            assert found.gap < 1e-10
    assert np.mean(errors[2000]) < 0.5 * np.mean(errors[200])
    assert 0.92 <= np.mean(inside) <= 0.99


def test_against_shaps_permutation_explainer_at_the_same_cost() -> None:
    import shap

    probe = net(np.random.default_rng(2), 10)
    truth = run_explainer(EXACT_SHAP, probe, seed=0).values
    theirs, ours = [], []
    for seed in range(6):
        explainer = shap.explainers.Permutation(probe.score, np.zeros((1, 10)), seed=seed)
        theirs.append(explainer(np.ones((1, 10)), max_evals=210, silent=True).values[0] - truth)
        ours.append(run_explainer(PERMUTATION_SHAP, probe, seed=seed, budget=210).values - truth)
    assert np.linalg.norm(ours) < 1.3 * np.linalg.norm(theirs)


@pytest.mark.parametrize("m", [2, 3, 5, 8])
@pytest.mark.parametrize("seed", [None, 3])
def test_partition_gives_owen_values(m: int, seed: int | None) -> None:
    probe = with_tree(net(np.random.default_rng(m), m), seed)
    found = run_explainer(PARTITION_SHAP, probe, seed=0)
    assert found.params["exact"] and found.params["value"] == "Owen"
    assert np.abs(found.values - owen_by_definition(probe)).max() < 1e-10
    assert found.gap < 1e-10 and found.evaluations <= 2**m


def test_partition_is_shaps_partition_explainer_left_to_finish() -> None:
    import shap

    probe = with_tree(net(np.random.default_rng(0), 8))
    assert probe.hierarchy is not None
    tree = probe.hierarchy()

    class Masker:
        shape, clustering = (1, 8), tree

        def __call__(self, mask: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
            return (np.where(mask, 1.0, 0.0)[None, :],)

    theirs = shap.explainers.Partition(probe.score, Masker())(
        np.ones((1, 8)), max_evals=10_000, fixed_context=None, silent=True
    )
    ours = run_explainer(PARTITION_SHAP, probe, seed=0)
    assert np.abs(ours.values - theirs.values[0]).max() < 1e-10


def test_owen_values_are_not_shapley_values() -> None:
    """All four must come together to score; pairs split it evenly whatever else their sizes are."""
    tree = linkage(np.array([[0.0], [0.1], [0.2], [9.0]]), "average")  # (x0, x1, x2) against x3
    probe = replace(game(lambda z: z[:, :3].max(axis=1) * z[:, 3], 4), hierarchy=lambda: tree)
    owen = run_explainer(PARTITION_SHAP, probe, seed=0).values
    shapley = run_explainer(EXACT_SHAP, probe, seed=0).values
    assert owen[3] == pytest.approx(0.5) and shapley[3] == pytest.approx(0.75)
    assert owen == pytest.approx(owen_by_definition(probe))


def test_partition_draws_orders_of_the_tree_beyond_its_budget() -> None:
    inside, errors = [], []
    for seed in range(20):
        probe = with_tree(net(np.random.default_rng(seed), 16), seed)
        truth = run_explainer(PARTITION_SHAP, probe, seed=seed, budget=10_000)
        assert truth.params["exact"]
        found = run_explainer(PARTITION_SHAP, probe, seed=seed, budget=182)
        assert found.params["exact"] is False and found.params["orders"] == 6 and found.evaluations <= 182
        inside.append((found.low <= truth.values) & (truth.values <= found.high))
        errors.append(np.linalg.norm(found.values - truth.values) / np.linalg.norm(truth.values))
    assert np.mean(inside) >= 0.9 and np.mean(errors) < 0.3


def test_few_orders_give_no_interval() -> None:
    found = run_explainer(PERMUTATION_SHAP, net(np.random.default_rng(0), 8), seed=0, budget=60)
    assert found.params["orders"] == 4 and found.low is None and found.high is None


@settings(max_examples=15, deadline=None)
@given(random_games, st.integers(2, 6))
def test_axioms(rng: np.random.Generator, m: int) -> None:
    a, b = rng.normal(size=2**m), rng.normal(size=2**m)
    codes = np.arange(2**m)
    dummy = a[codes & ~1] + 1.5 * (codes & 1)
    for method in (EXACT_SHAP, PERMUTATION_SHAP, PARTITION_SHAP):

        def phi(table: np.ndarray, method: object = method) -> np.ndarray:
            return run_explainer(method, with_tree(table_game(table)), seed=0).values  # type: ignore[arg-type]

        assert phi(a).sum() == pytest.approx(a[-1] - a[0], abs=1e-10)  # efficiency
        assert np.abs(phi(2 * a - 3 * b) - (2 * phi(a) - 3 * phi(b))).max() < 1e-9  # linearity
        assert phi(dummy)[0] == pytest.approx(1.5, abs=1e-10)
    swapped = (codes & ~3) | ((codes & 1) << 1) | ((codes & 2) >> 1)
    symmetric = run_explainer(EXACT_SHAP, table_game(a + a[swapped]), seed=0).values
    assert symmetric[0] == pytest.approx(symmetric[1], abs=1e-10)  # symmetry


def test_a_coalition_is_asked_once() -> None:
    seen: list[bytes] = []
    base = with_tree(net(np.random.default_rng(0), 9))

    def answer(batch: dict[str, np.ndarray]) -> np.ndarray:
        seen.extend(row.tobytes() for row in batch["masks"])
        return base.answer(batch)

    for method in (PERMUTATION_SHAP, PARTITION_SHAP):
        seen.clear()
        found = run_explainer(method, replace(base, answer=answer), seed=0)
        assert len(seen) == len(set(seen)) == found.evaluations
