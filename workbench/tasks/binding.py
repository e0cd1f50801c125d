"""Binding a question to an example and a backbone: what makes a `Probe`.

The only place where a modality, a backbone and a task's scalar meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.errors import Refusal
from workbench.modalities.grid import enlarge, token_grid
from workbench.probe import Attention, Differentiable, Estimator, LayerMap, Picture, Probe
from workbench.tasks.probability import InProbability, probabilities
from workbench.tasks.record import Task
from workbench.types import Example, Question

# Model inputs at once: enough to keep the processor busy, few enough to stay in its caches.
_ROWS = {"text": 128, "image": 64, "table": 8192}
_GRADIENT_ROWS = {"text": 32, "image": 32, "table": 4096}
# Of long texts and large pictures fewer: more are no faster (2,048 tokens a tenth slower) and take more memory.
_FEWEST, _PIXELS, _TOKENS = 8, 8 * 224**2, 1024
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
    weights: np.ndarray | None = None,
    hierarchy: Callable[[], np.ndarray] | None = None,
) -> Probe:
    """A probe that asks `question` of `example` through `backbone`.

    Args:
        cut: the example's segmentation by its modality, shared by all models and methods.
        filler: name of what stands for a hidden feature.
        background: model inputs of the background rows (tables).
        weights: their shares, where they are not alike.
        hierarchy: gives which features belong together, where the example alone does not tell (tables).
    """
    modality = task.modality
    repeats = 1 if background is None else len(next(iter(background.values())))

    def hide(masks: np.ndarray) -> dict[str, np.ndarray]:
        return modality.hide(cut, masks, preparation, filler=filler, background=background)

    placed: list[Any] = []  # the picture, its filler and its segments, once they are on a device

    def compose(masks: np.ndarray) -> dict[str, Any]:
        if not placed:
            placed.extend(backbone.placed(cut.label, *modality.layers(cut, preparation, filler)))
        return {backbone.inputs[0]: backbone.composed(masks, *placed)}

    def read(scores: np.ndarray) -> np.ndarray:
        return np.asarray(task.scalar(scores, question))

    # Hidden columns are averaged over before a question is read, so probabilities are what is averaged.
    model = InProbability(backbone.outputs, task.kind) if question.in_probability else backbone.outputs

    def of_scores(scores: Any) -> Any:
        return task.scalar(probabilities(scores, task.kind) if question.in_probability else scores, question)

    def differentiable() -> Differentiable:
        everything = np.ones((1, len(cut.features)), dtype=bool)
        shown = {k: v[:1] for k, v in hide(everything).items()}
        # Deleting words would change the length; gradient methods keep it and mask instead.
        own = "pad" if filler == "delete" else filler
        hidden = modality.hide(cut, ~everything, preparation, filler=own, background=background)
        return Differentiable(
            **_answers(task, backbone, shown, question, of_scores),
            point=_array(backbone.coordinates(shown)),
            baselines=_array(backbone.coordinates(hidden)),
            pool=lambda a: (
                modality.pool(cut, a, preparation.order) if background is not None else modality.pool(cut, a)
            ),
            dense=getattr(modality, "dense", None),
            summed=1 if picture_in else -1,  # channels, or the width of an embedding
            batch=_at_once(task, backbone, preparation, cut, _GRADIENT_ROWS[task.modality_name]),
            filler=_PADDED if filler in ("delete", "pad") else "",
            weights=weights,
        )

    def layer(name: str) -> LayerMap:
        shown = {k: v[:1] for k, v in hide(np.ones((1, len(cut.features)), dtype=bool)).items()}
        frame = cut.frame.shape[0], cut.frame.shape[1]
        if hasattr(backbone, "layer_map"):
            found: LayerMap = backbone.layer_map(shown, _weights(task, backbone.classes, question), name, frame)
            return found
        from workbench.backbones.autograd import layer_map

        return layer_map(backbone, shown, of_scores, name, frame)

    def picture() -> Picture:
        pixels = np.arange(cut.label.size).reshape(cut.label.shape)

        def keeping(masks: np.ndarray) -> np.ndarray:
            flat = masks.reshape(len(masks), -1)
            batch = modality.hide(replace(cut, label=pixels), flat, preparation, filler=filler)
            return read(model(batch))

        return Picture(cut.frame, lambda a: modality.pool(cut, a), keeping)

    def attention() -> Attention:
        shown = {k: v[:1] for k, v in hide(np.ones((1, len(cut.features)), dtype=bool)).items()}
        flow, last = backbone.attentions(shown, of_scores)
        return Attention(flow, last, lambda tokens: _place(modality, cut, tokens))

    def together() -> np.ndarray:
        return np.asarray(modality.hierarchy(cut) if hierarchy is None else hierarchy())

    def estimator() -> Estimator:
        everything = np.ones((1, len(cut.features)), dtype=bool)
        shown = {k: v[:1] for k, v in hide(everything).items()}
        return Estimator(
            trees=backbone.trees,
            point=backbone.encoding.rows(shown)[0],
            background=backbone.encoding.rows(hide(~everything)),
            weights=weights,
            coefficients=read(backbone.link.matrix),
            constant=float(read(backbone.link.offset[None])[0]),
            pool=lambda a: modality.pool(cut, a, preparation.order),
        )

    link = getattr(backbone, "link", None)
    trees = link is not None and (link.in_probability == question.in_probability)
    torch, picture_in = hasattr(backbone, "from_coordinates"), task.modality_name == "image"
    graph = hasattr(backbone, "slopes") and not question.in_probability  # whose gradient is of sums of scores
    gradients = torch or graph
    return Probe(
        question=question,
        example_id=example.id,
        features=cut.features,
        hide=hide,
        compose=compose if picture_in and hasattr(backbone, "composed") else None,
        answer=lambda batch: read(model(batch)),
        filler=modality.FILLERS[filler],
        repeats=repeats,
        rows=_at_once(task, backbone, preparation, cut, _ROWS[task.modality_name]),
        differentiable=differentiable if gradients else None,
        weights=weights,
        module=backbone.module if torch else None,
        layer=layer if picture_in and (torch or (graph and getattr(backbone, "has_layer", False))) else None,
        attention=attention if getattr(backbone, "has_attention", False) else None,
        picture=picture if picture_in else None,
        hierarchy=together if background is None or hierarchy is not None else None,
        estimator=estimator if trees else None,
        model=model,
        read=read,
        lengths=(lambda masks: modality.lengths(cut, masks)) if filler == "delete" else None,
        padding=modality.padding(preparation) if hasattr(modality, "padding") else {},
    )


def _at_once(task: Task, backbone: Any, preparation: Any, cut: Any, most: int) -> int:
    """Model inputs of a batch: `most`, but of large ones fewer, except on a GPU, which more keep busy."""
    providers = getattr(backbone, "providers", None) or [str(getattr(backbone, "device", "cpu"))]
    if task.modality_name == "table" or not providers[0].lower().startswith("cpu"):
        return most
    if task.modality_name == "text":
        return min(most, max(_FEWEST, _TOKENS // len(cut.ids)))
    return min(most, max(_FEWEST, _PIXELS // (preparation.height * preparation.width)))


def _answers(
    task: Task, backbone: Any, shown: Mapping[str, np.ndarray], question: Question, of_scores: Callable[[Any], Any]
) -> dict[str, Any]:
    """The answer to a question as a function of coordinates, from a gradient graph or a torch module."""
    if hasattr(backbone, "slopes"):
        slopes, weights = backbone.slopes(shown), _weights(task, backbone.classes, question)

        def answers(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            scores, gradients = slopes(x, weights)
            return np.asarray(task.scalar(scores.astype(np.float64), question)), gradients

        return {"slopes": answers, "library": backbone.library}
    from workbench.backbones.autograd import slopes_of

    scores_at = backbone.from_coordinates(shown)

    def forward(x: Any) -> Any:
        return of_scores(scores_at(x))

    return {"slopes": slopes_of(forward, getattr(backbone, "device", "cpu")), "forward": forward}


def _weights(task: Task, classes: int, question: Question) -> np.ndarray:
    """(K,) weights of the scores in the answer: a task's scalar is linear in them."""
    each = np.asarray(task.scalar(np.eye(classes), question), dtype=np.float64)
    return np.asarray(each - np.asarray(task.scalar(np.zeros((1, classes)), question)))


def _array(coordinates: Any) -> np.ndarray:
    """Coordinates as an array, whoever gave them."""
    return np.asarray(coordinates.detach().cpu().numpy() if hasattr(coordinates, "detach") else coordinates)


def _place(modality: Any, cut: Any, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Values of tokens as values of features, with a map where the tokens are a picture's patches."""
    if not hasattr(cut, "frame"):
        return modality.pool(cut, tokens), None
    height, width = cut.frame.shape[:2]
    cells = token_grid(len(tokens), height, width)
    if cells is None:
        raise Refusal(
            f"{len(tokens)} tokens make no grid of a picture of {height} by {width} pixels", hint="use another method"
        )
    rows, columns, prefix = cells
    dense = enlarge(tokens[prefix:].reshape(rows, columns), height, width)
    return modality.pool(cut, dense), dense
