"""Shapley and Owen values from orders in which features are revealed.

Permutation SHAP (Štrumbelj & Kononenko 2014) takes any order; partition SHAP only orders in
which features that belong together come together, which gives Owen values (Owen 1977), not
Shapley values. Every order is taken forwards and backwards: such a pair is exact for games
of order 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import stdtrit

from workbench.bank import Bank, coalitions, evaluate
from workbench.errors import Refusal
from workbench.explainers.record import BUDGET, Explainer, Explanation
from workbench.explainers.shap import exact_shapley
from workbench.probe import Probe

Order = Callable[[np.random.Generator], np.ndarray]
FEWEST = 5  # pairs of orders for an interval: two or three may agree by chance, which would give one of no width
MOST = 14  # features that are enumerated: 16,384 coalitions


def enumeration(probe: Probe, *, bank: Bank | None, rng: np.random.Generator, most: int = MOST) -> Explanation:
    """Shapley values from all 2^M coalitions, whatever the budget.

    Raises:
        Refusal: there are more than `most` features.
    """
    m = len(probe.features)
    if m > most:
        raise Refusal(
            f"{m} features make {2.0**m:.2g} coalitions; enumeration stops at {most} features",
            hint="use shap, which samples coalitions and gives intervals",
        )
    every = evaluate(probe, coalitions(m, 2**m, rng))
    values = exact_shapley(every) if m > 1 else np.array([every.score - every.base_score])
    return Explanation(
        values,
        low=values.copy(),
        high=values.copy(),
        base_score=every.base_score,
        score=every.score,
        evaluations=2**m,
        facts={"exact": True, "determined": True},
    )


def permutation(
    probe: Probe, *, bank: Bank | None, rng: np.random.Generator, budget: int = BUDGET, confidence: float = 0.95
) -> Explanation:
    """Shapley values as mean marginal contributions over random orders and their reverses.

    The interval is that of the mean over pairs; there is none for fewer than `FEWEST`.

    Facts: `orders` (pairs), `exact` (false), `confidence`.
    """
    m = len(probe.features)
    return _marginals(probe, lambda draw: draw.permutation(m), rng, budget, confidence, {})


def partition(
    probe: Probe, *, bank: Bank | None, rng: np.random.Generator, budget: int = BUDGET, confidence: float = 0.95
) -> Explanation:
    """Owen values of the probe's hierarchy of features.

    At every fork of the tree either branch may be revealed first. All 2^(M - 1) such orders
    are averaged in closed form where the coalitions that they pass through fit the budget;
    else orders are drawn.

    Facts: `exact`, `value` ("Owen"), and where sampled `orders` (pairs), `confidence`.
    """
    if probe.hierarchy is None:
        raise ValueError("partition needs a hierarchy of the features")
    m = len(probe.features)
    children = {m + i: (int(a), int(b)) for i, (a, b) in enumerate(np.asarray(probe.hierarchy())[:, :2])}
    members = _members(m, children)
    wanted = _contexts(m, children, members, budget)
    if wanted is None:
        facts: dict[str, Any] = {"value": "Owen"}
        return _marginals(probe, lambda draw: _tree_order(m, children, draw), rng, budget, confidence, facts)
    leaves, masks, before, weight = wanted
    unique, place = np.unique(masks, axis=0, return_inverse=True)
    scores = probe.score(unique)
    answers = scores[place.reshape(-1)]
    after = answers[len(before) :]
    values = np.bincount(leaves, weights=weight * (after - answers[: len(before)]), minlength=m)
    facts = {"value": "Owen", "exact": True, "determined": True}
    return Explanation(
        values,
        low=values.copy(),
        high=values.copy(),
        base_score=float(scores[0]),  # masks come sorted: nothing kept first, everything last
        score=float(scores[-1]),
        evaluations=len(unique),
        facts=facts,
    )


def _marginals(
    probe: Probe, order: Order, rng: np.random.Generator, budget: int, confidence: float, facts: dict[str, Any]
) -> Explanation:
    """Mean marginal contributions over pairs of an order and its reverse, with a t interval over enough pairs."""
    m = len(probe.features)
    pairs = max(1, (budget - 2) // max(1, 2 * (m - 1)))
    orders = np.stack([o for _ in range(pairs) for o in _both(order(rng))])
    masks = np.zeros((len(orders), m + 1, m), dtype=bool)
    for row, one in enumerate(orders):
        rank = np.argsort(one)
        masks[row] = rank[None, :] < np.arange(m + 1)[:, None]
    unique, place = np.unique(masks.reshape(-1, m), axis=0, return_inverse=True)
    answers = probe.score(unique)[place.reshape(-1)].reshape(len(orders), m + 1)
    marginal = np.zeros((len(orders), m))
    np.put_along_axis(marginal, orders, np.diff(answers, axis=1), axis=1)
    means = marginal.reshape(pairs, 2, m).mean(axis=1)
    values = means.mean(axis=0)
    half = None
    if pairs >= FEWEST:
        half = float(stdtrit(pairs - 1, (1 + confidence) / 2)) * means.std(axis=0, ddof=1) / np.sqrt(pairs)
    facts = {**facts, "exact": False, "determined": True, "orders": pairs, "confidence": confidence}
    return Explanation(
        values,
        low=None if half is None else values - half,
        high=None if half is None else values + half,
        base_score=float(answers[0, 0]),
        score=float(answers[0, -1]),
        evaluations=len(unique),
        facts=facts,
    )


def _both(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return order, order[::-1]


def _members(m: int, children: dict[int, tuple[int, int]]) -> dict[int, np.ndarray]:
    """Which features each node of the tree holds, (m,) bool."""
    members = {i: np.eye(m, dtype=bool)[i] for i in range(m)}
    for node, (a, b) in children.items():  # a linkage names a node's children before the node
        members[node] = members[a] | members[b]
    return members


def _tree_order(m: int, children: dict[int, tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
    """An order in which the features of every branch come together; each fork is a fair coin."""
    order: list[int] = []
    pending = [2 * m - 2]
    while pending:
        node = pending.pop()
        if node < m:
            order.append(node)
        else:
            pending += list(children[node])[:: 1 if rng.integers(2) else -1]
    return np.array(order)


def _contexts(
    m: int, children: dict[int, tuple[int, int]], members: dict[int, np.ndarray], budget: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """(leaf, masks before and then after it, masks before, weight) of every context, or None beyond the budget."""
    leaves: list[int] = []
    before: list[np.ndarray] = []
    weights: list[float] = []
    seen: set[bytes] = set()
    pending: list[tuple[int, np.ndarray, float]] = [(2 * m - 2, np.zeros((1, m), dtype=bool), 1.0)]
    while pending:
        node, contexts, weight = pending.pop()
        seen |= {row.tobytes() for row in np.concatenate([contexts, contexts | members[node]])}
        if len(seen) > budget:
            return None
        if node < m:
            leaves += [node] * len(contexts)
            before += list(contexts)
            weights += [weight] * len(contexts)
            continue
        a, b = children[node]
        pending.append((a, np.concatenate([contexts, contexts | members[b]]), weight / 2))
        pending.append((b, np.concatenate([contexts, contexts | members[a]]), weight / 2))
    hidden, leaf = np.array(before), np.array(leaves)
    shown = hidden.copy()
    shown[np.arange(len(leaf)), leaf] = True
    return leaf, np.concatenate([hidden, shown]), hidden, np.array(weights)


EXACT_SHAP = Explainer(
    name="exact-shap",
    title="Exact SHAP",
    caption="Shapley values from every combination of parts: no sampling, for examples of few parts.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=False,
    explain=enumeration,
    complete=True,
    claims="shapley",
)

PERMUTATION_SHAP = Explainer(
    name="permutation-shap",
    title="Permutation SHAP",
    caption="Shapley values from random orders of revealing the parts, each forwards and backwards.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=False,
    explain=permutation,
    complete=True,
    samples=True,
    claims="shapley",
)

PARTITION_SHAP = Explainer(
    name="partition-shap",
    title="Partition SHAP (Owen values)",
    caption="Owen values: like Shapley values, but parts that belong together are revealed together.",
    library="",
    needs=frozenset({"score", "hierarchy"}),
    uses_bank=False,
    explain=partition,
    complete=True,
    samples=True,
    claims="owen",
)
