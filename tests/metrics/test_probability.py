"""Log loss and Brier score, against scikit-learn and print."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics as sk

from workbench.metrics.probability import brier, brier_scores, log_loss, log_losses


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_both_equal_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    z, t = rng.normal(size=(80, classes)) * 3, rng.integers(0, classes, 80)
    p, labels = softmax(z, axis=1), range(classes)
    assert log_loss(z, t) == pytest.approx(sk.log_loss(t, p, labels=labels))
    expected = sk.brier_score_loss(t, p[:, 1]) if classes == 2 else sk.brier_score_loss(t, p, labels=labels)
    assert brier(p, t) == pytest.approx(expected)


def test_printed_values() -> None:
    p = np.array([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]])
    assert log_loss(np.log(p), [1, 0, 0, 1]) == pytest.approx(0.21616, abs=5e-6)
    three = np.array([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6], [0.6, 0.2, 0.2]])
    assert brier(three, [0, 2, 0]) == pytest.approx(np.mean([0.14, 0.24, 0.24]))
    assert brier([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]], [0, 1, 1, 0]) == pytest.approx(0.0375)


def test_the_worst_and_the_best() -> None:
    assert brier_scores([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [1, 1]).tolist() == [2.0, 0.0]
    assert log_losses([[1000.0, 0.0]], [1]).tolist() == [1000.0]  # a clipped probability would hide this
    assert np.isinf(log_loss([[0.0, -np.inf]], [1]))
    assert log_loss(np.zeros((4, 5)), [0, 1, 2, 3]) == pytest.approx(np.log(5))
