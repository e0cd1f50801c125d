"""Tests against a margin: the bootstrap beside Newcombe's, RMSE beside a closed form, groups beside examples."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from workbench.metrics.flips import relative_negative_flips
from workbench.metrics.noninferiority import margin_by_bootstrap, right_statistic
from workbench.metrics.paired import compare
from workbench.metrics.settings import Settings
from workbench.stats import Plan, noninferiority
from workbench.types import ClassScores, Values


def scores(right_a: np.ndarray, right_b: np.ndarray) -> tuple[ClassScores, ClassScores]:
    """Two models of two classes that are right where said."""
    n = len(right_a)
    t = np.arange(n) % 2
    one = ClassScores(np.array([f"x{i}" for i in range(n)]), np.full(n, "test"), t, np.zeros((n, 2)), ("a", "b"))
    sure = np.random.default_rng(0).uniform(0.5, 3, n)

    def logits(right: np.ndarray) -> np.ndarray:
        return np.where((np.where(right, t, 1 - t)[:, None] == np.arange(2)), sure[:, None], 0.0)

    return dataclasses.replace(one, logits=logits(right_a)), dataclasses.replace(one, logits=logits(right_b))


def flipping(n: int, lost: int, won: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.random.default_rng(2).permutation(np.arange(n) % 5 > 0)
    b = a.copy()
    b[np.flatnonzero(a)[:lost]] = False
    b[np.flatnonzero(~a)[:won]] = True
    return a, b


def test_the_declared_margin_gives_both_tests_in_the_artefact() -> None:
    a, b = scores(*flipping(400, 6, 8))
    margin = compare(a, b, resamples=100, margin=0.05)["margin"]
    expected = noninferiority(400 - 80 - 6, 6, 8, 80 - 8, 0.05)
    assert margin["of"] == "accuracy" and margin["noninferiority"] == dataclasses.asdict(expected)
    assert margin["noninferiority"]["passed"] and margin["equivalence"]["passed"]
    json.dumps(margin, allow_nan=False)
    assert compare(a, b, resamples=100)["margin"] is None


def test_too_few_examples_are_said_and_never_called_no_difference() -> None:
    a, b = scores(*flipping(60, 4, 4))
    margin = compare(a, b, resamples=100, margin=0.02)["margin"]
    for test in ("noninferiority", "equivalence"):
        found = margin[test]
        assert not found["passed"] and found["underpowered"] and found["needed"] > 60
        assert found["sentence"].startswith("Underpowered:") and "no difference" not in found["sentence"]


def test_a_loss_that_is_shown_is_not_blamed_on_few_examples() -> None:
    a, b = scores(*flipping(80, 10, 0))
    for clusters in (None, np.arange(80)):
        margin = compare(a, b, resamples=200, margin=0.02, clusters=clusters)["margin"]
        for test in ("noninferiority", "equivalence"):
            assert not margin[test]["passed"] and margin[test]["underpowered"]
            assert "cannot be excluded" in margin[test]["sentence"], (clusters is None, test)


def test_the_bootstrap_test_is_newcombes_on_independent_rows() -> None:
    right_a, right_b = flipping(500, 20, 30)
    moved = right_b.astype(float) - right_a
    found = margin_by_bootstrap(
        right_statistic(moved), Plan.rows(500), margin=0.05, of="accuracy", settings=Settings(2000), better="higher"
    )["noninferiority"]
    table = noninferiority(400 - 20, 20, 30, 100 - 30, 0.05)
    assert found["low"] == pytest.approx(table.low, abs=0.006)
    assert found["power"] == pytest.approx(table.power, abs=0.05)
    assert found["needed"] == pytest.approx(table.needed, rel=0.12)
    assert found["passed"] == table.passed


def test_groups_widen_the_interval_and_the_verdict_reads_it() -> None:
    """Every group of ten moves together: 40 groups are 40 observations, not 400."""
    rng = np.random.default_rng(0)
    right_a = np.ones(400, dtype=bool)
    right_b = np.repeat(rng.random(40) > 0.12, 10)
    a, b = scores(right_a, right_b)
    units = np.repeat(np.arange(40), 10)
    alone, grouped = compare(a, b, resamples=1000), compare(a, b, resamples=1000, clusters=units, margin=0.3)
    accuracy = grouped["accuracy"]
    assert accuracy["groups"] == 40 and accuracy["method"].endswith("of groups")
    assert accuracy["of_examples"]["low"] == alone["accuracy"]["low"]
    width = accuracy["high"] - accuracy["low"]
    assert width > 2 * (alone["accuracy"]["high"] - alone["accuracy"]["low"])
    p = (1 - right_b.reshape(40, 10).mean(axis=1)).mean()
    assert width == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 40), rel=0.25)
    assert accuracy["p"] > alone["accuracy"]["p"] and accuracy["mcnemar_p"] == alone["accuracy"]["mcnemar_p"]
    assert grouped["margin"]["noninferiority"]["n"] == 40


@pytest.mark.parametrize(("offset", "passed"), [(0.0, True), (60.0, False)])
def test_a_margin_on_the_error_is_a_share_of_the_error_before(offset: float, passed: bool) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(100, 50, 300)
    noise = rng.normal(0, 20, 300)
    one = Values(np.arange(300).astype(str), np.full(300, "test"), truth, truth + noise, "€")
    two = dataclasses.replace(one, values=truth + noise + rng.normal(0, 3, 300) + offset)
    margin = compare(one, two, resamples=400, margin=0.1)["margin"]
    before = np.sqrt(np.mean(noise**2))
    assert margin["of"] == "rmse" and margin["share"] == 0.1 and margin["margin"] == pytest.approx(0.1 * before)
    found = margin["noninferiority"]
    assert found["passed"] is passed and (found["high"] < margin["margin"]) is passed
    assert "€" in found["sentence"]


def test_equal_models_have_no_interval_and_that_is_said() -> None:
    values = Values(np.arange(9).astype(str), np.full(9, "test"), np.arange(9.0), np.arange(9.0) + 1)
    margin = compare(values, values, resamples=100, margin=0.1)["margin"]
    assert margin["noninferiority"] is None and margin["reason"]


def test_relative_negative_flips_of_unrelated_models_is_one() -> None:
    assert relative_negative_flips(72, 18, 8, 2) == pytest.approx(1.0)  # 90 % and 80 % right, independent
    assert relative_negative_flips(80, 0, 10, 10) == 0
    assert relative_negative_flips(10, 0, 0, 0) is None  # the model after makes no mistake


def test_more_accurate_need_not_be_better_calibrated() -> None:
    a, b = scores(*flipping(400, 2, 60))
    found = compare(a, b, resamples=300)["calibration"]
    assert found["sentence"].startswith("More accurate") and "calibrated" in found["sentence"]
    assert set(found["moved"]) <= {"ece", "brier", "log_loss"}
