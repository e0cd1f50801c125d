"""Text classification: one class for a text."""

from __future__ import annotations

from typing import Any

from workbench.config import Config
from workbench.modalities import text
from workbench.tasks import classes
from workbench.tasks.record import Task
from workbench.types import Dataset


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """transformers' sequence-classification model with its tokenizer."""
    from workbench.backbones import hf

    return hf.load_text(config.backbone, dataset.labels, dropout=config.finetune.dropout)


TASK = Task(
    name="text-classification",
    title="Text classification",
    modality=text,
    kind="class",
    load=load,
    decode=classes.decode,
    question=classes.question,
    scalar=classes.scalar,
    frame=classes.frame,
    contrast=classes.contrast,
)
