"""The choice of what is explained: quarters of wrong, changed, unsure and right."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.stages.selection import choose_cases
from workbench.types import ClassScores, Values


def scores(logits: np.ndarray, targets: np.ndarray, splits: np.ndarray | None = None) -> ClassScores:
    n = len(logits)
    ids = np.array([f"e{i}" for i in range(n)], dtype=object)
    splits = np.array(["test"] * n, dtype=object) if splits is None else splits
    return ClassScores(ids, splits, targets, logits, tuple("abc"[: logits.shape[1]]))


def crowd(n: int = 200, seed: int = 0) -> tuple[ClassScores, ClassScores]:
    """Predictions before and after, some of training, some without a target."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[targets]
    splits = np.where(np.arange(n) % 4 == 0, "train", "test").astype(object)
    known = np.where(np.arange(n) % 17 == 3, -1, targets)
    return scores(logits + rng.normal(size=(n, 3)), known, splits), scores(logits, known, splits)


def test_every_reason_is_true_and_has_its_quarter() -> None:
    before, after = crowd()
    chosen = choose_cases(before, after, samples=24)
    rows = [row for row, _ in chosen]
    assert rows == sorted(set(rows))
    assert len(rows) == 24
    assert (after.splits[rows] == "test").all()
    assert {why: sum(w == why for _, w in chosen) for _, why in chosen} == dict.fromkeys(
        ("wrong", "changed", "unsure", "right"), 6
    )
    margin = np.diff(np.sort(after.probabilities, axis=1)[:, -2:], axis=1)[:, 0]
    for row, why in chosen:
        right = after.predicted[row] == after.targets[row]
        if why == "wrong":
            assert not right
            assert after.targets[row] >= 0
        elif why == "changed":
            assert before.predicted[row] != after.predicted[row]
        elif why == "unsure":
            assert margin[row] <= np.quantile(margin[after.splits == "test"], 0.3)
        else:
            assert right


def test_wrong_ones_are_the_most_confident_and_changed_ones_moved_most() -> None:
    before, after = crowd()
    chosen = dict(choose_cases(before, after, samples=24))
    confidence = after.probabilities.max(axis=1)
    test = after.splits == "test"
    wrong = np.flatnonzero(test & (after.targets >= 0) & (after.predicted != after.targets))
    assert {r for r, w in chosen.items() if w == "wrong"} == set(wrong[np.argsort(-confidence[wrong])][:6])
    changed = [r for r in np.flatnonzero(test & (before.predicted != after.predicted)) if chosen.get(r) != "wrong"]
    moved = np.abs(before.probabilities - after.probabilities).sum(axis=1)
    assert {r for r, w in chosen.items() if w == "changed"} == set(sorted(changed, key=lambda r: -moved[r])[:6])


def test_right_ones_take_turns_over_the_classes() -> None:
    targets = np.repeat([0, 1, 2], [60, 5, 5])
    sure = np.where(np.arange(70) < 20, 3.0, 6.0)  # the first twenty are the unsure ones
    after = scores(sure[:, None] * np.eye(3)[targets], targets)
    chosen = [row for row, why in choose_cases(after, after, samples=20) if why == "right"]
    counts = np.bincount(targets[chosen], minlength=3)
    assert len(chosen) == 10, "its quarter and half of what nothing wrong or changed leaves over"
    assert np.ptp(counts) <= 1, "the frequent class crowds the others out"


def test_what_a_reason_lacks_goes_to_the_others() -> None:
    targets = np.arange(40) % 2
    after = scores(5.0 * np.eye(2)[targets], targets)  # nothing wrong, nothing changed
    chosen = choose_cases(after, after, samples=16)
    assert len(chosen) == 16
    counts = {why: sum(w == why for _, w in chosen) for _, why in chosen}
    assert set(counts) == {"unsure", "right"}
    assert abs(counts["right"] - counts["unsure"]) <= 1, "what is left over goes round, one at a time"
    assert len(choose_cases(after, after, samples=100)) == 40


@pytest.mark.parametrize("n", [7, 8, 40])
def test_every_value_can_be_asked_for(n: int) -> None:
    rng = np.random.default_rng(1)
    targets, names = rng.normal(size=n), np.array([f"e{i}" for i in range(n)], dtype=object)
    after = Values(names, np.array(["test"] * n, dtype=object), targets, targets + rng.normal(size=n))
    before = Values(names, after.splits, targets, rng.normal(size=n))
    chosen = choose_cases(before, after, samples=n)
    assert [row for row, _ in chosen] == list(range(n))
    error = np.abs(after.values - targets)
    of = {why: [error[row] for row, w in chosen if w == why] for why in ("wrong", "right")}
    assert min(of["wrong"]) >= np.median(error) >= max(of["right"])


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 5])
def test_small_wishes_are_met_exactly(samples: int) -> None:
    before, after = crowd()
    assert len(choose_cases(before, after, samples=samples)) == samples


def test_the_seed_draws_and_nothing_else() -> None:
    before, after = crowd()
    one, two = (choose_cases(before, after, samples=24, seed=3) for _ in range(2))
    assert one == two
    assert one != choose_cases(before, after, samples=24, seed=4)


def test_ids_that_are_asked_for_are_taken_in_their_order() -> None:
    before, after = crowd()
    assert choose_cases(before, after, samples=5, ids=("e9", "e4")) == [(9, "asked for"), (4, "asked for")]
    with pytest.raises(UsageError, match="no example has the id 'e999'") as caught:
        choose_cases(before, after, samples=5, ids=("e4", "e999"))
    assert "e0" in caught.value.hint


def test_without_a_test_split_nothing_is_chosen() -> None:
    _, after = crowd()
    none = after.where(after.splits == "train")
    assert choose_cases(none, none, samples=8) == []


def test_values_by_error_and_change() -> None:
    rng = np.random.default_rng(0)
    n = 80
    targets = np.where(np.arange(n) % 13 == 0, np.nan, rng.normal(50, 10, n))
    ids, splits = np.array([str(i) for i in range(n)], dtype=object), np.array(["test"] * n, dtype=object)
    truth = np.nan_to_num(targets, nan=50.0)
    after = Values(ids, splits, targets, truth + rng.normal(0, 3, n))
    before = Values(ids, splits, targets, truth + rng.normal(0, 9, n))
    chosen = dict(choose_cases(before, after, samples=16))
    assert len(chosen) == 16
    error = np.abs(after.values - targets)
    by_error = [int(r) for r in np.argsort(error) if np.isfinite(error[r])]
    assert {r for r, w in chosen.items() if w == "wrong"} == set(by_error[-4:])
    assert {r for r, w in chosen.items() if w == "right"} <= set(by_error[: n // 4])
    middle = set(by_error[len(by_error) // 3 : 2 * len(by_error) // 3 + 1])
    assert {r for r, w in chosen.items() if w == "unsure"} <= middle
    moved = np.abs(after.values - before.values)
    rest = [int(r) for r in np.argsort(-moved) if chosen.get(int(r)) != "wrong"]
    assert {r for r, w in chosen.items() if w == "changed"} == set(rest[:4])
