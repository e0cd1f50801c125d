"""Every registered explainer tells the truth about a linear model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from games import continuous

from workbench import registry
from workbench.explainers import Explainer, run_explainer

W = np.array([1.5, -2.0, 0.0, 0.3, 4.0, -0.7, 0.05, 1.0, -1.0, 2.5])
X = np.linspace(-1, 2, 10)
BACKGROUND = np.random.default_rng(0).normal(size=(4, 10))


@pytest.mark.parametrize("budget", [64, 256, 1024])
@pytest.mark.parametrize("name", list(registry.names("explainers")))
def test_linear_models_have_weight_times_distance(name: str, budget: int) -> None:
    explainer: Explainer = registry.load("explainers", name)
    probe = continuous(lambda x: x @ torch.as_tensor(W) + 3, X, BACKGROUND)
    found = run_explainer(explainer, probe, seed=0, budget=budget)
    assert np.abs(found.values - W * (X - BACKGROUND.mean(axis=0))).max() < 1e-6
    assert found.score == pytest.approx(X @ W + 3)
    assert found.base_score == pytest.approx((BACKGROUND @ W).mean() + 3)
    if found.low is not None:
        assert (found.low <= found.values).all() and (found.values <= found.high).all()


@pytest.mark.parametrize("table", ["explainers", "controls"])
def test_every_entry_is_an_explainer_under_its_own_name(table: str) -> None:
    for name in registry.names(table):
        explainer = registry.load(table, name)
        assert isinstance(explainer, Explainer) and explainer.name == name
        assert explainer.title and explainer.caption.endswith(".") and explainer.needs <= {"score", "gradient"}


@pytest.mark.parametrize("name", list(registry.names("explainers")))
def test_same_seed_same_attribution(name: str) -> None:
    explainer = registry.load("explainers", name)
    probe = continuous(lambda x: torch.tanh(x @ torch.as_tensor(W)), X, BACKGROUND)
    a, b = (run_explainer(explainer, probe, seed=5, budget=100) for _ in range(2))
    assert np.array_equal(a.values, b.values) and dict(a.params) == dict(b.params)
