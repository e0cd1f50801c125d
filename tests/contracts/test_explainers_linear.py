"""Every registered explainer tells the truth about a linear model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from games import continuous

from workbench import registry
from workbench.explainers import Explainer, run_explainer
from workbench.probe import OFFERS

W = np.array([1.5, -2.0, 0.0, 0.3, 4.0, -0.7, 0.05, 1.0, -1.0, 2.5])
X = np.linspace(-1, 2, 10)
BACKGROUND = np.random.default_rng(0).normal(size=(4, 10))
# What a function of coordinates offers; methods that need a picture or a network have tests of their own.
ANYWHERE = frozenset({"score", "gradient", "hierarchy"})
LOOSE = {"lime": 1e-6}  # its ridge penalty of 1e-10 is not nothing
APPLIES = [n for n in registry.names("explainers") if registry.load("explainers", n).needs <= ANYWHERE]


@pytest.mark.parametrize("budget", [64, 256, 1024])
@pytest.mark.parametrize("name", APPLIES)
def test_linear_models_have_weight_times_distance(name: str, budget: int) -> None:
    explainer: Explainer = registry.load("explainers", name)
    probe = continuous(lambda x: x @ torch.as_tensor(W) + 3, X, BACKGROUND)
    found = run_explainer(explainer, probe, seed=0, budget=budget)
    assert np.abs(found.values - W * (X - BACKGROUND.mean(axis=0))).max() < LOOSE.get(name, 1e-10)
    assert found.score == pytest.approx(X @ W + 3)
    assert found.base_score == pytest.approx((BACKGROUND @ W).mean() + 3)
    if found.low is not None:
        assert (found.low <= found.values).all() and (found.values <= found.high).all()


@pytest.mark.parametrize("table", ["explainers", "controls"])
def test_every_entry_is_an_explainer_under_its_own_name(table: str) -> None:
    for name in registry.names(table):
        explainer = registry.load(table, name)
        assert isinstance(explainer, Explainer) and explainer.name == name
        assert explainer.title and explainer.caption.endswith(".") and explainer.needs <= {"score", *OFFERS}


@pytest.mark.parametrize("name", APPLIES)
def test_linear_models_in_float32_keep_five_digits(name: str) -> None:
    w, x, background = (v.astype(np.float32) for v in (W, X, BACKGROUND))
    probe = continuous(lambda X: X @ torch.as_tensor(w) + 3, x, background)
    found = run_explainer(registry.load("explainers", name), probe, seed=0, budget=256)
    truth = w.astype(float) * (x.astype(float) - background.astype(float).mean(axis=0))
    assert np.abs(found.values - truth).max() < 1e-5


@pytest.mark.parametrize("name", APPLIES)
def test_background_rows_count_by_their_weights(name: str) -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    probe = continuous(lambda x: x @ torch.as_tensor(W) + 3, X, BACKGROUND, weights=weights)
    found = run_explainer(registry.load("explainers", name), probe, seed=0, budget=256)
    assert np.abs(found.values - W * (X - weights @ BACKGROUND)).max() < LOOSE.get(name, 1e-10)
    assert found.base_score == pytest.approx(weights @ BACKGROUND @ W + 3)


@pytest.mark.parametrize("name", APPLIES)
def test_same_seed_same_attribution(name: str) -> None:
    explainer = registry.load("explainers", name)
    probe = continuous(lambda x: torch.tanh(x @ torch.as_tensor(W)), X, BACKGROUND)
    a, b = (run_explainer(explainer, probe, seed=5, budget=100) for _ in range(2))
    assert np.array_equal(a.values, b.values) and dict(a.params) == dict(b.params)
