"""Tabular regression: a number, in the target's unit, for a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.config import Config
from workbench.modalities import table
from workbench.tasks.record import Task
from workbench.types import Dataset, Question, Values


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """The workbench's own network for tables."""
    from workbench.backbones import tabular

    return tabular.load_tabular(config, dataset, kind="value")


def decode(scores: np.ndarray, facts: Mapping[str, Any]) -> Values:
    """Outputs (n, 1) in the target's unit as predictions."""
    targets = np.array([np.nan if t is None else float(t) for t in facts["targets"]])
    return Values(
        facts["ids"], facts["splits"], targets, scores[:, 0].astype(np.float64), facts["unit"], facts["groups"]
    )


def question(predictions: Values, row: int) -> Question:
    """Why this value."""
    shown = f"{predictions.values[row]:.4g}{' ' + predictions.unit if predictions.unit else ''}"
    return Question("value", f"Why {shown}?", unit=predictions.unit)


def scalar(scores: Any, question: Question) -> Any:
    """The predicted value."""
    return scores[:, 0]


def frame(predictions: Values, row: int) -> dict[str, Any]:
    """Value and error of one prediction, in the target's unit."""
    value, target = float(predictions.values[row]), float(predictions.targets[row])
    return {"value": value, "error": None if np.isnan(target) else value - target}


TASK = Task(
    name="tabular-regression",
    title="Tabular regression",
    modality=table,
    kind="value",
    load=load,
    decode=decode,
    question=question,
    scalar=scalar,
    frame=frame,
)
