"""Metrics of a confusion matrix, against scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from workbench.metrics import confusion

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(LABELS)
def test_everything_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    t, p = np.array(pairs).T
    matrix = confusion.confusion_matrix(t, p, 4)
    assert np.array_equal(matrix, sk.confusion_matrix(t, p, labels=range(4)))
    c = confusion.counts_of(matrix)
    with warnings.catch_warnings(action="ignore"):
        precision, recall, f1, support = sk.precision_recall_fscore_support(t, p, labels=range(4), zero_division=np.nan)
        assert confusion.accuracy(c) == pytest.approx(sk.accuracy_score(t, p))
        assert confusion.balanced_accuracy(c) == pytest.approx(sk.balanced_accuracy_score(t, p))
        if len(set(t)) > 1 and len(set(p)) > 1:
            assert confusion.matthews(c) == pytest.approx(sk.matthews_corrcoef(t, p))
        else:
            assert np.isnan(confusion.matthews(c))
        assert confusion.f1_weighted(c) == pytest.approx(sk.f1_score(t, p, average="weighted"))
        present = sorted(set(t))
        assert confusion.f1_macro(c) == pytest.approx(sk.f1_score(t, p, labels=present, average="macro"))
    assert confusion.precision(c) == pytest.approx(precision, nan_ok=True)
    assert confusion.recall(c) == pytest.approx(recall, nan_ok=True)
    assert confusion.f1(c)[support > 0] == pytest.approx(f1[support > 0])
    assert np.all(np.isnan(confusion.f1(c)[support == 0]))


def test_printed_values() -> None:
    t, p = [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]
    assert confusion.balanced_accuracy(confusion.counts_of(confusion.confusion_matrix(t, p, 2))) == pytest.approx(0.625)
    signs = confusion.confusion_matrix([1, 1, 1, 0], [1, 0, 1, 1], 2)
    assert confusion.matthews(confusion.counts_of(signs)) == pytest.approx(-1 / 3)


def test_stacks_give_stacks() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, size=(5, 3, 3))
    together = confusion.counts_of(matrices)
    for name in ("accuracy", "balanced_accuracy", "matthews", "f1_macro", "f1_weighted", "precision", "recall", "f1"):
        function = getattr(confusion, name)
        single = np.array([function(confusion.counts_of(m)) for m in matrices])
        assert function(together) == pytest.approx(single, nan_ok=True)


def test_unknown_targets_are_left_out() -> None:
    assert confusion.confusion_matrix([-1, 0, 1], [0, 0, 0], 2).tolist() == [[1, 0], [1, 0]]


def test_nothing_at_all_is_nan() -> None:
    empty = confusion.counts_of(np.zeros((2, 2)))
    for name in ("accuracy", "balanced_accuracy", "matthews", "f1_macro", "f1_weighted"):
        assert np.isnan(getattr(confusion, name)(empty))
