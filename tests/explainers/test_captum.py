"""Integrated gradients: closed forms, convergence, batching, and captum's own traps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from games import additive, continuous, shapley_by_definition

from workbench.errors import ExplainError
from workbench.explainers import run_explainer
from workbench.explainers.captum import INTEGRATED_GRADIENTS
from workbench.probe import Probe
from workbench.types import Attribution

# captum multiplies by step weights rounded to float32, so that is what float64 models get.
TIGHT = 1e-6


def explain(probe: Probe, **params: object) -> Attribution:
    return run_explainer(INTEGRATED_GRADIENTS, probe, seed=0, **params)


def relu_net(seed: int, d: int, scale: float = 1.5) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(d, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)).double()
    for p in model.parameters():
        p.data *= scale
    return model


def test_linear_functions_have_weight_times_distance_to_the_mean_baseline() -> None:
    rng = np.random.default_rng(0)
    w, x, baselines = rng.normal(size=6), rng.normal(size=6), rng.normal(size=(5, 6))
    found = explain(continuous(lambda X: X @ torch.as_tensor(w), x, baselines))
    assert np.abs(found.values - w * (x - baselines.mean(axis=0))).max() < TIGHT
    assert found.gap < TIGHT and found.params["steps"] == 16 and found.params["converged"]
    assert found.base_score == pytest.approx(float((baselines @ w).mean()))
    assert found.evaluations == 1 + 5 + 5 * 16


def test_quadratic_forms_have_x_times_gradient_halved() -> None:
    rng = np.random.default_rng(1)
    A, x = rng.normal(size=(7, 7)), rng.normal(size=7)
    A = A + A.T
    form = torch.as_tensor(A)
    found = explain(
        continuous(lambda X: torch.einsum("ni,ij,nj->n", X, form, X), x, np.zeros((1, 7))), step_range=(2, 2)
    )
    assert np.abs(found.values - x * (A @ x)).max() < 1e-5
    assert found.params["converged"] and found.params["steps"] == 2


def test_product_equals_shapley_and_differs_from_gradient_times_input() -> None:
    x = np.array([2.0, 3.0])
    probe = continuous(lambda X: X.prod(dim=1), x, np.zeros((1, 2)))
    assert explain(probe).values == pytest.approx([3, 3], abs=1e-5)
    assert explain(probe).values == pytest.approx(shapley_by_definition(probe), abs=1e-5)


def test_bias_free_piecewise_linear_nets_have_gradient_times_input() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 20, bias=False), torch.nn.ReLU(), torch.nn.Linear(20, 1, bias=False)
    ).double()
    x = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    found = explain(continuous(lambda X: model(X)[:, 0], x.detach().numpy()[0], np.zeros((1, 6))))
    assert np.abs(found.values - (gradient * x)[0].detach().numpy()).max() < TIGHT


def test_features_sum_their_coordinates_and_the_dense_map_keeps_them() -> None:
    rng = np.random.default_rng(2)
    w, x = rng.normal(size=8), rng.normal(size=8)
    groups = np.array([0, 0, 1, 2, 2, 2, 1, 3])
    found = explain(continuous(lambda X: X @ torch.as_tensor(w), x, np.zeros((1, 8)), groups=groups))
    assert found.values == pytest.approx([(w * x)[groups == g].sum() for g in range(4)], abs=TIGHT)
    assert found.dense.shape == (1, 8) and found.dense[0] == pytest.approx(w * x, abs=TIGHT)


def test_float32_models_keep_five_digits() -> None:
    w = np.linspace(-1, 1, 6).astype(np.float32)
    x = np.arange(6, dtype=np.float32)
    found = explain(continuous(lambda X: X @ torch.as_tensor(w), x, np.zeros((1, 6), dtype=np.float32)))
    assert np.abs(found.values - w * x).max() < 1e-5


def test_trap_fifty_steps_leave_a_gap_and_steps_are_added_until_it_closes() -> None:
    from captum.attr import IntegratedGradients

    x, b = np.full(10, 1.5), np.full((1, 10), -1.5)
    gaps, ours = [], []
    for seed in range(12):
        model = relu_net(seed, 10)
        forward = lambda X, model=model: model(X)[:, 0]  # noqa: E731
        _, delta = IntegratedGradients(forward).attribute(
            torch.as_tensor(x[None]), baselines=torch.as_tensor(b), return_convergence_delta=True
        )
        gaps.append(abs(float(delta)))
        ours.append(explain(continuous(forward, x, b), relative=0.0))
    assert max(gaps) > 0.02
    assert all(a.params["converged"] == (a.gap <= 1e-3) and (a.gap <= 1e-3 or a.params["steps"] == 512) for a in ours)
    assert np.median([a.gap for a in ours]) < 0.1 * np.median(gaps)
    assert len({a.params["steps"] for a in ours}) > 2


def test_what_does_not_converge_is_said_not_to() -> None:
    found = explain(continuous(lambda X: torch.sigmoid(2000 * (X[:, 0] - 0.31)), np.ones(1), np.zeros((1, 1))))
    assert not found.params["converged"] and found.params["steps"] == 512
    assert found.gap > found.params["tolerance"] and found.gap == pytest.approx(found.params["completeness_gap"])


def test_tolerance_is_the_larger_of_absolute_and_relative() -> None:
    assert explain(continuous(lambda X: 500 * X[:, 0], np.ones(1), np.zeros((1, 1)))).params["tolerance"] == 5
    assert explain(continuous(lambda X: 0.01 * X[:, 0], np.ones(1), np.zeros((1, 1)))).params["tolerance"] == 1e-3


def test_only_baselines_that_have_not_converged_get_more_steps() -> None:
    """tanh(40 x): the path from 1 is flat, the path from -1 crosses the step."""
    probe = continuous(lambda X: torch.tanh(40 * X[:, 0]), np.ones(1), np.array([[0.9], [0.95], [-1.0]]))
    found = explain(probe)
    steps = found.params["steps"]
    assert steps > 16 and found.params["converged"]
    doublings = int(np.log2(steps / 16))
    assert found.evaluations == 4 + 3 * 16 + sum(16 * 2**k for k in range(1, doublings + 1))


@pytest.mark.parametrize("batch", [1, 3, 64, 1000])
def test_no_more_rows_than_the_batch_are_in_memory_and_batches_do_not_change_values(batch: int) -> None:
    seen: list[int] = []
    model = relu_net(0, 4)

    def forward(X: torch.Tensor) -> torch.Tensor:
        seen.append(len(X))
        return model(X)[:, 0]

    baselines = np.random.default_rng(0).normal(size=(7, 4))
    found = explain(continuous(forward, np.ones(4), baselines, batch=batch))
    assert max(seen) <= batch
    reference = explain(continuous(lambda X: model(X)[:, 0], np.ones(4), baselines))
    assert np.abs(found.values - reference.values).max() < 1e-6
    assert found.params["steps"] == reference.params["steps"]


def test_a_model_without_gradients_is_refused_with_an_alternative() -> None:
    with pytest.raises(ExplainError, match="needs gradient") as e:
        explain(additive(np.ones(3)))
    assert "shap" in e.value.hint


def test_values_that_are_not_finite_are_an_error() -> None:
    bad = continuous(lambda X: torch.sqrt(X[:, 0] - 2), np.ones(1), np.zeros((1, 1)))
    with pytest.raises(ExplainError, match="not finite"):
        explain(bad)


def test_same_seed_same_bytes() -> None:
    model = relu_net(0, 4)
    probe = continuous(lambda X: model(X)[:, 0], np.ones(4), np.zeros((2, 4)))
    a, b = explain(probe), explain(replace(probe))
    assert np.array_equal(a.values, b.values) and a.params == b.params


def test_trap_captums_kernel_shap_defaults_are_far_off() -> None:
    """25 unpaired samples are its default: the error is of the size of the answer. Ours asks 512 and is close."""
    from captum.attr import KernelShap
    from games import net

    from workbench.explainers.shap import SHAPLEY

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
