"""Fitting a scikit-learn ensemble, and reading its trees out of it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.backbones.estimator_curve import Curve
from workbench.backbones.estimator_order import learn_encoding, some
from workbench.backbones.estimator_table import Kind, find_class, find_kind, settled
from workbench.backbones.estimator_trees import in_turns, read_trees, spread
from workbench.backbones.estimators import EstimatorBackbone, Link
from workbench.errors import DataError
from workbench.trees import Trees

_NEVER = -30.0  # logit of a class that the training split never showed
_QUANTILES = 33
PATIENCE = 25  # iterations of boosting without improvement on the validation split


@dataclass(frozen=True)
class Fitted:
    """What fitting gave.

    Attributes:
        backbone: the ensemble, cut to the trees that are kept.
        history: loss and score on the training and validation split by number of trees.
        kept: iterations (boosting) or trees that are kept, of
        grown: those that were fitted.
        how: what was done, in a sentence.
    """

    backbone: EstimatorBackbone
    history: list[dict[str, Any]]
    kept: int
    grown: int
    how: str


def recommended(kind: Kind, rows: int) -> dict[str, Any]:
    """Parameters where the config says nothing; one rule by the number of training rows, no tuning per set.

    Boosting takes small steps and is stopped by the validation split. Averaged trees keep a
    few rows in each leaf: leaves of one row make larger files and probabilities of 0 and 1.
    """
    if kind.boosts:
        return {kind.count: 1000 if kind.missing else 300, "learning_rate": 0.05}
    leaf = {"min_samples_leaf": 2 if rows < 5000 else 5}
    return {kind.count: 200, **leaf} if kind.count else {"min_samples_leaf": 5 if rows < 5000 else 20}


def fit_estimator(
    source: str,
    parameters: Mapping[str, Any],
    target: str,
    train: tuple[Mapping[str, np.ndarray], np.ndarray],
    validation: tuple[Mapping[str, np.ndarray], np.ndarray],
    *,
    classes: int,
    cardinalities: list[int],
    inputs: tuple[str, ...],
    balanced: bool = False,
    seed: int = 0,
) -> Fitted:
    """Fit an estimator.

    Args:
        source: as `estimator_table.find_kind` takes it.
        parameters: of the estimator, over the recommended ones.
        target: "class", "labels" (one ensemble a label) or "value".
        train: model inputs and targets: (n,) class indices or values, or (n, classes) of 0 and 1.
        validation: the same of the validation split; known targets alone.
        classes: K; 1 for values.
        cardinalities: categories of each categorical column.
        inputs: names of the model's inputs.
        balanced: whether rare classes weigh more.
        seed: of every draw.

    Raises:
        DataError: the training split shows one class only.
        StageError: the trees that were read do not answer as the estimator does.
    """
    name, kind = find_kind(source, target)
    cls = find_class(kind, target)
    batch, answers = train
    encoding = learn_encoding(batch, _indicators(answers, target, classes), cardinalities, kind.missing)
    rows, held = encoding.rows(batch), encoding.rows(validation[0])
    chosen = {**recommended(kind, len(rows)), **parameters}
    chosen = {k: v for k, v in chosen.items() if v != "" or k in parameters}
    if target == "class" and len(np.unique(answers)) < 2:
        raise DataError("the training split shows one class only", hint="check data.target")
    grow = _Grower(cls, settled(chosen), kind, balanced, seed)
    if target == "labels":
        parts = [
            grow.binary(rows, answers[:, k], held, validation[1][:, k], place=k, of=classes) for k in range(classes)
        ]
        trees, steps = in_turns(parts, kind.boosts)
        link = Link("linear" if kind.boosts else "log-odds", _labels_matrix(classes, kind.boosts), np.zeros(classes))
    else:
        trees, link, steps = grow.one(rows, answers, held, validation[1], target, classes)
    curve = Curve(trees, link, steps, kind.boosts, target)
    history = curve.history((rows, answers), (held, validation[1]), seed)
    best = min(history, key=lambda h: h["validation_loss"])["step"] if kind.boosts else len(steps)
    kept = trees.first(int(steps[best - 1])) if kind.boosts else trees
    grid = np.nanquantile(np.where(np.isnan(rows), np.nanmedian(some(rows), axis=0), rows), _SPREAD, axis=0).T
    facts = {
        "source": f"sklearn:{name}",
        "class": cls.__name__,
        "sha256": None,
        "runs_user_code": False,
        "parameters": {k: chosen[k] for k in sorted(chosen)},
        "trees": len(kept),
    }
    backbone = EstimatorBackbone(kept, encoding, link, grid.astype(np.float32), inputs, facts)
    return Fitted(backbone, history, best, len(steps), _how(kind, best, len(steps)))


_SPREAD = np.linspace(0, 1, _QUANTILES)


def _how(kind: Kind, kept: int, grown: int) -> str:
    if not kind.boosts:
        return "every tree is kept: more trees steady an average, none undoes another"
    what = "iterations" if kept != 1 else "iteration"
    return f"the first {kept:,} {what} of {grown:,} are kept: those with the lowest loss on the validation split"


def _indicators(answers: np.ndarray, target: str, classes: int) -> np.ndarray:
    """Answers as columns of numbers: (n, K) or (n, 1)."""
    if target == "class":
        return np.eye(classes)[answers]
    return np.asarray(answers, dtype=np.float64).reshape(len(answers), -1)


class _Grower:
    """One class of estimators with its parameters."""

    def __init__(self, cls: Any, parameters: dict[str, Any], kind: Kind, balanced: bool, seed: int) -> None:
        self._cls, self._parameters, self._kind, self._balanced = cls, parameters, kind, balanced
        known = inspect.signature(cls).parameters
        own: dict[str, Any] = {"random_state": seed} if "random_state" in known else {}
        if kind.stem == "HistGradientBoosting":
            own |= {"early_stopping": True, "n_iter_no_change": PATIENCE}
        self._own = own

    def fit(self, rows: np.ndarray, answers: np.ndarray, held: np.ndarray, held_answers: np.ndarray) -> Any:
        from sklearn.utils.class_weight import compute_sample_weight

        estimator = self._cls(**{**self._own, **self._parameters})
        options: dict[str, Any] = {}
        if self._kind.stem == "HistGradientBoosting":
            seen = np.isin(held_answers, answers) if hasattr(estimator, "predict_proba") else np.ones(len(held), bool)
            options = {"X_val": held[seen], "y_val": held_answers[seen]}
        if self._balanced:
            options["sample_weight"] = compute_sample_weight("balanced", answers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sklearn's notes on columns without values, on classes of one row
            return estimator.fit(rows, answers, **options)

    def one(
        self, rows: np.ndarray, answers: np.ndarray, held: np.ndarray, held_answers: np.ndarray, target: str, k: int
    ) -> tuple[Trees, Link, np.ndarray]:
        """One ensemble for all outputs: trees, link and the number of trees after each step."""
        estimator = self.fit(rows, answers, held, held_answers)
        trees, steps = read_trees(estimator, rows)
        if target == "value":
            return trees, Link("linear", np.ones((1, 1)), np.zeros(1)), steps
        present = estimator.classes_.astype(int)
        if not self._kind.boosts:
            return spread(trees, present, k), Link("log", np.eye(k), np.zeros(k)), steps
        offset = np.full(k, _NEVER)
        offset[present] = 0.0
        matrix = np.zeros((trees.outputs, k))
        if trees.outputs == 1:  # the log-odds of the second, as half a logit for and half a logit against
            matrix[0, present] = -0.5, 0.5
        else:
            matrix[np.arange(len(present)), present] = 1.0
        return trees, Link("linear", matrix, offset), steps

    def binary(
        self, rows: np.ndarray, yes: np.ndarray, held: np.ndarray, held_yes: np.ndarray, *, place: int, of: int
    ) -> tuple[Trees, np.ndarray]:
        """The ensemble of one label among several: its trees with all outputs, and its steps."""
        known, held_known = np.isin(yes, (0, 1)), np.isin(held_yes, (0, 1))
        if len(np.unique(yes[known])) < 2:
            raise DataError(
                f"label {place + 1} of {of} is the same in every training row", hint="leave it out of data.targets"
            )
        estimator = self.fit(rows[known], yes[known], held[held_known], held_yes[held_known])
        trees, steps = read_trees(estimator, rows)
        places = np.array([place]) if self._kind.boosts else np.array([of + place, place])
        return spread(trees, places, of if self._kind.boosts else 2 * of), steps


def _labels_matrix(classes: int, boosts: bool) -> np.ndarray:
    """Which outputs are the labels' scores, or their probabilities."""
    return np.eye(classes) if boosts else np.eye(2 * classes)[:, :classes]
