"""The quality card: good explanations pass, controls and broken ones do not, and it says why."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from games import additive, continuous, game, net, table_game

from workbench import registry
from workbench.bank import Bank, coalitions, evaluate, remember
from workbench.errors import ExplainError
from workbench.explainers import run_explainer
from workbench.explainers.controls import RANDOM
from workbench.explainers.lime import LIME
from workbench.explainers.paths import INTEGRATED_GRADIENTS
from workbench.explainers.shap import SHAPLEY
from workbench.probe import Probe
from workbench.quality.card import ORDERS, quality_card, steps_of
from workbench.quality.faithfulness import SHARES, deletion_skill, thinned
from workbench.quality.thresholds import LIGHTS, SENTENCES, THRESHOLDS, light
from workbench.types import Attribution

FURTHER = ("seed_stability", "model_randomisation", "class_similarity", "max_sensitivity", "filler_spread")


def banked(probe: Probe, budget: int = 512) -> Bank:
    return evaluate(probe, coalitions(len(probe.features), budget, np.random.default_rng(0)))


def card(probe: Probe, found: Attribution, bank: Bank) -> dict[str, Any]:
    return quality_card(probe, found, bank=bank, rng=np.random.default_rng(7))


@pytest.mark.parametrize("m", [5, 8, 12, 30, 48])
@pytest.mark.parametrize("name", ["shap", "lime"])
def test_additive_models_get_a_good_card(name: str, m: int) -> None:
    probe = additive(np.random.default_rng(m).normal(size=m), base=1)
    bank = banked(probe)
    found = card(probe, run_explainer(registry.load("explainers", name), probe, bank=bank, seed=99), bank)
    assert found["light"] == "good", found["reasons"]
    measures = found["measures"]
    assert measures["orders_beaten"] == 1 and measures["faithfulness_correlation"] == pytest.approx(1)
    assert measures["infidelity_relative"] < 1e-9


@pytest.mark.parametrize("m", [12, 48])
def test_controls_are_poor_and_the_card_says_why(m: int) -> None:
    lights, said = [], []
    for seed in range(20):
        probe = net(np.random.default_rng(seed), m)
        bank = banked(probe, 256)
        found = card(probe, run_explainer(RANDOM, probe, bank=bank, seed=1000 + seed), bank)
        lights.append(found["light"])
        said.append(any("no better than hiding the parts at random" in r for r in found["reasons"]))
    assert lights.count("poor") >= 19 and np.mean(said) >= 0.75


def test_shapley_values_of_a_nonlinear_model_beat_the_control() -> None:
    lights = []
    for seed in range(6):
        probe = net(np.random.default_rng(seed), 12)
        bank = banked(probe)
        lights.append(card(probe, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)["light"])
    assert "poor" not in lights and "good" in lights


def test_a_surrogate_that_does_not_fit_is_poor() -> None:
    probe = table_game(np.random.default_rng(0).normal(size=2**10))
    bank = banked(probe)
    found = card(probe, run_explainer(LIME, probe, bank=bank, seed=0), bank)
    assert found["light"] == "poor" and found["measures"]["held_out_r2"] < 0.5
    assert any("surrogate does not describe the model here" in r for r in found["reasons"])


def test_gradients_that_do_not_converge_are_poor() -> None:
    import torch

    w = torch.as_tensor(np.linspace(0.5, 1.5, 6))
    probe = continuous(lambda X: torch.sigmoid(3000 * (X @ w - 1.9)), np.ones(6), np.zeros((1, 6)))
    bank = banked(probe)
    found = run_explainer(INTEGRATED_GRADIENTS, probe, bank=bank, seed=0, steps=15)
    assert not found.params["converged"]
    result = card(probe, found, bank)
    assert result["light"] == "poor" and any("not converged" in r for r in result["reasons"])
    off = replace(found, params=found.params | {"largest_gap": 1e-4, "tolerance": 1e-3, "error": 0.08})
    assert any("off by about 8% of their length" in r for r in card(probe, off, bank)["reasons"])
    smooth = continuous(lambda X: torch.tanh(X @ w), np.ones(6), np.zeros((1, 6)))
    bank = banked(smooth)
    good = card(smooth, run_explainer(INTEGRATED_GRADIENTS, smooth, bank=bank, seed=0), bank)
    assert good["light"] != "poor" and good["measures"]["relative_gap"] < 0.01


def test_too_few_evaluations_are_poor() -> None:
    probe = net(np.random.default_rng(0), 60)
    bank = banked(probe, 64)
    result = card(probe, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)
    assert result["light"] == "poor" and any("64 evaluations are too few for 60 parts" in r for r in result["reasons"])


def test_a_constant_answer_and_an_answer_that_no_value_catches_are_poor() -> None:
    for probe, why in (
        (game(lambda z: np.full(len(z), 4.0), 8), "nothing to explain"),
        (game(lambda z: z.sum(axis=1) % 2, 8), "All its values are 0"),
    ):
        bank = banked(probe)
        result = card(probe, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)
        assert result["light"] == "poor" and why in result["reasons"][0]


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_few_parts_are_judged_by_what_can_be_judged(m: int) -> None:
    probe = additive(np.arange(1.0, m + 1))
    bank = banked(probe)
    result = card(probe, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)
    assert result["light"] == "good" and result["measures"]["orders_beaten"] is None
    assert "drawn by lot" in result["missing"]["orders_beaten"]
    assert card(probe, run_explainer(RANDOM, probe, seed=1), bank)["light"] in ("fair", "poor")


@pytest.mark.parametrize(("m", "budget"), [(12, 64), (12, 512), (48, 512), (200, 512), (48, 128)])
def test_extra_evaluations_are_about_as_many_as_the_bank_has(m: int, budget: int) -> None:
    probe = net(np.random.default_rng(0), m)
    bank = banked(probe, budget)
    result = card(probe, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)
    assert 0 < result["measures"]["evaluations"] <= 1.1 * len(bank.scores) + 32


def test_a_remembered_probe_shares_the_random_orders() -> None:
    probe = net(np.random.default_rng(0), 40)
    bank = banked(probe)
    shared, count = remember(probe, bank)
    card(shared, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)
    first = count()
    card(shared, run_explainer(LIME, probe, bank=bank, seed=0), bank)
    assert count() - first < 0.25 * first


def test_measures_of_one_order_share_their_masks() -> None:
    probe = net(np.random.default_rng(0), 40)
    bank = banked(probe)
    counts = steps_of(bank)
    asked, count = remember(probe, bank)
    quality_card(asked, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank=bank, rng=np.random.default_rng(7))
    # Deletion, insertion, AOPC and monotonicity stand on one grid; only shares of the features add to it.
    assert count() <= 2 * (ORDERS + 1) * (len(counts) - 2) + 2 * len(SHARES)
    before = count()
    drawn = np.random.default_rng(np.random.default_rng(7).integers(2**63))  # the card's own random orders
    deletion_skill(asked, np.arange(40.0), drawn, counts=thinned(counts, 10), orders=3)
    assert count() - before <= len(thinned(counts, 10))  # of the order that is not the card's


def test_a_complete_bank_needs_no_further_evaluation() -> None:
    probe = net(np.random.default_rng(0), 8)
    bank = banked(probe)
    silent = replace(probe, answer=lambda batch: pytest.fail("the bank already knows"))
    result = card(silent, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)
    assert result["measures"]["evaluations"] == 0
    assert any("exact" in r for r in result["reasons"])


def test_a_card_is_json_explains_every_gap_and_puts_the_worst_first() -> None:
    probe = net(np.random.default_rng(1), 12)
    bank = banked(probe)
    for explainer in (SHAPLEY, LIME, RANDOM):
        result = card(probe, run_explainer(explainer, probe, bank=bank, seed=0), bank)
        assert json.loads(json.dumps(result)) == result
        undefined = {name for name, value in result["measures"].items() if value is None}
        assert undefined == set(result["missing"]) and all(result["missing"].values())
        assert set(THRESHOLDS) - set(FURTHER) <= set(result["measures"]) and result["reasons"]
        assert result == card(probe, run_explainer(explainer, probe, bank=bank, seed=0), bank)


def test_thresholds_are_a_printable_table() -> None:
    json.dumps({name: dict(row) for name, row in THRESHOLDS.items()})
    for name, row in THRESHOLDS.items():
        assert set(row) == {"good", "fair", "better", "text"} and row["text"].endswith(".")
        fair = "good" if row["good"] == row["fair"] else "fair"  # random weights know no middle
        assert light(name, row["good"]) == "good" and light(name, row["fair"]) == fair
        assert name in SENTENCES and len(SENTENCES[name]) == 3
        worse = row["fair"] + (-0.01 if row["better"] == "higher" else 0.01)
        assert light(name, worse) == "poor"
    assert LIGHTS == ("good", "fair", "poor")


def test_a_bank_of_another_example_is_refused() -> None:
    probe = additive(np.ones(4))
    found = run_explainer(SHAPLEY, probe, seed=0)
    with pytest.raises(ExplainError, match="bank holds"):
        card(replace(probe, example_id="other"), found, banked(probe))


def test_further_measures_count_for_the_light_and_missing_ones_say_why() -> None:
    probe = additive(np.random.default_rng(0).normal(size=12))
    bank = banked(probe)
    found = run_explainer(SHAPLEY, probe, bank=bank, seed=0)

    def with_(**further: float | str) -> dict[str, Any]:
        return quality_card(probe, found, bank=bank, rng=np.random.default_rng(7), further=further)

    assert with_(seed_stability=0.99, model_randomisation=0.2)["light"] == "good"
    alike = with_(model_randomisation=0.51)
    assert alike["light"] == "poor" and "not model-sensitive" in alike["reasons"][0]
    assert with_(seed_stability=0.7)["light"] == "fair" and with_(class_similarity=0.95)["light"] == "poor"
    absent = with_(max_sensitivity="It was switched off.", mask_unusual=float("nan"))
    assert absent["light"] == "good" and absent["missing"]["max_sensitivity"] == "It was switched off."
    assert absent["measures"]["mask_unusual"] is None and absent["missing"]["mask_unusual"]


def test_sensitivity_of_single_parts_is_free_and_perfect_on_an_additive_model() -> None:
    probe = additive(np.random.default_rng(0).normal(size=12))
    bank = banked(probe)
    result = card(probe, run_explainer(SHAPLEY, probe, bank=bank, seed=0), bank)
    assert result["measures"]["sensitivity_1"] == pytest.approx(1)
