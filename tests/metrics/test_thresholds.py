"""Thresholds: each rule against a plain search over all of them; odd cases have a reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from workbench.metrics.settings import Settings
from workbench.metrics.thresholds import RULES, Wanted, choose_thresholds, judge_thresholds

ASKED = Wanted(cost_ratio=0.25, min_recall=0.8, min_precision=0.75, capacity=0.3)


def plain(rule: str, s: np.ndarray, y: np.ndarray, wanted: Wanted) -> float | None:
    """The rule by its definition, threshold by threshold."""
    best, kept = None, None
    for t in sorted(set(s.tolist()), reverse=True):
        yes = s >= t
        tp, fp, fn, tn = (int(x.sum()) for x in (yes & y, yes & ~y, ~yes & y, ~yes & ~y))
        if rule in ("f1", "youden", "cost_validation"):
            value = {
                "f1": 2 * tp / (2 * tp + fp + fn),
                "youden": tp / (tp + fn) - fp / (fp + tn),
                "cost_validation": -(wanted.cost_ratio * fp + fn),
            }[rule]
            if best is None or value > best + 1e-12:
                best, kept = value, t
        elif {
            "recall": kept is None and tp / (tp + fn) >= wanted.min_recall,
            "precision": tp / (tp + fp) >= wanted.min_precision,
            "capacity": (tp + fp) / len(s) <= wanted.capacity + 1e-12,
        }[rule]:
            kept = t
    return kept


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 60), st.integers(0, 10**6), st.booleans())
def test_rules_equal_a_plain_search(n: int, seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3 == 0
    s = (0.4 * y + rng.random(n)) / 1.4
    s = np.round(s, 1) if coarse else s
    chosen = {c.rule: c for c in choose_thresholds(s, y, ASKED)}
    if len(set(s.tolist())) == 1:
        return
    assert tuple(chosen) == RULES
    assert chosen["half"].threshold == 0.5 and chosen["cost"].threshold == pytest.approx(0.2)
    for rule in RULES:
        if rule not in ("half", "cost"):
            assert chosen[rule].threshold == plain(rule, s, y, ASKED), rule
            assert bool(chosen[rule].reason) == (chosen[rule].threshold is None)
        if chosen[rule].threshold is not None:
            tn, fp, fn, tp = sk.confusion_matrix(y, s >= chosen[rule].threshold, labels=[False, True]).ravel()
            assert chosen[rule].validation == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}


def test_without_a_cost_there_is_no_rule_by_cost() -> None:
    rng = np.random.default_rng(0)
    rules = [c.rule for c in choose_thresholds(rng.random(50), rng.random(50) < 0.4, Wanted())]
    assert rules == ["half", "f1", "youden", "recall", "precision", "capacity"]


@pytest.mark.parametrize(
    ("scores", "positive", "reason"),
    [
        ([], [], "no validation example with a known class"),
        ([0.2, 0.7], [False, False], "no validation example is of the class"),
        ([0.2, 0.7], [True, True], "every validation example is of the class"),
        ([0.4] * 6, [True, False] * 3, "the same score"),
    ],
)
def test_where_nothing_can_be_chosen_the_reason_is_named(
    scores: list[float], positive: list[bool], reason: str
) -> None:
    chosen = {c.rule: c for c in choose_thresholds(np.array(scores), np.array(positive, dtype=bool), ASKED)}
    assert chosen["half"].threshold == 0.5 and chosen["cost"].threshold == pytest.approx(0.2)
    for rule in set(RULES) - {"half", "cost"}:
        assert chosen[rule].threshold is None and reason in chosen[rule].reason


def test_promises_that_cannot_be_kept_are_named() -> None:
    s, y = np.array([0.9, 0.9, 0.9, 0.1]), np.array([True, False, False, True])
    chosen = {c.rule: c for c in choose_thresholds(s, y, Wanted(min_precision=0.95, capacity=0.2))}
    assert chosen["precision"].threshold is None and "0.95" in chosen["precision"].reason
    assert chosen["capacity"].threshold is None and "0.2" in chosen["capacity"].reason


def test_judged_on_other_examples_by_their_counts() -> None:
    rng = np.random.default_rng(3)
    y, z = rng.random(200) < 0.3, rng.random(200) < 0.3
    s, v = 0.5 * rng.random(200) + 0.5 * y * rng.random(200), 0.5 * rng.random(200) + 0.5 * z * rng.random(200)
    choices = choose_thresholds(s, y, ASKED)
    for entry, choice in zip(judge_thresholds(choices, v, z, 0.25, Settings(), None), choices, strict=True):
        called = v >= choice.threshold
        tn, fp, fn, tp = sk.confusion_matrix(z, called).ravel()
        assert (entry["tn"], entry["fp"], entry["fn"], entry["tp"]) == (tn, fp, fn, tp)
        assert entry["f1"] == pytest.approx(sk.f1_score(z, called))
        assert entry["cost"] == pytest.approx((0.25 * fp + fn) / 200)
        counts = {"recall": (tp, tp + fn), "precision": (tp, tp + fp), "specificity": (tn, tn + fp)}
        for name, (k, n) in (counts | {"selected": (tp + fp, 200)}).items():
            own = entry[name]
            if n:
                assert (own["value"], own["n"], own["interval"]) == (pytest.approx(k / n), n, "wilson")
                assert (own["low"], own["high"]) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)
            else:
                assert own["value"] is None and own["reason"]


def test_a_test_split_without_the_class_has_reasons() -> None:
    choices = choose_thresholds(np.array([0.1, 0.8]), np.array([False, True]), Wanted())
    (entry, *_) = judge_thresholds(choices, np.array([0.2, 0.3]), np.zeros(2, bool), None, Settings(), None)
    assert entry["recall"]["value"] is None and "no test example of the class" in entry["recall"]["reason"]
    assert entry["precision"]["value"] is None and "was called" in entry["precision"]["reason"]
    assert entry["f1"] is None and "cost" not in entry
