"""Image classification: one class for a picture."""

from __future__ import annotations

from typing import Any

from workbench.config import Config
from workbench.modalities import image
from workbench.tasks import classes
from workbench.tasks.record import Task
from workbench.types import Dataset


def load(config: Config, dataset: Dataset) -> tuple[Any, Any]:
    """transformers' image model, or the user's own module where `backbone.factory` is given."""
    from workbench.backbones import hf, own
    from workbench.backbones.torch import check_pictures

    if config.backbone.factory:
        backbone = own.load_own(config.backbone, dataset.labels)
        preparation = hf.image_preparation({}, config.backbone)
    else:
        backbone, preparation = hf.load_image(config.backbone, dataset.labels, dropout=config.finetune.dropout)
    check_pictures(backbone, preparation.height, preparation.width, len(dataset.labels))
    return backbone, preparation


TASK = Task(
    name="image-classification",
    title="Image classification",
    modality=image,
    kind="class",
    load=load,
    decode=classes.decode,
    question=classes.question,
    scalar=classes.scalar,
    frame=classes.frame,
    contrast=classes.contrast,
)
