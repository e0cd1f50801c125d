"""Image multi-label classification: any number of labels for a picture."""

from __future__ import annotations

from typing import Any

from workbench.config import Config
from workbench.modalities import image
from workbench.tasks import image_classification, labels
from workbench.tasks.record import Task
from workbench.types import Dataset


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """transformers' image model, or the user's own module where `backbone.factory` is given."""
    backbone, preparation = image_classification.load(config, dataset)
    return labels.multilabel(backbone), preparation


TASK = Task(
    name="image-multilabel",
    title="Image multi-label classification",
    modality=image,
    kind="labels",
    load=load,
    decode=labels.decode,
    question=labels.question,
    scalar=labels.scalar,
    frame=labels.frame,
)
