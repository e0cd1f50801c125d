"""Complexity at its extremes and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from workbench.quality.complexity import effective_features, entropy, gini


@pytest.mark.parametrize("m", [1, 2, 10, 97])
def test_extremes(m: int) -> None:
    equal, single = np.full(m, -2.0), np.eye(m)[0] * 3
    assert gini(equal) == pytest.approx(0) and gini(single) == pytest.approx(1 - 1 / m)
    assert entropy(equal) == pytest.approx(math.log(m)) and entropy(single) == 0
    assert effective_features(equal) == pytest.approx(m) and effective_features(single) == 1


def test_entropy_is_scipys_and_gini_the_mean_difference() -> None:
    a = np.random.default_rng(0).normal(size=30)
    size = np.abs(a)
    assert entropy(a) == pytest.approx(stats.entropy(size / size.sum()))
    by_pairs = np.abs(size[:, None] - size[None, :]).mean() / (2 * size.mean())
    assert gini(a) == pytest.approx(by_pairs)
    assert gini(a) == pytest.approx(gini(-7 * a)) and entropy(a) == pytest.approx(entropy(-7 * a))


def test_all_zero_is_undefined() -> None:
    assert (
        math.isnan(entropy(np.zeros(4)))
        and math.isnan(gini(np.zeros(4)))
        and math.isnan(effective_features(np.zeros(4)))
    )
