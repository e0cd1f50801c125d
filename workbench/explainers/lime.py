"""LIME (Ribeiro et al. 2016): lime's own weighted linear surrogate, fitted on the mask bank.

The regression is that of `lime.lime_base.LimeBase`, in closed form: a test holds the two
equal, and a machine that only explains needs neither lime nor scikit-learn. The bank replaces
lime's sampler, which draws the same law but evaluates a coalition as often as it comes up and
never a complement.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.bank import Bank, Coalitions
from workbench.explainers.record import Explainer, Explanation
from workbench.probe import Probe

KERNEL_WIDTH = 25.0


def local_surrogate(
    probe: Probe,
    *,
    bank: Bank | None,
    rng: np.random.Generator,
    kernel_width: float = KERNEL_WIDTH,
    alpha: float = 1e-10,
) -> Explanation:
    """Coefficients of the linear surrogate around the example.

    Distance and kernel are those of lime's texts and pictures: 100 times the cosine
    distance to "everything kept", kernel sqrt(exp(-d^2 / width^2)) with width 25 (pictures
    divide both by 100). Rows are weighted back to lime's law of sizes, so the surrogate
    does not depend on which coalitions the bank holds in full. `alpha` is the ridge
    penalty at mean weight 1; lime's default of 1 shrinks, its feature selection drops.

    Facts: `held_out_r2` (weighted, on pairs the surrogate never saw; None where there are
    none or their answers do not vary), `fit_r2`, `local_prediction`, `local_error`
    |surrogate - answer| at the example, `intercept`, `kernel`, `kernel_width`, `alpha`,
    `fitted` and `held_out` rows, `determined`.
    """
    if bank is None:
        raise ValueError("local_surrogate needs a mask bank")
    chosen = bank.coalitions
    weight = neighbourhood(chosen, kernel_width)
    fit = np.concatenate([[1, 0], 2 + np.flatnonzero(chosen.fit[2:])])  # lime takes the first row for the example
    shares = weight[fit] / weight[fit].mean()
    intercept, values = weighted_ridge(chosen.masks[fit].astype(np.float64), bank.scores[fit], shares, alpha)
    local_prediction = intercept + float(values.sum())
    held = np.flatnonzero(chosen.held_out)
    predicted = intercept + chosen.masks[held] @ values
    facts: dict[str, Any] = {
        "held_out_r2": weighted_r2(bank.scores[held], predicted, weight[held]),
        "fit_r2": weighted_r2(bank.scores[fit], intercept + chosen.masks[fit] @ values, weight[fit]),
        "local_prediction": local_prediction,
        "local_error": abs(local_prediction - bank.score),
        "intercept": intercept,
        "kernel": "sqrt(exp(-d^2 / width^2)), d = 100 (1 - cosine)",
        "kernel_width": kernel_width,
        "alpha": alpha,
        "fitted": len(fit),
        "held_out": len(held),
        "determined": bool(np.linalg.matrix_rank(chosen.masks[fit].astype(np.float64)) == chosen.features),
    }
    return Explanation(values, facts=facts)


def weighted_ridge(x: np.ndarray, y: np.ndarray, weight: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
    """Intercept and coefficients (M,) that minimise sum(weight (y - intercept - x b)^2) + alpha |b|^2.

    The intercept is free of the penalty. It is the regression that lime's `LimeBase` puts to
    scikit-learn's `Ridge`, by singular values.
    """
    centre, level = np.average(x, axis=0, weights=weight), float(np.average(y, weights=weight))
    root = np.sqrt(weight)
    u, s, v = np.linalg.svd((x - centre) * root[:, None], full_matrices=False)
    kept = s > 1e-15
    along = np.where(kept, s / np.where(kept, s**2 + alpha, 1.0), 0.0)
    values = v.T @ (along * (u.T @ ((y - level) * root)))
    return level - float(centre @ values), np.asarray(values)


def neighbourhood(chosen: Coalitions, kernel_width: float = KERNEL_WIDTH) -> np.ndarray:
    """LIME's weight of each coalition, (n,): kernel times law of sizes over inclusion."""
    m = chosen.features
    distance = 100 * (1 - np.sqrt(chosen.sizes / m))
    kernel = np.sqrt(np.exp(-(distance**2) / kernel_width**2))
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, m + 1)))])
    log_law = logs[chosen.sizes] + logs[m - chosen.sizes] - logs[m]  # 1 / C(m, size)
    weight = kernel * np.exp(log_law - np.log(chosen.inclusion))
    return np.asarray(weight / weight.max())


def weighted_r2(truth: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> float | None:
    """1 - weighted squared error over weighted variance; None where nothing varies."""
    if len(truth) < 2:
        return None
    mean = np.average(truth, weights=weight)
    spread = np.average((truth - mean) ** 2, weights=weight)
    if spread <= 1e-18 * max(1.0, float(mean) ** 2):
        return None
    return float(1 - np.average((truth - predicted) ** 2, weights=weight) / spread)


LIME = Explainer(
    name="lime",
    title="LIME",
    caption="How much each part adds to the answer in a linear stand-in for the model around this example.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=True,
    explain=local_surrogate,
    complete=False,
)
