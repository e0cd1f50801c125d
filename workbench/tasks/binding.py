"""Binding a question to an example and a backbone: what makes a `Probe`.

The only place where a modality, a backbone and a task's scalar meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.probe import Differentiable, Probe
from workbench.tasks.record import Task
from workbench.types import Example, Question

# Model inputs at once: enough to keep the processor busy, few enough to stay in its caches.
_ROWS = {"text": 128, "image": 64, "table": 8192}
_GRADIENT_ROWS = {"text": 32, "image": 32, "table": 4096}
_PADDED = "the padding token in the word's place"  # gradients can neither shorten a text nor hide a place


def bind(
    task: Task,
    backbone: Any,
    preparation: Any,
    example: Example,
    question: Question,
    cut: Any,
    *,
    filler: str,
    background: Mapping[str, np.ndarray] | None = None,
) -> Probe:
    """A probe that asks `question` of `example` through `backbone`.

    Args:
        cut: the example's segmentation by its modality, shared by all models and methods.
        filler: name of what stands for a hidden feature.
        background: model inputs of the background rows (tables).
    """
    modality = task.modality
    repeats = 1 if background is None else len(next(iter(background.values())))

    def hide(masks: np.ndarray) -> dict[str, np.ndarray]:
        return modality.hide(cut, masks, preparation, filler=filler, background=background)

    def read(scores: np.ndarray) -> np.ndarray:
        return np.asarray(task.scalar(scores, question))

    def differentiable() -> Differentiable:
        everything = np.ones((1, len(cut.features)), dtype=bool)
        shown = {k: v[:1] for k, v in hide(everything).items()}
        # Deleting words would change the length; gradient methods keep it and mask instead.
        own = "pad" if filler == "delete" else filler
        hidden = modality.hide(cut, ~everything, preparation, filler=own, background=background)
        forward = backbone.from_coordinates(shown)
        return Differentiable(
            forward=lambda x: task.scalar(forward(x), question),
            point=backbone.coordinates(shown),
            baselines=backbone.coordinates(hidden),
            pool=lambda a: (
                modality.pool(cut, a, preparation.order) if background is not None else modality.pool(cut, a)
            ),
            dense=getattr(modality, "dense", None),
            batch=_GRADIENT_ROWS[task.modality_name],
            filler=_PADDED if filler in ("delete", "pad") else "",
        )

    return Probe(
        question=question,
        example_id=example.id,
        features=cut.features,
        hide=hide,
        answer=lambda batch: read(backbone.outputs(batch)),
        filler=modality.FILLERS[filler],
        repeats=repeats,
        rows=_ROWS[task.modality_name],
        differentiable=differentiable if hasattr(backbone, "from_coordinates") else None,
        model=backbone.outputs,
        read=read,
        lengths=(lambda masks: modality.lengths(cut, masks)) if filler == "delete" else None,
        padding=modality.padding(preparation) if hasattr(modality, "padding") else {},
    )
