"""All measures of classification: values against scikit-learn, intervals, odd cases."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from workbench import __version__
from workbench.metrics import evaluated
from workbench.metrics.calibration import expected_calibration_error, murphy
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.classification import baseline_accuracy, classification_measures
from workbench.metrics.selective import aurc, aurc_excess
from workbench.stats import wilson
from workbench.types import ClassScores, Measure


def scores(n: int, classes: int, seed: int = 0, skill: float = 1.0, split: str = "test") -> ClassScores:
    rng = np.random.default_rng(seed)
    t = rng.integers(0, classes, n)
    z = rng.normal(size=(n, classes))
    z[np.arange(n), t] += skill
    labels = tuple("abcdefgh"[:classes])
    return ClassScores(np.array([f"x{i}" for i in range(n)]), np.full(n, split), t, z, labels)


def of(p: ClassScores, **how: object) -> dict[str, Measure]:
    how = {"resamples": 200} | how
    return {m.name: m for m in classification_measures(p, **how)}  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [2, 4])
def test_values_equal_scikit_learn(classes: int) -> None:
    p = scores(300, classes)
    m, t, q, s = of(p), p.targets, p.predicted, p.probabilities
    one_hot, binary = np.eye(classes)[t], classes == 2
    expected = {
        "accuracy": sk.accuracy_score(t, q),
        "baseline_accuracy": np.bincount(t).max() / 300,
        "balanced_accuracy": sk.balanced_accuracy_score(t, q),
        "mcc": sk.matthews_corrcoef(t, q),
        "precision": sk.precision_score(t, q, average="macro"),
        "recall": sk.recall_score(t, q, average="macro"),
        "f1": sk.f1_score(t, q, average="macro"),
        "f1_macro": sk.f1_score(t, q, average="macro"),
        "f1_weighted": sk.f1_score(t, q, average="weighted"),
        "auroc": sk.roc_auc_score(t, s[:, 1]) if binary else sk.roc_auc_score(t, s, multi_class="ovr"),
        "average_precision": sk.average_precision_score(t, s[:, 1] if binary else s),
        "log_loss": sk.log_loss(t, s),
        "brier": sk.brier_score_loss(t, s[:, 1] if binary else s),
        "ece": expected_calibration_error(s.max(axis=1), t == q),
    }
    if not binary:
        expected["auroc_weighted"] = sk.roc_auc_score(t, s, multi_class="ovr", average="weighted")
        expected["auroc_ovo"] = sk.roc_auc_score(t, s, multi_class="ovo")
    expected |= {"d2_log_loss": sk.d2_log_loss_score(t, y_proba=s), "d2_brier": sk.d2_brier_score(t, s)}
    parts = murphy(s, t)
    expected |= {f"brier_{part}": getattr(parts, part) for part in ("reliability", "resolution", "uncertainty")}
    expected |= {"aurc": aurc(s.max(axis=1), t == q), "aurc_excess": aurc_excess(s.max(axis=1), t == q)}
    for name, value in expected.items():
        assert m[name].value == pytest.approx(value), name
    assert set(expected) | {"ece_floor", "ace", "classwise_ece", "mce"} == set(m)
    precision, recall, f1, support = sk.precision_recall_fscore_support(t, q)
    for k, label in enumerate(p.labels):
        assert m["precision"].per_class[label].value == pytest.approx(precision[k])
        assert m["recall"].per_class[label].value == pytest.approx(recall[k])
        assert m["f1"].per_class[label].value == pytest.approx(f1[k])
        assert m["f1"].per_class[label].n == m["recall"].per_class[label].n == support[k]
        assert m["auroc"].per_class[label].value == pytest.approx(sk.roc_auc_score(t == k, s[:, k]))
        precisions = m["average_precision"].per_class[label]
        assert precisions.value == pytest.approx(sk.average_precision_score(one_hot[:, k], s[:, k]))
        assert f"{support[k] / 300:.3f}" in precisions.reason


def test_every_number_has_an_interval_around_it_and_a_signature() -> None:
    for m in classification_measures(scores(300, 3), resamples=300):
        assert m.low <= m.value <= m.high, m
        assert MEASURES[m.name].bounds[0] <= m.low and m.high <= MEASURES[m.name].bounds[1]
        assert m.interval and f"interval:{m.interval}" in m.signature and __version__ in m.signature
        assert m.signature.startswith(f"{m.name}|") and "n:300" in m.signature and "confidence:0.95" in m.signature
        assert ("seed:0" in m.signature and "resamples:300" in m.signature) == m.interval.startswith("bootstrap") or (
            m.name == "ece_floor"
        )
        for e in m.per_class.values():
            assert e.low <= e.value <= e.high and e.interval


def test_proportions_have_wilsons_interval() -> None:
    p = scores(120, 3)
    m, right = of(p), p.predicted == p.targets
    assert m["accuracy"].interval == "wilson"
    assert (m["accuracy"].low, m["accuracy"].high) == (wilson(right.sum(), 120).low, wilson(right.sum(), 120).high)
    called = p.predicted == 1
    expected = wilson(int((called & right).sum()), int(called.sum()))
    ours = m["precision"].per_class["b"]
    assert (ours.low, ours.high, ours.n) == (expected.low, expected.high, expected.n)


def test_same_seed_same_numbers_and_splits_do_not_disturb_each_other() -> None:
    p = scores(200, 3)
    two = dataclasses.replace(p, splits=np.where(np.arange(200) < 90, "validation", "test"))
    together = classification_measures(two, resamples=100)
    assert together == classification_measures(two, resamples=100)
    assert [m.split for m in together] == ["validation"] * 27 + ["test"] * 27
    assert together[27:] == classification_measures(two, resamples=100, splits=["test"])
    assert of(p, seed=1)["f1"] != of(p, seed=2)["f1"]
    mixed = np.random.default_rng(0).permutation(200)
    ours, theirs = (classification_measures(q, resamples=50) for q in (p, p.where(mixed)))
    for a, b in zip(ours, theirs, strict=True):
        assert a.value == pytest.approx(b.value) or a.name == "ece_floor"


def test_baseline_is_the_training_majority() -> None:
    p = scores(100, 2)
    t = np.r_[np.zeros(40, int), np.ones(20, int), np.ones(30, int), np.zeros(10, int)]
    p = dataclasses.replace(p, targets=t, splits=np.repeat(["train", "test"], [60, 40]))
    (m,) = [m for m in classification_measures(p, resamples=20, splits=["test"]) if m.name == "baseline_accuracy"]
    assert m.value == 0.25 and "of:train" in m.signature
    assert baseline_accuracy([1, 0, 0, 1], [0, 0, 1, -1]) == 0.5
    assert math.isnan(baseline_accuracy([], [0]))


@pytest.mark.parametrize("classes", [2, 4])
def test_what_a_model_that_knows_nothing_would_score_stands_beside_every_score(classes: int) -> None:
    p = scores(400, classes)
    p = dataclasses.replace(p, splits=np.repeat(["train", "test"], 200))
    m, train, t = of(p, splits=["test"]), p.targets[:200], p.targets[200:]
    shares = np.bincount(train, minlength=classes) / 200
    q = np.tile(shares, (200, 1))
    always, binary = np.full(200, shares.argmax()), classes == 2
    present = np.bincount(t, minlength=classes) / 200
    expected = {
        "accuracy": np.mean(t == always),
        "balanced_accuracy": 1 / classes,
        "mcc": 0,
        "f1_macro": sk.f1_score(t, always, average="macro"),
        "auroc": 0.5,
        "average_precision": present[1] if binary else 1 / classes,
        "log_loss": sk.log_loss(t, q),
        "brier": sk.brier_score_loss(t, q[:, 1] if binary else q),
        "d2_log_loss": sk.d2_log_loss_score(t, y_proba=q),
        "brier_resolution": 0,
        "ece": abs(np.mean(t == always) - shares.max()),
        "aurc": np.mean(t != always),
    }
    for name, value in expected.items():
        assert m[name].baseline == pytest.approx(value, abs=1e-12), name
        assert "|baseline:class shares of train|" in m[name].signature
    for name in ("baseline_accuracy", "ece_floor", "brier_uncertainty"):  # these do not depend on the model
        assert m[name].baseline is None
    lacking = dataclasses.replace(p, targets=np.where((p.targets == 1) & (p.splits == "train"), 0, p.targets))
    assert of(lacking, splits=["test"])["log_loss"].baseline is None  # infinite


def test_unknown_targets_are_left_out_and_counted() -> None:
    p = scores(100, 3)
    hidden = dataclasses.replace(p, targets=np.where(np.arange(100) < 30, -1, p.targets))
    ours, expected = of(hidden), of(p.where(np.arange(100) >= 30))
    assert ours["f1"].value == expected["f1"].value and ours["f1"].n == 70
    assert "|n:70|unknown:30|" in ours["f1"].signature
    nothing = of(dataclasses.replace(p, targets=np.full(100, -1)))
    assert {m.value for m in nothing.values()} == {None}
    assert all("no example" in m.reason for m in nothing.values())


def test_a_class_that_is_absent_is_named_and_never_one_half() -> None:
    p = scores(200, 3)
    m = of(p.where(p.targets != 1))
    for name in ("auroc", "auroc_weighted", "auroc_ovo", "average_precision"):
        assert m[name].value is None and "'b'" in m[name].reason
    assert m["auroc"].per_class["b"].value is None and m["auroc"].per_class["a"].value is not None
    assert m["recall"].per_class["b"].value is None
    t, q = p.targets[p.targets != 1], p.predicted[p.targets != 1]
    assert m["balanced_accuracy"].value == pytest.approx(np.mean([np.mean(q[t == k] == k) for k in (0, 2)]))
    assert "'b': left out" in m["balanced_accuracy"].reason


def test_one_class_only() -> None:
    p = scores(60, 2)
    m = of(p.where(p.targets == 1))
    for name in ("auroc", "average_precision", "mcc"):
        assert m[name].value is None and m[name].reason
    assert m["accuracy"].value is not None and "every example" in m["auroc"].reason
    assert all(e.value is None for e in m["auroc"].per_class.values())


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_one_example(classes: int) -> None:
    for m in classification_measures(scores(1, classes), resamples=30):
        assert m.n == 1
        assert m.value is not None or m.reason
        assert m.low is not None or m.reason


def test_all_right_is_not_certain() -> None:
    p = scores(20, 2, skill=50)
    m = of(p)
    for name in ("accuracy", "balanced_accuracy", "f1", "mcc", "auroc", "average_precision"):
        assert m[name].value == 1 and m[name].high == 1 and m[name].low < 0.95, name
        assert m[name].interval == "wilson"
    smaller = min(np.bincount(p.targets))
    assert m["auroc"].low == pytest.approx(wilson(smaller, smaller).low)


def test_few_examples_of_a_class_give_counts_or_a_warning() -> None:
    p = scores(300, 3)
    keep = np.r_[
        np.flatnonzero(p.targets == 0)[:6], np.flatnonzero(p.targets == 1)[:20], np.flatnonzero(p.targets == 2)
    ]
    m = of(p.where(keep))
    few, some, many = (m["recall"].per_class[label] for label in "abc")
    assert few.value is None and "of 6 found" in few.reason
    assert some.value is not None and "n = 20" in some.reason
    assert many.value is not None and not many.reason
    assert "only 6 examples" in m["auroc"].per_class["a"].reason


def test_a_class_never_predicted() -> None:
    p = scores(90, 3)
    z = p.logits.copy()
    z[:, 2] = -50
    m = of(dataclasses.replace(p, logits=z))
    assert m["precision"].per_class["c"].value is None
    assert "never predicted" in m["precision"].reason and "'c'" in m["precision"].reason
    assert m["f1"].per_class["c"].value == 0


def test_outputs_that_are_no_numbers_are_reported() -> None:
    p = scores(40, 2)
    z = p.logits.copy()
    z[3] = np.nan
    for m in of(dataclasses.replace(p, logits=z)).values():
        assert m.value is None and "1 of 40 outputs" in m.reason and "'x3'" in m.reason


def test_an_impossible_truth_has_infinite_loss() -> None:
    p = scores(40, 2)
    z = p.logits.copy()
    z[0, p.targets[0]] = -np.inf
    m = of(dataclasses.replace(p, logits=z))
    assert m["log_loss"].value is None and "probability 0" in m["log_loss"].reason
    assert m["brier"].value is not None


def test_clusters_are_drawn_whole() -> None:
    p = scores(40, 2)
    tenfold = p.where(np.repeat(np.arange(40), 10))
    tenfold = dataclasses.replace(tenfold, ids=np.arange(400).astype(str))
    single, naive = of(p, resamples=1000), of(tenfold, resamples=1000)
    whole = of(tenfold, resamples=1000, clusters=np.repeat(np.arange(40), 10))
    for name in ("accuracy", "f1", "log_loss"):
        width = {k: m[name].high - m[name].low for k, m in (("one", single), ("naive", naive), ("whole", whole))}
        assert width["whole"] == pytest.approx(width["one"], rel=0.3), name
        assert width["whole"] > 2 * width["naive"], name
    assert "drawn:clusters" in whole["accuracy"].signature


def test_very_many_classes_draw_fewer_resamples_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluated, "MOST_WORK", 300)
    m = of(scores(300, 3), resamples=900)
    assert "resamples:300|" in m["auroc"].signature and "resamples:300|" in m["ece"].signature
    assert "resamples:900|" in m["f1"].signature
    monkeypatch.setattr(evaluated, "MOST_WORK", 1)
    assert "resamples:200|" in of(scores(300, 3), resamples=900)["auroc"].signature
    assert "resamples:150|" in of(scores(300, 3), resamples=150)["auroc"].signature


def test_calibration_is_read_against_its_floor() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 3)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    t = (rng.random(2000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    calibrated = ClassScores(np.arange(2000).astype(str), np.full(2000, "test"), t, z, ("a", "b", "c"))
    m = of(calibrated)
    assert "within what chance explains" in m["ece_floor"].reason
    assert m["ece_floor"].low < m["ece"].value < m["ece_floor"].high
    assert m["ece"].interval == "bootstrap-centred"
    sure = of(dataclasses.replace(calibrated, logits=3 * z))
    assert "above what chance explains" in sure["ece_floor"].reason and sure["ece"].low > sure["ece_floor"].high


def test_numbers_are_plain_and_finite() -> None:
    for p in (scores(30, 3), scores(12, 2), scores(1, 3)):
        for m in classification_measures(p, resamples=30):
            json.dumps(dataclasses.asdict(m), allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 14), st.integers(1, 4), st.integers(0, 10**6), st.booleans())
def test_no_small_sample_crashes(n: int, classes: int, seed: int, coarse: bool) -> None:
    p = scores(n, classes, seed)
    if coarse:
        p = dataclasses.replace(p, logits=np.round(p.logits))
    unknown = np.random.default_rng(seed).random(n) < 0.2
    p = dataclasses.replace(p, targets=np.where(unknown, -1, p.targets))
    for m in classification_measures(p, resamples=20):
        assert m.value is not None or m.reason
        if m.low is not None:
            assert m.low <= m.value <= m.high, m


@pytest.mark.slow
@pytest.mark.parametrize("name", ["f1_macro", "auroc", "log_loss", "mcc"])
def test_intervals_cover_the_truth(name: str) -> None:
    truth = of(scores(400_000, 3, seed=10**6), resamples=2)[name].value
    inside = 0
    for seed in range(300):
        m = of(scores(150, 3, seed), resamples=300)[name]
        inside += m.low <= truth <= m.high
    assert inside / 300 == pytest.approx(0.945, abs=0.035)


@pytest.mark.slow
def test_the_centred_interval_covers_the_expected_calibration_error() -> None:
    def ece(seed: int) -> float:
        p = scores(200, 3, seed, skill=0.5)
        return expected_calibration_error(p.probabilities.max(axis=1), p.predicted == p.targets)

    expected = np.mean([ece(seed) for seed in range(10_000, 13_000)])
    inside = 0
    for seed in range(300):
        m = of(scores(200, 3, seed, skill=0.5), resamples=300)["ece"]
        inside += m.low <= expected <= m.high
    assert inside / 300 > 0.9


def test_the_floor_of_one_sure_answer_lies_within_its_band() -> None:
    z = np.array([[np.log(0.992), np.log(0.008)]])
    m = of(ClassScores(np.array(["a"]), np.array(["test"]), np.array([0]), z, ("a", "b")))["ece_floor"]
    assert m.low == pytest.approx(0.008) and m.low < m.value <= m.high < 0.05  # 0.992 in 8 of 1,000 draws, else 0.008


def test_of_two_classes_the_one_that_is_looked_for_gives_the_average_precision() -> None:
    p = scores(300, 2)
    first, second = of(p, resamples=50, positive=p.labels[0]), of(p, resamples=50)
    for found, label, k in ((first, p.labels[0], 0), (second, p.labels[1], 1)):
        own = found["average_precision"]
        assert own.value == pytest.approx(sk.average_precision_score(p.targets == k, p.probabilities[:, k]))
        assert own.value == own.per_class[label].value and f"positive:{label}" in own.signature
        assert own.baseline == pytest.approx(np.mean(p.targets == k), abs=0.02)
    assert first["auroc"].value == pytest.approx(second["auroc"].value)
