"""Counterfactuals on inputs: valid on the model itself, minimal, near, and within what is allowed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from workbench.config import Explain
from workbench.modalities import table as tables
from workbench.modalities.table import TablePreparation
from workbench.tasks.changes import asker_of_rows, change_values, hide_parts, label_turned, turned
from workbench.tasks.ranges import ranges_of
from workbench.types import Column, Feature

COLUMNS = (
    Column("age", "numeric"),
    Column("income", "numeric"),
    Column("town", "categorical", ("east", "north", "south")),
)
RNG = np.random.default_rng(0)
ROWS = [
    {
        "age": float(RNG.integers(18, 80)),
        "income": float(RNG.normal(50, 15)),
        "town": str(RNG.choice(COLUMNS[2].categories)),
    }
    for _ in range(300)
]
PREPARATION = TablePreparation(COLUMNS)


class Net:
    """A backbone on the encoded row: logits (0, score), or the score itself as a value."""

    def __init__(self, score: Callable[[np.ndarray, np.ndarray], np.ndarray], *, value: bool = False) -> None:
        self.score, self.value, self.seen = score, value, []

    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        self.seen.append(batch["numeric"])
        scores = self.score(batch["numeric"].astype(np.float64), batch["categorical"][:, 0])
        return scores[:, None] if self.value else np.column_stack([np.zeros(len(scores)), scores])


def change(net: Net, row: Mapping[str, Any], wishes: Explain | None = None, **more: Any) -> Any:
    ask = asker_of_rows(net, PREPARATION)
    ranges = ranges_of(COLUMNS, ROWS, wishes or Explain())
    return change_values(ask, row, ranges, ask([row])[0], np.zeros(3), budget=4096, **more), ask


def test_one_number_is_moved_no_further_than_it_must() -> None:
    """Yes from an income of 60 on: the nearest value that suffices is just above it."""
    net = Net(lambda x, c: x[:, 1] - 60.0)
    found, ask = change(net, {"age": 40.0, "income": 41.0, "town": "east"})
    (only,) = found.changes
    assert only["name"] == "income" and 60 < only["value"] <= 62 and only["before"] == "41"
    assert found.search.minimal and found.search.least
    np.testing.assert_array_equal(ask([{"age": 40.0, "income": only["value"], "town": "east"}])[0], found.scores)


def test_a_whole_number_stays_whole() -> None:
    found, _ = change(Net(lambda x, c: x[:, 0] - 55.5), {"age": 30.0, "income": 50.0, "town": "east"})
    (only,) = found.changes
    assert only["name"] == "age" and only["value"] == round(only["value"]) and 56 <= only["value"] <= 58


def test_two_columns_that_are_both_needed() -> None:
    net = Net(lambda x, c: np.minimum(x[:, 0] - 60, np.where(c == 2, 1.0, -1.0)))
    found, ask = change(net, {"age": 30.0, "income": 50.0, "town": "east"})
    assert {c["name"]: c["after"] for c in found.changes}["town"] == "north" and len(found.changes) == 2
    assert found.search.minimal and found.search.least
    row = {"age": 30.0, "income": 50.0, "town": "east"} | {c["name"]: c["value"] for c in found.changes}
    assert int(ask([row])[0].argmax()) == 1
    for size in range(len(found.changes)):  # brute force: no part of it is enough
        for part in itertools.combinations(found.changes, size):
            row = {"age": 30.0, "income": 50.0, "town": "east"} | {c["name"]: c["value"] for c in part}
            assert int(ask([row])[0].argmax()) == 0


def test_what_must_not_change_and_ranges_are_kept() -> None:
    net = Net(lambda x, c: x[:, 1] - 60.0 + (x[:, 0] > 70) * 100)
    row = {"age": 40.0, "income": 41.0, "town": "east"}
    assert change(net, row, Explain(immutable=("income",)))[0].changes[0]["name"] == "age"
    found, _ = change(net, row, Explain(immutable=("income", "age")))
    assert found.search.state is None and found.scores is None and found.search.evaluations > 0
    net.seen.clear()
    found, _ = change(net, row, Explain(immutable=("age",), ranges={"income": (30, 55)}))
    assert found.search.state is None
    seen = np.concatenate(net.seen)
    assert (seen[:, 0] == 40).all() and seen[:, 1].min() >= 30 and seen[:, 1].max() <= 55


def test_a_missing_value_is_filled_where_that_is_what_it_takes() -> None:
    net = Net(lambda x, c: np.where(np.isnan(x[:, 1]), -1.0, 1.0))
    found, _ = change(net, {"age": 40.0, "income": None, "town": "east"})
    assert found.changes[0]["before"] == "missing" and found.search.size == 1


def test_a_value_is_moved_by_the_amount_and_hardly_more() -> None:
    net = Net(lambda x, c: 2 * x[:, 1] + x[:, 0], value=True)
    row = {"age": 40.0, "income": 50.0, "town": "east"}
    found, ask = change(net, row, amount=20.0)
    assert len(found.changes) == 1 and 20 < abs(float(found.scores[0]) - float(ask([row])[0, 0])) < 26


def test_hidden_words() -> None:
    """Spam where both words stand: hiding either is enough; the model itself says so."""
    features = tuple(Feature(w) for w in ["you", "have", "won", "a", "prize", "today"])

    def ask(masks: np.ndarray) -> np.ndarray:
        spam = masks[:, 2] & masks[:, 4]
        return np.column_stack([np.zeros(len(masks)), np.where(spam, 2.0, -2.0)])

    found = hide_parts(ask, features, ask(np.ones((1, 6), bool))[0], np.array([0, 0, 3, 0, 1, 0.0]), budget=64)
    assert [c["name"] for c in found.changes] in (["won"], ["prize"]) and found.search.least and found.search.minimal
    assert int(found.scores.argmax()) == 0


@pytest.mark.parametrize("k", [0, 1, 2])
def test_the_margin_is_above_zero_exactly_where_the_class_changes(k: int) -> None:
    scores = RNG.normal(size=(500, 3))
    own = np.eye(3)[k]
    np.testing.assert_array_equal(turned(own, None)(scores) > 0, scores.argmax(axis=1) != k)


def test_rows_are_encoded_as_for_prediction() -> None:
    seen: Sequence[np.ndarray] = []
    net = Net(lambda x, c: x[:, 0])
    asker_of_rows(net, PREPARATION)(ROWS[:5])
    seen = net.seen
    np.testing.assert_array_equal(seen[0], tables.encode(ROWS[:5], PREPARATION).arrays["numeric"])


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_a_label_turns_at_its_own_threshold(threshold: float) -> None:
    logits = RNG.normal(size=(400, 3)) * 3
    given = 1 / (1 + np.exp(-logits[:, 1])) >= threshold
    for own in (logits[given][0], logits[~given][0]):
        is_given = 1 / (1 + np.exp(-own[1])) >= threshold
        np.testing.assert_array_equal(label_turned(own, 1, threshold)(logits) > 0, given != is_given)
