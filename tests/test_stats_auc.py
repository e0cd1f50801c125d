"""DeLong's test, against the U-statistic by its definition and the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from workbench.stats import delong


def scores(m: int, n: int, seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.r_[np.ones(m, int), np.zeros(n, int)])
    first = rng.normal(size=m + n) + y
    return np.round(first, decimals), np.round(0.6 * first + rng.normal(size=m + n) + y, decimals), y


def by_definition(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and covariance from all m n pairs."""
    wins = []
    for s in (a, b):
        x, z = s[y == 1], s[y == 0]
        wins.append((x[:, None] > z[None, :]) + 0.5 * (x[:, None] == z[None, :]))
    areas = np.array([w.mean() for w in wins])
    v10, v01 = np.array([w.mean(axis=1) for w in wins]), np.array([w.mean(axis=0) for w in wins])
    m, n = v10.shape[1], v01.shape[1]
    d10, d01 = v10 - areas[:, None], v01 - areas[:, None]
    return areas, d10 @ d10.T / (m - 1) / m + d01 @ d01.T / (n - 1) / n


@pytest.mark.parametrize("decimals", [8, 1, 0])
@pytest.mark.parametrize(("m", "n"), [(2, 2), (30, 50), (100, 7)])
def test_delong_equals_the_u_statistic(m: int, n: int, decimals: int) -> None:
    a, b, y = scores(m, n, m + n, decimals)
    ours = delong(a, b, y)
    areas, covariance = by_definition(a, b, y)
    assert (ours.first, ours.second) == pytest.approx(areas, abs=1e-12)
    assert ours.variances == pytest.approx(np.diag(covariance), abs=1e-12)
    assert ours.covariance == pytest.approx(covariance[0, 1], abs=1e-12)
    assert ours.first == pytest.approx(roc_auc_score(y, a), abs=1e-12)
    se = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert ours.p == pytest.approx(2 * norm.sf(abs(areas[1] - areas[0]) / se), abs=1e-9)


def test_delong_agrees_with_the_bootstrap() -> None:
    a, b, y = scores(150, 200, 1, 8)
    ours = delong(a, b, y)
    rng = np.random.default_rng(0)
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    differences = []
    for _ in range(400):
        rows = np.r_[rng.choice(positive, len(positive)), rng.choice(negative, len(negative))]
        differences.append(roc_auc_score(y[rows], b[rows]) - roc_auc_score(y[rows], a[rows]))
    se = (ours.high - ours.low) / 2 / norm.ppf(0.975)
    assert se == pytest.approx(np.std(differences), rel=0.15)


def test_delong_of_one_ranking_with_itself() -> None:
    a, _, y = scores(20, 20, 3, 8)
    ours = delong(a, np.exp(a), y)
    assert (ours.difference, ours.p, ours.low, ours.high) == pytest.approx((0, 1, 0, 0), abs=1e-9)


def test_delong_of_a_perfect_and_a_reversed_ranking() -> None:
    y = np.repeat([0, 1], 5)
    ours = delong(-y, y, y)
    assert (ours.first, ours.second, ours.difference, ours.p) == (0, 1, 1, 0)


@pytest.mark.parametrize("y", [[1, 1, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1]])
def test_delong_needs_two_of_each_class(y: list[int]) -> None:
    with pytest.raises(ValueError, match="two examples of each class"):
        delong(np.arange(4.0), np.arange(4.0), y)


def test_delong_refuses_scores_of_other_examples() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        delong(np.arange(4.0), np.arange(4.0), [0, 0, 1])


@pytest.mark.slow
def test_delong_keeps_its_level() -> None:
    p = []
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        y = np.repeat([0, 1], 60)
        shared = rng.normal(size=120) + y
        p.append(delong(shared + rng.normal(size=120), shared + rng.normal(size=120), y).p)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.015)
