"""Seed stability: perfect for equal values, none for lots."""

from __future__ import annotations

import numpy as np
import pytest
from games import net

from workbench.explainers import run_explainer
from workbench.explainers.shap import SHAPLEY
from workbench.quality.stability import seed_stability


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
