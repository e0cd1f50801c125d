"""The published error table of Leverage SHAP (Musco & Witter 2024, arXiv 2410.01917), made again here.

    PYTHONPATH=. python tests/benchmarks/bench_leverage.py [--draws 100]

The same data, model and law as theirs: 100 boosted trees of depth 4 fitted to all rows, one baseline
(the columns' means), rows drawn by lot, 8 evaluations a feature, squared error over the squared size
of the true Shapley values, which TreeSHAP gives exactly for one baseline. XGBoost where it can be
imported, as in the publication, else scikit-learn's gradient boosting, which is said.

The workbench's column keeps a fifth of the pairs from the fit to judge it, and counts them.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from games import game

from workbench.explainers import run_explainer
from workbench.explainers.shap import SHAPLEY
from workbench.probe import Probe

# mean and median of the squared relative error at 8 evaluations a feature, as published; None: not printed there
PUBLISHED = {"Diabetes": ("0.00307", "0.00131"), "Independent": ("0.00331", "")}


def boosted(X: np.ndarray, y: np.ndarray) -> tuple[Any, str]:
    """The model and its library."""
    try:
        from xgboost import XGBRegressor
    except ImportError:
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(n_estimators=100, max_depth=4, random_state=0).fit(X, y), "scikit-learn"
    return XGBRegressor(n_estimators=100, max_depth=4, n_jobs=1).fit(X, y), "xgboost"


def draw(model: Any, X: np.ndarray, seed: int) -> tuple[Probe, np.ndarray]:
    """A row by lot as a game against the means, none of its cells equal to them, and its Shapley values."""
    import shap

    rng = np.random.RandomState(seed)
    base, row = X.mean(axis=0), X[rng.choice(len(X))].copy()
    for i in range(len(row)):
        while base[i] == row[i]:
            row[i] = X[rng.choice(len(X)), i]
    probe = game(lambda z: model.predict(base * (1 - z) + row * z).astype(np.float64), len(row))
    trees = shap.TreeExplainer(model, base[None], feature_perturbation="interventional")
    return probe, np.asarray(trees.shap_values(row[None])[0], dtype=np.float64)


def workbench(probe: Probe, budget: int, seed: int) -> np.ndarray:
    return run_explainer(SHAPLEY, probe, seed=seed, budget=budget).values


def kernel(probe: Probe, budget: int, seed: int) -> np.ndarray:
    import shap

    np.random.seed(seed)
    m = len(probe.features)
    explainer = shap.KernelExplainer(probe.score, np.zeros((1, m)))
    return np.asarray(explainer.shap_values(np.ones((1, m)), nsamples=budget, l1_reg=False, silent=True)[0])


def permutation(probe: Probe, budget: int, seed: int) -> np.ndarray:
    import shap

    m = len(probe.features)
    explainer = shap.PermutationExplainer(probe.score, np.zeros((1, m)), seed=seed)
    return np.asarray(explainer(np.ones((1, m)), max_evals=max(budget, 2 * m + 1), silent=True).values[0])


METHODS: dict[str, Callable[[Probe, int, int], np.ndarray]] = {
    "workbench (a fifth held out)": workbench,
    "shap.KernelExplainer, l1_reg=False": kernel,
    "shap.PermutationExplainer": permutation,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    import shap

    sets = {
        "IRIS": shap.datasets.iris,
        "Diabetes": shap.datasets.diabetes,
        "Independent": shap.datasets.independentlinear60,
        "Correlated": shap.datasets.corrgroups60,
    }
    print("| set | method | evaluations | mean | median | seconds |\n|---|---|---|---|---|---|")
    for name, load in sets.items():
        X, y = load()
        X = np.asarray(X, dtype=np.float64)
        model, library = boosted(X, np.asarray(y, dtype=np.float64))
        drawn = [draw(model, X, 100 * seed) for seed in range(options.draws)]
        budget = 8 * X.shape[1]
        for method, explain in METHODS.items():
            start = time.perf_counter()
            errors = [
                float(((explain(probe, budget, seed) - truth) ** 2).sum() / (truth**2).sum())
                for seed, (probe, truth) in enumerate(drawn)
            ]
            each = (time.perf_counter() - start) / options.draws
            row = f"{np.mean(errors):.5f} | {np.median(errors):.5f} | {each:.3f}"
            print(f"| {name} ({library}, {X.shape[1]} columns) | {method} | {budget} | {row} |", flush=True)
        if name in PUBLISHED:
            mean, median = PUBLISHED[name]
            print(f"| {name} | Leverage SHAP, as published | {budget} | {mean} | {median} | |", flush=True)


if __name__ == "__main__":
    main()
