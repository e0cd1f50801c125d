"""Shapley values (Lundberg & Lee 2017) from the mask bank, exact where the bank is complete.

A complete bank is summed as the definition says. Otherwise the Shapley regression is
solved on the bank's pairs. `shap.KernelExplainer` is not used: it draws coalitions
of its own, and its default l1 penalty drops features while the values that are left still add up.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammaln, stdtrit

from workbench.bank import Bank
from workbench.explainers.record import Explainer, Explanation
from workbench.probe import Probe


def shapley(probe: Probe, *, bank: Bank | None, rng: np.random.Generator, confidence: float = 0.95) -> Explanation:
    """Shapley values of the game "answer with these features kept".

    Exact for a complete bank, with an interval of no width. Else the regression of
    Charnes et al. 1988 / Lundberg & Lee 2017 with the efficiency constraint on the bank's
    fitting pairs, weighted by inverse inclusion probability (Musco & Witter 2024,
    arXiv 2410.01917), after a stand-in for the model took what it could tell; exact for
    games of order 2. The interval is the stand-in's, or where there is none the
    delete-one-pair jackknife's; it is None where there are too few pairs to spare one.

    Facts: `exact`, `computed_by`, `pairs` fitted, `determined` (pairs suffice for M
    values), `confidence`.
    """
    if bank is None:
        raise ValueError("shapley needs a mask bank")
    if bank.coalitions.exact:
        values = exact_shapley(bank)
        facts: dict[str, Any] = {"computed_by": "enumeration of every coalition", "pairs": len(bank.scores) // 2}
        facts |= {"exact": True, "determined": True, "confidence": confidence}
        return Explanation(values, low=values.copy(), high=values.copy(), facts=facts)
    values, half, facts = paired_regression(bank, confidence)
    low, high = (None, None) if half is None else (values - half, values + half)
    return Explanation(values, low=low, high=high, facts={"exact": False, "confidence": confidence, **facts})


def exact_shapley(bank: Bank) -> np.ndarray:
    """Shapley values of a complete bank by their definition, (M,) float64."""
    m = bank.coalitions.features
    place = 1 << np.arange(m)
    table = np.empty(2**m)
    table[bank.masks @ place] = bank.scores
    codes = np.arange(2**m)
    sizes = ((codes[:, None] & place) > 0).sum(axis=1)
    weight = np.exp(gammaln(sizes + 1) + gammaln(np.maximum(m - sizes, 1)) - gammaln(m + 1))  # |S|! (m - |S| - 1)! / m!
    values = np.empty(m)
    for i in range(m):
        without = codes[codes & place[i] == 0]
        values[i] = weight[without] @ (table[without | place[i]] - table[without])
    return values


def paired_regression(bank: Bank, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The Shapley regression on the fitting pairs: values (M,), half width (M,) or None, facts.

    With z = +1 for a kept and -1 for a hidden feature, a pair's difference
    (v(S) - v(N\\S)) / 2 is modelled as z . phi / 2; the pair's mean does not depend on phi
    once sum(phi) = v(N) - v(empty), so the regression on single coalitions is this one.

    Where the bank allows a stand-in (`workbench.kriging`), its Shapley values are known in closed
    form and the regression is of what it leaves: a control variate. It takes away most of
    the sampling error and none of the regression's consistency. A bank that was asked whether it is precise enough
    keeps the answer.
    """
    key = "paired regression", confidence
    if key not in bank.known:
        bank.known[key] = _paired_regression(bank, confidence)
    values, half, facts = bank.known[key]
    return values.copy(), None if half is None else half.copy(), dict(facts)


def _paired_regression(bank: Bank, confidence: float) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    m = bank.coalitions.features
    fit = bank.coalitions.fit[0::2].copy()
    fit[0] = False  # the empty and the full coalition are the constraint
    pairs = int(fit.sum())
    facts: dict[str, Any] = {"computed_by": "paired leverage-weighted regression", "pairs": pairs}
    if m == 1:
        return np.array([bank.score - bank.base_score]), np.zeros(1), {**facts, "determined": True}
    masks, inclusion = bank.masks[0::2][fit], bank.coalitions.inclusion[0::2][fit]
    half = (bank.scores[0::2][fit] - bank.scores[1::2][fit]) / 2
    total = bank.score - bank.base_score
    part = bank.odd
    if part is None:
        values, determined, half_width = _regress(masks, half, total, inclusion, confidence)
        return values, half_width, {**facts, "determined": determined}
    known = part.predict(np.concatenate([masks, np.ones((1, m), dtype=bool)]))
    left, determined, _ = _regress(masks, half - known[:-1], total - 2 * known[-1], inclusion, None)
    facts |= {"computed_by": "kriging and paired leverage-weighted regression of what it leaves"}
    return part.shapley() + left, part.half_width(confidence), {**facts, "determined": determined}


def _regress(
    masks: np.ndarray, half: np.ndarray, total: float, inclusion: np.ndarray, confidence: float | None
) -> tuple[np.ndarray, bool, np.ndarray | None]:
    """Values (M,) that sum to `total`, whether the pairs determine them, and half widths or None.

    Args:
        masks: (n, M) one of each pair.
        half: (n,) half the difference of the pair's answers.
        total: the answer to everything kept minus that to nothing.
        inclusion: (n,) of the pairs.
        confidence: of the interval; None: none is wanted.
    """
    pairs, m = masks.shape
    even = np.full(m, total / m)
    z = np.where(masks, 1.0, -1.0)
    weight = _kernel(m, masks.sum(axis=1)) / inclusion
    basis = _sum_to_zero(m)
    root = np.sqrt(weight / weight.mean())[:, None] if pairs else np.zeros((0, 1))
    X = root * (z @ basis) / 2
    y = root[:, 0] * (half - z @ even / 2)
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    rank = int((s > 1e-10 * s.max(initial=1e-300)).sum())
    u, s, vt = u[:, :rank], s[:rank], vt[:rank]
    values = even + basis @ (vt.T @ ((u.T @ y) / s))
    determined = rank == m - 1
    half_width = None
    if determined and confidence is not None:
        half_width = _jackknife(u, y, basis @ vt.T / s, inclusion, confidence)
    return values, determined, half_width


@lru_cache(maxsize=32)
def _sum_to_zero(m: int) -> np.ndarray:
    """An orthonormal basis (M, M - 1) of the vectors that sum to zero: it leaves no constraint to keep."""
    return np.linalg.qr(np.column_stack([np.ones(m), np.eye(m)[:, : m - 1]]))[0][:, 1:]


def _kernel(m: int, size: np.ndarray) -> np.ndarray:
    """The Shapley kernel up to a factor: 1 / (C(m, s) s (m - s)), in logs as C(m, s) overflows."""
    choose = gammaln(m + 1) - gammaln(size + 1) - gammaln(m - size + 1)
    log = -choose - np.log(size * (m - size))
    return np.asarray(np.exp(log - log.max(initial=-np.inf)))


def _jackknife(
    u: np.ndarray, y: np.ndarray, to_values: np.ndarray, inclusion: np.ndarray, confidence: float
) -> np.ndarray | None:
    """Half width of the interval from leaving out each pair in turn, in closed form.

    A pair that was sure to be drawn adds no sampling error, hence the factor 1 - inclusion.
    """
    leverage = (u**2).sum(axis=1)
    random = inclusion < 1 - 1e-12
    spare = len(y) - u.shape[1]
    if not random.any():
        return np.zeros(len(to_values))
    if spare < 2:
        return None
    residual = y - u @ (u.T @ y)
    # A pair that the fit cannot do without (leverage 1) has residual 0 and tells nothing of the error.
    free = 1 - leverage
    shift = np.where(free > 1e-8, residual / np.maximum(free, 1e-8), 0.0)
    moved = (to_values @ (u * shift[:, None]).T) * np.sqrt(np.clip(1 - inclusion, 0, 1))
    quantile = float(stdtrit(spare, (1 + confidence) / 2))
    return np.asarray(quantile * np.sqrt((moved**2).sum(axis=1)))


SHAPLEY = Explainer(
    name="shap",
    title="SHAP",
    caption="How much each part moves the answer on average over all orders in which parts are revealed.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=True,
    explain=shapley,
    complete=True,
    claims="shapley",
)
