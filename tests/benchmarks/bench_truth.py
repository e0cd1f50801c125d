"""Explanations against contributions that are known: how far SHAP and LIME name what truly decides.

    PYTHONPATH=.:tests python tests/benchmarks/bench_truth.py [DATA]

DATA holds gt_tabular_known (a linear law on 3 of 11 columns, with the true contribution of every cell)
and gt_text_planted (one planted word decides). The model is trained on them (gradient boosting; word
counts and logistic regression), so what is measured is model and explanation together; scores of
the model stand beside it.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from games import game

from workbench.bank import coalitions, evaluate
from workbench.explainers import run_explainer
from workbench.explainers.lime import LIME
from workbench.explainers.shap import SHAPLEY
from workbench.probe import Probe

DATA = Path(os.environ.get("WORKBENCH_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
ROWS, BACKGROUND, BUDGET = 60, 100, 256
METHODS = {"SHAP": SHAPLEY, "LIME": LIME}


def explain(probe: Probe, budget: int, seed: int) -> dict[str, np.ndarray]:
    bank = evaluate(probe, coalitions(len(probe.features), budget, np.random.default_rng(seed)))
    return {name: run_explainer(method, probe, bank=bank, seed=0).values for name, method in METHODS.items()}


def cells(path: Path) -> np.ndarray:
    with path.open() as file:
        return np.array(list(csv.reader(file))[1:], dtype=np.float64)


def table(folder: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    train, test, truth = (cells(folder / f"linear_{n}.csv") for n in ("train", "test", "test_true_contributions"))
    model = HistGradientBoostingRegressor(random_state=0).fit(train[:, :-1], train[:, -1])
    background = train[np.random.default_rng(0).permutation(len(train))[:BACKGROUND], :-1]
    centred = truth[:ROWS] - background.mean(axis=0) * np.array(weights(train))
    found: dict[str, list[np.ndarray]] = {name: [] for name in METHODS}
    for seed, row in enumerate(test[:ROWS, :-1]):

        def value(z: np.ndarray, row: np.ndarray = row) -> np.ndarray:
            mixed = np.where(z[:, None] > 0, row, background[None]).reshape(-1, len(row))
            return model.predict(mixed).reshape(len(z), -1).mean(axis=1)

        for name, values in explain(game(value, len(row)), BUDGET, seed).items():
            found[name].append(values)
    fit = model.score(test[:, :-1], test[:, -1])
    decide = np.argsort(-np.abs(truth).mean(axis=0))[:3]
    for name, all_values in found.items():
        values = np.array(all_values)
        together = np.corrcoef(values.ravel(), centred.ravel())[0, 1]
        each = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(values, centred, strict=True)])
        mass = np.abs(values[:, decide]).sum() / np.abs(values).sum()
        said = f"correlation {together:.4f} (by row {each:.4f}), {mass:.1%} of all mass on the 3 that decide"
        print(f"| gt_tabular_known, R2 {fit:.3f} | {name} | {said} |", flush=True)


def weights(train: np.ndarray) -> np.ndarray:
    """The law behind the table, by least squares: 3 alcohol, -2 volatile acidity, 1 pH."""
    design = np.column_stack([train[:, :-1], np.ones(len(train))])
    return np.asarray(np.linalg.lstsq(design, train[:, -1], rcond=None)[0][:-1])


def texts(folder: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = ([json.loads(line) for line in (folder / f"{n}.jsonl").open()] for n in ("train", "test"))
    model = make_pipeline(TfidfVectorizer(token_pattern=r"\S+"), LogisticRegression())
    model.fit([r["text"] for r in train], [r["label"] for r in train])
    right: dict[str, list[bool]] = {name: [] for name in METHODS}
    for seed, record in enumerate(test[:ROWS]):
        words = record["text"].split()
        sign = 1.0 if record["label"] == model.classes_[1] else -1.0

        def value(z: np.ndarray, words: list[str] = words, sign: float = sign) -> np.ndarray:
            kept = [" ".join(w for w, k in zip(words, row, strict=True) if k) for row in z > 0]
            return sign * np.asarray(model.decision_function(kept))

        for name, values in explain(game(value, len(words)), BUDGET, seed).items():
            right[name].append(int(np.argmax(values)) == record["planted_token_index"])
    fit = model.score([r["text"] for r in test], [r["label"] for r in test])
    for name, hits in right.items():
        said = f"the planted word first in {np.mean(hits):.1%} of {len(hits)} texts"
        print(f"| gt_text_planted, accuracy {fit:.3f} | {name} | {said} |", flush=True)


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not folder.is_dir():
        if folder != DATA:
            sys.exit(f"no data at {folder}")
        print(f"not measured, no data at {folder}")
        return
    print("| set | method | against the truth |\n|---|---|---|")
    parts: tuple[tuple[str, Callable[[Path], None]], ...] = (("gt_tabular_known", table), ("gt_text_planted", texts))
    for name, part in parts:
        part(folder / name)


if __name__ == "__main__":
    main()
