"""Residuals in bins and groups: plain means, intervals around them, few examples."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats

from workbench.metrics.residuals import MOST_GROUPS, residual_report
from workbench.metrics.settings import Settings
from workbench.types import Values


def values(n: int, lean: float = 0.0) -> Values:
    rng = np.random.default_rng(n)
    v = rng.normal(50, 10, n)
    group = rng.choice(["x", "y", ""], n)
    error = rng.normal(0, 4, n) + lean * (group == "x")
    return Values(np.arange(n).astype(str), np.full(n, "test"), v - error, v, "kg", {"side": group})


def test_bins_and_groups_are_plain_means() -> None:
    p = values(300, lean=3)
    found, residuals = residual_report(p, Settings(500), None), p.values - p.targets
    edges = np.quantile(p.values, np.linspace(0, 1, 11))
    assert len(found["bins"]) == 10 and sum(b["n"] for b in found["bins"]) == 300
    for i, b in enumerate(found["bins"]):
        rows = (p.values > edges[i] if i else True) & (p.values <= edges[i + 1])
        assert b["n"] == rows.sum() and b["mean"] == pytest.approx(residuals[rows].mean())
        assert b["sd"] == pytest.approx(residuals[rows].std(ddof=1))
        assert (b["lower"], b["upper"]) == (p.values[rows].min(), p.values[rows].max())
        assert b["low"] < b["mean"] < b["high"]
    for g in found["groups"]["side"]:
        rows = p.groups["side"] == g["value"]
        assert g["n"] == rows.sum() and g["mean"] == pytest.approx(residuals[rows].mean())
        assert g["mae"] == pytest.approx(np.abs(residuals[rows]).mean())
        t = scipy.stats.ttest_1samp(residuals[rows], 0).confidence_interval()
        assert (g["low"], g["high"]) == pytest.approx((t.low, t.high), abs=0.3)
        assert (g["low"] > 1.5) == (g["value"] == "x")  # the group that leans is seen, and no other
    sizes = [g["n"] for g in found["groups"]["side"]]
    assert sizes == sorted(sizes, reverse=True) and found["left_out"] == {}


def test_few_examples_and_many_groups() -> None:
    (only,) = residual_report(values(1), Settings(100), None)["bins"]
    assert only["n"] == 1 and only["low"] is None and only["reason"] and only["sd"] is None
    p = values(200)
    many = dataclasses.replace(p, groups={"id": p.ids})
    found = residual_report(many, Settings(100), None)
    assert len(found["groups"]["id"]) == MOST_GROUPS and found["left_out"] == {"id": 200 - MOST_GROUPS}
    residuals = dict(zip(p.ids.tolist(), p.values - p.targets, strict=True))
    assert all(g["mean"] == pytest.approx(residuals[g["value"]]) for g in found["groups"]["id"])


def test_clusters_are_drawn_whole() -> None:
    p = values(60)
    rows = np.repeat(np.arange(60), 10)
    whole = residual_report(p.where(rows), Settings(400), rows)["groups"]["side"]
    single = residual_report(p, Settings(400), None)["groups"]["side"]
    for a, b in zip(whole, single, strict=True):
        assert a["mean"] == pytest.approx(b["mean"])
        assert a["high"] - a["low"] == pytest.approx(b["high"] - b["low"], rel=0.3)
