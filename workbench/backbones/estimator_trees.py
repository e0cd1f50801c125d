"""Reading the trees out of a fitted scikit-learn estimator, and putting several ensembles together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from workbench.errors import StageError
from workbench.trees import Trees, join, round_down


def read_trees(estimator: Any, rows: np.ndarray) -> tuple[Trees, np.ndarray]:
    """The trees of a fitted estimator, and the number of trees after each step of its growth.

    What they add up to: probabilities (n, classes) of averaged classifiers; the raw score (n, 1
    or classes) of boosted ones; the value (n, 1).

    Args:
        estimator: a fitted forest, boosting or tree.
        rows: (n, F) float32 rows on which both are compared.

    Raises:
        StageError: they differ on them.
    """
    if hasattr(estimator, "_predictors"):
        grid = [[_hist_tree(p) for p in of_step] for of_step in estimator._predictors]
        per_step, factor = len(grid[0]), 1.0
    elif hasattr(estimator, "init_"):
        grid = [[_tree(e.tree_) for e in of_step] for of_step in estimator.estimators_]
        per_step, factor = len(grid[0]), float(estimator.learning_rate)
    else:
        members = estimator.estimators_ if hasattr(estimator, "estimators_") else [estimator]
        grid = [[_tree(e.tree_, proportions=hasattr(e, "classes_"))] for e in members]
        per_step, factor = 1, 1.0 / len(grid)
    flat = [_placed(tree, k, per_step) if per_step > 1 else tree for of_step in grid for k, tree in enumerate(of_step)]
    trees = join(flat).scaled(factor)
    some = rows[:: max(1, len(rows) // 512)][:512]
    truth, own = _answers(estimator, some), trees.raw(some)
    if hasattr(estimator, "_predictors") or hasattr(estimator, "init_"):
        trees = replace(trees, base=(truth - own).mean(axis=0))
        own = trees.raw(some)
    worst = float(np.abs(own - truth).max() / max(1.0, np.abs(truth).max()))
    if not worst < 1e-9:
        raise StageError(
            f"the trees read from {type(estimator).__name__} differ from it by {worst:.1e}",
            hint="this version of scikit-learn keeps them in another way; please report it",
        )
    return trees, np.arange(1, len(grid) + 1) * per_step


def _answers(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """What scikit-learn itself says of some rows: (n, O)."""
    for ask in ("decision_function", "predict_proba", "predict"):
        if hasattr(estimator, ask):
            found: np.ndarray = np.asarray(getattr(estimator, ask)(rows), dtype=np.float64)
            return found.reshape(len(rows), -1)
    raise TypeError(f"{type(estimator).__name__} predicts nothing")


def _tree(tree: Any, *, proportions: bool = False) -> Trees:
    """One of scikit-learn's trees of exact splits."""
    value = tree.value[:, 0, :].astype(np.float64)
    if proportions:
        value = value / value.sum(axis=1, keepdims=True)
    leaf = tree.children_left < 0
    return Trees(
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        feature=np.where(leaf, -1, tree.feature).astype(np.int32),
        threshold=np.where(leaf, 0.0, round_down(tree.threshold)),
        missing_left=np.asarray(tree.missing_go_to_left, dtype=bool) & ~leaf,
        value=value,
        weight=tree.weighted_n_node_samples.astype(np.float64),
        roots=np.zeros(1, np.int64),
        base=np.zeros(value.shape[1]),
    )


def _hist_tree(predictor: Any) -> Trees:
    """One of scikit-learn's trees of binned splits."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    if nodes["is_categorical"].any():
        raise StageError("splits by sets of categories are not read", hint="leave categorical_features out")
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    return Trees(
        left=left,
        right=right,
        feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf, 0.0, round_down(nodes["num_threshold"])),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
        value=nodes["value"].astype(np.float64)[:, None],
        weight=nodes["count"].astype(np.float64),
        roots=np.zeros(1, np.int64),
        base=np.zeros(1),
    )


def _placed(tree: Trees, place: int, outputs: int) -> Trees:
    """A tree of one output as one of several."""
    return spread(tree, np.array([place]), outputs)


def spread(trees: Trees, places: np.ndarray, outputs: int) -> Trees:
    """The trees with their outputs at `places` of `outputs`."""
    value, base = np.zeros((len(trees.value), outputs)), np.zeros(outputs)
    value[:, places], base[places] = trees.value, trees.base
    return replace(trees, value=value, base=base)


def in_turns(parts: list[tuple[Trees, np.ndarray]], boosts: bool) -> tuple[Trees, np.ndarray]:
    """The ensembles of several labels as one, step by step, so that the first steps of all can be kept."""
    longest = max(len(steps) for _, steps in parts)
    pieces: list[Trees] = []
    ends = []
    count = 0
    bases = np.sum([trees.base for trees, _ in parts], axis=0)
    for step in range(longest):
        for trees, steps in parts:
            if step < len(steps):
                first = int(steps[step - 1]) if step else 0
                pieces += _slice(trees, first, int(steps[step]))
                count += int(steps[step]) - first
        ends.append(count)
    return replace(join(pieces), base=bases), np.array(ends)


def _slice(trees: Trees, start: int, stop: int) -> list[Trees]:
    """Single trees, each with its own nodes counted from 0 and no base."""
    found = []
    for first, last in trees.bounds[start:stop]:
        nodes = {n: getattr(trees, n)[first:last] for n in ("feature", "threshold", "missing_left", "value", "weight")}
        nodes |= {n: np.where(getattr(trees, n)[first:last] < 0, -1, getattr(trees, n)[first:last] - first)
                  for n in ("left", "right")}  # fmt: skip
        found.append(replace(trees, roots=np.zeros(1, np.int64), base=np.zeros_like(trees.base), **nodes))
    return found
