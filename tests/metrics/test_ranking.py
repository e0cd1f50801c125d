"""Areas and average precision, against scikit-learn, with ties and with weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from workbench.metrics.ranking import Ranking, auroc, auroc_ovo, auroc_weighted, average_precision

# Few distinct scores: most examples are tied.
TIED = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=50)


@given(TIED)
def test_binary_equals_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    s, y = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    if 0 < y.sum() < len(y):
        assert auroc(s, y) == pytest.approx(sk.roc_auc_score(y, s))
    else:
        assert np.isnan(auroc(s, y))
    if y.any():
        assert average_precision(s, y) == pytest.approx(sk.average_precision_score(y, s))
    else:
        assert np.isnan(average_precision(s, y))


def table(n: int, classes: int, seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.sort(np.r_[np.arange(classes), rng.integers(0, classes, n - classes)])
    s = rng.dirichlet(np.ones(classes), n) + 0.3 * np.eye(classes)[t]
    s = np.round(s, decimals) + 1e-3
    return s / s.sum(axis=1, keepdims=True), t


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("classes", [3, 6])
def test_several_classes_equal_scikit_learn(classes: int, decimals: int) -> None:
    s, t = table(120, classes, classes, decimals)
    ranking, ones = Ranking(s, t), np.ones((1, 120), dtype=np.int32)
    one_vs_rest, one_vs_one, _ = ranking.areas(ones)
    assert one_vs_rest[0] == pytest.approx(sk.roc_auc_score(t, s, multi_class="ovr", average=None))
    expected = sk.roc_auc_score(t, s, multi_class="ovo", average="macro")
    assert one_vs_one[0] == pytest.approx(expected)
    assert auroc_ovo(s[::-1], t[::-1]) == pytest.approx(expected)
    weighted = sk.roc_auc_score(t, s, multi_class="ovr", average="weighted")
    assert auroc_weighted(s[::-1], t[::-1]) == pytest.approx(weighted)
    assert ranking.average_precisions(ones)[0] == pytest.approx(
        sk.average_precision_score(np.eye(classes)[t], s, average=None)
    )


@pytest.mark.parametrize("decimals", [1, 8])
def test_weights_are_repeated_rows(decimals: int) -> None:
    s, t = table(60, 3, 1, decimals)
    weights = np.random.default_rng(0).integers(0, 4, size=(7, 60)).astype(np.int32)
    ranking = Ranking(s, t)
    areas, pairs, _ = ranking.areas(weights)
    precisions = ranking.average_precisions(weights)
    for i, w in enumerate(weights):
        rows = np.repeat(np.arange(60), w)
        assert areas[i] == pytest.approx(sk.roc_auc_score(t[rows], s[rows], multi_class="ovr", average=None))
        assert pairs[i] == pytest.approx(sk.roc_auc_score(t[rows], s[rows], multi_class="ovo"))
        for k in range(3):
            assert precisions[i, k] == pytest.approx(sk.average_precision_score(t[rows] == k, s[rows, k]))


def test_printed_values() -> None:
    y, s = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    assert auroc(s, y) == 0.75
    assert average_precision(s, y) == pytest.approx(0.8333, abs=5e-5)


def test_one_class_only_is_undefined_and_never_one_half() -> None:
    assert np.isnan(auroc([0.1, 0.2], [1, 1]))
    for area in (auroc_ovo, auroc_weighted):
        assert np.isnan(area([[0.1, 0.9], [0.5, 0.5]], [1, 1]))


def test_rows_must_be_sorted() -> None:
    with pytest.raises(ValueError, match="sorted"):
        Ranking(np.zeros((2, 2)), np.array([1, 0]))
