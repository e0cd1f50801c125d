"""Unusual inputs: Mahalanobis distances against their law and a direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import chi2
from sklearn.covariance import LedoitWolf

from workbench.quality.unusual import familiar, pooled, shrunk_covariance


def test_clean_inputs_are_unusual_once_in_a_hundred_and_shifted_ones_mostly() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(5, 5))
    known = familiar(rng.normal(size=(4000, 5)) @ mix, rng.normal(size=(4000, 5)) @ mix)
    assert known is not None and known.n == 4000
    assert known.limit == pytest.approx(chi2.ppf(0.99, 5), rel=0.08)  # the law of normal features
    assert known.unusual(rng.normal(size=(4000, 5)) @ mix) == pytest.approx(0.01, abs=0.006)
    assert known.unusual((rng.normal(size=(500, 5)) + 4) @ mix) > 0.95


def test_the_distance_is_scipys() -> None:
    rng = np.random.default_rng(1)
    reference, clean, asked = (rng.normal(size=(n, 4)) for n in (60, 40, 7))
    known = familiar(reference, clean)
    assert known is not None
    fitted = LedoitWolf().fit(reference)
    expected = [mahalanobis(row, reference.mean(axis=0), fitted.precision_) ** 2 for row in asked]
    assert known.distance(asked) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(("n", "d"), [(60, 4), (30, 80), (200, 1)])
def test_the_shrunk_covariance_is_scikit_learns(n: int, d: int) -> None:
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    expected = LedoitWolf().fit(rows).covariance_
    np.testing.assert_allclose(shrunk_covariance(rows - rows.mean(axis=0)), expected, rtol=1e-9, atol=1e-12)


def test_too_few_or_constant_clean_inputs_say_nothing() -> None:
    rng = np.random.default_rng(2)
    assert familiar(rng.normal(size=(19, 3)), rng.normal(size=(50, 3))) is None
    assert familiar(rng.normal(size=(50, 3)), rng.normal(size=(19, 3))) is None
    assert familiar(np.ones((50, 3)), np.ones((50, 3))) is None


def test_features_of_any_shape_become_rows() -> None:
    rng = np.random.default_rng(3)
    assert pooled(rng.normal(size=(6, 4))).shape == (6, 4)
    places = rng.normal(size=(6, 4, 3, 2))
    assert pooled(places) == pytest.approx(places.mean(axis=(2, 3)))
    members = rng.normal(size=(6, 8, 4))
    assert pooled(members) == pytest.approx(members.mean(axis=1))
