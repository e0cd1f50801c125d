"""The whole of decisions.json: chosen on validation, judged on test, and odd splits named."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ConfigError
from workbench.metrics.calibration import calibration_floor
from workbench.metrics.decisions import PARTS, decisions, positive_class
from workbench.metrics.thresholds import Wanted, choose_thresholds
from workbench.records import finite
from workbench.types import ClassScores, Values


def scores(n: int = 400, classes: int = 2, seed: int = 0, skill: float = 1.5) -> ClassScores:
    rng = np.random.default_rng(seed)
    t = rng.integers(0, classes, n)
    z = rng.normal(size=(n, classes))
    z[np.arange(n), t] += skill
    splits = np.where(np.arange(n) % 2 == 0, "validation", "test")
    return ClassScores(np.arange(n).astype(str), splits, t, z, tuple("abcd"[:classes]))


def test_what_is_chosen_comes_from_validation_alone() -> None:
    p = scores()
    wanted = Wanted(cost_ratio=0.5)
    ours = decisions(p, wanted, resamples=100)
    held_out, test = p.splits == "validation", p.splits == "test"
    expected = choose_thresholds(p.probabilities[held_out, 1], p.targets[held_out] == 1, wanted)
    assert [r["threshold"] for r in ours["thresholds"]["rules"]] == [c.threshold for c in expected]
    flipped = dataclasses.replace(p, targets=np.where(test, 1 - p.targets, p.targets))
    theirs = decisions(flipped, wanted, resamples=100)
    assert theirs["temperature"]["value"] == ours["temperature"]["value"]
    assert [r["threshold"] for r in theirs["thresholds"]["rules"]] == [
        r["threshold"] for r in ours["thresholds"]["rules"]
    ]
    moved = dataclasses.replace(p, targets=np.where(held_out, 1 - p.targets, p.targets))
    assert decisions(moved, wanted, resamples=100)["reliability"]["bins"] == ours["reliability"]["bins"]
    assert (ours["n"], ours["n_validation"], ours["kind"], ours["split"]) == (200, 200, "class", "test")
    assert ours == decisions(p, wanted, resamples=100)
    json.dumps(finite(ours), allow_nan=False)


def test_reliability_has_its_floor_and_says_which_side_of_it() -> None:
    p = scores(800, 3)
    part = decisions(p, Wanted(), resamples=100, seed=4)["reliability"]
    test = p.where(np.flatnonzero(p.splits == "test")[np.argsort(p.targets[p.splits == "test"], kind="stable")])
    floor = calibration_floor(test.probabilities.max(axis=1), np.random.default_rng(4))
    assert part["floor"] == floor.mean() and part["floor_p95"] == np.quantile(floor, 0.95)
    assert part["above"] == (part["ece"] > part["floor_p95"])
    assert sum(b["n"] for b in part["bins"]) == sum(h["n"] for h in part["histogram"]) == 400
    sure = dataclasses.replace(p, logits=p.logits * 5)
    too_sure = decisions(sure, Wanted(), resamples=100)
    assert too_sure["reliability"]["above"] and too_sure["temperature"]["value"] > 2
    (ece,) = [m for m in too_sure["temperature"]["measures"] if m["name"] == "ece"]
    assert ece["before"] == pytest.approx(too_sure["reliability"]["ece"]) and ece["after"] < ece["before"]
    gaps = [
        sum(b["n"] * abs(b["share"] - b["confidence"]) for b in too_sure["reliability"][k]) for k in ("bins", "scaled")
    ]
    assert gaps[1] < gaps[0]


@pytest.mark.parametrize("classes", [2, 4])
def test_the_surest_are_counted(classes: int) -> None:
    p = scores(600, classes)
    part = decisions(p, Wanted(), resamples=100)["risk_coverage"]
    test = p.splits == "test"
    sure, right = p.probabilities[test].max(axis=1), (p.predicted == p.targets)[test]
    order = np.argsort(-sure)
    for row in part["table"]:
        first = order[: int(np.ceil(row["wanted"] * 300 - 1e-9))]
        assert row["n"] == len(first) and row["coverage"] == pytest.approx(len(first) / 300)
        assert row["accuracy"]["value"] == pytest.approx(right[first].mean())
        assert row["least"] == sure[first].min() and row["accuracy"]["interval"] == "wilson"
    assert part["random"] == pytest.approx(1 - right.mean())
    assert part["oracle"] < part["aurc"] < part["random"]


def test_the_class_that_is_looked_for() -> None:
    assert positive_class(("a", "b"), "") == 1 and positive_class(("a", "b", "c"), "") is None
    assert positive_class(("a", "b", "c"), "a") == 0
    with pytest.raises(ConfigError, match=r"evaluate\.positive = 'x'"):
        positive_class(("a", "b"), "x")
    several = decisions(scores(200, 3), Wanted(), resamples=100)
    assert several["thresholds"]["rules"] == [] and "evaluate.positive" in several["thresholds"]["reason"]
    assert several["net_benefit"]["curve"] == [] and "evaluate.positive" in several["net_benefit"]["reason"]
    p = scores(200, 3)
    named = decisions(p, Wanted(positive="a"), resamples=100)
    assert named["thresholds"]["positive"] == "a"
    half = next(r for r in named["thresholds"]["rules"] if r["rule"] == "half")
    test = p.splits == "test"
    assert half["tp"] == np.sum((p.probabilities[:, 0] >= 0.5) & (p.targets == 0) & test)


def test_without_a_validation_split_nothing_is_chosen() -> None:
    p = dataclasses.replace(scores(), splits=np.full(400, "test"))
    found = decisions(p, Wanted(cost_ratio=1), resamples=100)
    assert found["temperature"]["value"] is None and "no validation example" in found["temperature"]["reason"]
    assert found["reliability"]["scaled"] is None
    told = {r["rule"]: r for r in found["thresholds"]["rules"]}
    assert told["half"]["recall"]["value"] is not None and told["cost"]["recall"]["value"] is not None
    assert "no validation example" in told["f1"]["reason"]


def test_a_split_that_cannot_be_judged_says_why() -> None:
    p = scores()
    unknown = decisions(dataclasses.replace(p, targets=np.where(p.splits == "test", -1, p.targets)), Wanted())
    assert "no example" in unknown["reason"] and all(unknown[part] is None for part in PARTS)
    broken = p.logits.copy()
    broken[1] = np.nan
    assert "not finite" in decisions(dataclasses.replace(p, logits=broken), Wanted())["reason"]
    broken = p.logits.copy()
    broken[0] = np.nan  # a validation row
    found = decisions(dataclasses.replace(p, logits=broken), Wanted(), resamples=100)
    assert found["temperature"]["value"] is None and "not finite" in found["temperature"]["reason"]
    assert found["thresholds"]["rules"][1]["threshold"] is None
    one = decisions(p.where((p.targets == 1) | (p.splits == "validation")), Wanted(), resamples=100)
    assert "every test example is of the class" in one["net_benefit"]["reason"]


def test_all_right_and_all_alike() -> None:
    perfect = decisions(scores(skill=12), Wanted(), resamples=100)
    assert "no risk" in perfect["risk_coverage"]["reason"] and perfect["risk_coverage"]["aurc"] == 0
    assert "every validation example is right" in perfect["temperature"]["reason"]
    p = scores()
    alike = decisions(dataclasses.replace(p, logits=np.tile([0.3, 0.1], (400, 1))), Wanted(), resamples=100)
    assert "no surest part" in alike["risk_coverage"]["reason"]
    assert {row["n"] for row in alike["risk_coverage"]["table"]} == {200}
    assert all(r["threshold"] is None and "same score" in r["reason"] for r in alike["thresholds"]["rules"][1:])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 16), st.integers(1, 4), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_no_small_sample_crashes(n: int, classes: int, seed: int, coarse: bool, clustered: bool) -> None:
    p = scores(n, classes, seed)
    if coarse:
        p = dataclasses.replace(p, logits=np.round(p.logits))
    groups = np.arange(n) // 2 if clustered else None
    found = decisions(p, Wanted(cost_ratio=2), resamples=100, seed=seed, clusters=groups)
    json.dumps(finite(found), allow_nan=False)
    assert found["reason"] or found["risk_coverage"]["table"][0]["coverage"] == 1


def test_values_have_residuals_and_the_reason_where_not() -> None:
    rng = np.random.default_rng(0)
    t = rng.normal(size=60)
    p = Values(np.arange(60).astype(str), np.full(60, "test"), t, t + rng.normal(size=60), "m")
    found = decisions(p, Wanted(), resamples=100)
    assert (found["kind"], found["unit"], found["n"]) == ("value", "m", 60) and len(found["residuals"]["bins"]) == 4
    nothing = decisions(dataclasses.replace(p, targets=np.full(60, np.nan)), Wanted(), resamples=100)
    assert nothing["residuals"] is None and "no example" in nothing["reason"]
    json.dumps(finite(nothing), allow_nan=False)
