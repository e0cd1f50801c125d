"""Multi-label metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from workbench.metrics import multilabel as ours
from workbench.types import LabelScores


def drawn(n: int = 60, k: int = 5, seed: int = 0, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets (n, k) with rows of no label and of all, logits and decisions."""
    rng = np.random.default_rng(seed)
    targets = rng.random((n, k)) < np.linspace(0.1, 0.7, k)
    targets[:2], targets[2] = False, True
    logits = 1.5 * (targets - 0.4) + rng.normal(size=(n, k))
    if ties:
        logits = np.round(logits)
    return targets, logits, logits > 0.2


@pytest.mark.parametrize("seed", range(4))
def test_decisions_are_scikit_learns(seed: int) -> None:
    t, _, p = drawn(seed=seed)
    assert ours.subset_accuracy(t, p) == pytest.approx(sk.accuracy_score(t, p))
    assert ours.hamming_loss(t, p) == pytest.approx(sk.hamming_loss(t, p))
    assert ours.f1_micro(t, p) == pytest.approx(sk.f1_score(t, p, average="micro"))
    assert ours.f1_samples(t, p) == pytest.approx(sk.f1_score(t, p, average="samples", zero_division=1.0))
    assert ours.label_f1(t, p) == pytest.approx(sk.f1_score(t, p, average="macro"))
    assert ours.label_precision(t, p) == pytest.approx(sk.precision_score(t, p, average="macro"))
    assert ours.label_recall(t, p) == pytest.approx(sk.recall_score(t, p, average="macro"))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_orders_are_scikit_learns(seed: int, ties: bool) -> None:
    t, z, _ = drawn(seed=seed, ties=ties)
    assert ours.mean_average_precision(z, t) == pytest.approx(sk.average_precision_score(t, z, average="macro"))
    assert ours.label_auroc(z, t) == pytest.approx(sk.roc_auc_score(t, z, average="macro"))
    assert ours.lrap(z, t) == pytest.approx(sk.label_ranking_average_precision_score(t, z))
    assert ours.coverage_error(z, t) == pytest.approx(sk.coverage_error(t, z))
    assert ours.ranking_loss(z, t) == pytest.approx(sk.label_ranking_loss(t, z))


def test_the_example_of_scikit_learns_documentation() -> None:
    t, z = np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])
    assert ours.lrap(z, t) == pytest.approx(0.416667, abs=1e-6)
    assert ours.coverage_error(z, t) == 2.5
    assert ours.ranking_loss(z, t) == 0.75


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_scikit_learns(seed: int) -> None:
    t, z, _ = drawn(seed=seed)
    names, ids = tuple("abcde"), np.arange(len(t)).astype(str)
    p = LabelScores(ids, ids, t.astype(np.int8), z, names, np.full(5, 0.5)).probabilities
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-z)))
    losses = [sk.log_loss(t[:, k], p[:, k], labels=[False, True]) for k in range(5)]
    assert ours.label_log_loss(z, t) == pytest.approx(np.mean(losses))
    assert ours.label_brier(p, t) == pytest.approx(np.mean([sk.brier_score_loss(t[:, k], p[:, k]) for k in range(5)]))


def test_the_calibration_error_is_the_gap_of_the_bins() -> None:
    p = np.tile(np.repeat([0.1, 0.9], 50)[:, None], (1, 2))
    t = np.zeros((100, 2), dtype=bool)
    t[:5, 0] = t[50:95, 0] = True  # label a: 10 % and 90 %, as claimed; label b: never
    assert ours.label_ece(p, t) == pytest.approx((0 + (0.1 + 0.9) / 2) / 2)


def test_memory_is_bounded_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    t, z, _ = drawn(200)
    whole = ours.ranking_of_examples(z, t)
    monkeypatch.setattr(ours, "_PAIRS", 100)
    for a, b in zip(whole, ours.ranking_of_examples(z, t), strict=True):
        np.testing.assert_array_equal(a, b)


def test_labels_that_do_not_occur_are_left_out_and_none_at_all_is_not_defined() -> None:
    t, p = np.array([[1, 0], [0, 0], [1, 0]]), np.array([[1, 0], [0, 0], [0, 0]])
    assert ours.label_f1(t, p) == pytest.approx(2 / 3)
    assert ours.label_precision(t, p) == 1.0
    z = np.array([[2.0, 1.0], [1.0, 0.0], [0.5, 3.0]])
    assert ours.mean_average_precision(z, t) == pytest.approx(sk.average_precision_score(t[:, 0], z[:, 0]))
    assert ours.label_auroc(z, t) == pytest.approx(sk.roc_auc_score(t[:, 0], z[:, 0]))
    nothing = np.zeros((3, 2))
    assert np.isnan(ours.label_f1(nothing, nothing)) and np.isnan(ours.f1_micro(nothing, nothing))
    assert np.isnan(ours.mean_average_precision(z, nothing)) and np.isnan(ours.label_auroc(z, nothing))
    assert ours.f1_samples(nothing, nothing) == 1.0 and ours.subset_accuracy(nothing, nothing) == 1.0


def test_the_baseline_is_the_commonest_set() -> None:
    train = np.array([[1, 0], [1, 0], [0, 0], [1, 1]])
    np.testing.assert_array_equal(ours.commonest_set(train), [True, False])
    assert ours.baseline_subset_accuracy([[1, 0], [0, 1], [1, 0], [0, 0]], train) == 0.5


def test_extreme_logits_overflow_nothing() -> None:
    z, t = np.array([[1000.0, -1000.0]]), np.array([[1, 1]])
    with np.errstate(over="raise", invalid="raise"):
        assert ours.label_log_loss(z, t) == 500.0
        scores = LabelScores(np.array(["a"]), np.array(["test"]), t, z, ("x", "y"), np.array([0.5, 0.5]))
        np.testing.assert_array_equal(scores.probabilities, [[1.0, 0.0]])
