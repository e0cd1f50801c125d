"""Decisions of sets of labels again by scikit-learn and plain numpy; degenerate labels; whole groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from workbench.metrics.decisions import decisions
from workbench.metrics.label_decisions import set_confidence
from workbench.metrics.slice_labels import MOST_LABELS
from workbench.metrics.thresholds import Wanted
from workbench.types import LabelScores

LABELS = ("a", "b", "c")
WANTED = Wanted(cost_ratio=0.4)


def sets(n: int = 600, seed: int = 0) -> LabelScores:
    rng = np.random.default_rng(seed)
    t = (rng.random((n, 3)) < [0.5, 0.3, 0.1]).astype(np.int8)
    z = rng.normal(size=(n, 3)) * 1.5 + 2.5 * t - 1.3
    split = np.array(["train", "validation", "test"], dtype=object)[np.arange(n) % 3]
    ids = np.array([f"x{i}" for i in range(n)], dtype=object)
    return LabelScores(ids, split, t, z, LABELS, np.array([0.5, 0.4, 0.3]))


def found(p: LabelScores, **more: Any) -> dict[str, Any]:
    return decisions(p, WANTED, resamples=100, **more)


def test_whole_sets_are_answered_surest_first() -> None:
    p = sets()
    test = p.where(p.splits == "test")
    prob = expit(test.logits)
    sure = np.where(prob >= test.thresholds, prob, 1 - prob).prod(axis=1)
    np.testing.assert_allclose(set_confidence(test), sure)
    right = ((prob >= test.thresholds) == test.targets).all(axis=1)
    part = found(p)["risk_coverage"]
    assert part["random"] == pytest.approx(1 - right.mean())
    assert part["aurc"] == pytest.approx(np.mean([1 - right[sure >= c].mean() for c in sure]))
    for row in part["table"]:
        answered = sure >= row["least"] - 1e-12
        k, n = int(right[answered].sum()), int(answered.sum())
        assert (row["n"], row["accuracy"]["value"]) == (n, pytest.approx(k / n))
        low, high = proportion_confint(k, n, method="wilson")
        assert (row["accuracy"]["low"], row["accuracy"]["high"]) == pytest.approx((low, high))


def test_each_label_is_a_yes_or_no_problem() -> None:
    p = sets()
    test, held_out = p.where(p.splits == "test"), p.where(p.splits == "validation")
    ours = found(p)
    assert (ours["kind"], ours["n"], ours["n_validation"], ours["left_out"]) == ("labels", 200, 200, 0)
    for k, entry in enumerate(ours["labels"]):
        y, s = test.targets[:, k], expit(test.logits[:, k])
        v, z = held_out.targets[:, k], held_out.logits[:, k]
        assert (entry["label"], entry["holds"]) == (LABELS[k], y.sum())
        best = minimize_scalar(lambda b, z=z, v=v: sk.log_loss(v, expit(z * b)), bounds=(1e-3, 1e3), method="bounded")
        fitted = entry["temperature"]["value"]
        assert fitted == pytest.approx(1 / best.x, rel=1e-3)
        assert entry["temperature"]["loss_after"] == pytest.approx(best.fun, rel=1e-6)
        scaled = expit(test.logits[:, k] / fitted)
        for m, own in zip(
            entry["temperature"]["measures"],
            ((sk.log_loss(y, s), sk.log_loss(y, scaled)), (((s - y) ** 2).mean(), ((scaled - y) ** 2).mean())),
            strict=False,
        ):
            assert (m["before"], m["after"]) == pytest.approx(own) and m["low"] <= m["difference"] <= m["high"]
        bins = entry["reliability"]["bins"]
        assert sum(b["n"] for b in bins) == 200
        edges = np.linspace(0, 1, 16)
        edges[0] = -1
        codes = np.searchsorted(edges[1:-1], s, side="left")
        gaps = [abs(s[codes == c].mean() - y[codes == c].mean()) * (codes == c).mean() for c in np.unique(codes)]
        assert entry["reliability"]["ece"] == pytest.approx(sum(gaps))
        assert {r["rule"] for r in entry["rules"]} == {
            "used", "half", "f1", "youden", "cost", "cost_validation", "recall", "precision", "capacity",
        }  # fmt: skip
        for rule in entry["rules"]:
            if rule["threshold"] is None:
                assert rule["reason"]
                continue
            tn, fp, fn, tp = sk.confusion_matrix(y, s >= rule["threshold"], labels=[0, 1]).ravel()
            assert (rule["tn"], rule["fp"], rule["fn"], rule["tp"]) == (tn, fp, fn, tp)
            low, high = proportion_confint(tp, tp + fn, method="wilson")
            assert (rule["recall"]["low"], rule["recall"]["high"]) == pytest.approx((low, high))
            assert rule["cost"] == pytest.approx((0.4 * fp + fn) / 200)
        used = next(r for r in entry["rules"] if r["rule"] == "used")
        assert used["threshold"] == p.thresholds[k]
        chosen = next(r for r in entry["rules"] if r["rule"] == "f1")["threshold"]
        scores = {t: sk.f1_score(v, expit(z) >= t) for t in np.unique(expit(z))}
        assert scores[chosen] == max(scores.values())
        odds = used["threshold"] / (1 - used["threshold"])
        worth = (used["tp"] - used["fp"] * odds) / 200
        assert entry["net_benefit"]["used"] == pytest.approx(worth)
        for c in entry["net_benefit"]["curve"][::20]:
            called = s >= c["threshold"]
            o = c["threshold"] / (1 - c["threshold"])
            assert c["model"] == pytest.approx((called & (y == 1)).mean() - (called & (y == 0)).mean() * o)


def test_whole_groups_widen_what_they_should_and_it_is_said() -> None:
    p = sets()
    copies = p.where(np.repeat(np.arange(300), 2))
    alone, grouped = found(copies), found(copies, clusters=np.arange(600) // 2)
    for a, b in zip(alone["labels"], grouped["labels"], strict=True):
        x, y = (e["rules"][0]["recall"] for e in (a, b))
        assert y["high"] - y["low"] > 1.15 * (x["high"] - x["low"]) and y["interval"].startswith("bootstrap")
        assert "one group" in b["reliability"]["note"] and a["reliability"]["note"] == ""
        widths = [np.mean([q["high"] - q["low"] for q in e["reliability"]["bins"]]) for e in (a, b)]
        assert widths[1] > 1.1 * widths[0]


@pytest.mark.parametrize("case", ["none", "all", "constant", "right", "one row", "no validation", "unknown", "broken"])
def test_degenerate_labels_have_reasons_and_no_crash(case: str) -> None:
    p = sets(300)
    t, z, splits = p.targets.copy(), p.logits.copy(), p.splits.copy()
    if case in ("none", "all"):
        t[:, 0] = case == "all"
    elif case == "constant":
        z[:] = 0.3
    elif case == "right":
        z = (6.0 * t - 3) * np.linspace(1, 2, 300)[:, None]
    elif case == "one row":
        splits[:] = "train"
        splits[0], splits[1] = "test", "validation"
    elif case == "no validation":
        splits[splits == "validation"] = "train"
    elif case == "unknown":
        t[:, 1] = -1
    elif case == "broken":
        z[5, 0] = np.nan
    ours = found(LabelScores(p.ids, splits, t, z, LABELS, p.thresholds))
    if case in ("unknown", "broken"):
        assert ours["reason"] and ours["labels"] is None and ours["risk_coverage"] is None
        return
    first = ours["labels"][0]
    if case in ("none", "all"):
        assert "nothing to weigh" in first["net_benefit"]["reason"] and first["net_benefit"]["curve"] == []
        assert "nothing to choose by" in next(r for r in first["rules"] if r["rule"] == "f1")["reason"]
        missing = "recall" if case == "none" else "specificity"
        assert first["rules"][0][missing]["value"] is None and first["rules"][0][missing]["reason"]
    if case == "constant":
        assert "same confidence" in ours["risk_coverage"]["reason"]
        assert "same score" in next(r for r in first["rules"] if r["rule"] == "youden")["reason"]
    if case == "right":
        assert "no risk" in ours["risk_coverage"]["reason"] and first["temperature"]["value"] is None
    if case == "no validation":
        assert all(r["reason"] for r in first["rules"] if r["rule"] not in ("used", "half", "cost"))
        assert "no validation example" in first["temperature"]["reason"]


def test_only_the_most_frequent_labels_are_taken_and_the_rest_counted() -> None:
    rng, k = np.random.default_rng(0), MOST_LABELS + 2
    t = (rng.random((60, k)) < 0.5).astype(np.int8)
    split = np.array(["train", "validation", "test"], dtype=object)[np.arange(60) % 3]
    names = tuple(f"l{i}" for i in range(k))
    p = LabelScores(np.arange(60).astype(str), split, t, rng.normal(size=(60, k)), names, np.full(k, 0.5))
    ours = decisions(p, Wanted(), resamples=10)
    assert len(ours["labels"]) == MOST_LABELS and ours["left_out"] == 2
