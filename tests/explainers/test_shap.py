"""Shapley values: exact where they can be, converging where not, with intervals that cover."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from games import additive, continuous, game, net, quadratic, shapley_by_definition, table_game
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.bank import coalitions, evaluate
from workbench.explainers import run_explainer
from workbench.explainers.shap import SHAPLEY
from workbench.probe import Probe


def sampled(probe: Probe, budget: int, seed: int = 0) -> np.ndarray:
    return run_explainer(SHAPLEY, probe, seed=seed, budget=budget).values


def exact(probe: Probe) -> np.ndarray:
    return run_explainer(SHAPLEY, probe, seed=0, budget=2 ** len(probe.features)).values


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize("m", [1, 2, 3, 6, 8])
def test_enumeration_is_the_definition(m: int) -> None:
    probe = net(np.random.default_rng(m), m)
    assert np.abs(exact(probe) - shapley_by_definition(probe)).max() < 1e-10


def test_enumeration_is_shaps_exact_explainer_on_the_model_itself() -> None:
    import shap

    probe = net(np.random.default_rng(0), 10)
    oracle = shap.explainers.Exact(probe.score, np.zeros((1, 10)))
    theirs = oracle(np.ones((1, 10)), max_evals=1024, silent=True).values[0]
    ours = run_explainer(SHAPLEY, probe, seed=0, budget=1024)
    assert np.abs(ours.values - theirs).max() < 1e-10
    assert ours.params["exact"] and ours.params["computed_by"] == "enumeration of every coalition"
    assert np.array_equal(ours.low, ours.high) and ours.gap < 1e-10 and ours.evaluations == 1024


def test_linear_functions_have_weight_times_distance() -> None:
    rng = np.random.default_rng(0)
    w, x, background = rng.normal(size=9), rng.normal(size=9), rng.normal(size=(7, 9))
    probe = continuous(lambda X: X @ __import__("torch").as_tensor(w), x, background)
    truth = w * (x - background.mean(axis=0))
    assert np.abs(exact(probe) - truth).max() < 1e-10
    assert np.abs(sampled(probe, 60) - truth).max() < 1e-10


def test_float32_answers_keep_five_digits() -> None:
    w = np.linspace(-1, 1, 9).astype(np.float32)
    probe = game(lambda z: z.astype(np.float32) @ w, 9)
    assert np.abs(exact(probe) - w).max() < 1e-5
    assert np.abs(sampled(probe, 60) - w).max() < 1e-5


@pytest.mark.parametrize("members", [(0,), (1, 3), (0, 2, 5), (0, 1, 2, 3, 4, 5)])
def test_unanimity_games_split_one_among_their_members(members: tuple[int, ...]) -> None:
    truth = np.zeros(6)
    truth[list(members)] = 1 / len(members)
    assert np.abs(exact(game(lambda z: z[:, list(members)].prod(axis=1), 6)) - truth).max() < 1e-10


@pytest.mark.parametrize("m", [4, 7, 12, 20, 48])
def test_games_of_order_two_need_only_2m_and_two_paired_masks(m: int) -> None:
    probe, truth = quadratic(np.random.default_rng(m), m)
    for budget in (2 * m + 2, 2 * m + 4, 3 * m, 8 * m):
        found = run_explainer(SHAPLEY, probe, seed=1, budget=budget)
        assert np.abs(found.values - truth).max() < 1e-10 * max(1, np.abs(truth).max())
        assert found.params["determined"]


def test_one_leave_one_out_may_be_missing() -> None:
    """Efficiency gives the last value: M - 1 pairs determine a game of order 2."""
    probe, truth = quadratic(np.random.default_rng(0), 30)
    found = run_explainer(SHAPLEY, probe, seed=0, budget=60)
    assert found.params["determined"] and found.params["pairs"] == 29
    assert np.abs(found.values - truth).max() < 1e-9


def test_too_few_pairs_are_said_to_be_too_few() -> None:
    probe, truth = quadratic(np.random.default_rng(0), 30)
    found = run_explainer(SHAPLEY, probe, seed=0, budget=40)
    assert not found.params["determined"] and found.low is None
    assert np.abs(found.values - truth).max() > 1e-3 and found.gap < 1e-9


random_games = st.integers(0, 2**31).map(np.random.default_rng)


@settings(max_examples=25, deadline=None)
@given(random_games, st.integers(2, 7))
def test_axioms(rng: np.random.Generator, m: int) -> None:
    a, b = rng.normal(size=2**m), rng.normal(size=2**m)
    phi_a, phi_b = exact(table_game(a)), exact(table_game(b))
    assert phi_a.sum() == pytest.approx(a[-1] - a[0], abs=1e-10)  # efficiency
    assert np.abs(exact(table_game(2 * a - 3 * b)) - (2 * phi_a - 3 * phi_b)).max() < 1e-10  # linearity
    codes = np.arange(2**m)
    dummy = a[codes & ~1] + 1.5 * (codes & 1)  # feature 0 adds 1.5 to whatever the others say
    assert exact(table_game(dummy))[0] == pytest.approx(1.5, abs=1e-10)
    swapped = (codes & ~3) | ((codes & 1) << 1) | ((codes & 2) >> 1)
    symmetric = exact(table_game(a + a[swapped]))
    assert symmetric[0] == pytest.approx(symmetric[1], abs=1e-10)  # symmetry


@settings(max_examples=15, deadline=None)
@given(random_games)
def test_axioms_of_the_regression(rng: np.random.Generator) -> None:
    """For any fixed masks efficiency and homogeneity hold, and linearity of games whose stand-in is one."""
    m, masks = 9, coalitions(9, 120, rng)
    a, b = rng.normal(size=2**m), rng.normal(size=2**m)

    def phi(table: np.ndarray) -> np.ndarray:
        probe = table_game(table)
        return run_explainer(SHAPLEY, probe, bank=evaluate(probe, masks), seed=0).values

    assert phi(a).sum() == pytest.approx(a[-1] - a[0], abs=1e-10)
    assert np.abs(phi(-3 * a) + 3 * phi(a)).max() < 1e-9
    few = coalitions(9, 30, rng)  # too few pairs to learn a stand-in from: the regression alone is linear

    def alone(table: np.ndarray) -> np.ndarray:
        probe = table_game(table)
        return run_explainer(SHAPLEY, probe, bank=evaluate(probe, few), seed=0).values

    assert np.abs(alone(2 * a - 3 * b) - (2 * alone(a) - 3 * alone(b))).max() < 1e-9


def test_duplicates_split_credit_and_order_of_features_does_not_matter() -> None:
    w = np.array([2.0, -1.0, 0.5])
    assert np.abs(exact(game(lambda z: np.maximum(z[:, 0], z[:, 1]) * 3, 3)) - [1.5, 1.5, 0]).max() < 1e-10
    perm = np.array([2, 0, 1])
    assert np.abs(exact(additive(w))[perm] - exact(additive(w[perm]))).max() < 1e-12


def test_saturation_box() -> None:
    """The textbook cases where occlusion and Shapley values part ways."""

    def occlusion(probe: Probe) -> np.ndarray:
        return probe.score(np.ones((1, 2), bool)) - probe.score(~np.eye(2, dtype=bool))

    both = game(lambda z: np.maximum(z.sum(axis=1) - 1, 0), 2)
    either = game(lambda z: z.max(axis=1), 2)
    product = game(lambda z: 6 * z.prod(axis=1), 2)
    for probe, shapley, hidden in ((both, 0.5, 1), (either, 0.5, 0), (product, 3, 6)):
        assert exact(probe) == pytest.approx([shapley, shapley])
        assert occlusion(probe) == pytest.approx([hidden, hidden])


def test_estimate_keeps_improving_with_the_budget() -> None:
    """Wrong weights would leave a floor: between 500 and 1000 masks the error must still fall."""
    errors = {
        budget: np.mean(
            [error(sampled(net(np.random.default_rng(g), 12), budget, seed=g), exact12(g)) for g in range(8)]
        )
        for budget in (120, 250, 500, 1000, 2000)
    }
    ordered = list(errors.values())
    assert all(later < 0.85 * earlier for earlier, later in itertools.pairwise(ordered)), errors
    assert errors[1000] < 0.04


def test_estimate_has_no_bias_where_interactions_are_sampled() -> None:
    """Third-order game with sampled strata only: the mean over draws is the truth, within its error."""
    rng = np.random.default_rng(4)
    triple = rng.normal(size=(14, 14, 14))
    probe = game(lambda z: np.einsum("ni,nj,nk,ijk->n", z, z, z, triple) / 14, 14)
    truth = exact(probe)
    found = np.array([sampled(probe, 400, seed) for seed in range(60)])
    z = (found.mean(axis=0) - truth) / (found.std(axis=0, ddof=1) / np.sqrt(60))
    assert np.abs(z).max() < 4 and (z**2).mean() < 2.5


def exact12(seed: int) -> np.ndarray:
    return exact(net(np.random.default_rng(seed), 12))


def cubic(seed: int, m: int) -> tuple[Probe, np.ndarray]:
    """Main effects and 60 unanimity games of three: Shapley values in closed form for any M."""
    rng = np.random.default_rng(seed)
    triples = np.array([rng.choice(m, 3, replace=False) for _ in range(60)])
    weight, values = rng.normal(size=60), 0.3 * rng.normal(size=m)
    main = values.copy()
    np.add.at(values, triples.ravel(), np.repeat(weight / 3, 3))
    return game(lambda z: z @ main + z[:, triples].prod(axis=2) @ weight, m), values


@pytest.mark.parametrize(("m", "budget"), [(12, 64), (24, 60), (24, 512), (48, 128), (48, 512), (100, 512)])
def test_intervals_cover_at_every_ratio_of_budget_to_features(m: int, budget: int) -> None:
    """Also where hardly any pair is left beside the leave-one-outs: they are wide there, not wrong."""
    inside = []
    for seed in range(20):
        probe, truth = cubic(seed, m)
        found = run_explainer(SHAPLEY, probe, seed=seed + 100, budget=budget)
        inside.append((found.low <= truth) & (truth <= found.high))
    assert np.mean(inside) >= 0.93


def test_more_masks_never_make_it_much_worse() -> None:
    """Weighting leave-one-outs by their true inclusion peaks near 2.5 M pairs: 0.69 at 512, 0.40 at 256."""
    games = [cubic(seed, 100) for seed in range(8)]
    errors = [
        np.mean([error(sampled(probe, budget, seed), truth) for seed, (probe, truth) in enumerate(games)])
        for budget in (256, 512, 1024)
    ]
    assert errors[2] < errors[1] < errors[0] < 0.5, errors


def test_intervals_cover_the_exact_values() -> None:
    inside = []
    for g in range(25):
        found = run_explainer(SHAPLEY, net(np.random.default_rng(g), 12), seed=g, budget=300)
        inside.append((found.low <= exact12(g)) & (exact12(g) <= found.high))
    assert 0.90 <= np.mean(inside) <= 0.995


def test_everything_is_deterministic_under_the_seed() -> None:
    probe = net(np.random.default_rng(0), 15)
    a, b = (run_explainer(SHAPLEY, probe, seed=3, budget=200) for _ in range(2))
    assert np.array_equal(a.values, b.values) and np.array_equal(a.low, b.low) and a.params == b.params


def test_trap_kernel_explainer_drops_features_while_additivity_passes() -> None:
    """shap's default l1_reg keeps 10 of 12 features of a linear model; its values still sum up."""
    import shap

    w = np.linspace(0.02, 1.0, 12) * np.where(np.arange(12) % 2, 1, -1)
    np.random.seed(0)  # the explainer draws from the global generator
    kernel = shap.KernelExplainer(lambda X: X @ w, np.zeros((1, 12)))
    default = kernel.shap_values(np.ones((1, 12)), silent=True)[0]
    assert (np.abs(default) > 1e-12).sum() == 10
    assert abs(default.sum() - w.sum()) < 1e-10  # additivity passes: no evidence
    assert np.abs(default - w).max() > 0.01
    without = kernel.shap_values(np.ones((1, 12)), l1_reg=False, silent=True)[0]
    ours = sampled(additive(w), 2**11)
    assert np.abs(without - w).max() < 1e-10 and np.abs(ours - w).max() < 1e-10


def test_against_kernel_explainer_without_the_penalty_on_a_nonlinear_game() -> None:
    import shap

    probe, budget = net(np.random.default_rng(2), 12), 600
    theirs, ours = [], []
    for seed in range(5):
        np.random.seed(seed)
        kernel = shap.KernelExplainer(probe.score, np.zeros((1, 12)))
        values = kernel.shap_values(np.ones((1, 12)), nsamples=budget, l1_reg=False, silent=True)[0]
        theirs.append(error(values, exact12(2)))
        ours.append(error(sampled(probe, budget, seed), exact12(2)))
    assert np.mean(ours) < 1.2 * np.mean(theirs)
