"""Every measure of several labels: values against scikit-learn, intervals, reasons, clusters."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from workbench.metrics.catalogue import MEASURES
from workbench.metrics.label_evaluation import label_measures
from workbench.stats import wilson
from workbench.types import Estimate, LabelScores, Measure

LABELS = ("a", "b", "c", "d")


def drawn(n: int = 240, seed: int = 0) -> LabelScores:
    rng = np.random.default_rng(seed)
    targets = rng.random((n, 4)) < [0.15, 0.3, 0.5, 0.7]
    logits = 2.5 * (targets - 0.5) + rng.normal(size=(n, 4))
    splits = np.array(["train"] * (n // 2) + ["test"] * (n - n // 2), dtype=object)
    thresholds = np.array([0.3, 0.5, 0.55, 0.6])
    return LabelScores(np.arange(n).astype(str), splits, targets.astype(np.int8), logits, LABELS, thresholds)


def by_name(measures: list[Measure]) -> dict[str, Measure]:
    return {m.name: m for m in measures}


@pytest.fixture(scope="module")
def scores() -> LabelScores:
    return drawn()


@pytest.fixture(scope="module")
def measures(scores: LabelScores) -> dict[str, Measure]:
    return by_name(label_measures(scores, splits=["test"], resamples=300))


def test_exactly_the_measures_of_the_table_in_its_order(scores: LabelScores) -> None:
    found = label_measures(scores, resamples=20)
    names = [name for name, info in MEASURES.items() if info.takes is LabelScores]
    assert [m.name for m in found] == names * 2 and [m.split for m in found[:: len(names)]] == ["train", "test"]
    assert all(m.better == MEASURES[m.name].better for m in found)


def test_values_are_scikit_learns(scores: LabelScores, measures: dict[str, Measure]) -> None:
    test = scores.where(scores.splits == "test")
    t, z, p, given = test.targets == 1, test.logits, test.probabilities, test.predicted
    np.testing.assert_array_equal(given, p >= test.thresholds)
    expected = {
        "subset_accuracy": sk.accuracy_score(t, given),
        "hamming_loss": sk.hamming_loss(t, given),
        "f1_micro": sk.f1_score(t, given, average="micro"),
        "f1_samples": sk.f1_score(t, given, average="samples", zero_division=1.0),
        "label_f1": sk.f1_score(t, given, average="macro"),
        "label_precision": sk.precision_score(t, given, average="macro"),
        "label_recall": sk.recall_score(t, given, average="macro"),
        "mean_average_precision": sk.average_precision_score(t, z, average="macro"),
        "label_auroc": sk.roc_auc_score(t, z, average="macro"),
        "lrap": sk.label_ranking_average_precision_score(t, z),
        "coverage_error": sk.coverage_error(t, z),
        "ranking_loss": sk.label_ranking_loss(t, z),
        "label_log_loss": np.mean([sk.log_loss(t[:, k], p[:, k]) for k in range(4)]),
        "label_brier": np.mean([sk.brier_score_loss(t[:, k], p[:, k]) for k in range(4)]),
    }
    for name, value in expected.items():
        assert measures[name].value == pytest.approx(value), name
    per_label = {
        "label_f1": sk.f1_score(t, given, average=None),
        "label_precision": sk.precision_score(t, given, average=None),
        "label_recall": sk.recall_score(t, given, average=None),
        "mean_average_precision": sk.average_precision_score(t, z, average=None),
        "label_auroc": sk.roc_auc_score(t, z, average=None),
    }
    for name, values in per_label.items():
        assert [measures[name].per_class[label].value for label in LABELS] == pytest.approx(list(values)), name


def test_every_value_has_an_interval_around_it(measures: dict[str, Measure]) -> None:
    for m in measures.values():
        numbers: list[Measure | Estimate] = [m, *m.per_class.values()]
        for e in numbers:
            assert e.value is not None and e.low is not None and e.high is not None, m.name
            assert e.low <= e.value <= e.high and e.interval, m.name


def test_shares_have_wilsons_interval(scores: LabelScores, measures: dict[str, Measure]) -> None:
    test = scores.where(scores.splits == "test")
    right = int((test.predicted == (test.targets == 1)).all(axis=1).sum())
    exact = wilson(right, 120)
    m = measures["subset_accuracy"]
    assert (m.low, m.high, m.interval) == (exact.low, exact.high, "wilson")
    holds, given = test.targets[:, 0] == 1, test.predicted[:, 0]
    recall = measures["label_recall"].per_class["a"]
    exact = wilson(int((holds & given).sum()), int(holds.sum()))
    assert (recall.low, recall.high, recall.n) == (exact.low, exact.high, int(holds.sum()))
    assert measures["label_precision"].per_class["a"].n == int(given.sum())


def test_the_bootstrap_interval_is_that_of_resampled_rows(scores: LabelScores, measures: dict[str, Measure]) -> None:
    """Against a plain bootstrap that draws rows and asks scikit-learn."""
    test = scores.where(scores.splits == "test")
    rng = np.random.default_rng(3)
    f1, mean_ap = [], []
    for _ in range(300):
        rows = rng.integers(0, 120, 120)
        t = test.targets[rows] == 1
        f1.append(sk.f1_score(t, test.predicted[rows], average="macro"))
        mean_ap.append(sk.average_precision_score(t, test.logits[rows], average="macro"))
    for name, draws in (("label_f1", f1), ("mean_average_precision", mean_ap)):
        m = measures[name]
        assert m.low is not None and m.high is not None
        assert m.high - m.low == pytest.approx(np.ptp(np.quantile(draws, [0.025, 0.975])), rel=0.25), name


def test_the_baseline_answers_the_commonest_set_of_training(measures: dict[str, Measure], scores: LabelScores) -> None:
    train, test = (scores.where(scores.splits == s).targets for s in ("train", "test"))
    sets, counts = np.unique(train, axis=0, return_counts=True)
    assert measures["baseline_subset_accuracy"].value == (test == sets[counts.argmax()]).all(axis=1).mean()


def test_beside_each_measure_stands_what_a_model_that_knows_nothing_scores(
    measures: dict[str, Measure], scores: LabelScores
) -> None:
    train, test = (scores.where(scores.splits == s).targets == 1 for s in ("train", "test"))
    sets, counts = np.unique(train, axis=0, return_counts=True)
    answer, p = np.tile(sets[counts.argmax()], (120, 1)), np.tile(train.mean(axis=0), (120, 1))
    expected = {
        "subset_accuracy": measures["baseline_subset_accuracy"].value,
        "hamming_loss": sk.hamming_loss(test, answer),
        "f1_samples": sk.f1_score(test, answer, average="samples", zero_division=1.0),
        "mean_average_precision": test.mean(),
        "label_auroc": 0.5,
        "ranking_loss": sk.label_ranking_loss(test, p),
        "label_log_loss": np.mean([sk.log_loss(test[:, k], p[:, k]) for k in range(4)]),
        "label_brier": np.mean((p - test) ** 2),
    }
    for name, value in expected.items():
        assert measures[name].baseline == pytest.approx(value), name
    assert measures["baseline_subset_accuracy"].baseline is None
    assert "|baseline:label shares of train|" in measures["label_brier"].signature


def test_signatures_name_the_knobs(measures: dict[str, Measure]) -> None:
    assert "thresholds:0.3,0.5,0.55,0.6|" in measures["subset_accuracy"].signature
    assert "|average:labels|" in measures["mean_average_precision"].signature
    assert "resamples:300|drawn:rows|seed:0|" in measures["hamming_loss"].signature
    assert "set:most frequent of train" in measures["baseline_subset_accuracy"].signature


def test_degenerate_labels_say_why() -> None:
    scores = drawn()
    targets = scores.targets.copy()
    targets[:, 0], targets[:, 1] = 0, 1
    targets[:, 2] = np.arange(len(targets)) % 30 == 0
    odd = LabelScores(scores.ids, scores.splits, targets, scores.logits, LABELS, np.array([1.1, 0.5, 0.5, 0.5]))
    found = by_name(label_measures(odd, splits=["test"], resamples=50))
    auroc, ap, precision = (found[n] for n in ("label_auroc", "mean_average_precision", "label_precision"))
    assert auroc.per_class["a"].reason == "no example of this split has the label 'a'"
    assert auroc.per_class["b"].reason == "every example of this split has the label 'b'"
    assert precision.per_class["a"].reason == "no example was given the label 'a'"
    assert auroc.reason == "not defined for 'a', 'b': left out of the average"
    assert ap.reason == "not defined for 'a': left out of the average"
    assert "4 examples have this label: too few" in ap.per_class["c"].reason and ap.per_class["c"].value is None
    assert found["label_recall"].per_class["c"].reason.endswith("of 4 found: too few for a number")
    assert "guessing would reach" in ap.per_class["d"].reason


def test_no_label_at_all_is_not_defined() -> None:
    scores = drawn(40)
    none = LabelScores(
        scores.ids, scores.splits, np.zeros_like(scores.targets), scores.logits - 50, LABELS, np.full(4, 0.5)
    )
    found = by_name(label_measures(none, splits=["test"], resamples=20))
    assert found["label_f1"].value is None and found["label_f1"].reason
    assert found["f1_micro"].value is None and found["subset_accuracy"].value == 1.0


def test_unknown_targets_are_left_out_and_counted() -> None:
    scores = drawn()
    targets = scores.targets.copy()
    targets[-5:, 2] = -1
    known = np.arange(len(targets)) < len(targets) - 5
    unknown = LabelScores(scores.ids, scores.splits, targets, scores.logits, LABELS, scores.thresholds)
    found = label_measures(unknown, splits=["test"], resamples=20)
    same = label_measures(scores.where(known), splits=["test"], resamples=20)
    assert [m.value for m in found] == [m.value for m in same] and "unknown:5" in found[0].signature
    targets[:] = -1
    assert all(m.reason == "no example of this split has a known target" for m in label_measures(unknown))


def test_outputs_that_are_no_numbers_are_refused() -> None:
    scores = drawn(20)
    scores.logits[-1, 0] = np.nan
    found = label_measures(scores, splits=["test"], resamples=20)
    assert all(m.value is None and "not finite" in m.reason for m in found)


def test_clusters_widen_the_intervals() -> None:
    one = drawn(120, seed=5)
    rows = np.repeat(np.arange(120), 4)  # every example four times: the same people again
    many = one.where(rows)
    alone = by_name(label_measures(many, splits=["test"], resamples=200))
    grouped = by_name(label_measures(many, splits=["test"], resamples=200, clusters=many.ids))
    for name in ("subset_accuracy", "hamming_loss", "mean_average_precision"):
        a, b = alone[name], grouped[name]
        assert a.value == b.value and a.low is not None and b.low is not None and a.high and b.high
        assert b.high - b.low > 1.5 * (a.high - a.low), name
    assert "drawn:clusters" in grouped["subset_accuracy"].signature


def test_equal_seeds_give_equal_numbers_and_many_rows_fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = drawn(80)
    assert label_measures(scores, resamples=50) == label_measures(scores, resamples=50)
    monkeypatch.setattr("workbench.metrics.evaluated.MOST_WORK", 100)
    monkeypatch.setattr("workbench.metrics.evaluated.FEWEST", 10)
    assert "resamples:31" in label_measures(scores, resamples=50, splits=["test"])[1 + 1].signature
