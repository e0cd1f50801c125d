"""LIME (Ribeiro et al. 2016): lime's own weighted linear surrogate, fitted on the mask bank.

The regression is that of `lime.lime_base.LimeBase`, in closed form: a test holds the two
equal, and a machine that only explains needs neither lime nor scikit-learn. The bank replaces
lime's sampler, which draws the same law but evaluates a coalition as often as it comes up and
never a complement. Where the bank allows a stand-in for the model (`workbench.kriging`), its
surrogate is known in closed form, and the regression fits what the stand-in leaves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.bank import Bank, Coalitions
from workbench.explainers.record import Explainer, Explanation
from workbench.kernels import kept
from workbench.probe import Probe

KERNEL_WIDTH = 25.0
SAMPLES = 5000  # of lime, by default


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
    divide both by 100). Rows are weighted back to the law of lime's 5,000 samples of a text, so
    the surrogate does not depend on which coalitions the bank holds. `alpha` is the ridge
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
    known, own, at_nothing = _of_stand_in(bank, kernel_width)
    fit = np.concatenate([[1, 0], 2 + np.flatnonzero(chosen.fit[2:])])  # lime takes the first row for the example
    shares = weight[fit] / weight[fit].mean()
    rows, left = chosen.masks[fit].astype(np.float64), (bank.scores - known)[fit]
    intercept, values = weighted_ridge(rows, left, shares, alpha)
    local_prediction = intercept + float(values.sum()) + at_nothing + float(own.sum())
    values, intercept = values + own, intercept + at_nothing
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
        "determined": chosen.determined,
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


def _of_stand_in(bank: Bank, kernel_width: float) -> tuple[np.ndarray, np.ndarray, float]:
    """What the stand-in answers to the bank's coalitions (n,), its surrogate's coefficients (M,) and intercept."""
    m = bank.coalitions.features
    parts = [part for part in (bank.odd, bank.even) if part is not None]
    if not parts:
        return np.zeros(len(bank.scores)), np.zeros(m), 0.0
    law = law_of_sizes(m) * _kernel(m, np.arange(m + 1), kernel_width)
    law /= law.sum()
    one, two = kept(law)
    moments = [part.moments(law) for part in parts]
    mean = sum(total for total, _ in moments)
    together = np.sum([each for _, each in moments], axis=0) - one * mean
    # The covariance of the sizes' law, (one - two) I + (two - one^2) J, inverted by hand.
    values = (together - (two - one**2) * together.sum() / (one - two + m * (two - one**2))) / (one - two)
    known = np.sum([part.predict(bank.masks) for part in parts], axis=0)
    return np.asarray(known), values, float(mean - one * values.sum())


def law_of_sizes(m: int) -> np.ndarray:
    """Share of each number of kept words, 0 to M, among lime's samples of a text: (M + 1,).

    The text itself is one of the samples; of the others 1 to M words are removed, each number alike.
    """
    return np.concatenate([np.full(m, (SAMPLES - 1) / SAMPLES / m), [1 / SAMPLES]])


def neighbourhood(chosen: Coalitions, kernel_width: float = KERNEL_WIDTH) -> np.ndarray:
    """LIME's weight of each coalition, (n,): kernel times law of sizes over inclusion."""
    m = chosen.features
    kernel = _kernel(m, chosen.sizes, kernel_width)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, m + 1)))])
    log_law = logs[chosen.sizes] + logs[m - chosen.sizes] - logs[m]  # 1 / C(m, size)
    weight = kernel * law_of_sizes(m)[chosen.sizes] * np.exp(log_law - np.log(chosen.inclusion))
    return np.asarray(weight / weight.max())


def _kernel(m: int, sizes: np.ndarray, kernel_width: float) -> np.ndarray:
    distance = 100 * (1 - np.sqrt(sizes / m))
    return np.asarray(np.sqrt(np.exp(-(distance**2) / kernel_width**2)))


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
