"""The stand-in: its sums over all coalitions against enumeration, and what it is good for."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from games import additive, net, quadratic, shapley_by_definition, table_game

from workbench import kernels, kriging
from workbench.bank import coalitions, evaluate
from workbench.explainers.shap import exact_shapley

M = 6
EVERY = ((np.arange(2**M)[:, None] >> np.arange(M)) & 1).astype(bool)


def part(seed: int, *, odd: bool) -> kriging.Part:
    rng = np.random.default_rng(seed)
    masks = ~EVERY[np.concatenate([[0], 1 + rng.permutation(31)[:19]])]
    found = kriging.fit_part(masks, rng.normal(size=len(masks)), odd=odd)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("odd", [True, False])
def test_moments_are_those_of_all_coalitions(seed: int, odd: bool) -> None:
    found, law = part(seed, odd=odd), np.random.default_rng(seed).dirichlet(np.ones(M + 1))
    weight = np.array([law[s] / math.comb(M, s) for s in EVERY.sum(axis=1)])
    answers = found.predict(EVERY)
    mean, times = found.moments(law)
    assert mean == pytest.approx(weight @ answers, abs=1e-10)
    assert np.abs(times - (weight * answers) @ EVERY).max() < 1e-10
    one, two = kernels.kept(law)
    assert one == pytest.approx(weight @ EVERY[:, 0]) and two == pytest.approx(weight @ (EVERY[:, 0] & EVERY[:, 1]))


@pytest.mark.parametrize("m", [3, 4, 9, 30, 64, 130])
def test_a_mixture_of_chances_gives_the_sums_over_sizes(m: int) -> None:
    rng, size = np.random.default_rng(m), np.arange(m + 1) / m
    signs = np.where(rng.random((40, m)) < rng.random((40, 1)), 1.0, -1.0)
    signs[:2] = [[1.0], [-1.0]]
    lam = rng.uniform(0, 0.95, m) * rng.uniform(size=m)
    smooth = np.exp(-8 * (1 - np.sqrt(size)) ** 2)
    jumping = np.concatenate([[0.5], smooth[1:-1], [1e-4]])  # at the ends alone, as LIME's law does
    for law in (smooth, jumping, np.ones(m + 1)):
        mixed = kernels.mixture(law)
        assert mixed is not None and np.abs(mixed[1]).sum() < 5 * law.sum()
        for found, truth in zip(
            kernels.moments_of_kernels(signs, lam, law), kernels.moments_by_sizes(signs, lam, law), strict=True
        ):
            assert np.abs(found - truth).max() < 1e-12 * np.abs(truth).max()


def test_a_law_that_is_no_mixture_is_summed_by_sizes() -> None:
    rng, m = np.random.default_rng(0), 30
    signs, lam = np.where(rng.random((20, m)) < 0.6, 1.0, -1.0), rng.uniform(0, 0.6, m)
    for law in (np.eye(m + 1)[17], rng.dirichlet(np.ones(m + 1))):
        assert kernels.mixture(law) is None
        for found, truth in zip(
            kernels.moments_of_kernels(signs, lam, law), kernels.moments_by_sizes(signs, lam, law), strict=True
        ):
            assert np.array_equal(found, truth)


@pytest.mark.parametrize("seed", range(3))
def test_shapley_values_are_those_of_all_coalitions(seed: int) -> None:
    found = part(seed, odd=True)
    truth = shapley_by_definition(table_game(found.predict(EVERY)))
    assert np.abs(found.shapley() - truth).max() < 1e-10


@pytest.mark.parametrize("odd", [True, False])
def test_parts_are_odd_and_even(odd: bool) -> None:
    found = part(0, odd=odd)
    assert np.allclose(found.predict(~EVERY), (-1 if odd else 1) * found.predict(EVERY), atol=1e-12)


def test_the_prior_variance_is_the_sum_over_interactions() -> None:
    lam = np.random.default_rng(0).uniform(0.05, 0.9, M)
    truth = np.zeros(M)
    for d in (3, 5):
        for members in itertools.combinations(range(M), d):
            truth[list(members)] += 4 / d**2 * np.prod(lam[list(members)])
    size = kernels.scale(lam, odd=True) * np.prod(1 + lam)
    assert np.abs(kernels.prior_variance(lam) - truth / size).max() < 1e-8
    weights = kernels.shapley_of_pairs(np.where(EVERY[32:], 1.0, -1.0))  # one of each pair
    assert (weights**2).sum(axis=0) == pytest.approx(np.full(M, kernels.variance_of_all(M)))


@pytest.mark.parametrize("m", [12, 60])
def test_games_that_the_trend_tells_need_no_stand_in(m: int) -> None:
    """Order 2 has no odd part beyond the trend; an additive game has no even one beyond a constant."""
    rng = np.random.default_rng(m)
    assert evaluate(quadratic(rng, m)[0], coalitions(m, 8 * m, rng)).odd is None
    bank = evaluate(additive(rng.normal(size=m)), coalitions(m, 8 * m, rng))
    assert bank.odd is None and bank.even is None


def test_it_foretells_pairs_that_it_did_not_see() -> None:
    rng = np.random.default_rng(0)
    bank = evaluate(net(rng, 12), coalitions(12, 512, rng))
    assert bank.odd is not None and bank.even is not None
    held = bank.coalitions.held_out
    left = bank.scores - bank.odd.predict(bank.masks) - bank.even.predict(bank.masks)
    design = np.column_stack([np.ones(len(held)), bank.masks])
    linear = bank.scores - design @ np.linalg.lstsq(design[~held], bank.scores[~held], rcond=None)[0]
    assert left[held].var() < 0.4 * linear[held].var() and left[held].var() < 0.1 * bank.scores[held].var()


def test_few_features_few_pairs_and_constant_answers_have_none() -> None:
    rng = np.random.default_rng(0)
    assert evaluate(net(rng, 8), coalitions(8, 256, rng)).odd is None  # complete: nothing to foretell
    assert evaluate(net(rng, 20), coalitions(20, 48, rng)).odd is None
    bank = evaluate(table_game(np.full(2**9, 2.0)), coalitions(9, 100, rng))
    assert bank.odd is None and bank.even is None


def test_it_more_than_halves_the_squared_error_of_the_regression() -> None:
    from dataclasses import replace

    from workbench.explainers.shap import paired_regression

    with_it, without = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        probe = net(rng, 12)
        truth = exact_shapley(evaluate(probe, coalitions(12, 4096, rng)))
        bank = evaluate(probe, coalitions(12, 600, rng))
        alone = replace(bank)
        alone.__dict__["odd"] = None
        with_it.append(((paired_regression(bank)[0] - truth) ** 2).sum())
        without.append(((paired_regression(alone)[0] - truth) ** 2).sum())
    assert sum(with_it) < 0.5 * sum(without)


@pytest.mark.parametrize("odd", [True, False])
def test_again_on_the_same_pairs_is_the_same_part(odd: bool) -> None:
    found, law = part(1, odd=odd), np.full(M + 1, 1 / (M + 1))
    found.moments(law)
    same = found.again(np.arange(len(found.signs)), np.asarray(found.predict(found.signs > 0)))
    values = np.random.default_rng(0).normal(size=len(found.signs))
    other = found.again(np.arange(len(found.signs))[::-1][np.r_[-1, : len(found.signs) - 1]], values)
    assert same is not None and other is not None
    for one in (same, other):
        assert np.allclose(one.moments(law)[1], kriging.Part(**_fresh(one)).moments(law)[1])
        if odd:
            assert np.allclose(one.shapley(), kriging.Part(**_fresh(one)).shapley())


def _fresh(one: kriging.Part) -> dict[str, object]:
    return {name: value for name, value in vars(one).items() if not name.startswith("_")}
