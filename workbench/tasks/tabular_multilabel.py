"""Tabular multi-label classification: any number of labels for a row of a table."""

from __future__ import annotations

from typing import Any

from workbench.config import Config
from workbench.modalities import table
from workbench.tasks import labels
from workbench.tasks.record import Task
from workbench.types import Dataset


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """The workbench's own network for tables."""
    from workbench.backbones import tabular

    return tabular.load_tabular(config, dataset, kind="labels")


TASK = Task(
    name="tabular-multilabel",
    title="Tabular multi-label classification",
    modality=table,
    kind="labels",
    load=load,
    decode=labels.decode,
    question=labels.question,
    scalar=labels.scalar,
    frame=labels.frame,
)
