"""Comparison of two models: against the pure tests, scikit-learn and plain resampling."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn import metrics as sk
from statsmodels.stats.multitest import multipletests

from workbench.errors import DataError
from workbench.metrics.paired import compare
from workbench.stats import delong, mcnemar_exact, newcombe_paired
from workbench.types import ClassScores, Values


def pair(n: int, classes: int, gain: float = 0.6, seed: int = 0) -> tuple[ClassScores, ClassScores]:
    rng = np.random.default_rng(seed)
    t = rng.integers(0, classes, n)
    truth = np.eye(classes)[t]
    before = rng.normal(size=(n, classes)) + truth
    after = before + 0.5 * rng.normal(size=(n, classes)) + gain * truth
    ids = np.array([f"x{i}" for i in range(n)])
    one = ClassScores(ids, np.full(n, "test"), t, before, tuple("abcdef"[:classes]))
    return one, dataclasses.replace(one, logits=after)


def values(n: int, noise: float, seed: int) -> Values:
    t = np.random.default_rng(0).normal(150, 70, n)
    error = np.random.default_rng(seed).normal(0, noise, n)
    return Values(np.array([f"x{i}" for i in range(n)]), np.full(n, "test"), t, t + error, "mg/dl")


def test_keys_are_those_of_the_artefact() -> None:
    result = compare(*pair(60, 3), resamples=50, names=("base", "tuned"))
    assert {"split", "n", "before", "after", "verdict", "accuracy", "flips", "measures"} <= set(result)
    assert (result["split"], result["n"], result["before"], result["after"]) == ("test", 60, "base", "tuned")
    assert set(result["accuracy"]) == {
        "before", "after", "difference", "low", "high", "method", "mcnemar_p", "b", "c", "p", "test",
    }  # fmt: skip
    assert set(result["flips"]) == {"negative", "positive", "nfr", "pfr", "churn", "relative_nfr"}
    for m in result["measures"]:
        assert {"name", "before", "after", "difference", "low", "high", "p", "method", "better"} <= set(m)
    json.dumps(result, allow_nan=False)


def test_accuracy_and_flips() -> None:
    a, b = pair(200, 3)
    result = compare(a, b, resamples=50)
    right_a, right_b = a.predicted == a.targets, b.predicted == b.targets
    lost, won = right_a & ~right_b, ~right_a & right_b
    cells = [int(x.sum()) for x in (right_a & right_b, lost, won, ~right_a & ~right_b)]
    expected, ours = newcombe_paired(*cells), result["accuracy"]
    assert (ours["difference"], ours["low"], ours["high"]) == (expected.value, expected.low, expected.high)
    assert (ours["b"], ours["c"]) == (cells[1], cells[2])
    assert ours["mcnemar_p"] == mcnemar_exact(cells[1], cells[2])
    assert (ours["before"], ours["after"]) == pytest.approx((right_a.mean(), right_b.mean()))
    flips = result["flips"]
    assert set(flips["negative"]) == set(a.ids[lost]) and set(flips["positive"]) == set(a.ids[won])
    sure = dict(zip(b.ids.tolist(), b.probabilities.max(axis=1).tolist(), strict=True))
    assert [sure[i] for i in flips["negative"]] == sorted((sure[i] for i in flips["negative"]), reverse=True)
    assert flips["nfr"] == lost.mean() and flips["pfr"] == won.mean()
    assert flips["churn"] == np.mean(a.predicted != b.predicted)


def test_measures_are_differences_of_the_two() -> None:
    a, b = pair(200, 3)
    measures = {m["name"]: m for m in compare(a, b, resamples=400)["measures"]}
    functions = {
        "f1_macro": lambda p: sk.f1_score(p.targets, p.predicted, average="macro"),
        "balanced_accuracy": lambda p: sk.balanced_accuracy_score(p.targets, p.predicted),
        "log_loss": lambda p: sk.log_loss(p.targets, p.probabilities),
        "brier": lambda p: sk.brier_score_loss(p.targets, p.probabilities),
        "auroc": lambda p: sk.roc_auc_score(p.targets, p.probabilities, multi_class="ovr"),
    }
    assert set(measures) == {*functions, "ece"}
    for name, function in functions.items():
        m = measures[name]
        assert (m["before"], m["after"]) == pytest.approx((function(a), function(b))), name
        assert m["difference"] == pytest.approx(m["after"] - m["before"])
        assert m["low"] <= m["difference"] <= m["high"] and m["method"] == "paired bootstrap-bca"
    assert measures["log_loss"]["better"] == "lower" and measures["f1_macro"]["better"] == "higher"


def test_pairing_equals_plain_paired_resampling() -> None:
    a, b = pair(300, 3)
    ours = next(m for m in compare(a, b, resamples=4000)["measures"] if m["name"] == "log_loss")
    losses = [-np.log(p.probabilities[np.arange(300), p.targets]) for p in (a, b)]
    rng = np.random.default_rng(0)
    by_class = [np.flatnonzero(a.targets == k) for k in range(3)]
    differences = []
    for _ in range(4000):
        rows = np.concatenate([rng.choice(members, len(members)) for members in by_class])
        differences.append((losses[1] - losses[0])[rows].mean())
    assert (ours["low"], ours["high"]) == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.006)


def test_two_classes_use_delong() -> None:
    a, b = pair(150, 2)
    auroc = next(m for m in compare(a, b, resamples=50)["measures"] if m["name"] == "auroc")
    test = delong(a.probabilities[:, 1], b.probabilities[:, 1], a.targets)
    assert (auroc["method"], auroc["p"], auroc["low"], auroc["high"]) == ("delong", test.p, test.low, test.high)
    whole = compare(a, b, resamples=50, clusters=np.arange(150) // 3)["measures"]
    assert next(m for m in whole if m["name"] == "auroc")["method"].startswith("paired bootstrap")


def test_recall_of_each_class_is_corrected_for_many_tests() -> None:
    a, b = pair(240, 3)
    classes = compare(a, b, resamples=50)["classes"]
    assert [c["label"] for c in classes] == ["a", "b", "c"] and sum(c["n"] for c in classes) == 240
    adjusted = multipletests([c["p"] for c in classes], method="holm")[1]
    assert [c["p_holm"] for c in classes] == pytest.approx(adjusted)
    assert classes[1]["before"] == pytest.approx(np.mean(a.predicted[a.targets == 1] == 1))
    a, b = (dataclasses.replace(p, labels=(*p.labels, "d"), logits=np.c_[p.logits, np.full(240, -9.0)]) for p in (a, b))
    result = compare(a, b, resamples=50)
    assert result["classes"][3]["p"] is None and "'d'" in result["classes"][3]["reason"]
    assert next(m for m in result["measures"] if m["name"] == "auroc")["difference"] is None
    json.dumps(result, allow_nan=False)


def test_order_does_not_matter_and_other_splits_neither() -> None:
    a, b = pair(90, 3)
    mixed = b.where(np.random.default_rng(1).permutation(90))
    assert compare(a, b, resamples=50) == compare(a, mixed, resamples=50)
    longer = ClassScores(
        np.r_[b.ids, ["y"]], np.r_[b.splits, ["train"]], np.r_[b.targets, [0]], np.r_[b.logits, b.logits[:1]], b.labels
    )
    assert compare(a, longer, resamples=50) == compare(a, b, resamples=50)


def test_verdicts_of_classifiers() -> None:
    a, b = pair(500, 3)
    assert compare(a, b, resamples=20)["verdict"].startswith("Better than before by ")
    assert compare(b, a, resamples=20)["verdict"].startswith("Worse than before by ")
    assert compare(a, a, resamples=20)["verdict"] == "Nothing changed: both models decide all 500 examples alike."
    assert "includes zero" in compare(*pair(200, 3, gain=0.0), resamples=20)["verdict"]


def test_a_model_against_itself_has_no_difference() -> None:
    a, _ = pair(60, 3)
    for m in compare(a, a, resamples=50)["measures"]:
        assert m["difference"] == 0 and m["p"] == 1 and "same value" in m["reason"]


def test_regression() -> None:
    a, b = values(300, 60, 1), values(300, 45, 2)
    result = compare(a, b, resamples=500)
    assert result["accuracy"] is None and result["flips"] is None and result["classes"] is None
    rmse, mae, _, r2 = result["measures"]
    assert rmse["after"] == pytest.approx(sk.root_mean_squared_error(b.targets, b.values))
    assert mae["difference"] == pytest.approx(np.abs(b.values - b.targets).mean() - np.abs(a.values - a.targets).mean())
    assert r2["before"] == pytest.approx(sk.r2_score(a.targets, a.values)) and rmse["unit"] == "mg/dl"
    assert result["verdict"].startswith("The typical error (RMSE) fell from ") and "mg/dl" in result["verdict"]
    assert "rose from" in compare(b, a, resamples=500)["verdict"]
    assert "includes zero" in compare(a, values(300, 60, 3), resamples=500)["verdict"]
    assert "Nothing changed" in compare(a, a, resamples=50)["verdict"]
    json.dumps(result, allow_nan=False)


def test_nothing_to_compare_says_why() -> None:
    a, b = pair(30, 3)
    empty = compare(a, b, split="validation", resamples=20)
    assert empty["n"] == 0 and empty["accuracy"]["difference"] is None and "Not compared" in empty["verdict"]
    z = b.logits.copy()
    z[2] = np.nan
    broken = compare(a, dataclasses.replace(b, logits=z), resamples=20)
    assert "1 of 30 outputs" in broken["verdict"] and broken["accuracy"]["mcnemar_p"] is None
    hidden = dataclasses.replace(values(9, 5, 1), targets=np.full(9, np.nan))
    assert compare(hidden, hidden, resamples=20)["verdict"].startswith("Not compared")
    one = compare(values(1, 5, 1), values(1, 5, 2), resamples=20)
    assert "too little data" in one["verdict"]
    for result in (empty, broken, one):
        json.dumps(result, allow_nan=False)


def test_unlike_predictions_are_refused() -> None:
    a, b = pair(30, 3)
    ids = b.ids.astype(object)
    ids[4] = "other"
    targets = b.targets.copy()
    targets[7] = (targets[7] + 1) % 3
    twice = b.ids.copy()
    twice[1] = twice[0]
    refused = {
        "different examples .* 'other', 'x4'": dataclasses.replace(b, ids=ids),
        "targets of 1 of 30 examples .* differ .* 'x7'": dataclasses.replace(b, targets=targets),
        "'x0' occurs more than once": dataclasses.replace(b, ids=twice),
        "different labels": dataclasses.replace(b, labels=("a", "c", "b")),
        "different examples": b.where(np.arange(20)),
        "two tasks": values(30, 5, 1),
    }
    for message, other in refused.items():
        with pytest.raises(DataError, match=message):
            compare(a, other, resamples=20)


@pytest.mark.slow
def test_p_values_keep_their_level() -> None:
    rejected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        a = values(100, 30, 10_000 + seed)
        b = dataclasses.replace(a, values=a.targets + rng.normal(0, 30, 100))
        rejected += compare(a, b, resamples=400, seed=seed)["measures"][1]["p"] < 0.05
    assert rejected / 400 == pytest.approx(0.05, abs=0.03)


def calibrated(seed: int) -> tuple[ClassScores, ClassScores]:
    """Two models that are right as often as they say: one that knows nothing, one that knows much."""
    rng = np.random.default_rng(seed)
    q = rng.beta(1, 1, 300)
    t = (rng.uniform(size=300) < q).astype(int)
    ids, split = np.array([f"x{i}" for i in range(300)]), np.full(300, "test")
    sharp = np.stack([np.zeros(300), np.log(q / (1 - q))], axis=1)
    flat = np.tile([0.0, 0.02], (300, 1))
    return ClassScores(ids, split, t, flat, ("a", "b")), ClassScores(ids, split, t, sharp, ("a", "b"))


def test_two_calibrated_models_are_not_told_apart_by_their_calibration_errors() -> None:
    """These differ with the confidences; an interval of their difference alone would say better or worse."""
    marked = claimed = 0
    for seed in range(40):
        result = compare(*calibrated(seed), resamples=200, seed=seed)
        ece, said = next(m for m in result["measures"] if m["name"] == "ece"), result["calibration"]["sentence"].lower()
        assert ("within_chance" in ece) == (ece["low"] * ece["high"] > 0)
        marked += bool(ece.get("within_chance"))
        claimed += "not demonstrably" not in said
        assert not ece.get("within_chance") or "not demonstrably" in said
    assert marked >= 3 and claimed <= 3


def test_a_model_that_is_too_sure_is_worse_calibrated_than_one_that_is_not() -> None:
    said = []
    for seed in range(10):
        one = calibrated(seed)[1]
        result = compare(one, dataclasses.replace(one, logits=4 * one.logits), resamples=200, seed=seed)
        said.append(result["calibration"]["sentence"].lower())
    assert sum("worse calibrated" in s and "not demonstrably" not in s for s in said) >= 9
