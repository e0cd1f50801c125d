"""Slices of sets of labels against pandas, scikit-learn and shuffles of their own; groups; too few examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import f1_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from workbench.metrics.attributes import Attribute, attribute
from workbench.metrics.slice_labels import MOST_LABELS, sliced_labels
from workbench.metrics.slices import slice_results
from workbench.stats import codes_of, grouped_difference, grouped_p
from workbench.types import LabelScores

N, LABELS = 300, ("dog", "cat", "rare")
FAST = {"resamples": 400, "permutations": 400}
WARD = np.array(["north", "south", "west"], dtype=object)[np.arange(N) % 3]
CLINIC = np.arange(N) // 5


def sets(seed: int, noise: float = 0.1, weak: np.ndarray | None = None) -> LabelScores:
    """Three labels, the last of which holds for few; wrong with chance `noise`, for cats in `weak` with .5."""
    truth = (np.random.default_rng(9).random((N, 3)) < [0.5, 0.4, 0.02]).astype(np.int8)
    chance = np.full((N, 3), noise)
    if weak is not None:
        chance[weak, 1] = 0.5
    said = np.where(np.random.default_rng(seed).random((N, 3)) < chance, 1 - truth, truth)
    ids = np.array([f"r{i}" for i in range(N)], dtype=object)
    split = np.full(N, "test", dtype=object)
    return LabelScores(ids, split, truth, 4.0 * said - 2.0, LABELS, np.full(3, 0.5))


def by() -> list[Attribute]:
    sex = np.where(np.random.default_rng(5).random(N) < 0.4, "f", "m")
    split = np.full(N, "test", dtype=object)
    return [attribute("ward", WARD.tolist(), split), attribute("sex", sex.tolist(), split)]


def inside(entry: dict[str, Any]) -> np.ndarray:
    values = {a.name: a.values for a in by()}
    return np.all([values[w["attribute"]] == w["value"] for w in entry["where"]], axis=0)


def test_every_number_of_a_slice_is_the_naive_one() -> None:
    before, after = sets(1), sets(2, weak=WARD == "south")
    found = slice_results(before, after, by(), **FAST)
    assert found["measure"] == "subset_accuracy" and found["labels"] == list(LABELS) and found["groups"] is None
    t = after.targets
    for entry in found["slices"]:
        rows = inside(entry)
        for model, p in (("base", before), ("onnx", after)):
            own, said = entry["models"][model], p.predicted.astype(int)
            right = (said == t).all(axis=1)
            k = int(right[rows].sum())
            assert own["right"] == k and own["score"]["value"] == pytest.approx(k / rows.sum())
            assert (own["score"]["low"], own["score"]["high"]) == pytest.approx(
                proportion_confint(k, rows.sum(), method="wilson")
            )
            off = (said != t).mean(axis=1)
            wrong = own["parts"]["hamming_loss"]
            assert own["rates"]["hamming_loss"] == wrong["score"]
            assert wrong["score"]["value"] == pytest.approx(off[rows].mean())
            assert wrong["rest"]["value"] == pytest.approx(off[~rows].mean())
            assert wrong["score"]["low"] <= wrong["score"]["value"] <= wrong["score"]["high"]
            if own["difference"]:
                table = [[k, rows.sum() - k], [right.sum() - k, (~rows).sum() - right.sum() + k]]
                assert own["difference"]["p"] == pytest.approx(scipy_stats.fisher_exact(table).pvalue)
                assert wrong["difference"]["value"] == pytest.approx(off[rows].mean() - off[~rows].mean())
            if len(entry["where"]) > 1:
                assert own["labels"] == {}
                continue
            for j, label in enumerate(LABELS):
                part = own["labels"][label]
                assert part["n"] == t[rows, j].sum()
                if part["n"] < 10:
                    assert part["score"] is None and "too few" in part["reason"]
                    continue
                scores = f1_score(t[rows, j], said[rows, j]), f1_score(t[~rows, j], said[~rows, j])
                assert (part["score"]["value"], part["rest"]["value"]) == pytest.approx(scores)
                assert part["difference"]["value"] == pytest.approx(scores[0] - scores[1])
                assert part["difference"]["low"] <= part["difference"]["value"] <= part["difference"]["high"]


def test_the_weak_label_of_the_weak_ward_is_found_and_nothing_else() -> None:
    found = slice_results(sets(1), sets(2, weak=WARD == "south"), by(), **FAST)
    tests = [
        ((e["name"], label), part["difference"])
        for e in found["slices"]
        for label, part in e["models"]["onnx"]["labels"].items()
        if part["difference"]
    ]
    expected = multipletests([t["p"] for _, t in tests], method="holm")[1]
    assert [t["p_holm"] for _, t in tests] == pytest.approx(expected)
    assert [k for k, t in tests if t["p_holm"] < 0.05 and t["value"] < 0] == [("ward = south", "cat")]
    change = next(e for e in found["slices"] if e["name"] == "ward = south")["change"]
    assert change["p_holm"] < 0.05 and change["value"] < 0


def test_p_values_of_f1_are_those_of_shuffled_rows() -> None:
    after = sets(2, noise=0.2)
    found = slice_results(sets(1), after, by(), resamples=100, permutations=1999)
    rng, t, said = np.random.default_rng(0), after.targets[:, 0], after.predicted[:, 0].astype(int)
    entry = next(e for e in found["slices"] if e["name"] == "ward = north")
    rows = inside(entry)
    drawn = []
    for _ in range(3000):
        side = rng.permutation(rows)
        drawn.append(f1_of(t[side], said[side]) - f1_of(t[~side], said[~side]))
    mine = f1_of(t[rows], said[rows]) - f1_of(t[~rows], said[~rows])
    tails = (np.mean(np.array(drawn) >= mine - 1e-9), np.mean(np.array(drawn) <= mine + 1e-9))
    got = entry["models"]["onnx"]["labels"]["dog"]["difference"]["p"]
    assert got == pytest.approx(min(1.0, 2 * min(tails)), abs=0.06)


def f1_of(t: np.ndarray, said: np.ndarray) -> float:
    return float(2 * (t & said).sum() / (t.sum() + said.sum()))


def test_groups_are_taken_whole() -> None:
    after = sets(2, noise=0.2)
    found = slice_results(sets(1), after, by(), clusters=CLINIC, **FAST)
    assert found["groups"] == 60
    entry = next(e for e in found["slices"] if e["name"] == "sex = f")
    own, rows = entry["models"]["onnx"], inside(entry)
    part = own["labels"]["cat"]["difference"]
    t, said = after.targets[:, 1].astype(float), after.predicted[:, 1].astype(float)
    top, bottom = 2 * t * said, t + said
    assert part["p"] == grouped_p(top, bottom, rows, codes_of(CLINIC), resamples=400)
    gap = grouped_difference(top, bottom, rows, CLINIC, bounds=(-1.0, 1.0))
    assert (part["value"], part["low"], part["high"]) == pytest.approx((gap.value, gap.low, gap.high))
    assert "groups" in own["difference"]["method"] and "groups" in own["score"]["interval"]
    assert "groups" in entry["change"]["method"]
    few = slice_results(sets(1), after, by(), clusters=np.arange(N) // 75, **FAST)
    tests = [e["models"]["onnx"]["difference"] for e in few["slices"] if e["models"]["onnx"]["difference"]]
    assert tests and all(x["p"] is None and "groups" in x["reason"] and x["p_holm"] is None for x in tests)


def test_only_the_most_frequent_labels_are_sliced_and_it_is_said() -> None:
    k, rng = MOST_LABELS + 3, np.random.default_rng(0)
    truth = (rng.random((N, k)) < np.linspace(0.1, 0.6, k)).astype(np.int8)
    names = tuple(f"l{i}" for i in range(k))
    p = LabelScores(np.arange(N).astype(str), np.full(N, "test"), truth, 2.0 * truth - 1, names, np.full(k, 0.5))
    kept = sliced_labels(p)
    order = np.argsort(-truth.sum(axis=0), kind="stable")[:MOST_LABELS]
    assert set(kept) == {names[i] for i in order} and kept == sorted(kept, key=names.index)
    found = slice_results(p, p, by()[:1], **FAST)
    assert any("3 labels beyond" in part["reason"] for part in found["left_out"])
    # All right: differences are 0 and certain, without an interval where nothing varies.
    test = found["slices"][0]["models"]["onnx"]
    assert test["difference"]["p"] == 1 and test["parts"]["hamming_loss"]["difference"]["p"] == 1


def test_nothing_known_is_a_reason() -> None:
    p = sets(1)
    blind = LabelScores(p.ids, p.splits, np.full_like(p.targets, -1), p.logits, p.labels, p.thresholds)
    assert "no example" in slice_results(blind, blind, by(), **FAST)["reason"]
