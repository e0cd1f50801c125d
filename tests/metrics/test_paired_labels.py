"""Two multi-label models side by side: McNemar, Newcombe, labels with Holm, flips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from workbench.errors import DataError
from workbench.metrics.counted import paired_cells
from workbench.metrics.flips import relative_negative_flips
from workbench.metrics.noninferiority import margin_on_accuracy
from workbench.metrics.paired_labels import COMPARED, compare_labels
from workbench.types import ClassScores, LabelScores

LABELS = ("a", "b", "c")


def drawn(skill: tuple[float, ...], n: int = 150, seed: int = 0, model: int = 1) -> LabelScores:
    targets = np.random.default_rng(seed).random((n, 3)) < [0.2, 0.4, 0.6]
    noise = np.random.default_rng([seed, model]).normal(size=(n, 3))
    logits = np.array(skill) * (targets - 0.5) + noise
    ids = np.array([f"e{i}" for i in range(n)], dtype=object)
    splits = np.array(["train"] * 10 + ["test"] * (n - 10), dtype=object)
    return LabelScores(ids, splits, targets.astype(np.int8), logits, LABELS, np.full(3, 0.5))


BEFORE, AFTER = drawn((2.0, 2.0, 2.0)), drawn((2.0, 2.2, 7.0), model=2)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return compare_labels(BEFORE, AFTER, resamples=300)


def right(scores: LabelScores) -> np.ndarray:
    test = scores.where(scores.splits == "test")
    return (test.predicted == (test.targets == 1)).all(axis=1)


def test_whole_sets_are_compared_by_the_exact_test(found: dict[str, Any]) -> None:
    a, b = right(BEFORE), right(AFTER)
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    accuracy = found["accuracy"]
    assert accuracy["name"] == "subset_accuracy" and found["n"] == 140
    assert (accuracy["b"], accuracy["c"]) == (table[0][1], table[1][0])
    assert accuracy["mcnemar_p"] == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert accuracy["before"] == pytest.approx(a.mean()) and accuracy["after"] == pytest.approx(b.mean())
    assert accuracy["low"] < accuracy["difference"] < accuracy["high"] and accuracy["method"] == "newcombe"
    assert found["verdict"].startswith("Better than before by") and "subset accuracy" in found["verdict"]


def test_flips_are_examples_of_which_every_label_was_right(found: dict[str, Any]) -> None:
    ids = BEFORE.ids[BEFORE.splits == "test"]
    a, b = right(BEFORE), right(AFTER)
    assert sorted(found["flips"]["negative"]) == sorted(ids[a & ~b])
    assert sorted(found["flips"]["positive"]) == sorted(ids[~a & b])
    test = BEFORE.splits == "test"
    changed = (BEFORE.predicted[test] != AFTER.predicted[test]).any(axis=1)
    assert found["flips"]["churn"] == pytest.approx(changed.mean())
    after = AFTER.where(test)
    place = {i: row for row, i in enumerate(after.ids)}
    off = np.where(after.predicted != (after.targets == 1), np.abs(after.probabilities - after.targets), 0).max(axis=1)
    gravity = [off[place[i]] for i in found["flips"]["negative"]]
    assert gravity == sorted(gravity, reverse=True)


def test_labels_are_tested_one_by_one_and_corrected_together(found: dict[str, Any]) -> None:
    test = BEFORE.splits == "test"
    truth = BEFORE.targets[test] == 1
    expected = []
    for k, entry in enumerate(found["classes"]):
        a, b = (m.predicted[test][:, k] == truth[:, k] for m in (BEFORE, AFTER))
        table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
        expected.append(mcnemar(table, exact=True).pvalue)
        assert entry["label"] == LABELS[k] and entry["holds"] == truth[:, k].sum() and entry["n"] == 140
        assert entry["p"] == pytest.approx(expected[-1])
        assert entry["difference"] == pytest.approx(b.mean() - a.mean())
        f1 = [sk.f1_score(truth[:, k], m.predicted[test][:, k]) for m in (BEFORE, AFTER)]
        assert [entry["f1"]["before"], entry["f1"]["after"]] == pytest.approx(f1)
        assert entry["f1"]["low"] <= entry["f1"]["difference"] <= entry["f1"]["high"]
    assert [e["p_holm"] for e in found["classes"]] == pytest.approx(multipletests(expected, method="holm")[1])
    assert found["classes"][2]["p_holm"] < 0.05 < found["classes"][0]["p_holm"]


def test_differences_of_measures(found: dict[str, Any]) -> None:
    assert [m["name"] for m in found["measures"]] == list(COMPARED)
    by_name = {m["name"]: m for m in found["measures"]}
    test = BEFORE.splits == "test"
    truth = BEFORE.targets[test] == 1
    for name, score in (
        ("hamming_loss", lambda m: sk.hamming_loss(truth, m.predicted[test])),
        ("label_f1", lambda m: sk.f1_score(truth, m.predicted[test], average="macro")),
        ("mean_average_precision", lambda m: sk.average_precision_score(truth, m.logits[test], average="macro")),
    ):
        m = by_name[name]
        assert m["difference"] == pytest.approx(score(AFTER) - score(BEFORE))
        assert m["low"] < m["difference"] < m["high"] and m["method"].startswith("paired bootstrap")
    assert by_name["hamming_loss"]["p"] < 0.02 and by_name["hamming_loss"]["better"] == "lower"


def test_the_order_of_the_examples_does_not_matter(found: dict[str, Any]) -> None:
    shuffled = AFTER.where(np.random.default_rng(0).permutation(len(AFTER.ids)))
    assert compare_labels(BEFORE, shuffled, resamples=300) == found


def test_equal_models_changed_nothing() -> None:
    same = compare_labels(BEFORE, BEFORE, resamples=50)
    assert same["verdict"] == "Nothing changed: both models decide all 140 examples alike."
    assert same["flips"]["negative"] == [] and same["flips"]["churn"] == 0
    assert all(m["difference"] == 0 and m["reason"] for m in same["measures"])
    assert [e["p_holm"] for e in same["classes"]] == [1.0, 1.0, 1.0]


def test_clusters_are_drawn_whole() -> None:
    rows = np.repeat(np.arange(150), 3)
    ids = np.array([f"r{i}" for i in range(450)], dtype=object)

    def three(s: LabelScores) -> LabelScores:
        found = s.where(rows)
        return LabelScores(ids, found.splits, found.targets, found.logits, found.labels, found.thresholds)

    def width(result: dict[str, Any]) -> float:
        m = result["measures"][0]
        return float(m["high"] - m["low"])

    alone = compare_labels(three(BEFORE), three(AFTER), resamples=150)
    grouped = compare_labels(three(BEFORE), three(AFTER), resamples=150, clusters=rows)
    assert width(grouped) > 1.3 * width(alone)


def test_what_cannot_be_compared() -> None:
    other = LabelScores(AFTER.ids, AFTER.splits, AFTER.targets, AFTER.logits, ("a", "b", "d"), AFTER.thresholds)
    with pytest.raises(DataError, match="different labels"):
        compare_labels(BEFORE, other)
    with pytest.raises(DataError, match="targets of 1 of 140"):
        changed = AFTER.targets.copy()
        changed[20] = 1 - changed[20]
        compare_labels(BEFORE, LabelScores(AFTER.ids, AFTER.splits, changed, AFTER.logits, LABELS, AFTER.thresholds))
    single = ClassScores(BEFORE.ids, BEFORE.splits, BEFORE.targets[:, 0], BEFORE.logits, LABELS)
    with pytest.raises(DataError, match="they answer two tasks"):
        compare_labels(BEFORE, single)  # type: ignore[arg-type]


def test_outputs_that_are_no_numbers_are_not_compared() -> None:
    logits = AFTER.logits.copy()
    logits[50, 1] = np.inf
    broken = LabelScores(AFTER.ids, AFTER.splits, AFTER.targets, logits, LABELS, AFTER.thresholds)
    result = compare_labels(BEFORE, broken, resamples=20)
    assert result["verdict"].startswith("Not compared: 1 of 140 outputs") and result["measures"] == []
    assert result["accuracy"]["difference"] is None and result["accuracy"]["reason"]


def test_the_declared_margin_is_of_whole_sets() -> None:
    """Tested as one accuracy is; by whole groups where there are any."""
    rows = BEFORE.splits == "test"
    right_a, right_b = ((m.predicted == (BEFORE.targets == 1)).all(axis=1)[rows] for m in (BEFORE, AFTER))
    cells = paired_cells(right_a, right_b)
    found = compare_labels(BEFORE, AFTER, resamples=100, margin=0.1)
    assert found["margin"] == {**margin_on_accuracy(cells, 0.1, 0.95), "of": "subset_accuracy"}
    assert found["flips"]["relative_nfr"] == relative_negative_flips(*cells)
    assert compare_labels(BEFORE, AFTER, resamples=50)["margin"] is None
    groups = np.arange(len(BEFORE.ids)) // 2
    grouped = compare_labels(BEFORE, AFTER, resamples=100, margin=0.1, clusters=groups)["margin"]
    assert grouped["of"] == "subset_accuracy" and grouped["method"].startswith("paired bootstrap")
    assert grouped["noninferiority"]["n"] == len(np.unique(groups[rows]))
