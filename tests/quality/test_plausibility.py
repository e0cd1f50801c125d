"""Agreement with marked evidence: scikit-learn, hand-counted cases, and rationales that do not fit."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from workbench.quality import plausibility as p
from workbench.types import Feature


def words(text: str) -> tuple[Feature, ...]:
    return tuple(Feature(m.group(), span=m.span()) for m in re.finditer(r"\S+", text))


def test_token_f1_and_average_precision_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, marked = rng.normal(size=15), rng.random(15) < 0.3
        if not marked.any():
            continue
        named = np.zeros(15, dtype=bool)
        named[np.argsort(-values)[: marked.sum()]] = True
        assert p.token_f1(values, marked) == pytest.approx(f1_score(marked, named))
        assert p.average_precision(values, marked) == pytest.approx(average_precision_score(marked, values))


@pytest.mark.parametrize(
    ("values", "marked", "expected"),
    [
        ([5, 4, 0, 0, 3], [1, 1, 0, 0, 1], 1.0),  # both passages
        ([5, 4, 3, 0, 0], [1, 1, 0, 0, 1], 2 / 3),  # one passage of three: two of three shared with the first
        ([0, 5, 4, 0, 0], [1, 1, 0, 0, 0], 0.0),  # one word shared of three covered
        ([0, 5, 4, 3, 0], [1, 1, 1, 0, 0], 1.0),  # two of four: just half
        ([5, 0, 4, 0, 3], [1, 1, 1, 0, 0], 0.0),  # three single words against a passage of three
    ],
)
def test_passages_are_found_where_they_overlap_by_half(values: list, marked: list, expected: float) -> None:
    assert p.iou_f1(np.array(values, float), np.array(marked)) == pytest.approx(expected)


def test_pointing_game_and_mass() -> None:
    values = np.array([3.0, -5.0, 1.0, 0.5])
    assert p.pointing_game(values, np.array([1, 0, 0, 0])) == 1
    assert p.pointing_game(values, np.array([0, 1, 0, 0])) == 0  # against the answer is not for it
    assert p.mass_accuracy(values, np.array([1, 1, 0.5, 0])) == pytest.approx(3.5 / 4.5)
    nothing = np.zeros(4, dtype=bool)
    assert math.isnan(p.token_f1(values, nothing)) and math.isnan(p.iou_f1(values, nothing))
    assert math.isnan(p.average_precision(values, nothing))
    assert math.isnan(p.pointing_game(values, nothing)) and math.isnan(p.mass_accuracy(-np.ones(4), nothing))


@pytest.mark.parametrize(
    ("rationale", "expected"),
    [("1", [1]), ("0, 3", [0, 3]), ("[2, 3]", [2, 3]), ("a fine", [1, 2]), ("What | film!", [0, 3]), ("fin", [2])],
)
def test_words_are_marked_by_place_or_by_passage(rationale: str, expected: list[int]) -> None:
    text = "What a fine film!"
    assert np.flatnonzero(p.marked_words(rationale, text, words(text))).tolist() == expected


def test_a_rationale_that_does_not_fit_is_refused() -> None:
    text = "What a fine film!"
    with pytest.raises(ValueError, match="marks word 4, the text has 4"):
        p.marked_words("4", text, words(text))
    with pytest.raises(ValueError, match="'bad' is not a passage"):
        p.marked_words("bad", text, words(text))
    with pytest.raises(ValueError, match="'c', which is no column"):
        p.marked_columns("a, c", (Feature("a"), Feature("b")))
    for box in ("1,2,3", "5,0,5,9", "here"):
        with pytest.raises(ValueError, match="no box"):
            p.read_box(box)


def test_columns_and_boxes() -> None:
    assert p.marked_columns("a,b", (Feature("a"), Feature("c"), Feature("b"))).tolist() == [True, False, True]
    inside = p.in_box(p.read_box("1,2,4,4"), 6, 5)
    assert inside.sum() == 3 * 2 and inside[2:4, 1:4].all()
