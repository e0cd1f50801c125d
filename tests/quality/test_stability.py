"""Seed stability: perfect for equal values, none for lots."""

from __future__ import annotations

import numpy as np
import pytest
from games import additive, net

from workbench.bank import coalitions, evaluate
from workbench.explainers import run_explainer
from workbench.explainers.shap import SHAPLEY
from workbench.quality.stability import redrawn, seed_stability


def test_equal_values_are_perfectly_stable() -> None:
    found = seed_stability(np.tile(np.random.default_rng(0).normal(size=12), (5, 1)))
    assert found["rank"] == pytest.approx(1) and found["top_k"] == 1 and found["spread"] == pytest.approx(0)


def test_lots_are_not() -> None:
    found = seed_stability(np.random.default_rng(0).normal(size=(8, 60)), k=6)
    assert abs(found["rank"]) < 0.1 and found["top_k"] == pytest.approx(0.1, abs=0.06) and found["spread"] > 0.5


def test_more_masks_are_more_stable() -> None:
    probe = net(np.random.default_rng(0), 14)
    few, many = (
        seed_stability(np.array([run_explainer(SHAPLEY, probe, seed=s, budget=b).values for s in range(5)]))
        for b in (64, 2048)
    )
    assert many["spread"] < 0.4 * few["spread"] and many["rank"] > few["rank"]


def test_one_seed_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="two seeds"):
        seed_stability(np.ones((1, 4)))


def test_a_redrawn_bank_keeps_pairs_ends_and_what_was_held_out() -> None:
    probe = net(np.random.default_rng(0), 20)
    bank = evaluate(probe, coalitions(20, 256, np.random.default_rng(1)))
    again = redrawn(bank, np.random.default_rng(2))
    assert again is not None and len(again.scores) == len(bank.scores)
    assert (again.masks[0::2] == ~again.masks[1::2]).all()
    assert (again.coalitions.held_out == bank.coalitions.held_out).all()
    held = bank.coalitions.held_out
    assert (again.masks[held] == bank.masks[held]).all() and (again.scores[:2] == bank.scores[:2]).all()
    assert probe.score(again.masks) == pytest.approx(again.scores)  # answers still belong to their masks
    ones = bank.coalitions.sizes == 1
    assert {m.tobytes() for m in again.masks[ones]} == {m.tobytes() for m in bank.masks[ones]}
    assert (again.masks != bank.masks).any()


def test_the_spread_over_redrawn_banks_is_that_over_real_seeds() -> None:
    probe = net(np.random.default_rng(3), 24)
    real, free = [], []
    for seed in range(40):
        bank = evaluate(probe, coalitions(24, 256, np.random.default_rng(seed)))
        real.append(run_explainer(SHAPLEY, probe, bank=bank, seed=0).values)
        other = redrawn(bank, np.random.default_rng(seed))
        free.append(run_explainer(SHAPLEY, probe, bank=other, seed=0).values - real[-1])
    ratio = float(np.sqrt(np.mean(np.square(free))) / np.array(real).std(axis=0, ddof=1).mean())
    assert 0.6 < ratio < 1.7


def test_of_a_complete_bank_only_what_is_held_out_changes() -> None:
    probe = net(np.random.default_rng(4), 6)
    bank = evaluate(probe, coalitions(6, 64, np.random.default_rng(0)))
    again = redrawn(bank, np.random.default_rng(1))
    assert again is not None and (again.masks == bank.masks).all()
    assert again.coalitions.held_out.sum() == bank.coalitions.held_out.sum() and not again.coalitions.held_out[:2].any()
    exact = [run_explainer(SHAPLEY, probe, bank=b, seed=0).values for b in (bank, again)]
    assert exact[0] == pytest.approx(exact[1], abs=1e-12)


def test_where_nothing_was_drawn_nothing_can_be_drawn_again() -> None:
    probe = additive(np.ones(30))
    bank = evaluate(probe, coalitions(30, 60, np.random.default_rng(0)))
    assert redrawn(bank, np.random.default_rng(0)) is None
