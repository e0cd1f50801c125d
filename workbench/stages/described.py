"""A case as cases.json holds it: what a reader sees of an example, its parts and its picture."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from workbench.data.fingerprint import target_name
from workbench.markup import brief

_UNREAD = 1000  # characters of a text that are kept after the last word that the model reads


def describe_case(asked: Any, number: int, case: dict[str, Any]) -> dict[str, Any]:
    """One case of `asked` (`workbench.stages.explain.Asked`); its picture is written to the run on the way."""
    task, row, example, cut = asked.session.task, case["row"], case["example"], case["cut"]
    target = target_name(asked.session.dataset, example.target)
    question = case["question"]
    text = {
        "id": example.id,
        "split": example.split,
        "why": case["why"],
        "target": list(target) if isinstance(target, tuple) else target,
        "question": {
            "id": question.id,
            "text": question.text,
            "kind": question.kind,
            "target": question.target,
            "against": question.against,
            "unit": question.unit,
        },
        "before": None if asked.before is None else task.frame(asked.before, row),
        "after": task.frame(asked.after, row),
        "features": [{"name": f.name, "value": f.value, "span": f.span} for f in cut.features],
    }
    if task.modality_name == "text":
        shown, spans = _legible(example.input, cut)
        text |= {"text": shown, "cut": cut.cut}
        text["features"] = [f | {"span": span} for f, span in zip(text["features"], spans, strict=True)]
    if task.modality_name == "image":
        text |= _pictures(asked, number, cut)
    return text


def _legible(text: str, cut: Any) -> tuple[str, list[tuple[int, int]]]:
    """A text as a reader wants it, and where its words then are.

    Endless words and the spaces between words are cut in their middle; of a book, not all that was never read.
    """
    pieces, spans, at, length = [], [], 0, 0
    for feature in cut.features:
        start, end = feature.span
        between = brief(text[at:start])
        spans.append((length + len(between), length + len(between) + len(feature.name)))
        pieces += [between, feature.name]
        at, length = end, spans[-1][1]
    rest = text[at : at + _UNREAD] if cut.cut else brief(text[at:], _UNREAD)
    return "".join([*pieces, rest]), spans


def _pictures(asked: Any, number: int, cut: Any) -> dict[str, Any]:
    names = f"{asked.previews}/{number}.png", f"{asked.previews}/{number}.segments.png"
    images = Image.fromarray(cut.frame), Image.fromarray(cut.label.astype(np.uint16))
    for name, image in zip(names, images, strict=True):
        sink = io.BytesIO()
        image.save(sink, "PNG")
        asked.session.run.write_bytes(name, sink.getvalue())
    height, width = cut.label.shape
    return {
        "picture": names[0],
        "segments": names[1],
        "width": width,
        "height": height,
        "segmenter": cut.method,
    }
