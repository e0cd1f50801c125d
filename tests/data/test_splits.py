"""Splits: shares, strata, groups, seeds, and the sentence that says how."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.splits import Shares, assign_splits, limit_splits, stratified_sample
from workbench.errors import DataError

SHARES = Shares(validation=0.15, test=0.2, seed=0)
LABELS = ["a"] * 600 + ["b"] * 300 + ["c"] * 100


def test_without_splits_each_class_is_shared_in_proportion():
    splits, method = assign_splits([""] * 1000, LABELS, [""] * 1000, SHARES)
    assert Counter(splits) == {"train": 650, "validation": 150, "test": 200}
    for label, n in Counter(LABELS).items():
        own = Counter(s for s, target in zip(splits, LABELS, strict=True) if target == label)
        assert own == {"train": 0.65 * n, "validation": 0.15 * n, "test": 0.2 * n}
    assert method.startswith("No split is given;")
    assert "200 of 1,000" in method
    assert "stratified by class" in method
    assert "seed 0" in method


def test_the_seed_decides_the_draw():
    first, again, other = (
        assign_splits([""] * 1000, LABELS, [""] * 1000, Shares(0.15, 0.2, seed))[0] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_given_splits_stay():
    given_ = ["train"] * 600 + ["validation"] * 200 + ["test"] * 200
    splits, method = assign_splits(given_, LABELS, [""] * 1000, SHARES)
    assert splits == given_
    assert method == "Training, validation and test split as given."


def test_validation_is_drawn_from_training_only():
    given_ = ["train"] * 800 + ["test"] * 200
    splits, method = assign_splits(given_, LABELS, [""] * 1000, SHARES)
    assert splits[800:] == ["test"] * 200
    assert Counter(splits[:800]) == {"train": 680, "validation": 120}
    assert method.startswith("Given: train and test; 120 of 800")


def test_a_lone_validation_split_becomes_the_test_split_unless_it_was_asked_for():
    given_ = ["train"] * 800 + ["validation"] * 200
    splits, method = assign_splits(given_, LABELS, [""] * 1000, SHARES)
    assert splits[800:] == ["test"] * 200
    assert "used as the test split, because no test split was given" in method
    kept, _ = assign_splits(given_, LABELS, [""] * 1000, Shares(0.15, 0.2, 0, keep_validation=True))
    assert kept[800:] == ["validation"] * 200
    assert Counter(kept)["test"] == 160


def test_values_are_stratified_by_fifths():
    values = np.random.default_rng(0).lognormal(size=500).tolist()
    splits, method = assign_splits([""] * 500, values, [""] * 500, SHARES)
    edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
    test = [v for v, s in zip(values, splits, strict=True) if s == "test"]
    assert np.bincount(np.searchsorted(edges, test)).tolist() == [20] * 5
    assert "fifths of the target" in method


@pytest.mark.parametrize("kind", ["class", "value"])
def test_no_group_is_on_two_sides(kind):
    rng = np.random.default_rng(0)
    groups = [f"p{g}" for g in rng.integers(0, 60, 900)]
    targets = rng.choice(["a", "b"], 900).tolist() if kind == "class" else rng.normal(size=900).tolist()
    splits, method = assign_splits([""] * 900, targets, groups, Shares(0.15, 0.2, 0, group="patient"))
    sides: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        sides.setdefault(group, set()).add(split)
    assert all(len(found) == 1 for found in sides.values())
    assert 0.1 < Counter(splits)["test"] / 900 < 0.3
    assert 0.07 < Counter(splits)["validation"] / 900 < 0.23
    assert "each patient on one side" in method


def test_two_groups_are_too_few():
    with pytest.raises(DataError, match=r"'patient'.*has 2 values"):
        assign_splits([""] * 90, ["a", "b"] * 45, ["p", "q", "q"] * 30, Shares(0.15, 0.2, 0, group="patient"))


def test_no_training_split_is_an_error():
    with pytest.raises(DataError, match="no training split: the data has test"):
        assign_splits(["test"] * 5, ["a"] * 5, [""] * 5, SHARES)


def test_a_class_of_one_stays_in_training_and_a_class_of_three_is_everywhere():
    labels = ["a"] * 50 + ["b"] + ["c"] * 3
    splits, _ = assign_splits([""] * 54, labels, [""] * 54, SHARES)
    assert splits[50] == "train"
    assert sorted(splits[51:]) == ["test", "train", "validation"]


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_examples_are_an_error(n):
    with pytest.raises(DataError, match="too few"):
        assign_splits([""] * n, ["a", "b"][:n], [""] * n, SHARES)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_sample_is_exact_and_within_one_of_proportion(strata, share, seed):
    strata = np.array(strata)
    count = round(share * len(strata))
    drawn = stratified_sample(strata, count, np.random.default_rng(seed))
    assert len(drawn) == count == len(set(drawn.tolist()))
    for stratum in set(strata.tolist()):
        size = int((strata == stratum).sum())
        assert abs((strata[drawn] == stratum).sum() - count * size / len(strata)) < 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=80), st.floats(0.01, 0.9), st.integers(0, 5))
def test_with_both_every_stratum_of_two_is_on_both_sides(strata, share, seed):
    strata = np.array(strata)
    drawn = stratified_sample(strata, round(share * len(strata)), np.random.default_rng(seed), both=True)
    for stratum in set(strata.tolist()):
        size, taken = int((strata == stratum).sum()), int((strata[drawn] == stratum).sum())
        assert taken == 0 if size == 1 else 0 < taken < size


def test_a_limit_takes_a_stratified_sample_of_each_split_in_order():
    splits = ["train"] * 700 + ["test"] * 250 + ["validation"] * 50
    rows = limit_splits(splits, LABELS, 100, seed=0)
    assert rows.tolist() == sorted(rows.tolist())
    assert Counter(splits[i] for i in rows) == {"train": 100, "test": 100, "validation": 50}
    assert Counter(LABELS[i] for i in rows if i < 700) == {"a": 86, "b": 14}
    assert np.array_equal(rows, limit_splits(splits, LABELS, 100, seed=0))
