"""Seeded shares of the fixtures: which row goes to training, validation and test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from workbench.types import SPLITS

VALIDATION_SHARE = 0.15
TEST_SHARE = 0.20


def assign_splits(strata: ArrayLike, seed: int) -> list[str]:
    """Draw a split for each row so that every stratum is shared out alike.

    Args:
        strata: (n,) labels of the strata, such as class indices; all equal for a plain draw.
        seed: of the draw; equal seeds give equal splits.

    Returns:
        n names out of `SPLITS`. A stratum of m rows gives round(0.15 m) to validation and
        round(0.20 m) to test; the rest is training.
    """
    strata = np.asarray(strata)
    rng = np.random.default_rng([seed, 1])  # a stream of its own: generated data draws from default_rng(seed)
    train, validation, test = SPLITS
    splits = np.full(len(strata), train, dtype=object)
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        tests, validations = round(TEST_SHARE * len(rows)), round(VALIDATION_SHARE * len(rows))
        splits[rows[:tests]] = test
        splits[rows[tests : tests + validations]] = validation
    return [str(s) for s in splits]
