"""LIME: the surrogate is the model where the model is linear, and says so where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from games import additive, game, net

from workbench.bank import coalitions, evaluate
from workbench.explainers import run_explainer
from workbench.explainers.lime import LIME, neighbourhood, weighted_r2, weighted_ridge


@pytest.mark.parametrize(("m", "budget"), [(1, 8), (2, 8), (3, 8), (6, 64), (10, 200), (48, 512), (120, 512)])
def test_linear_functions_are_recovered(m: int, budget: int) -> None:
    w = np.random.default_rng(m).normal(size=m)
    found = run_explainer(LIME, additive(w, base=-2.0), seed=0, budget=budget)
    assert np.abs(found.values - w).max() < 1e-6
    assert found.params["intercept"] == pytest.approx(-2, abs=1e-6)
    assert found.params["local_error"] < 1e-6 and found.params["determined"]
    assert found.gap is None
    if m > 2:
        assert found.params["held_out_r2"] == pytest.approx(1, abs=1e-9)
    else:
        assert found.params["held_out_r2"] is None and found.params["held_out"] == 0


@pytest.mark.parametrize(("m", "budget", "alpha"), [(2, 8, 1e-10), (8, 120, 1e-10), (8, 120, 3.0), (48, 80, 0.5)])
def test_the_regression_is_limes_own(m: int, budget: int, alpha: float) -> None:
    """`LimeBase` with scikit-learn's ridge on the same rows and weights, penalty or not, determined or not."""
    from lime.lime_base import LimeBase
    from sklearn.linear_model import Ridge

    bank = evaluate(net(np.random.default_rng(m), m), coalitions(m, budget, np.random.default_rng(0)))
    weight = neighbourhood(bank.coalitions)
    rows = bank.masks[::-1].astype(np.float64)  # lime takes the first row for the example: everything kept
    rows[[0, np.flatnonzero(rows.all(axis=1))[0]]] = rows[[np.flatnonzero(rows.all(axis=1))[0], 0]]
    scores, weight = in_order(bank.scores, rows, bank.masks), in_order(weight, rows, bank.masks)
    lime = LimeBase(kernel_fn=lambda d: weight, random_state=0)
    ridge = Ridge(alpha=alpha, fit_intercept=True, solver="svd")
    there, ranked, _, local = lime.explain_instance_with_data(
        rows, scores[:, None], np.zeros(len(rows)), 0, m, feature_selection="none", model_regressor=ridge
    )
    intercept, values = weighted_ridge(rows, scores, weight, alpha)
    theirs = np.zeros(m)
    theirs[[int(i) for i, _ in ranked]] = [w for _, w in ranked]
    assert values == pytest.approx(theirs, abs=1e-9)
    assert intercept == pytest.approx(float(there), abs=1e-9)
    assert intercept + values.sum() == pytest.approx(float(np.ravel(local)[0]), abs=1e-9)


def in_order(values: np.ndarray, rows: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Values of masks in the order of `rows`, which are the same masks."""
    place = {mask.tobytes(): i for i, mask in enumerate(masks.astype(np.float64))}
    return np.array([values[place[row.tobytes()]] for row in rows])


def test_a_bag_of_words_gets_its_weights() -> None:
    """A linear text model counts each word; words that it does not know weigh nothing."""
    lexicon = {"good": 1.5, "bad": -2.0, "very": 0.25}
    words = ["the", "film", "was", "very", "good", "and", "not", "very", "bad"]
    truth = np.array([lexicon.get(word, 0.0) for word in words])
    found = run_explainer(LIME, additive(truth, base=0.1), seed=0, budget=300)
    assert np.abs(found.values - truth).max() < 1e-6


def weighted_least_squares(masks: np.ndarray, answers: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Intercept and coefficients."""
    root = np.sqrt(weight)
    X = np.column_stack([np.ones(len(masks)), masks])
    return np.linalg.lstsq(X * root[:, None], answers * root, rcond=None)[0]


def test_coefficients_are_those_of_weighted_least_squares() -> None:
    """The stand-in's over all coalitions, and the bank's of what the stand-in leaves."""
    probe = net(np.random.default_rng(1), 8)
    bank = evaluate(probe, coalitions(8, 120, np.random.default_rng(0)))
    assert bank.odd is not None and bank.even is not None
    every = coalitions(8, 256, np.random.default_rng(0))
    known = bank.odd.predict(every.masks) + bank.even.predict(every.masks)
    truth = weighted_least_squares(every.masks, known, neighbourhood(every))
    fit = bank.coalitions.fit
    left = bank.scores - bank.odd.predict(bank.masks) - bank.even.predict(bank.masks)
    truth = truth + weighted_least_squares(bank.masks[fit], left[fit], neighbourhood(bank.coalitions)[fit])
    found = run_explainer(LIME, probe, bank=bank, seed=0)
    assert np.abs(found.values - truth[1:]).max() < 1e-6
    assert found.params["local_prediction"] == pytest.approx(truth.sum(), abs=1e-6)
    assert found.params["local_error"] == pytest.approx(abs(truth.sum() - bank.score), abs=1e-6)


def test_too_few_pairs_for_a_stand_in_are_fitted_alone() -> None:
    probe = net(np.random.default_rng(1), 12)
    bank = evaluate(probe, coalitions(12, 40, np.random.default_rng(0)))
    assert bank.odd is None
    fit = bank.coalitions.fit
    truth = weighted_least_squares(bank.masks[fit], bank.scores[fit], neighbourhood(bank.coalitions)[fit])
    assert np.abs(run_explainer(LIME, probe, bank=bank, seed=0).values - truth[1:]).max() < 1e-6


def test_weights_are_limes_kernel_on_limes_law_of_sizes() -> None:
    """On a complete bank each size weighs as often as lime's sampler draws it, times lime's own kernel."""
    from lime.lime_text import IndexedString, LimeTextExplainer
    from sklearn.metrics import pairwise_distances

    c = coalitions(7, 128, np.random.default_rng(0))
    distance = pairwise_distances(c.masks.astype(float), np.ones((1, 7)), metric="cosine").ravel() * 100
    kernel = np.sqrt(np.exp(-(distance**2) / 25**2))
    per_size = np.bincount(c.sizes, weights=neighbourhood(c) / kernel)
    draw = LimeTextExplainer(random_state=0)._LimeTextExplainer__data_labels_distances
    text = IndexedString("a b c d e f g")
    masks, _, distances = draw(text, lambda texts: np.zeros((len(texts), 2)), 5000)
    seen = np.bincount(masks.sum(axis=1).astype(int), minlength=8) / 5000
    assert np.allclose(per_size / per_size.sum(), seen, atol=0.02)
    assert seen[7] == 1 / 5000 and (per_size / per_size.sum())[7] == pytest.approx(1 / 5000)
    place = {mask.tobytes(): d for mask, d in zip(masks.astype(bool), distances, strict=True)}
    assert all(place.get(row.tobytes(), d) == pytest.approx(d) for row, d in zip(c.masks, distance, strict=True))


def test_estimate_converges_to_the_complete_bank() -> None:
    truth = [run_explainer(LIME, net(np.random.default_rng(g), 12), seed=0, budget=4096).values for g in range(6)]
    errors = []
    for budget in (150, 500, 2000):
        found = [run_explainer(LIME, net(np.random.default_rng(g), 12), seed=g, budget=budget).values for g in range(6)]
        errors.append(np.mean([np.linalg.norm(f - t) / np.linalg.norm(t) for f, t in zip(found, truth, strict=True)]))
    # The complete bank holds a fifth out too: its own error is the floor.
    assert errors[0] > 1.3 * errors[1] > 1.3 * errors[2] and errors[2] < 0.06, errors


def test_a_surrogate_that_does_not_fit_says_so() -> None:
    parity = game(lambda z: z.sum(axis=1) % 2, 10)
    found = run_explainer(LIME, parity, seed=0, budget=512)
    assert (
        found.params["held_out_r2"]
        < 0.5
        < run_explainer(LIME, net(np.random.default_rng(0), 10), seed=0, budget=512).params["held_out_r2"]
    )
    constant = run_explainer(LIME, game(lambda z: np.full(len(z), 3.0), 10), seed=0, budget=512)
    assert constant.params["held_out_r2"] is None and np.abs(constant.values).max() < 1e-6


def test_held_out_r2_is_not_the_r2_of_the_fit() -> None:
    """With as many values as rows the fit is perfect and the held-out rows are not."""
    noise = np.random.default_rng(0).normal(size=2**14)
    probe = game(lambda z: noise[(z @ (1 << np.arange(14))).astype(int)], 14)
    found = run_explainer(LIME, probe, seed=0, budget=64)
    assert found.params["fit_r2"] > found.params["held_out_r2"] + 0.3


def test_weighted_r2_is_sklearns() -> None:
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    y, p, w = rng.normal(size=50), rng.normal(size=50), rng.random(50)
    assert weighted_r2(y, p, w) == pytest.approx(r2_score(y, p, sample_weight=w))
    assert weighted_r2(np.ones(5), np.ones(5), np.ones(5)) is None


def test_trap_limes_own_ridge_shrinks_and_its_selection_drops() -> None:
    """lime's defaults (ridge alpha 1, ten features) do not return a linear function's weights."""
    from lime.lime_base import LimeBase

    w = np.linspace(0.1, 1.2, 12)
    masks = (np.random.default_rng(0).random((60, 12)) < 0.5).astype(float)
    masks[0] = 1
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 25**2)), random_state=0)
    distance = 100 * (1 - np.sqrt(masks.mean(axis=1)))
    _, ranked, _, _ = base.explain_instance_with_data(masks, (masks @ w)[:, None], distance, 0, num_features=10)
    theirs = np.zeros(12)
    for i, v in ranked:
        theirs[i] = v
    assert (theirs != 0).sum() == 10 and np.abs(theirs - w).max() > 0.05
    assert np.abs(run_explainer(LIME, additive(w), seed=0, budget=60).values - w).max() < 1e-6


def test_trap_captums_lime_answers_nothing_on_a_probability() -> None:
    """captum.attr.Lime's default lasso zeroes every feature of a confident answer; ours ranks them."""
    import torch
    from captum.attr import Lime

    w = torch.linspace(-0.6, 0.6, 12)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(3 + x @ w)

    torch.manual_seed(0)
    theirs = Lime(forward).attribute(torch.ones(1, 12), baselines=torch.zeros(1, 12))
    assert torch.count_nonzero(theirs) == 0
    probe = game(lambda z: forward(torch.as_tensor(z, dtype=torch.float32)).numpy(), 12)
    ours = run_explainer(LIME, probe, seed=0, budget=500).values
    assert np.array_equal(np.argsort(ours), np.arange(12)) and np.count_nonzero(ours) == 12
