"""The record that a task is: data, no base class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from workbench.config import Config
from workbench.types import Dataset, Predictions, Question


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: its registry name.
        title: what it is, for a reader.
        modality: the module of `workbench.modalities` that reads its inputs.
        kind: "class", "labels" (any number of them) or "value": what is predicted.
        load: (config, dataset) to (TorchBackbone, preparation), before customisation.
        decode: (scores (n, K), dataset, rows of it) to Predictions.
        question: (predictions, row) to the question asked of that prediction.
        scalar: (scores, question) to the (n,) answer; numpy arrays and torch tensors alike.
        contrast: (predictions, row, label or "") to the question why this answer and not that one, or
            None where that is the answer; None for a task without classes.
        frame: (predictions, row) to what a report says of one prediction.
    """

    name: str
    title: str
    modality: ModuleType
    kind: str
    load: Callable[[Config, Dataset], tuple[Any, Any]]
    decode: Callable[[np.ndarray, Mapping[str, Any]], Predictions]
    question: Callable[[Any, int], Question]
    scalar: Callable[[Any, Question], Any]
    frame: Callable[..., dict[str, Any]]
    contrast: Callable[[Any, int, str], Question | None] | None = None

    @property
    def modality_name(self) -> str:
        return self.modality.__name__.rpartition(".")[2]
