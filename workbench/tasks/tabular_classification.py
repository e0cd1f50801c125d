"""Tabular classification: one class for a row of a table."""

from __future__ import annotations

from typing import Any

from workbench.config import Config
from workbench.modalities import table
from workbench.tasks import classes
from workbench.tasks.record import Task
from workbench.types import Dataset


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """The workbench's own network for tables."""
    from workbench.backbones import tabular

    return tabular.load_tabular(config, dataset, kind="class")


TASK = Task(
    name="tabular-classification",
    title="Tabular classification",
    modality=table,
    kind="class",
    load=load,
    decode=classes.decode,
    question=classes.question,
    scalar=classes.scalar,
    frame=classes.frame,
    contrast=classes.contrast,
)
