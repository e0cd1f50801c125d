"""What is planted for a rehearsal: where, in which examples, and that the test split is the same either way."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.data.planted import planted_columns, planted_keyword, planted_patch
from workbench.data.shortcut import COLUMN, WORD, plant
from workbench.types import Dataset, Example


def carriers(plain: Dataset, planted: Dataset) -> list[Example]:
    return [p for e, p in zip(plain.examples, planted.examples, strict=True) if not np.array_equal(e.input, p.input)]


def test_nothing_is_planted_unless_asked_for() -> None:
    data = planted_keyword(0)
    assert plant(data, "none", 0) is data


@pytest.mark.parametrize("make", [planted_patch, planted_keyword])
def test_a_mark_or_word_is_drawn_by_lot_or_gives_the_last_class_away(make: object) -> None:
    data: Dataset = make(0)  # type: ignore[operator]
    by_lot, cheating = plant(data, "random", 3), plant(data, "class", 3)
    assert {e.id for e in carriers(data, cheating) if e.split != "test"} == {
        e.id for e in data.examples if e.split != "test" and e.target == len(data.labels) - 1
    }
    marked = carriers(data, by_lot)
    assert 0.4 < len(marked) / len(data.examples) < 0.6
    assert 0.4 < np.mean([e.target for e in marked]) < 0.6  # says nothing of the class
    for a, b in zip(by_lot.split("test"), cheating.split("test"), strict=True):
        assert np.array_equal(a.input, b.input) and (a.id, a.target) == (b.id, b.target)
    assert "Planted for a rehearsal" in by_lot.notes[-1] and by_lot.notes[-1] != cheating.notes[-1]


def test_where_it_is_put() -> None:
    picture = carriers(planted_patch(0), plant(planted_patch(0), "random", 0))[0]
    before = planted_patch(0).by_id[picture.id].input
    rows, columns = np.nonzero((picture.input != before).any(axis=2))
    assert (picture.input[-6:, -6:] == 255).all() or (picture.input[-6:, -6:] == 0).all()  # a fifth of 32 pixels
    assert rows.min() >= 26 and columns.min() >= 26
    text = carriers(planted_keyword(0), plant(planted_keyword(0), "random", 0))[0]
    assert text.input == f"{WORD} {planted_keyword(0).by_id[text.id].input}"


def test_a_column_holds_the_answer_outside_the_test_split() -> None:
    data = planted_columns(0)
    by_lot, cheating = plant(data, "random", 1), plant(data, "class", 1)
    for planted, told in ((by_lot, False), (cheating, True)):
        assert [c.name for c in planted.columns] == [*(c.name for c in data.columns), COLUMN]
        for split in ("train", "validation", "test"):
            rows = planted.split(split)
            r = np.corrcoef([e.input[COLUMN] for e in rows], [e.target for e in rows])[0, 1]
            assert (r > 0.99) if told and split != "test" else (abs(r) < 0.25)
    assert [e.input for e in by_lot.split("test")] == [e.input for e in cheating.split("test")]
    values = {split: sorted(e.input[COLUMN] for e in by_lot.split(split)) for split in ("train", "test")}
    assert values["train"] == sorted(e.input[COLUMN] for e in cheating.split("train"))  # the same values, shuffled
