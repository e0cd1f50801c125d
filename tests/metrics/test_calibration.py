"""Calibration errors, bins and noise floor, against plain loops, scikit-learn and print."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from workbench.metrics.calibration import (
    Bins,
    MurphyGroups,
    adaptive_calibration_error,
    calibration_floor,
    classwise_calibration_error,
    equal_mass_bins,
    equal_width_bins,
    expected_calibration_error,
    maximum_calibration_error,
    murphy,
    murphy_groups,
    reliability,
)
from workbench.stats import wilson


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    c = rng.uniform(0, 1, n)
    return c, rng.random(n) < c**2


def plain_ece(c: np.ndarray, y: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    """Sum and largest gap over bins (edge, next edge], the first one closed below."""
    total, largest = 0.0, 0.0
    for i in range(len(edges) - 1):
        inside = (c > edges[i]) & (c <= edges[i + 1]) if i else (c <= edges[1])
        if inside.any():
            gap = abs(y[inside].mean() - c[inside].mean())
            total, largest = total + inside.mean() * gap, max(largest, gap)
    return total, largest


@pytest.mark.parametrize("n", [1, 10, 100, 1003])
@pytest.mark.parametrize("bins", [1, 5, 15])
def test_errors_equal_plain_loops(n: int, bins: int) -> None:
    c, y = sample(n, n)
    mass = plain_ece(c, y, np.quantile(c, np.linspace(0, 1, bins + 1)))
    assert adaptive_calibration_error(c, y, bins) == pytest.approx(mass[0])
    width = plain_ece(c, y, np.linspace(0, 1, bins + 1))
    assert expected_calibration_error(c, y, bins) == pytest.approx(width[0])
    assert maximum_calibration_error(c, y, bins) == pytest.approx(width[1])


def test_a_small_example_by_hand() -> None:
    """Ten answers: four at 0.62 of which two are right, six at 0.97 of which all are."""
    c, y = np.array([0.62] * 4 + [0.97] * 6), np.array([1, 0, 0, 1, *[1] * 6])
    assert expected_calibration_error(c, y) == pytest.approx(0.4 * 0.12 + 0.6 * 0.03)
    assert maximum_calibration_error(c, y) == pytest.approx(0.12)


def test_bins_are_those_of_scikit_learn() -> None:
    c, y = sample(408, 0)  # no edge falls on an example
    ours = reliability(c, y)
    share, confidence = calibration_curve(y, c, n_bins=15, strategy="quantile")
    assert ours.share == pytest.approx(share) and ours.confidence == pytest.approx(confidence)
    share, confidence = calibration_curve(y, c, n_bins=15, strategy="uniform")
    sizes = np.bincount(equal_width_bins(c))
    assert expected_calibration_error(c, y) == pytest.approx(np.average(np.abs(share - confidence), weights=sizes))


def test_reliability_has_wilson_bars_and_all_examples() -> None:
    c, y = sample(200, 1)
    ours = reliability(c, y, 10)
    assert ours.n.sum() == 200 and len(ours.n) == 10
    for i in range(10):
        bar = wilson(round(ours.share[i] * ours.n[i]), int(ours.n[i]))
        assert (ours.low[i], ours.high[i]) == pytest.approx((bar.low, bar.high))
    assert np.all(ours.lower <= ours.confidence) and np.all(ours.confidence <= ours.upper)
    assert np.sum(ours.n * np.abs(ours.share - ours.confidence)) / 200 == pytest.approx(
        adaptive_calibration_error(c, y, 10)
    )


def test_ties_share_a_bin_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    c, y = np.round(rng.random(300), 1), rng.random(300) < 0.5
    codes = equal_mass_bins(c)
    assert all(len(set(codes[c == value])) == 1 for value in set(c))
    mixed = rng.permutation(300)
    for error in (expected_calibration_error, adaptive_calibration_error):
        assert error(c[mixed], y[mixed]) == pytest.approx(error(c, y))
    assert expected_calibration_error(np.full(50, 0.7), np.arange(50) < 30) == pytest.approx(0.1)


def test_class_wise_error_is_the_mean_over_classes() -> None:
    rng = np.random.default_rng(0)
    p, t = rng.dirichlet(np.ones(4), 300), rng.integers(0, 4, 300)
    expected = [plain_ece(p[:, k], t == k, np.linspace(0, 1, 16))[0] for k in range(4)]
    assert classwise_calibration_error(p, t) == pytest.approx(np.mean(expected))


def test_weights_are_repeated_rows() -> None:
    c, y = sample(90, 3)
    codes = equal_width_bins(c)
    weights = np.random.default_rng(0).integers(0, 3, size=(5, 90)).astype(np.int32)
    bins = Bins(codes, y - c)
    for i, w in enumerate(weights):
        rows = np.repeat(np.arange(90), w)
        total, largest = plain_ece(c[rows], y[rows], np.linspace(0, 1, 16))
        assert bins.expected(weights)[i] == pytest.approx(total)
        assert bins.maximum(weights)[i] == pytest.approx(largest)


def test_nothing_is_not_calibrated() -> None:
    assert np.isnan(expected_calibration_error([], [])) and np.isnan(maximum_calibration_error([], []))


@pytest.mark.parametrize(("n", "mean", "p95"), [(100, 0.125, 0.163), (500, 0.056, 0.075), (1000, 0.040, 0.053)])
def test_floor_is_the_printed_one(n: int, mean: float, p95: float) -> None:
    rng = np.random.default_rng(0)
    errors = np.concatenate([calibration_floor(rng.random(n), rng, 20) for _ in range(200)])
    assert errors.shape == (4000,)
    # The printed ones come from a simulation as well.
    assert errors.mean() == pytest.approx(mean, rel=0.05)
    assert np.quantile(errors, 0.95) == pytest.approx(p95, rel=0.05)


def test_floor_is_that_of_calibrated_outcomes() -> None:
    rng = np.random.default_rng(0)
    c = rng.uniform(0.4, 1, 250)
    direct = [expected_calibration_error(c, rng.random(250) < c) for _ in range(1000)]
    floor = calibration_floor(c, np.random.default_rng(1), 1000)
    assert floor.mean() == pytest.approx(np.mean(direct), rel=0.03)
    assert np.quantile(floor, 0.95) == pytest.approx(np.quantile(direct, 0.95), rel=0.05)
    assert np.array_equal(floor, calibration_floor(c, np.random.default_rng(1), 1000))


def plain_murphy(p: np.ndarray, y: np.ndarray, groups: np.ndarray) -> tuple[float, float, float]:
    """Reliability, resolution and uncertainty of one class by loops."""
    reliability = resolution = 0.0
    for g in set(groups.tolist()):
        inside = groups == g
        reliability += inside.mean() * (p[inside].mean() - y[inside].mean()) ** 2
        resolution += inside.mean() * (y[inside].mean() - y.mean()) ** 2
    return reliability, resolution, y.mean() * (1 - y.mean())


@pytest.mark.parametrize("classes", [2, 4])
def test_murphy_parts_add_up_to_the_brier_score(classes: int) -> None:
    rng = np.random.default_rng(0)
    t = rng.integers(0, classes, 300)
    coarse = rng.dirichlet(np.ones(classes), 12)[rng.integers(0, 12, 300)]  # twelve distinct forecasts
    ours = murphy(coarse, t)
    score = brier_score_loss(t, coarse[:, 1] if classes == 2 else coarse)
    assert ours.exact and ours.within == pytest.approx(0, abs=1e-12)
    assert ours.reliability - ours.resolution + ours.uncertainty == pytest.approx(score)
    expected = np.zeros(3)
    for k in range(1, 2) if classes == 2 else range(classes):
        values = np.unique(coarse[:, k], return_inverse=True)[1]
        expected += plain_murphy(coarse[:, k], (t == k).astype(float), values)
    assert (ours.reliability, ours.resolution, ours.uncertainty) == pytest.approx(tuple(expected))
    fine = rng.dirichlet(np.ones(classes), 300)
    binned = murphy(fine, t)
    score = brier_score_loss(t, fine[:, 1] if classes == 2 else fine)
    assert not binned.exact and binned.within != 0
    assert binned.reliability - binned.resolution + binned.uncertainty + binned.within == pytest.approx(score)
    expected = np.zeros(3)
    for k in range(1, 2) if classes == 2 else range(classes):
        expected += plain_murphy(fine[:, k], (t == k).astype(float), equal_mass_bins(fine[:, k]))
    assert (binned.reliability, binned.resolution, binned.uncertainty) == pytest.approx(tuple(expected))


def test_murphy_of_perfect_and_of_constant_forecasts() -> None:
    t = np.arange(40) % 2
    perfect = murphy(np.eye(2)[t], t)
    assert (perfect.reliability, perfect.resolution) == pytest.approx((0, 0.25))
    shares = murphy(np.full((40, 2), 0.5), t)
    assert (shares.reliability, shares.resolution, shares.uncertainty) == pytest.approx((0, 0, 0.25))
    wrong = murphy(np.tile([0.1, 0.9], (40, 1)), t)
    assert (wrong.reliability, wrong.resolution) == pytest.approx((0.16, 0))


def test_murphy_of_weights_is_that_of_repeated_rows() -> None:
    rng = np.random.default_rng(2)
    p, y = rng.random(60).round(1), rng.integers(0, 2, 60).astype(float)
    weights = rng.integers(0, 3, size=(5, 60)).astype(np.int32)
    codes, exact = murphy_groups(p)
    assert exact
    ours = MurphyGroups(codes, p, y).parts(weights)
    for i, w in enumerate(weights):
        rows = np.repeat(np.arange(60), w)
        assert ours[i] == pytest.approx(plain_murphy(p[rows], y[rows], p[rows]))
