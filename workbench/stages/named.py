"""Named parts of the inputs: words, columns and regions of the config, and evidence that was planted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.config import Compare
from workbench.data.pictures import read_image
from workbench.errors import ConfigError, UnknownName
from workbench.places import Edges, edges_of, region_name
from workbench.quality.moved import plain_word, region_weights
from workbench.quality.reasons import Part

_MEANT_FOR = {"words": "text", "columns": "table", "regions": "image"}
EVIDENCE = "evidence"


def named_parts(wanted: Compare, modality: str, cases: Sequence[dict[str, Any]], preparation: Any) -> list[Part]:
    """The parts whose share of attribution is measured, in the explained examples that hold them.

    Where a data set says in `meta["evidence"]` what decides (planted ones do), that is a part too.

    Args:
        wanted: the config's section.
        modality: "text", "image" or "table".
        cases: as of `workbench.stages.explain.Asked`: `example` and `cut`.
        preparation: how the model before is given its inputs.

    Raises:
        ConfigError: a key that is meant for another kind of input.
        UnknownName: a column that the data do not have.
    """
    for key, kind in _MEANT_FOR.items():
        if getattr(wanted, key) and kind != modality:
            raise ConfigError(f"compare.{key} is for {kind} data; this run's is {modality} data", hint="leave it out")
    parts = []
    for word in wanted.words:
        held = [[plain_word(f.name) == plain_word(word) for f in c["cut"].features] for c in cases]
        parts.append(_of_features(word, "word", held))
    for column in wanted.columns:
        names = [f.name for f in cases[0]["cut"].features] if cases else [column]
        if column not in names:
            raise UnknownName("column", column, names)
        held = [[f.name == column for f in c["cut"].features] for c in cases]
        parts.append(_of_features(column, "column", held))
    for region in wanted.regions:
        edges = edges_of(region)
        found = [region_weights(c["cut"].label, len(c["cut"].features), edges) for c in cases]
        parts.append(_part(region_name(region), "region", dict(enumerate(found))))
    evidence = {i: c["example"].meta[EVIDENCE] for i, c in enumerate(cases) if EVIDENCE in c["example"].meta}
    if evidence:
        parts.append(_evidence(modality, cases, evidence, preparation))
    return parts


def _of_features(name: str, kind: str, held: Sequence[Sequence[bool]]) -> Part:
    weights = {i: np.array(h, dtype=np.float64) for i, h in enumerate(held) if any(h)}
    return _part(name, kind, {i: (w, float(w.mean())) for i, w in weights.items()})


def _part(name: str, kind: str, found: dict[int, tuple[np.ndarray, float]]) -> Part:
    """A part from {place among the examples: (weights, area)}."""
    return Part(name, kind, list(found), [w for w, _ in found.values()], [a for _, a in found.values()])


def _evidence(modality: str, cases: Sequence[dict[str, Any]], evidence: dict[int, str], preparation: Any) -> Part:
    """What was planted: a word's place in the text, names of columns, or a box in pixels of the picture as given."""
    found = {}
    for i, text in evidence.items():
        cut = cases[i]["cut"]
        if modality == "image":
            pixels = tuple(float(v) for v in text.split(","))
            size = read_image(cases[i]["example"].input).shape[:2]
            found[i] = region_weights(cut.label, len(cut.features), in_frame(preparation, size, pixels))
            continue
        wanted = set(text.split(",")) if modality == "table" else {_span(cases[i]["example"].input, int(text))}
        names = [f.name if modality == "table" else f.span for f in cut.features]
        weights = np.array([n in wanted for n in names], dtype=np.float64)
        if weights.any():  # a text may have been cut before it
            found[i] = weights, float(weights.mean())
    return _part("planted evidence", EVIDENCE, found)


def _span(text: str, place: int) -> tuple[int, int]:
    """Characters of the word that `text.split()` puts at a place."""
    at = 0
    for number, word in enumerate(text.split()):
        at = text.index(word, at)
        if number == place:
            return at, at + len(word)
        at += len(word)
    return -1, -1


def in_frame(preparation: Any, size: tuple[int, ...], box: Sequence[float]) -> Edges:
    """A box in pixels of a picture (left, top, right, bottom) as fractions of what the model sees of it.

    Args:
        preparation: resizing and central crop.
        size: (height, width) of the picture as given.
        box: its edges in pixels.
    """
    if len(preparation.resize) == 2:
        high, wide = preparation.resize
    else:
        scale = preparation.resize[0] / min(size)
        high, wide = int(size[0] * scale), int(size[1] * scale)
    top, left = (high - preparation.height) // 2, (wide - preparation.width) // 2
    x0, x1 = ((v * wide / size[1] - left) / preparation.width for v in (box[0], box[2]))
    y0, y1 = ((v * high / size[0] - top) / preparation.height for v in (box[1], box[3]))
    ends = np.clip([x0, y0, x1, y1], 0, 1)
    return float(ends[0]), float(ends[1]), float(ends[2]), float(ends[3])
