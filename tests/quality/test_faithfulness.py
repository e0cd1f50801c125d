"""Faithfulness measures against their closed forms on additive games, and against captum's infidelity."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from games import additive, game, net, quadratic
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.quality import faithfulness as f

W = np.random.default_rng(5).normal(size=20)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_ranking_is_descending_and_breaks_ties_by_lot() -> None:
    assert f.ranking(np.array([1.0, 3.0, -5.0, 2.0]), rng()).tolist() == [1, 3, 0, 2]
    first = [int(f.ranking(np.ones(4), rng(seed))[0]) for seed in range(400)]
    assert np.bincount(first).min() > 60
    assert np.array_equal(f.ranking(np.ones(9), rng(1)), f.ranking(np.ones(9), rng(1)))


@pytest.mark.parametrize(("m", "steps", "fewer"), [(30, 16, 10), (12, 5, 10), (47, 20, 10), (9, 20, 3)])
def test_a_thinned_grid_is_part_of_it_symmetric_and_has_both_ends(m: int, steps: int, fewer: int) -> None:
    counts = f.grid(m, steps)
    some = f.thinned(counts, fewer)
    assert set(some) <= set(counts) and some[0] == 0 and some[-1] == m
    assert set(some) == set(m - some) and len(some) - 1 <= max(fewer, 3)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(2, 60))
def test_grid_is_symmetric_and_no_finer_than_asked(m: int, steps: int) -> None:
    counts = f.grid(m, steps)
    assert counts[0] == 0 and counts[-1] == m
    assert np.array_equal(np.sort(m - counts), counts)
    assert len(counts) - 1 <= max(steps, 3)
    if steps > m:
        assert len(counts) == m + 1


def test_areas_are_the_trapezoid_of_the_partial_sums() -> None:
    probe, ordered = additive(W, base=2.0), np.sort(W)[::-1]
    insertion = 2 + np.concatenate([[0], np.cumsum(ordered)])
    deletion = 2 + W.sum() - np.concatenate([[0], np.cumsum(ordered)])
    at = np.linspace(0, 1, 21)
    assert f.insertion_auc(probe, W, rng()) == pytest.approx(np.trapezoid(insertion, at))
    assert f.deletion_auc(probe, W, rng()) == pytest.approx(np.trapezoid(deletion, at))


def test_random_orders_have_the_mean_of_both_ends_as_area() -> None:
    """Additive f: E[AUC_rand] = (f(x) + f(b)) / 2, and exactly so for an order with its reverse."""
    found = f.order_skill(additive(W, base=2.0), W, rng(), orders=10)
    assert found["random_auc"] == pytest.approx((2 + (2 + W.sum())) / 2)


def test_the_right_order_beats_every_random_one_and_its_reverse_none() -> None:
    right, wrong = (f.order_skill(additive(W), sign * W, rng()) for sign in (1, -1))
    assert right["orders_beaten"] == 1 and wrong["orders_beaten"] == 0
    assert right["deletion_skill"] > 0.2 and right["insertion_skill"] > 0.2
    assert wrong["deletion_skill"] < -0.2 and wrong["separation"] == pytest.approx(-right["separation"])
    assert right["deletion_auc"] == pytest.approx(f.deletion_auc(additive(W), W, rng()))


def test_skill_does_not_depend_on_where_the_answers_zero_is() -> None:
    a, b = (f.order_skill(additive(W, base=base), W, rng()) for base in (0, 1000))
    assert a["deletion_skill"] == pytest.approx(b["deletion_skill"])
    assert a["insertion_skill"] == pytest.approx(b["insertion_skill"])


def test_lots_beat_all_random_orders_as_often_as_they_should() -> None:
    """An attribution drawn by lot beats all 20 values with probability 1/22, whatever the model."""
    probe = net(rng(3), 12)
    won = [f.order_skill(probe, rng(s).normal(size=12), rng(s + 10_000), steps=12)["orders_beaten"] for s in range(400)]
    assert np.mean(np.array(won) == 1) == pytest.approx(1 / 22, abs=0.035)
    assert np.mean(won) == pytest.approx(0.5, abs=0.05)


def test_where_all_orders_are_equal_none_is_beaten() -> None:
    assert math.isnan(f.order_skill(additive(np.ones(8)), np.ones(8), rng())["orders_beaten"])
    constant = f.order_skill(additive(np.zeros(8)), np.ones(8), rng())
    assert math.isnan(constant["orders_beaten"]) and math.isnan(constant["deletion_skill"])


def test_aopc_is_the_mean_drop() -> None:
    found = f.aopc(additive(W), W, rng(), groups=20)
    drops = np.concatenate([[0], np.cumsum(np.sort(W)[::-1])])
    rises = np.concatenate([[0], np.cumsum(np.sort(W))])
    assert found["morf"] == pytest.approx(drops.mean()) and found["lerf"] == pytest.approx(rises.mean())
    assert found["aopc"] == pytest.approx(drops.mean() - rises.mean())
    assert f.aopc(additive(W), W, rng())["aopc"] > 0 > f.aopc(additive(W), -W, rng())["aopc"]


@pytest.mark.parametrize("m", [10, 20, 40])
def test_aopc_of_other_steps_is_read_at_tenths(m: int) -> None:
    """Twice, four times and ten times as many steps as groups: one scale, whatever was asked."""
    weights = np.linspace(3, -1, m)
    plain = f.aopc(additive(weights), weights, rng())
    for counts in (np.arange(m + 1), np.linspace(0, m, 11).astype(int)):
        found = f.aopc(additive(weights), weights, rng(), counts=counts)
        assert found == pytest.approx(plain)
    few = f.aopc(additive(weights), weights, rng(), counts=f.grid(m, 5))
    assert few["aopc"] == pytest.approx(plain["aopc"], rel=0.15)


def test_comprehensiveness_sums_the_top_and_sufficiency_the_rest() -> None:
    ordered = np.sort(W)[::-1]
    tops = [max(1, round(share * 20)) for share in (0.01, 0.05, 0.1, 0.2, 0.5)]
    probe = additive(W, base=-3)
    assert f.comprehensiveness(probe, W, rng()) == pytest.approx(np.mean([ordered[:k].sum() for k in tops]))
    assert f.sufficiency(probe, W, rng()) == pytest.approx(np.mean([ordered[k:].sum() for k in tops]))
    assert f.comprehensiveness(additive(np.array([2.0])), np.ones(1), rng()) == 2  # at least one feature


def test_monotonicity_is_the_share_of_steps_that_do_not_fall() -> None:
    assert f.monotonicity(additive(np.abs(W)), np.abs(W), rng(), steps=20) == 1
    assert f.monotonicity(additive(W), W, rng(), steps=20) == pytest.approx((W >= 0).mean())
    assert f.monotonicity(additive(np.zeros(6)), W[:6], rng()) == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000))
def test_additive_games_are_perfectly_foretold(m: int, seed: int) -> None:
    w = rng(seed).normal(size=m)
    probe = additive(w, base=5)
    assert f.faithfulness_correlation(probe, w, rng(seed)) == pytest.approx(1)
    assert f.faithfulness_correlation(probe, -w, rng(seed)) == pytest.approx(-1)
    masks = rng(seed).random((60, m)) < 0.5
    assert f.faithfulness_correlation(probe, w, rng(seed), masks=masks) == pytest.approx(1)
    found = f.infidelity(probe, w, rng(seed))
    assert found["raw"] < 5e-15 * max(1, (w**2).sum()) and found["relative"] < 1e-12
    for n, r in f.sensitivity_n(probe, w, rng(seed)).items():
        assert 1 <= n <= m and (r == pytest.approx(1) or (n == m and math.isnan(r)))


def test_sensitivity_n_takes_the_sizes_of_the_paper() -> None:
    assert list(f.sensitivity_n(additive(W), W, rng())) == [1, 4, 5, 10]
    found = f.sensitivity_n(additive(W), rng(3).normal(size=20), rng(), sizes=(1, 7))
    assert list(found) == [1, 7] and all(abs(r) < 0.9 for r in found.values())


def test_correlation_is_numpys_and_undefined_where_a_side_is_constant() -> None:
    probe, values = quadratic(rng(1), 9)
    masks = rng(2).random((50, 9)) < 0.5
    dropped = probe.score(np.ones((1, 9), bool)) - probe.score(masks)
    truth = np.corrcoef(~masks @ values, dropped)[0, 1]
    assert f.faithfulness_correlation(probe, values, rng(), masks=masks) == pytest.approx(truth)
    assert math.isnan(f.faithfulness_correlation(probe, np.zeros(9), rng()))
    assert math.isnan(f.faithfulness_correlation(additive(np.zeros(9)), values, rng()))


def test_infidelity_is_captums_on_the_same_perturbations() -> None:
    import torch
    from captum.metrics import infidelity, infidelity_perturb_func_decorator

    probe, values = quadratic(rng(4), 6)
    masks = rng(1).random((40, 6)) < 0.5
    draws = iter(~masks)

    @infidelity_perturb_func_decorator(True)
    def perturb(inputs: torch.Tensor) -> torch.Tensor:
        hide = torch.as_tensor(np.stack([next(draws) for _ in range(len(inputs))]))
        return torch.where(hide, torch.zeros_like(inputs), inputs)

    theirs = infidelity(
        lambda x: torch.as_tensor(probe.score(x.detach().numpy() > 0.5)),
        perturb,
        torch.ones(1, 6, dtype=torch.float64),
        torch.as_tensor(values[None]),
        n_perturb_samples=40,
    )
    assert f.infidelity(probe, values, rng(), masks=masks)["raw"] == pytest.approx(float(theirs))


def test_infidelity_forgives_one_factor_only_when_scaled() -> None:
    found = f.infidelity(additive(W), 3 * W, rng())
    assert found["raw"] > 1 and found["scaled"] < 1e-12
    nothing = f.infidelity(additive(W), np.zeros(20), rng())
    assert nothing["scaled"] == nothing["raw"] > 0
    assert math.isnan(f.infidelity(additive(np.zeros(4)), np.ones(4), rng())["relative"])


def test_completeness_gap_and_its_share() -> None:
    assert f.completeness_gap(additive(W, base=1), W)["absolute"] < 1e-12
    found = f.completeness_gap(additive(np.array([1.0, 3.0])), np.array([1.0, 2.0]))
    assert found == {"absolute": 1.0, "relative": 0.25}
    assert math.isnan(f.completeness_gap(additive(np.zeros(2)), np.ones(2))["relative"])


Measure = Callable[..., object]


@pytest.mark.parametrize(
    "measure",
    [
        f.deletion_auc,
        f.insertion_auc,
        f.order_skill,
        f.aopc,
        f.comprehensiveness,
        f.sufficiency,
        f.monotonicity,
        f.faithfulness_correlation,
        f.sensitivity_n,
        f.infidelity,
    ],
)
def test_every_measure_is_deterministic_and_asks_the_probe_in_one_call(measure: Measure) -> None:
    calls: list[int] = []

    def value(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return np.tanh(z @ W)

    probe = game(value, 20)
    first = measure(probe, W, rng(9))
    assert 1 <= len(calls) <= math.ceil(sum(calls) / 256) and sum(calls) <= 1000
    assert repr(first) == repr(measure(probe, W, rng(9)))


def test_deletion_skill_alone_agrees_with_the_whole_on_an_additive_game() -> None:
    weights = np.array([5.0, 3.0, 1.0, 0.5, 0.2, 0.1])
    probe = additive(weights)
    # E[random area] is half the sum; the areas of the exact order are known.
    counts = np.arange(7) / 6
    area = np.trapezoid(weights.sum() - np.concatenate([[0], np.cumsum(weights)]), counts)
    found = f.deletion_skill(probe, weights, np.random.default_rng(0), steps=10, orders=50)
    assert found == pytest.approx((weights.sum() / 2 - area) / weights.sum())
    assert f.deletion_skill(probe, -weights, np.random.default_rng(0)) < 0
    assert math.isnan(f.deletion_skill(additive(np.zeros(6)), weights, np.random.default_rng(0)))
