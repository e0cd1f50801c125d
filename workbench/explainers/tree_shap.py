"""TreeSHAP (Lundberg et al. 2020) on the arrays of the trees.

Interventional values are our own (`leaf_boxes`): the C++ code behind `shap.TreeExplainer` adds
them up in float32 and counts nodes in 16 bits, draws 100 of the background rows unasked and knows
no weights of them. Its probability output for boosting rescales a sum of log-odds, which is not
the Shapley value of the probability. Path-dependent values, which it computes in float64, are shap's;
its own additivity check is off, as the gap is measured here as for every method.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.bank import Bank
from workbench.explainers.leaf_boxes import Boxes
from workbench.explainers.record import Explainer, Explanation
from workbench.probe import Estimator, Probe
from workbench.trees import Trees


def interventional(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """Shapley values of "answer with these columns kept, the others from the background rows".

    The game that the mask bank asks too, so that values compare with those of `shap` and
    `exact-shap`; exact for any number of columns, in time linear in the background rows.
    """
    known = _estimator(probe)
    trees, n = known.trees, len(known.background)
    shares = np.full(n, 1 / n) if known.weights is None else known.weights
    boxes = _boxes(trees)
    there = _inside(trees, _Rows(known.background))
    value = trees.value[boxes.leaf] @ known.coefficients
    values = boxes.shapley(value, boxes.inside(known.point[None])[0], there, shares, len(known.point))
    base = float(shares @ (trees.raw(known.background) @ known.coefficients)) + known.constant
    return _explanation(known, values, base, {"computed_by": "leaf boxes in float64", "background": n})


def path_dependent(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """Shapley values of "follow the trees; where a hidden column is asked, both ways by their training rows"."""
    known = _estimator(probe)
    found = np.asarray(
        _explainer(known.trees).shap_values(known.point[None].astype(np.float64), check_additivity=False), np.float64
    )[0]
    values = found.reshape(len(known.point), -1) @ known.coefficients
    base = float(expected(known.trees) @ known.coefficients) + known.constant
    filler = "both ways of each split on it, weighted by the training rows that went there"
    return _explanation(known, values, base, {"computed_by": "shap.TreeExplainer", "filler": filler})


def expected(trees: Trees) -> np.ndarray:
    """Mean output (O,) over the training rows by the counts in the leaves."""
    total = trees.base.astype(np.float64).copy()
    for first, last in trees.bounds:
        leaf = trees.is_leaf[first:last]
        weight = trees.weight[first:last][leaf]
        total += weight @ trees.value[first:last][leaf] / weight.sum()
    return total


def _estimator(probe: Probe) -> Estimator:
    assert probe.estimator is not None  # it is what the method needs
    return probe.estimator()


def _explanation(known: Estimator, values: np.ndarray, base: float, facts: dict[str, Any]) -> Explanation:
    """Values (F,) of the trees' features as the answer to the question."""
    score = float(known.trees.raw(known.point[None])[0] @ known.coefficients) + known.constant
    pooled = known.pool(values)
    facts = {"exact": True, "trees": len(known.trees), **facts}
    return Explanation(pooled, low=pooled.copy(), high=pooled.copy(), base_score=base, score=score, facts=facts)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows that are equal where their bytes are."""

    rows: np.ndarray

    def __hash__(self) -> int:
        return hash(self.rows.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rows) and self.rows.tobytes() == other.rows.tobytes()


@lru_cache(maxsize=2)
def _boxes(trees: Trees) -> Boxes:
    return Boxes.of(trees)


@lru_cache(maxsize=2)
def _inside(trees: Trees, background: _Rows) -> np.ndarray:
    """The background's places in the leaves, the same for every example."""
    return _boxes(trees).inside(background.rows)


@lru_cache(maxsize=2)
def _explainer(trees: Trees) -> Any:
    """shap's explainer of all outputs; the same for every example and question."""
    import shap

    model = {"trees": [_tree(trees, first, last) for first, last in trees.bounds], "base_offset": 0.0}
    return shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")


def _tree(trees: Trees, first: int, last: int) -> dict[str, np.ndarray]:
    """One tree as shap takes it, its nodes counted from 0."""
    left, right = (np.where(side[first:last] < 0, -1, side[first:last] - first) for side in (trees.left, trees.right))
    return {
        "children_left": left,
        "children_right": right,
        "children_default": np.where(trees.missing_left[first:last], left, right),
        "features": np.where(left < 0, -2, trees.feature[first:last]),
        "thresholds": trees.threshold[first:last],
        "values": trees.value[first:last],
        "node_sample_weight": trees.weight[first:last],
    }


TREE_SHAP = Explainer(
    name="tree-shap",
    title="TreeSHAP",
    caption="How much each column moves the answer on average over all orders in which columns are revealed, "
    "read exactly from the trees.",
    library="",
    needs=frozenset({"estimator"}),
    uses_bank=False,
    explain=interventional,
    complete=True,
    claims="trees",
)
PATH_TREE_SHAP = Explainer(
    name="path-tree-shap",
    title="TreeSHAP by paths",
    caption="TreeSHAP that hides a column by following both ways of its splits: no rows are made up, but values depend "
    "on how the trees happened to grow, and do not compare with those of other methods.",
    library="shap",
    needs=frozenset({"estimator"}),
    uses_bank=False,
    explain=path_dependent,
    complete=True,
)
