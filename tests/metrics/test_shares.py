"""Shares of counted rows: Wilson's interval, and whole clusters."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from workbench.metrics.settings import Settings
from workbench.metrics.shares import shares


def test_shares_are_counts_with_wilsons_interval() -> None:
    rng = np.random.default_rng(0)
    hits, among = rng.random(90) < 0.6, rng.random(90) < 0.5
    found = shares({"a": (hits, among), "none": (hits, np.zeros(90, bool))}, Settings(), None)
    k, n = int((hits & among).sum()), int(among.sum())
    assert (found["a"].value, found["a"].n, found["a"].interval) == (k / n, n, "wilson")
    assert (found["a"].low, found["a"].high) == pytest.approx(proportion_confint(k, n, method="wilson"))
    assert found["none"].value is None and found["none"].reason
    assert shares({}, Settings(), None) == {}


def test_clusters_are_drawn_whole() -> None:
    rng = np.random.default_rng(1)
    hits = rng.random(60) < 0.7
    everyone = np.ones(600, bool)
    settings = Settings(1000)
    found = shares({0: (np.repeat(hits, 10), everyone)}, settings, np.repeat(np.arange(60), 10))[0]
    low, high = proportion_confint(int(hits.sum()), 60, method="wilson")
    assert found.value == hits.mean() and found.interval.startswith("bootstrap")
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)  # that of 60, not of 600
    sure = shares({0: (everyone, everyone)}, settings, np.repeat(np.arange(60), 10))[0]
    assert sure.value == 1 and sure.low < 1 and sure.interval == "wilson"  # all draws are equal
