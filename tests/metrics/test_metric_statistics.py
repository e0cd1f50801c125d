"""Metrics as functions of weights equal the metrics of repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from workbench.metrics.statistics import Cells, confusion_statistic, error_statistic, macro_trials, proper_statistic
from workbench.stats import evaluate
from workbench.types import ClassScores, Values

WEIGHTS = np.random.default_rng(1).integers(0, 4, size=(6, 50)).astype(np.int32)


def test_regression_equals_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    t = rng.normal(1e6, 3, 50)  # a large mean: the variance must not drown in rounding
    p = Values(np.arange(50).astype(str), np.full(50, "test"), t, t + rng.normal(size=50).round(1))
    ours = evaluate([error_statistic(p, 1e6)], WEIGHTS)
    for i, w in enumerate(WEIGHTS):
        rows = np.repeat(np.arange(50), w)
        a, b = t[rows], p.values[rows]
        assert ours[("mse",)][i] == pytest.approx(sk.mean_squared_error(a, b))
        assert ours[("mae",)][i] == pytest.approx(sk.mean_absolute_error(a, b))
        assert ours[("median_ae",)][i] == pytest.approx(sk.median_absolute_error(a, b))
        assert ours[("r2",)][i] == pytest.approx(sk.r2_score(a, b))
        assert ours[("pinball_90",)][i] == pytest.approx(sk.mean_pinball_loss(a, b, alpha=0.9))
        for name, alpha in (("d2_absolute_error", 0.5), ("d2_pinball_10", 0.1), ("d2_pinball_90", 0.9)):
            assert ours[(name,)][i] == pytest.approx(sk.d2_pinball_score(a, b, alpha=alpha))
        assert ours[("baseline_rmse",)][i] == pytest.approx(np.sqrt(np.mean((a - 1e6) ** 2)))


def test_classification_equals_repeated_rows_and_cells_equal_rows() -> None:
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, 3, 50))
    p = ClassScores(
        np.arange(50).astype(str), np.full(50, "test"), t, rng.normal(size=(50, 3)) + np.eye(3)[t], tuple("abc")
    )
    cells = Cells(p)
    assert cells.counts.sum() == 50
    ours = evaluate([confusion_statistic(p, cells, rows=True), proper_statistic(p)], WEIGHTS)
    by_cell = evaluate([confusion_statistic(p, cells, rows=False)], cells.of_rows(WEIGHTS))
    for i, w in enumerate(WEIGHTS):
        rows = np.repeat(np.arange(50), w)
        a, b = t[rows], p.predicted[rows]
        assert ours[("accuracy",)][i] == pytest.approx(sk.accuracy_score(a, b))
        assert ours[("mcc",)][i] == by_cell[("mcc",)][i] == pytest.approx(sk.matthews_corrcoef(a, b))
        assert ours[("f1_macro",)][i] == by_cell[("f1_macro",)][i] == pytest.approx(sk.f1_score(a, b, average="macro"))
        assert ours[("f1", "b")][i] == pytest.approx(sk.f1_score(a, b, average=None)[1])
        assert ours[("log_loss",)][i] == pytest.approx(sk.log_loss(a, p.probabilities[rows]))
        assert ours[("d2_log_loss",)][i] == pytest.approx(sk.d2_log_loss_score(a, y_proba=p.probabilities[rows]))
        assert ours[("d2_brier",)][i] == pytest.approx(sk.d2_brier_score(a, p.probabilities[rows]))


def test_trials_of_an_average_over_classes() -> None:
    assert macro_trials(np.array([25.0, 25, 25, 25])) == pytest.approx(100)
    assert macro_trials(np.array([18.0, 2])) == pytest.approx(4 / (1 / 18 + 1 / 2))
    assert macro_trials(np.array([7.0, 0])) == pytest.approx(7)
    assert macro_trials(np.zeros(2)) is None
