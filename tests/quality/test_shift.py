"""Measures of a shift: by hand, against SciPy and scikit-image, at their ends and where they are not defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from workbench.quality import shift as s

A = np.array([5.0, -4.0, 3.0, 2.0, 1.0, 0.5])
B = np.array([5.0, 4.0, 1.0, -3.5, 3.0, 0.1])


def grid(side: int, cells: int) -> np.ndarray:
    at = np.arange(side) * cells // side
    return at[:, None] * cells + at[None, :]


def test_equal_attributions_are_nowhere_apart() -> None:
    label = grid(32, 4)
    values = np.random.default_rng(0).normal(size=16)
    found = s.distances(s.compare_attributions(values, values, label=label))
    assert set(found) == set(s.MEASURES)
    assert all(v == pytest.approx(0, abs=1e-7) for v in found.values())
    assert set(s.compare_attributions(A, B)) == {n for n, m in s.MEASURES.items() if not m.pictures}


def test_the_measures_by_hand() -> None:
    found = s.compare_attributions(A, B, k=4)
    assert found["top_k_iou"] == 3 / 5 and found["feature"] == 3 / 4
    assert found["cosine"] == pytest.approx(
        1 - stats.entropy([1]) - (1 - A @ B / (np.linalg.norm(A) * np.linalg.norm(B)))
    )
    assert found["spearman_size"] == pytest.approx(stats.spearmanr(np.abs(A), np.abs(B)).statistic)
    assert found["kendall"] == pytest.approx(stats.kendalltau(A, B).statistic)
    assert s.pairwise_rank_agreement(np.array([3.0, 2, 1]), np.array([3.0, -1, 2])) == 2 / 3


def test_pairwise_ranks_and_kendall_say_the_same_without_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        a, b = rng.normal(size=(2, 14))
        tau = stats.kendalltau(np.abs(a), np.abs(b)).statistic
        assert s.pairwise_rank_agreement(a, b) == pytest.approx((1 + tau) / 2)


def test_jensen_shannon_is_the_formula_and_ends_at_one() -> None:
    p, q = np.abs(A) / np.abs(A).sum(), np.abs(B) / np.abs(B).sum()
    m = (p + q) / 2
    expected = math.sqrt((stats.entropy(p, m, base=2) + stats.entropy(q, m, base=2)) / 2)
    assert s.jensen_shannon(A, B) == pytest.approx(expected)
    assert s.jensen_shannon(np.array([1.0, 0]), np.array([0, -2.0])) == pytest.approx(1)
    assert s.jensen_shannon(7 * A, -A) == pytest.approx(0, abs=1e-7)


def test_ssim_is_the_formula_of_wang() -> None:
    """Local means, variances and covariance under a Gaussian window; scikit-image crops the border."""
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 40, 30))

    def mean(z: np.ndarray) -> np.ndarray:
        return gaussian_filter(z, 1.5, truncate=3.5, mode="reflect")

    n = 121  # the library divides by n - 1, where n is the window's number of pixels
    unbiased = n / (n - 1)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (unbiased * (mean(u * v) - mean(u) * mean(v)) for u, v in ((x, x), (y, y), (x, y)))
    c1, c2 = 0.01**2, 0.03**2
    whole = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert s.ssim(x, y) == pytest.approx(whole[5:-5, 5:-5].mean(), abs=1e-6)
    expected = structural_similarity(x, y, data_range=1, gaussian_weights=True, sigma=1.5)
    assert s.ssim(x, y) == pytest.approx(expected)


def test_small_pictures_have_no_ssim() -> None:
    assert math.isnan(s.ssim(np.zeros((8, 8)), np.zeros((8, 8))))


def test_the_centre_moves_from_corner_to_corner() -> None:
    label = grid(40, 4)
    first, last = np.eye(16)[0], np.eye(16)[15]
    found = s.centre_shift(first, last, label)
    assert found == pytest.approx(math.hypot(30, 30) / math.hypot(40, 40))
    assert s.centre_shift(first, -3 * first, label) == pytest.approx(0, abs=1e-12)
    uneven = np.where(np.arange(20)[None, :] < 15, 0, 1) * np.ones((20, 1), dtype=int)  # 15 and 5 columns wide
    assert s.centre_shift(np.array([1.0, 1]), np.array([1.0, 1]), uneven) == pytest.approx(0, abs=1e-12)
    assert s.centre_shift(np.array([1.0, 0]), np.array([0, 1.0]), uneven) == pytest.approx(10 / math.hypot(20, 20))


def test_nothing_is_defined_on_zeros() -> None:
    zero = np.zeros(6)
    found = s.compare_attributions(A, zero, label=grid(16, 2) % 6)
    for name in ("spearman", "kendall_size", "cosine", "jensen_shannon", "centre"):
        assert math.isnan(found[name]), name
    assert math.isnan(s.pairwise_rank_agreement(A[:1], B[:1]))
