"""A table's columns one at a time, through the deployed file: partial dependence and permutation importance."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from workbench.quality.overall import grid_of, permutation_rise
from workbench.stages.session import Session
from workbench.tasks.probability import probabilities
from workbench.types import Column, Predictions, Values

_COLUMNS = 6  # that are moved for partial dependence
_ROWS = 100  # training rows that they are moved in
_CURVES = 3  # classes that are followed where there are more than two
_CATEGORIES = 20
SHUFFLES = 5
MOST = 10_000  # test examples in which columns are shuffled
_BATCH = 8192


def partial_dependence(session: Session, columns: list[Column]) -> list[dict[str, Any]]:
    """Mean answer as one column is moved and the others stay (Friedman 2001), for the first columns.

    The answer is the probability of a class or the predicted value; `low` and `high` are the
    10th and 90th percentile over the rows (of the individual curves, Goldstein 2015).
    """
    train = session.rows("train")
    picked = np.sort(np.random.default_rng([session.config.seed, 11]).permutation(train)[:_ROWS])
    rows = [session.dataset.examples[int(i)].input for i in picked]
    cells = {c.name: [session.dataset.examples[int(i)].input.get(c.name) for i in train] for c in columns[:_COLUMNS]}
    targets = _targets(session)
    found = []
    for column in columns[:_COLUMNS]:
        grid: list[Any]
        if column.kind == "numeric":
            known = np.array([np.nan if c is None else float(c) for c in cells[column.name]])
            grid = [float(v) for v in grid_of(known)]
        else:
            grid = list(column.categories[:_CATEGORIES])
        moved = [{**row, column.name: value} for value in grid for row in rows]
        answers = _answers(session, moved).reshape(len(grid), len(rows), -1)
        curves = []
        for label, k in targets:
            low, high = np.quantile(answers[:, :, k], [0.1, 0.9], axis=1)
            mean = answers[:, :, k].mean(axis=1)
            curves.append({"label": label, "mean": mean, "low": low, "high": high})
        facts = {"column": column.name, "kind": column.kind, "unit": column.unit, "rows": len(rows), "grid": grid}
        found.append({**facts, "curves": curves})
    return found


def _targets(session: Session) -> list[tuple[str, int]]:
    """Which outputs are followed: the value, the second of two classes, or the first few classes."""
    labels = session.dataset.labels
    if not labels:
        return [("", 0)]
    return (
        [(labels[1], 1)]
        if len(labels) == 2 and session.task.kind == "class"
        else [(label, k) for k, label in enumerate(labels[:_CURVES])]
    )


def _answers(session: Session, rows: list[Any]) -> np.ndarray:
    """Probabilities (n, K) or values (n, 1) of the deployed file."""
    encoded = session.task.modality.encode(rows, session.preparation)
    scores = _scores(session, encoded.arrays)
    return np.asarray(probabilities(scores, session.task.kind))


def _scores(session: Session, arrays: dict[str, np.ndarray]) -> np.ndarray:
    n = len(next(iter(arrays.values())))
    parts = [session.onnx.outputs({k: v[i : i + _BATCH] for k, v in arrays.items()}) for i in range(0, n, _BATCH)]
    return np.concatenate(parts).astype(np.float64)


def permutation_importance(session: Session, after: Predictions, rng: np.random.Generator) -> dict[str, Any]:
    """How much worse the deployed file does on the test split when one column is shuffled, five times over.

    Of more than `MOST` test examples with a known answer, as many are drawn by lot.
    """
    rows = np.flatnonzero(after.splits == "test")
    kind = session.task.kind
    known = np.isfinite(after.targets[rows]) if isinstance(after, Values) else after.targets[rows] >= 0
    rows = rows[known.all(axis=1) if known.ndim > 1 else known]
    if len(rows) < 3:
        return {"reason": "There are fewer than three test examples with a known answer.", "columns": []}
    known_rows = len(rows)
    if known_rows > MOST:
        rows = np.sort(rng.choice(rows, MOST, replace=False))
    by_id = session.dataset.by_id
    inputs = [by_id[str(i)].input for i in after.ids[rows]]
    encoded, preparation = session.task.modality.encode(inputs, session.preparation), session.preparation
    targets = np.asarray(after.targets[rows])
    names = {"class": ("accuracy", "log_loss"), "labels": ("log_loss",), "value": ("rmse",)}[kind]
    own = _losses(_scores(session, encoded.arrays), targets, kind)
    found = []
    for place, column in enumerate(preparation.columns):
        name_of = "numeric" if column.kind == "numeric" else "categorical"
        at = getattr(preparation, name_of).index(place)
        losses = []
        for _ in range(SHUFFLES):
            array = encoded.arrays[name_of].copy()
            array[:, at] = array[rng.permutation(len(array)), at]
            losses.append(_losses(_scores(session, {**encoded.arrays, name_of: array}), targets, kind))
        entry: dict[str, Any] = {"name": column.name}
        for i, name in enumerate(names):
            shuffled = np.array([loss[i] for loss in losses])
            score = {"score": np.sqrt} if name == "rmse" else {}
            worse = permutation_rise(own[i], shuffled, rng, **score, resamples=1000)
            entry[name] = dataclasses.asdict(worse)
        found.append(entry)
    found.sort(key=lambda e: -e[names[-1]]["value"])
    facts = {"scores": list(names), "n": len(rows), "of": known_rows, "shuffles": SHUFFLES}
    return {**facts, "columns": found, "reason": ""}


def _losses(scores: np.ndarray, targets: np.ndarray, kind: str) -> tuple[np.ndarray, ...]:
    """Of each example: wrong or not and -log p of the truth; its mean over labels; or the squared error."""
    if kind == "value":
        return ((scores[:, 0] - targets) ** 2,)
    p = probabilities(scores, kind)
    if kind == "labels":
        right = np.where(targets == 1, p, 1 - p)
        return (-np.log(np.maximum(right, 1e-12)).mean(axis=1),)
    truth = p[np.arange(len(targets)), targets.astype(int)]
    return ((scores.argmax(axis=1) != targets).astype(float), -np.log(np.maximum(truth, 1e-12)))
