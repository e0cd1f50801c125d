"""Thresholds of labels: the best F1 by exhaustive search, 0.5 where there is too little to choose by."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from workbench.metrics.label_thresholds import ENOUGH, best_f1_threshold, choose_thresholds, f1_at


@pytest.mark.parametrize("seed", range(6))
def test_no_other_threshold_has_a_larger_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.random(80) < 0.3
    p = np.round(1 / (1 + np.exp(-(2 * y - 1.5 + rng.normal(size=80)))), 2 if seed % 2 else 6)
    threshold, score = best_f1_threshold(p, y)
    assert score == pytest.approx(f1_score(y, p >= threshold))
    assert score >= max(f1_score(y, p >= t, zero_division=0.0) for t in np.unique(p)) - 1e-12
    assert threshold not in p  # it stands between probabilities


def test_of_equally_good_thresholds_the_one_nearest_to_one_half_is_taken() -> None:
    p, y = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])
    assert best_f1_threshold(p, y) == (0.5, 1.0)
    assert best_f1_threshold([0.2, 0.2], [1, 1]) == (0.1, 1.0)


def test_neighbours_without_a_number_between_them() -> None:
    low = np.nextafter(0.5, 0)
    threshold, score = best_f1_threshold([low, 0.5], [False, True])
    assert score == 1.0 and low < threshold <= 0.5


def test_a_label_with_too_few_examples_keeps_one_half() -> None:
    rng = np.random.default_rng(0)
    n = 60
    targets = np.zeros((n, 3), dtype=np.int8)
    targets[:20, 0], targets[: ENOUGH - 1, 1], targets[: n - 2, 2] = 1, 1, 1
    p = np.clip(0.3 * targets + rng.random((n, 3)) * 0.3, 0, 1)
    found = choose_thresholds(p, targets, ("a", "b", "c"))
    a, b, c = found["labels"]
    assert a["threshold"] != 0.5 and a["how"] == "largest F1" and a["f1"] >= a["f1_at_half"]
    assert a["f1_at_half"] == pytest.approx(f1_score(targets[:, 0], p[:, 0] >= 0.5))
    assert (b["threshold"], c["threshold"]) == (0.5, 0.5)
    assert "9 examples with it" in b["how"] and "2 examples without it" in c["how"]
    assert found["split"] == "validation" and found["text"].startswith("For 1 of 3 labels")


def test_f1_of_nothing_is_none() -> None:
    assert f1_at([0.1, 0.2], [False, False], 0.5) is None
