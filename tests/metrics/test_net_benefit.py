"""Net benefit: the formula by counting, its closed forms, and the range where a model pays."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.metrics.net_benefit import GRID, decision_curve, net_benefit, worth_using
from workbench.metrics.settings import Settings


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return p, rng.random(n) < p


@pytest.mark.parametrize("decimals", [1, 12])
def test_curve_equals_counting(decimals: int) -> None:
    p, y = sample(150)
    p = p.round(decimals)
    curve = decision_curve(p, y, Settings(200), None)
    assert [c["threshold"] for c in curve] == pytest.approx(GRID)
    for c in curve:
        t = c["threshold"]
        tp = sum(1 for s, hit in zip(p, y, strict=True) if s >= t and hit)
        fp = sum(1 for s, hit in zip(p, y, strict=True) if s >= t and not hit)
        assert c["model"] == pytest.approx(tp / 150 - fp / 150 * t / (1 - t))
        assert c["model"] == pytest.approx(net_benefit(p, y, t))
        assert c["all"] == pytest.approx(net_benefit(np.ones(150), y, t))
        assert c["low"] is None or c["low"] <= c["model"] <= c["high"]


def test_closed_forms() -> None:
    y = np.arange(100) < 30
    assert net_benefit(y.astype(float), y, 0.7) == pytest.approx(0.3)  # an oracle: the prevalence
    assert net_benefit(np.zeros(100), y, 0.5) == 0  # no one is called
    assert net_benefit(np.ones(100), y, 0.3) == pytest.approx(0)  # calling all breaks even at the prevalence
    assert np.isnan(net_benefit([], [], 0.5)) and decision_curve(np.empty(0), np.empty(0, bool), Settings(), None) == []


def test_a_constant_score_is_never_worth_using_and_a_good_one_is() -> None:
    y = np.arange(200) < 80
    assert worth_using(decision_curve(np.full(200, 0.4), y, Settings(100), None)) is None
    p, hit = sample(2000)
    span = worth_using(decision_curve(p, hit, Settings(100), None))
    assert span is not None and span[0] < 0.3 and span[1] > 0.7
    assert worth_using([]) is None


def test_the_widest_run_counts() -> None:
    better = [1, 0, 1, 1, 1, 0, 1]
    curve = [{"threshold": i / 10, "model": 0.1 * b, "low": None, "all": -1.0} for i, b in enumerate(better, 1)]
    assert worth_using(curve) == pytest.approx((0.3, 0.5))


def test_clusters_widen_the_band() -> None:
    p, y = sample(80)
    tenfold, codes = np.repeat(np.arange(80), 10), np.repeat(np.arange(80), 10)
    rows = decision_curve(p[tenfold], y[tenfold], Settings(400), None, np.array([0.5]))[0]
    whole = decision_curve(p[tenfold], y[tenfold], Settings(400), codes, np.array([0.5]))[0]
    assert whole["model"] == pytest.approx(rows["model"])
    assert whole["high"] - whole["low"] > 2 * (rows["high"] - rows["low"])
