"""Whether an explanation names what a person, or the maker of the data, says decides.

That is plausibility, not faithfulness: a model may be right for reasons that nobody marked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from workbench.types import Feature

_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")


def marked_words(rationale: str, text: str, features: Sequence[Feature]) -> np.ndarray:
    """Which words of a text a rationale marks, (M,) bool.

    Args:
        rationale: places in `text.split()` ("3" or "3, 7, 8"), or passages of the text
            itself, several parted by "|".
        text: the whole text.
        features: words with their `span`.

    Raises:
        ValueError: a place is outside the text, or a passage is not in it.
    """
    words = [m.span() for m in re.finditer(r"\S+", text)]
    spans = []
    if re.fullmatch(r"[\[\s\]\d,;]*\d[\[\s\]\d,;]*", rationale):
        for place in map(int, _NUMBERS.findall(rationale)):
            if place >= len(words):
                raise ValueError(f"the rationale marks word {place}, the text has {len(words)} (counted from 0)")
            spans.append(words[place])
    else:
        for passage in (p.strip() for p in rationale.split("|")):
            at = text.find(passage) if passage else -1
            if passage and at < 0:
                raise ValueError(f"the rationale {passage!r} is not a passage of the text")
            if passage:
                spans.append((at, at + len(passage)))
    marked = np.zeros(len(features), dtype=bool)
    for i, feature in enumerate(features):
        if feature.span is not None:
            marked[i] = any(start < feature.span[1] and feature.span[0] < end for start, end in spans)
    return marked


def marked_columns(rationale: str, features: Sequence[Feature]) -> np.ndarray:
    """Which columns a rationale names, (M,) bool; names are parted by commas.

    Raises:
        ValueError: a name is no column.
    """
    names = [n.strip() for n in rationale.split(",") if n.strip()]
    known = [f.name for f in features]
    if missing := [n for n in names if n not in known]:
        raise ValueError(f"the rationale names {missing[0]!r}, which is no column")
    return np.array([n in names for n in known])


def read_box(rationale: str) -> tuple[float, float, float, float]:
    """The box of "x0,y0,x1,y1", right and lower edge excluded.

    Raises:
        ValueError: there are not four numbers, or the box is empty.
    """
    found = [float(n) for n in _NUMBERS.findall(rationale)]
    if len(found) != 4 or found[0] >= found[2] or found[1] >= found[3]:
        raise ValueError(f"the rationale {rationale!r} is no box x0,y0,x1,y1")
    return found[0], found[1], found[2], found[3]


def in_box(box: tuple[float, float, float, float], height: int, width: int) -> np.ndarray:
    """Pixels whose centre lies in a box, (height, width) bool."""
    x0, y0, x1, y1 = box
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5
    return np.asarray((x > x0) & (x < x1) & (y > y0) & (y < y1))


def token_f1(values: np.ndarray, marked: np.ndarray) -> float:
    """F1 of the k largest values with the k marked features (ERASER, DeYoung 2020); NaN where none is marked.

    With as many named as marked, precision and recall are the same.
    """
    k = int(np.sum(marked))
    if not k:
        return math.nan
    named = np.argsort(-np.asarray(values, dtype=np.float64), kind="stable")[:k]
    return float(np.asarray(marked)[named].mean())


def iou_f1(values: np.ndarray, marked: np.ndarray) -> float:
    """F1 of passages (ERASER, DeYoung 2020): those of the k largest values against the k marked ones; NaN for none.

    A passage is a run of neighbouring features; a named one is found where it overlaps a marked
    one by half of what both cover, or more.
    """
    marked = np.asarray(marked, dtype=bool)
    k = int(marked.sum())
    if not k:
        return math.nan
    named = np.zeros(len(marked), dtype=bool)
    named[np.argsort(-np.asarray(values, dtype=np.float64), kind="stable")[:k]] = True
    claims, truths = _runs(named), _runs(marked)
    found = sum(
        any(2 * max(0, min(b, d) - max(a, c)) >= max(b, d) - min(a, c) for c, d in truths if c < b and a < d)
        for a, b in claims
    )
    return 2 * found / (len(claims) + len(truths))


def _runs(inside: np.ndarray) -> list[tuple[int, int]]:
    """[start, end) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def average_precision(values: np.ndarray, marked: np.ndarray) -> float:
    """Average precision of the values for the marked features, sum of (R_k - R_k-1) P_k; NaN where all or none is."""
    from sklearn.metrics import average_precision_score

    marked = np.asarray(marked, dtype=bool)
    if marked.all() or not marked.any():
        return math.nan
    return float(average_precision_score(marked, np.asarray(values, dtype=np.float64)))


def pointing_game(values: np.ndarray, inside: np.ndarray) -> float:
    """1 where the largest value lies inside the marked region (Zhang 2018), else 0; NaN where nothing is marked."""
    inside = np.asarray(inside, dtype=bool)
    return float(inside.ravel()[int(np.argmax(values))]) if inside.any() else math.nan


def mass_accuracy(values: np.ndarray, inside: np.ndarray) -> float:
    """Share of the positive values that lies inside the marked region (Arras 2022); NaN where none is positive.

    `inside` is (M,) shares of each feature from 0 to 1.
    """
    positive = np.maximum(np.asarray(values, dtype=np.float64), 0)
    total = float(positive.sum())
    return float(positive @ np.asarray(inside, dtype=np.float64)) / total if total else math.nan
