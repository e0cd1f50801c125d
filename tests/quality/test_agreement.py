"""Agreement of two attributions: hand-worked cases, bounds and the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from workbench.quality import agreement as g

A = np.array([5.0, -4.0, 3.0, 2.0, 1.0, 0.5])
B = np.array([5.0, 4.0, 1.0, -3.5, 3.0, 0.1])  # top 4 by size: 0, 1, 3, 4 against 0, 1, 2, 3


def test_the_four_agreements_by_hand() -> None:
    assert g.top(B, 4).tolist() == [0, 1, 3, 4]
    assert g.feature_agreement(A, B, 4) == 3 / 4  # 0, 1, 3
    assert g.rank_agreement(A, B, 4) == 2 / 4  # 0 and 1 in place
    assert g.sign_agreement(A, B, 4) == 1 / 4  # only 0 has the same sign
    assert g.signed_rank_agreement(A, B, 4) == 1 / 4
    assert g.feature_agreement(A, A, 3) == g.signed_rank_agreement(A, A, 3) == 1
    assert g.sign_agreement(A, -A, 3) == 0 and g.feature_agreement(A, -A, 3) == 1


def test_correlations_are_scipys_and_undefined_on_constants() -> None:
    assert g.spearman(A, B) == pytest.approx(stats.spearmanr(A, B).statistic)
    assert g.kendall(A, B) == pytest.approx(stats.kendalltau(A, B).statistic)
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 6, size=(2, 30))  # with ties
        assert g.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
        assert g.kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert math.isnan(g.spearman(A, np.ones(6))) and math.isnan(g.kendall(np.zeros(6), B))
    assert math.isnan(g.spearman(A[:1], B[:1]))


def test_inclusions_hold_between_measures() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        a, b = rng.normal(size=15), rng.normal(size=15)
        k = int(rng.integers(1, 16))
        fa, ra, sa, sra = (
            m(a, b, k) for m in (g.feature_agreement, g.rank_agreement, g.sign_agreement, g.signed_rank_agreement)
        )
        assert 0 <= sra <= min(ra, sa) <= max(ra, sa) <= fa <= 1


def test_the_null_is_what_lots_give() -> None:
    """Two random top-k of n share k/n of their features on average; their ranks do not correlate."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=50), rng.normal(size=50)
    found = g.agreement(a, b, k=10, rng=rng, null=2000)
    assert found["feature"]["random"] == pytest.approx(10 / 50, abs=0.01)
    assert found["rank"]["random"] == pytest.approx(1 / 50, abs=0.005)
    assert found["spearman"]["random"] == pytest.approx(0, abs=0.02)
    assert found["spearman"]["random_p95"] == pytest.approx(0.235, abs=0.02)
    assert abs(found["spearman"]["value"]) < 0.4


def test_related_attributions_stand_out_from_the_null() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=40)
    found = g.agreement(a, a + 0.01 * rng.normal(size=40), rng=rng)
    assert all(row["value"] > row["random_p95"] for row in found.values())
    again = g.agreement(a, a, rng=np.random.default_rng(3))
    assert all(row["value"] == pytest.approx(1) for row in again.values())


def test_default_top_is_five_or_a_tenth() -> None:
    a, b = np.arange(1.0, 4), np.arange(3.0, 0, -1)
    assert g.agreement(a, b, rng=np.random.default_rng(0), null=5)["feature"]["value"] == 1  # all three
    constant = g.agreement(a, np.ones(3), rng=np.random.default_rng(0), null=5)
    assert math.isnan(constant["spearman"]["value"]) and math.isnan(constant["spearman"]["random"])


@pytest.mark.parametrize("m", [3, 12, 40])
def test_shuffles_are_measured_as_one_by_one(m: int) -> None:
    rng = np.random.default_rng(m)
    a, b = rng.normal(size=m), np.round(rng.normal(size=m), 1)  # ties too
    orders = np.argsort(rng.random((30, m)), axis=1)
    k = min(m, 5)
    found = g._shuffled(a, b, k, orders)
    for i, order in enumerate(orders):
        one = g._all(a, b[order], k)
        assert {name: found[name][i] for name in one} == pytest.approx(one)
