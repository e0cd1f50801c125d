"""Text multi-label classification: any number of labels for a text."""

from __future__ import annotations

from typing import Any

from workbench.config import Config
from workbench.modalities import text
from workbench.tasks import labels, text_classification
from workbench.tasks.record import Task
from workbench.types import Dataset


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """transformers' sequence-classification model with its tokenizer."""
    backbone, preparation = text_classification.load(config, dataset)
    return labels.multilabel(backbone), preparation


TASK = Task(
    name="text-multilabel",
    title="Text multi-label classification",
    modality=text,
    kind="labels",
    load=load,
    decode=labels.decode,
    question=labels.question,
    scalar=labels.scalar,
    frame=labels.frame,
)
