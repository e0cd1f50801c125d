"""Gradients along paths: closed forms, convergence, no point twice, batching, and captum's own traps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from games import additive, continuous, shapley_by_definition

from workbench.errors import ExplainError
from workbench.explainers import paths, quadrature, run_explainer
from workbench.explainers.paths import ERROR, GRADIENT_SHAP, INTEGRATED_GRADIENTS
from workbench.probe import Probe
from workbench.types import Attribution

TIGHT = 1e-10


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
    assert found.gap < TIGHT and found.params["steps"] == 9 and found.params["converged"]
    assert found.base_score == pytest.approx(float((baselines @ w).mean()))
    assert found.evaluations == 1 + 5 * 8  # the input's gradient is that of every path


def test_quadratic_forms_have_x_times_gradient_halved() -> None:
    rng = np.random.default_rng(1)
    A, x = rng.normal(size=(7, 7)), rng.normal(size=7)
    A = A + A.T
    form = torch.as_tensor(A)
    probe = continuous(lambda X: torch.einsum("ni,ij,nj->n", X, form, X), x, np.zeros((1, 7)))
    found = explain(probe, panels=1)
    assert np.abs(found.values - x * (A @ x)).max() < TIGHT
    assert found.params["converged"] and found.params["steps"] == 3


def test_product_equals_shapley_and_differs_from_gradient_times_input() -> None:
    x = np.array([2.0, 3.0])
    probe = continuous(lambda X: X.prod(dim=1), x, np.zeros((1, 2)))
    assert explain(probe).values == pytest.approx([3, 3], abs=TIGHT)
    assert explain(probe).values == pytest.approx(shapley_by_definition(probe), abs=TIGHT)


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


def test_products_of_float32_are_summed_in_float64() -> None:
    """A word's 384 products: far nearer to the exact sum than float32 can be."""
    rng = np.random.default_rng(0)
    gradient, difference = rng.normal(size=(2, 40, 26, 384)).astype(np.float32)
    form = replace(continuous(lambda X: X.sum(dim=1), np.ones(2), np.zeros((1, 2))).differentiable(), summed=-1)
    exact = (gradient.astype(np.float64) * difference).sum(axis=-1, keepdims=True)
    assert np.abs(paths._products(form, gradient, difference) - exact).max() < 1e-11


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
    assert all(a.params["converged"] and a.gap <= 1e-3 for a in ours)
    assert np.median([a.gap for a in ours]) < 0.1 * np.median(gaps)
    assert len({a.params["steps"] for a in ours}) > 2


def test_trap_more_steps_of_captum_evaluate_everything_anew_and_ours_need_fewer_for_less_error() -> None:
    """Doubling from 16 steps, as captum has to, against halving the panels that miss most: a kink is found."""
    from captum.attr import IntegratedGradients

    theirs, ours = [], []
    for seed in range(8):
        model = relu_net(seed, 10)
        x, b = torch.full((1, 10), 1.5).double(), torch.full((1, 10), -1.5).double()
        forward = lambda X, model=model: model(X)[:, 0]  # noqa: E731
        used, n_steps, gap = 0, 16, np.inf
        while gap > 1e-3:
            _, delta = IntegratedGradients(forward).attribute(x, b, n_steps=n_steps, return_convergence_delta=True)
            used, n_steps, gap = used + n_steps, 2 * n_steps, abs(float(delta))
        theirs.append(used)
        ours.append(explain(continuous(forward, x.numpy()[0], b.numpy()), relative=0.0).evaluations)
    assert np.mean(ours) < 0.5 * np.mean(theirs), (ours, theirs)


def test_values_are_those_of_captum_with_many_steps() -> None:
    from captum.attr import IntegratedGradients

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()
    forward = lambda X: model(X)[:, 0]  # noqa: E731
    x, b = torch.randn(1, 6).double(), torch.randn(1, 6).double()
    theirs = IntegratedGradients(forward).attribute(x, b, n_steps=200).detach().numpy()[0]
    ours = explain(continuous(forward, x.numpy()[0], b.numpy()), absolute=1e-9, relative=0.0)
    assert np.abs(ours.values - theirs).max() < 1e-6  # captum keeps its weights in float32
    assert ours.gap < 1e-8


@pytest.mark.parametrize("at", [0.5, 0.31])
def test_saturation_is_credited_wherever_the_kink_lies(at: float) -> None:
    """relu(x1 + x2 - c): both get half of the answer, though the gradient is 0 on most of the path."""
    shift = 2 * at
    probe = continuous(lambda X: torch.relu(X.sum(dim=1) - shift), np.ones(2), np.zeros((1, 2)))
    found = explain(probe, absolute=1e-11, relative=0.0)
    assert found.values == pytest.approx([1 - at, 1 - at], abs=1e-10)
    assert found.evaluations < 150
    either = continuous(lambda X: X.max(dim=1).values, np.array([1.0, 1.0]), np.zeros((1, 2)))
    assert explain(either).values.sum() == pytest.approx(1, abs=TIGHT)


def test_no_point_of_a_path_is_evaluated_twice() -> None:
    seen: list[bytes] = []
    model = relu_net(3, 5)

    def forward(X: torch.Tensor) -> torch.Tensor:
        seen.extend(row.tobytes() for row in X.detach().numpy())
        return model(X)[:, 0]

    baselines = np.random.default_rng(0).normal(size=(3, 5))
    found = explain(continuous(forward, np.ones(5), baselines), relative=0.0)
    assert len(seen) == len(set(seen)) == found.evaluations


def test_a_gap_that_closes_by_chance_alone_is_not_believed() -> None:
    """Two steps of opposite sign on the path: their misses cancel in the sum, not panel by panel."""
    f = lambda X: torch.sigmoid(300 * (X[:, 0] - 0.23)) - torch.sigmoid(300 * (X[:, 1] - 0.77))  # noqa: E731
    found = explain(continuous(f, np.ones(2), np.zeros((1, 2))))
    assert found.params["unsigned_gap"] <= 2e-3
    assert found.values == pytest.approx([1, -1], abs=5e-3)


def test_what_does_not_converge_is_said_not_to() -> None:
    probe = continuous(lambda X: torch.sigmoid(2000 * (X[:, 0] - 0.31)), np.ones(1), np.zeros((1, 1)))
    found = explain(probe, steps=15)
    assert not found.params["converged"] and found.params["steps"] == 15
    assert found.gap > found.params["tolerance"] and found.gap == pytest.approx(found.params["completeness_gap"])
    assert explain(probe).params["converged"]


def test_a_path_of_kinks_everywhere_is_given_up_and_said_not_to_converge() -> None:
    """As of a deep ReLU net: misses fall as 1 / points, and 513 are far from enough for so tight a tolerance."""
    torch.manual_seed(0)
    at, slope = torch.rand(5000).double(), torch.randn(5000).double()
    probe = continuous(lambda X: torch.relu(X - at) @ slope, np.ones(1), np.zeros((1, 1)))
    found = explain(probe, absolute=1e-4, relative=0.0)
    assert not found.params["converged"] and 128 < found.params["steps"] < 300
    assert explain(probe, absolute=1e-1, relative=0.0).params["converged"]


def deep_relu_net(seed: int, d: int = 24) -> torch.nn.Module:
    """Kinks everywhere on a path: eight wide layers without bias, and one shift."""
    torch.manual_seed(seed)
    layers: list[torch.nn.Module] = [torch.nn.Linear(d, 128)]
    for _ in range(7):
        layers += [torch.nn.ReLU(), torch.nn.Linear(128, 128, bias=False)]
    model = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Linear(128, 1)).double()
    for p in model.parameters():
        p.data *= 2.4 if p.ndim == 2 else 3.0
    return model


def features_error(values: np.ndarray, probe: Probe, points: int = 4000) -> float:
    """Of integrated gradients, over the length of the mean of so many gradients along the path."""
    form = probe.differentiable()
    at = ((np.arange(points) + 0.5) / points)[:, None]
    difference = form.point - form.baselines
    truth = (form.slopes(form.baselines + at * difference)[1] * difference).mean(axis=0)
    return float(np.linalg.norm(values - truth) / np.linalg.norm(truth))


def test_features_are_near_their_limit_where_kinks_lie_everywhere_and_their_error_is_known() -> None:
    """A gap is one number and closes by chance: nine points of such a path may add up and be far off."""
    found, true, lucky = [], [], 0
    for seed in range(16):
        model = deep_relu_net(seed)
        x = np.random.default_rng(seed).normal(size=24) * 2
        probe = continuous(lambda X, model=model: model(X)[:, 0], x, -np.roll(x, 5)[None])
        found.append(explain(probe))
        true.append(features_error(found[-1].values, probe))
        first = explain(probe, steps=9)
        lucky += first.gap <= first.params["tolerance"] and features_error(first.values, probe) > ERROR
    rough = [i for i, f in enumerate(found) if f.params["rough"]]
    assert lucky >= 1 and len(rough) >= 8
    converged = [f.params["converged"] for f in found]
    assert sum(converged) >= 12
    assert all(f.params["error"] <= ERROR and f.gap <= f.params["tolerance"] for f in found if f.params["converged"])
    assert max(error for error, well in zip(true, converged, strict=True) if well) < 2 * ERROR
    ratio = np.array([found[i].params["error"] / true[i] for i in rough])
    assert 0.6 < np.exp(np.log(ratio).mean()) < 1.7, ratio


@pytest.mark.parametrize("waves", [3.0, 11.0, 20.0, 30.0])
def test_features_that_cancel_at_every_point_are_told_apart(waves: float) -> None:
    """The answer is 0 along the whole path, and nothing is ever missed in the sum."""
    probe = continuous(
        lambda X: torch.sin(waves * X[:, 0]) - torch.sin(waves * X[:, 1]), np.full(2, 1.0), np.zeros((1, 2))
    )
    found = explain(probe)
    assert found.values == pytest.approx([np.sin(waves), -np.sin(waves)], rel=ERROR)
    assert found.params["converged"] and found.evaluations <= 33


def test_the_trapezoidal_rule_is_nearer_where_kinks_lie_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same 33 points: rules of higher order weigh neighbours unevenly for nothing."""
    errors: dict[bool, list[float]] = {True: [], False: []}
    both = quadrature._both
    for trapezoidal in errors:
        weights = (lambda rules: (rules[0],) * 2) if trapezoidal else (lambda rules: (both(rules)[1],) * 2)
        with monkeypatch.context() as m:
            m.setattr(quadrature, "_both", weights)
            for seed in range(16):
                model = deep_relu_net(seed)
                x = np.random.default_rng(seed).normal(size=24) * 2
                probe = continuous(lambda X, model=model: model(X)[:, 0], x, -np.roll(x, 5)[None])
                values = explain(probe, panels=16, steps=33, absolute=1e-12, relative=0.0).values
                errors[trapezoidal].append(features_error(values, probe))
    assert np.mean(errors[True]) < 0.95 * np.mean(errors[False]), errors


def test_tolerance_is_the_larger_of_absolute_and_relative() -> None:
    assert explain(continuous(lambda X: 500 * X[:, 0], np.ones(1), np.zeros((1, 1)))).params[
        "tolerance"
    ] == pytest.approx(5)
    assert explain(continuous(lambda X: 0.01 * X[:, 0], np.ones(1), np.zeros((1, 1)))).params["tolerance"] == 1e-3


def test_only_paths_that_have_not_converged_get_more_points() -> None:
    """tanh(40 x): the path from 1 is flat, the path from -1 crosses the step."""
    probe = continuous(lambda X: torch.tanh(40 * X[:, 0]), np.ones(1), np.array([[0.9], [0.95], [-1.0]]))
    found = explain(probe)
    assert found.params["steps"] > 9 and found.params["converged"]
    assert found.evaluations == 1 + 2 * 8 + found.params["steps"] - 1


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


def test_paths_that_are_judged_together_are_cut_as_if_each_were_alone() -> None:
    """Some baselines' paths are cut alike, others are halved where the step lies, each in its own way."""
    ends = np.array([[0.9, 0.3], [0.95, 0.1], [-1.0, 0.2], [-0.5, -2.0], [0.8, 0.4]])

    def along(baselines: np.ndarray) -> Attribution:
        probe = continuous(lambda X: torch.tanh(40 * X[:, 0]) + X[:, 1] ** 3, np.ones(2), baselines)
        return explain(probe, absolute=0.01, relative=0.0)

    together, apart = along(ends), [along(end[None]) for end in ends]
    assert len({a.params["steps"] for a in apart}) >= 3
    assert np.abs(np.mean([a.values for a in apart], axis=0) - together.values).max() < TIGHT
    assert together.evaluations - 1 == sum(a.evaluations - 1 for a in apart)
    for largest in ("steps", "largest_gap", "unsigned_gap", "error"):
        assert together.params[largest] == pytest.approx(max(a.params[largest] for a in apart), abs=TIGHT)


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


def test_expected_gradients_converge_to_integrated_gradients_and_their_intervals_cover() -> None:
    model = relu_net(1, 6)
    baselines = np.random.default_rng(1).normal(size=(4, 6))
    probe = continuous(lambda X: model(X)[:, 0], np.full(6, 1.2), baselines)
    truth = explain(probe, absolute=1e-6, relative=0.0).values
    inside, errors = [], {}
    for points in (16, 64, 512):
        found = [run_explainer(GRADIENT_SHAP, probe, seed=s, points=points) for s in range(20)]
        errors[points] = np.mean([np.abs(f.values - truth).max() for f in found])
        inside += [(f.low <= truth) & (truth <= f.high) for f in found]
    assert errors[512] < 0.3 * errors[64] < 0.3 * errors[16]
    assert np.mean(inside) >= 0.93


def test_expected_gradients_count_what_they_ask_and_show_their_gap() -> None:
    found = run_explainer(
        GRADIENT_SHAP, continuous(lambda X: (X**2).sum(dim=1), np.ones(3), np.zeros((5, 3))), seed=0, points=40
    )
    assert found.params["points"] == 40 and found.evaluations == 1 + 5 + 40
    assert 0 < found.gap == pytest.approx(found.params["completeness_gap"])


def test_trap_captums_gradient_shap_draws_baselines_by_lot_and_adds_their_scatter() -> None:
    """On a linear model every baseline's own answer is exact; captum's mean still misses by the draw."""
    from captum.attr import GradientShap

    w, x = np.linspace(-1, 1, 5), np.arange(5.0)
    baselines = np.random.default_rng(0).normal(size=(4, 5))
    probe = continuous(lambda X: X @ torch.as_tensor(w), x, baselines)
    truth = w * (x - baselines.mean(axis=0))
    np.random.seed(0)
    theirs = GradientShap(lambda X: X @ torch.as_tensor(w)).attribute(
        torch.as_tensor(x[None]), torch.as_tensor(baselines), n_samples=5
    )
    assert np.abs(theirs[0].detach().numpy() - truth).max() > 1e-3
    assert np.abs(run_explainer(GRADIENT_SHAP, probe, seed=0).values - truth).max() < TIGHT
