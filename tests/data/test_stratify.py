"""Splits of the fixtures: shares, strata, determinism."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.stratify import assign_splits


def test_shares_are_exact_in_every_stratum() -> None:
    strata = np.repeat(["a", "b"], [100, 40])
    counts = Counter(zip(strata.tolist(), assign_splits(strata, 3), strict=True))
    assert counts == {
        ("a", "test"): 20,
        ("a", "validation"): 15,
        ("a", "train"): 65,
        ("b", "test"): 8,
        ("b", "validation"): 6,
        ("b", "train"): 26,
    }


def test_every_row_is_as_likely_to_be_tested() -> None:
    times = sum(np.array(assign_splits([0] * 20, seed)) == "test" for seed in range(2000))
    assert np.abs(times / 2000 - 0.2).max() < 0.045  # five standard errors of 0.009


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 99))
def test_equal_seeds_give_equal_splits(strata: list[int], seed: int) -> None:
    splits = assign_splits(strata, seed)
    assert splits == assign_splits(strata, seed)
    assert len(splits) == len(strata)
