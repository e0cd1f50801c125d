"""DeepLIFT and gradient times input: closed forms, refusals, and captum's traps."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from games import continuous, net
from torch import nn

from workbench.errors import Refusal
from workbench.explainers import run_explainer
from workbench.explainers.captum import DEEP_LIFT, GRADIENT_TIMES_INPUT
from workbench.explainers.lime import LIME
from workbench.explainers.shap import SHAPLEY
from workbench.probe import Probe


def of(module: nn.Module, x: np.ndarray, baselines: np.ndarray, **more: object) -> Probe:
    return continuous(lambda X: module(X)[:, 0], x, baselines, module=module, **more)  # type: ignore[arg-type]


def relu_net(bias: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20, bias=bias), nn.ReLU(), nn.Linear(20, 1, bias=bias)).double()


X = np.random.default_rng(0).normal(size=6)
BASELINES = np.random.default_rng(1).normal(size=(5, 6))


@pytest.mark.parametrize("batch", [2, 64])
def test_deep_lift_is_complete_on_layers_that_it_knows(batch: int) -> None:
    found = run_explainer(DEEP_LIFT, of(relu_net(), X, BASELINES, batch=batch), seed=0)
    assert found.gap < 1e-10 and found.params["largest_gap"] < 1e-10
    with torch.no_grad():
        base = relu_net()(torch.as_tensor(BASELINES)).mean()
    assert found.base_score == pytest.approx(float(base))


def test_deep_lift_of_a_linear_layer_is_weight_times_distance() -> None:
    module = nn.Linear(6, 1).double()
    w = module.weight.detach().numpy()[0]
    found = run_explainer(DEEP_LIFT, of(module, X, BASELINES), seed=0)
    assert np.abs(found.values - w * (X - BASELINES.mean(axis=0))).max() < 1e-10


def test_rescale_rule_on_a_saturated_unit() -> None:
    """relu(x1 + x2 - 1) at (1, 1) from 0: the unit's slope is its change over its input's change, 1 / 2."""
    module = nn.Sequential(nn.Linear(2, 1), nn.ReLU()).double()
    with torch.no_grad():
        module[0].weight.fill_(1.0)
        module[0].bias.fill_(-1.0)
    found = run_explainer(DEEP_LIFT, of(module, np.ones(2), np.zeros((1, 2))), seed=0)
    assert found.values == pytest.approx([0.5, 0.5], abs=1e-10)


class Functional(nn.Module):
    """A net whose activation is a function, not a layer: captum's hooks do not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 8).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.silu(self.inner(x)).sum(dim=1, keepdim=True)


def test_trap_deep_lift_passes_unknown_layers_through_and_is_refused() -> None:
    from captum.attr import DeepLift

    module = Functional()
    inputs = (torch.as_tensor(v).requires_grad_() for v in (X[None], BASELINES[:1]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")  # said to everybody, every time
        _, delta = DeepLift(module).attribute(*inputs, return_convergence_delta=True)
    assert abs(float(delta)) > 0.05  # and no error, and no warning that says so
    with pytest.raises(Refusal, match="not complete on this model"):
        run_explainer(DEEP_LIFT, of(module, X, BASELINES), seed=0)


def test_deep_lift_is_refused_where_captum_gives_up() -> None:
    class Cut(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.detach().sum(dim=1, keepdim=True)

    with pytest.raises(Refusal, match="cannot follow"):
        run_explainer(DEEP_LIFT, of(Cut(), X, BASELINES), seed=0)


def test_gradient_times_input_is_integrated_gradients_for_bias_free_piecewise_linear_nets_at_zero() -> None:
    from workbench.explainers.paths import INTEGRATED_GRADIENTS

    probe = of(relu_net(bias=False), X, np.zeros((1, 6)))
    first = run_explainer(GRADIENT_TIMES_INPUT, probe, seed=0)
    path = run_explainer(INTEGRATED_GRADIENTS, probe, seed=0)
    assert np.abs(first.values - path.values).max() < 1e-10
    assert first.gap is None and path.gap < 1e-10


def test_gradient_times_input_overshoots_a_product() -> None:
    probe = continuous(lambda X: X.prod(dim=1), np.array([2.0, 3.0]), np.zeros((1, 2)))
    assert run_explainer(GRADIENT_TIMES_INPUT, probe, seed=0).values == pytest.approx([6, 6])


def test_trap_captums_lime_keeps_nothing_of_a_probability() -> None:
    """Its lasso of 0.01 is larger than what any feature adds to a probability: all values are 0."""
    from captum.attr import Lime

    w = np.linspace(-0.1, 0.1, 12)
    answer = lambda z: 1 / (1 + np.exp(-(z @ w)))  # noqa: E731
    torch.manual_seed(0)
    theirs = Lime(lambda X: torch.as_tensor(answer(X.numpy()))).attribute(
        torch.ones(1, 12).double(), baselines=torch.zeros(1, 12).double(), n_samples=500
    )
    assert not theirs.any()
    from games import game

    ours = run_explainer(LIME, game(answer, 12), seed=0, budget=512).values
    assert (np.abs(ours) > 1e-3).all() and np.corrcoef(ours, w)[0, 1] > 0.99


def test_trap_captums_kernel_shap_defaults_are_far_off() -> None:
    """25 unpaired samples are its default: the error is of the size of the answer. Ours asks 512 and is close."""
    from captum.attr import KernelShap

    probe = net(np.random.default_rng(0), 12)
    truth = run_explainer(SHAPLEY, probe, seed=0, budget=4096).values
    errors = []
    for seed in range(8):
        torch.manual_seed(seed)
        theirs = KernelShap(lambda X: torch.as_tensor(probe.score(X.numpy() > 0.5))).attribute(
            torch.ones(1, 12), baselines=torch.zeros(1, 12)
        )
        errors.append(np.linalg.norm(theirs[0].numpy() - truth) / np.linalg.norm(truth))
    assert np.mean(errors) > 0.2
    ours = run_explainer(SHAPLEY, probe, seed=0, budget=512).values
    assert np.linalg.norm(ours - truth) / np.linalg.norm(truth) < 0.08
