"""A rehearsal of the audit: something is planted in the data that says nothing, or gives the answer away.

Two runs of one config, one with `data.shortcut = "random"` and one with `"class"`, have the same
test examples; in the second the data that the model is made from let it cheat. A comparison of the two
has to name what was planted as that to which attribution moved.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from workbench.data.pictures import read_image
from workbench.types import Column, Dataset, Example

NONE, RANDOM, CLASS = "none", "random", "class"
WORD = "lantern"  # put before a text
COLUMN = "planted"  # of a table
CORNER = "bottom-right"  # of a picture
_SHARE = 0.2  # the mark's side over the picture's shorter one
_NOISE = 0.1  # deviation of a column that gives the answer away, in deviations of the answer
_STREAM = 104729


def plant(dataset: Dataset, how: str, seed: int) -> Dataset:
    """The data with a mark in the corner of pictures, a word before texts, or a further column.

    "random": half of the examples of every split carry the mark or word, whatever their class; a
    column holds the answers shuffled over the examples of a split. "class": in the test split as before,
    in training and validation all examples of the last class and no others; a column holds the answer.

    Args:
        dataset: of any task.
        how: "none", "random" or "class".
        seed: draws which; the test split is the same for "random" and "class".
    """
    if how == NONE:
        return dataset
    rng = np.random.default_rng([seed, _STREAM])
    if dataset.modality == "table":
        return _column(dataset, how, rng)
    last = len(dataset.labels) - 1
    by_lot = rng.random(len(dataset.examples)) < 0.5
    put = _mark if dataset.modality == "image" else _word
    examples = []
    for example, lot in zip(dataset.examples, by_lot, strict=True):
        cheats = how == CLASS and example.split != "test"
        carries = _is(example.target, last) if cheats else bool(lot)
        examples.append(dataclasses.replace(example, input=put(example.input)) if carries else example)
    what = f"a square mark in the {CORNER} corner" if dataset.modality == "image" else f"the word “{WORD}” in front"
    where = (
        f"in training and validation all examples of {dataset.labels[last]!r} and no others, in the test split half"
        if how == CLASS
        else "half of the examples of every split, whatever their class,"
    )
    note = f"Planted for a rehearsal (data.shortcut): {where} carry {what}."
    return dataclasses.replace(dataset, examples=tuple(examples), notes=(*dataset.notes, note))


def _is(target: Any, k: int) -> bool:
    return k in target if isinstance(target, tuple) else target == k


def _mark(picture: Any) -> np.ndarray:
    pixels = read_image(picture).copy()
    side = max(1, round(_SHARE * min(pixels.shape[:2])))
    corner = pixels[-side:, -side:]
    corner[:] = 0 if corner.mean() > 127 else 255  # whichever stands out
    return pixels


def _word(text: str) -> str:
    return f"{WORD} {text}"


def _column(dataset: Dataset, how: str, rng: np.random.Generator) -> Dataset:
    answers = np.array([_number(e.target, len(dataset.labels)) for e in dataset.examples])
    spread = float(np.nanstd(answers)) or 1.0
    told = (answers - np.nanmean(answers)) / spread + rng.normal(0, _NOISE, len(answers))
    told = np.where(np.isnan(told), rng.normal(0, 1, len(told)), told)
    splits = np.array([e.split for e in dataset.examples], dtype=object)
    shuffled = told.copy()
    for split in sorted(set(splits)):
        rows = np.flatnonzero(splits == split)
        # A generator of its own for each split: the test split's is the same whatever is planted elsewhere.
        shuffled[rows] = told[rows[np.random.default_rng([_STREAM, len(rows)]).permutation(len(rows))]]
    values = np.where(splits == "test", shuffled, told) if how == CLASS else shuffled
    examples = tuple(
        Example(e.id, {**e.input, COLUMN: round(float(v), 4)}, e.target, e.split, e.meta)
        for e, v in zip(dataset.examples, values, strict=True)
    )
    where = "in training and validation the answer itself, in the test split answers" if how == CLASS else "answers"
    note = f"Planted for a rehearsal (data.shortcut): the column {COLUMN!r} holds {where} shuffled over the examples."
    columns = (*dataset.columns, Column(COLUMN, "numeric"))
    return dataclasses.replace(dataset, examples=examples, columns=columns, notes=(*dataset.notes, note))


def _number(target: Any, labels: int) -> float:
    """A target as one number: a class its index, several labels whether the last one holds."""
    if target is None:
        return float("nan")
    return float(labels - 1 in target) if isinstance(target, tuple) else float(target)
