"""Small tables and the ensembles that are fitted on them: what tests of trees share."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from workbench.backbones.estimator_fit import Fitted, fit_estimator
from workbench.probe import Estimator, Probe
from workbench.trees import Trees
from workbench.types import Feature, Question

CLASSES = {"class": 3, "labels": 2, "value": 1}
CARDINALITIES = [5, 3]
SMALL: dict[str, dict[str, Any]] = {
    "hist-gradient-boosting": {"max_iter": 12, "min_samples_leaf": 5},
    "gradient-boosting": {"n_estimators": 12},
    "random-forest": {"n_estimators": 12},
    "extra-trees": {"n_estimators": 12},
    "decision-tree": {},
}


def rows(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Model inputs with missing numbers and categories (code 0), and a value that both decide."""
    rng = np.random.default_rng(seed)
    numbers = (rng.normal(size=(n, 3)) * [1, 1000, 1e-3]).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    codes = np.stack([rng.integers(0, 6, n), rng.integers(0, 4, n)], axis=1)
    known = np.nan_to_num(numbers.astype(float)) / [1, 1000, 1e-3]
    value = known[:, 0] + np.isin(codes[:, 0], (1, 4)) * 1.5 - (codes[:, 1] == 2) * known[:, 1]
    return {"numeric": numbers, "categorical": codes}, value + 0.2 * rng.normal(size=n)


def answers(value: np.ndarray, target: str) -> np.ndarray:
    """The value as targets of a kind."""
    if target == "class":
        return np.digitize(value, [0.0, 1.2])
    return np.stack([value > 0, value > 1], axis=1).astype(int) if target == "labels" else 100 * value


@cache
def fitted(name: str, target: str, seed: int = 0, classes: int = 0) -> Fitted:
    """An estimator fitted on 300 rows; `classes` 2 asks for two of them."""
    (train, value), (held, held_value) = rows(300, 0), rows(120, 1)
    known, held_known = answers(value, target), answers(held_value, target)
    if classes == 2:
        known, held_known = np.minimum(known, 1), np.minimum(held_known, 1)
    return fit_estimator(
        f"sklearn:{name}",
        SMALL[name],
        target,
        (train, known),
        (held, held_known),
        classes=classes or CLASSES[target],
        cardinalities=CARDINALITIES,
        inputs=("numeric", "categorical"),
        seed=seed,
    )


def random_trees(rng: np.random.Generator, count: int, features: int, depth: int = 3, outputs: int = 1) -> Trees:
    """Full trees with everything drawn by lot."""
    inner, n = 2**depth - 1, 2 ** (depth + 1) - 1
    place = np.arange(n)
    leaf = place >= inner
    left, right = np.where(leaf, -1, 2 * place + 1), np.where(leaf, -1, 2 * place + 2)
    offset = np.repeat(np.arange(count) * n, n)
    leaves = np.tile(leaf, count)
    weight = np.zeros((count, n))
    weight[:, inner:] = rng.integers(1, 20, (count, n - inner))
    for i in reversed(range(inner)):
        weight[:, i] = weight[:, 2 * i + 1] + weight[:, 2 * i + 2]
    return Trees(
        left=np.where(leaves, -1, np.tile(left, count) + offset),
        right=np.where(leaves, -1, np.tile(right, count) + offset),
        feature=np.where(leaves, -1, rng.integers(0, features, count * n)),
        threshold=np.where(leaves, 0.0, rng.normal(size=count * n).astype(np.float32)).astype(np.float64),
        missing_left=(rng.random(count * n) < 0.5) & ~leaves,
        value=np.where(leaves[:, None], rng.normal(size=(count * n, outputs)), 0.0),
        weight=weight.ravel(),
        roots=np.arange(count) * n,
        base=rng.normal(size=outputs),
    )


def probe_of(
    trees: Trees,
    point: np.ndarray,
    background: np.ndarray,
    coefficients: np.ndarray | None = None,
    *,
    constant: float = 0.0,
    weights: np.ndarray | None = None,
) -> Probe:
    """The trees asked of one row, hidden columns taken from background rows."""
    mix = np.eye(trees.outputs)[0] if coefficients is None else coefficients
    m = len(point)

    def hide(masks: np.ndarray) -> dict[str, np.ndarray]:
        return {"rows": np.where(masks[:, None], point, background[None]).reshape(-1, m)}

    return Probe(
        question=Question("value", "Why this?"),
        example_id="row",
        features=tuple(Feature(f"x{i}") for i in range(m)),
        hide=hide,
        answer=lambda batch: trees.raw(batch["rows"]) @ mix + constant,
        filler="rows of the background",
        repeats=len(background),
        weights=weights,
        estimator=lambda: Estimator(trees, point, background, weights, mix, constant, lambda a: a),
    )
