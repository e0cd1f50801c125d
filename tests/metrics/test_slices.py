"""Slices against a second, naive computation; corrections against statsmodels; small and degenerate slices."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from workbench.errors import DataError
from workbench.metrics.attributes import Attribute, attribute
from workbench.metrics.slices import FEW, FEWEST, MOST_CROSSED, UNKNOWN_TASK, slice_results
from workbench.types import ClassScores, Values

N = 400
FAST = {"resamples": 400, "permutations": 400}


def classes(
    seed: int,
    n: int = N,
    labels: tuple[str, ...] = ("no", "yes"),
    weak: np.ndarray | None = None,
    rate: float = 0.55,
) -> ClassScores:
    """Predictions right with probability .9, in rows of `weak` `rate`; the truth is the same for every seed."""
    truth = np.random.default_rng(99).integers(0, len(labels), n)
    rng = np.random.default_rng(seed)
    right = rng.random(n) < np.where(weak if weak is not None else np.zeros(n, bool), rate, 0.9)
    said = np.where(right, truth, (truth + 1) % len(labels))
    splits = np.array(["train"] * 20 + ["test"] * (n - 20), dtype=object)
    ids = np.array([f"r{i}" for i in range(n)], dtype=object)
    return ClassScores(ids, splits, truth, 3.0 * np.eye(len(labels))[said], labels)


def values(seed: int, n: int = N, weak: np.ndarray | None = None) -> Values:
    truth = np.random.default_rng(98).normal(100, 20, n)
    noise = np.random.default_rng(seed).normal(0, 5, n) * (1 if weak is None else np.where(weak, 3, 1))
    splits = np.array(["train"] * 20 + ["test"] * (n - 20), dtype=object)
    return Values(np.array([f"r{i}" for i in range(n)], dtype=object), splits, truth, truth + noise, "mm")


def wards(n: int = N) -> np.ndarray:
    return np.array([("north", "south", "west", "tiny", "small")[min(i % 7, 2) if i > 60 else i % 5] for i in range(n)])


def attributes(n: int = N) -> list[Attribute]:
    splits = classes(0, n).splits
    sexes = np.where(np.random.default_rng(5).random(n) < 0.4, "f", "m")
    return [attribute("ward", wards(n).tolist(), splits), attribute("sex", sexes.tolist(), splits)]


def rows_of(entry: dict[str, Any], found: list[Attribute], mine: np.ndarray) -> np.ndarray:
    inside = np.ones(int(mine.sum()), dtype=bool)
    by_name = {a.name: a.values[mine] for a in found}
    for part in entry["where"]:
        inside &= by_name[part["attribute"]] == part["value"]
    return inside


def test_every_number_of_a_decision_is_the_naive_one() -> None:
    weak = wards() == "south"
    a, b, by = classes(1), classes(2, weak=weak), attributes()
    found = slice_results(a, b, by, **FAST)
    mine = a.splits == "test"
    assert found["n"] == 380 and found["measure"] == "accuracy" and "4 crossed" in found["left_out"][0]["reason"]
    truth, right = a.targets[mine], {m: (p.predicted == p.targets)[mine] for m, p in (("base", a), ("onnx", b))}
    said = {m: p.predicted[mine] for m, p in (("base", a), ("onnx", b))}
    assert [e["n"] for e in found["slices"]] == [int(rows_of(e, by, mine).sum()) for e in found["slices"]]
    assert {e["note"] for e in found["slices"]} >= {"", "insufficient"}
    for entry in found["slices"]:
        inside, n = rows_of(entry, by, mine), entry["n"]
        for model, own in entry["models"].items():
            k = int(right[model][inside].sum())
            assert own["right"] == k
            if n < FEWEST:
                assert own["score"] is None and entry["note"] == "counts only"
                continue
            score = own["score"]
            assert (score["value"], score["n"]) == (k / n, n)
            assert (score["low"], score["high"]) == pytest.approx(proportion_confint(k, n, method="wilson"))
            others, m = int(right[model].sum()) - k, len(inside) - n
            assert own["rest"]["value"] == pytest.approx(others / m)
            for name, among, hit in (
                ("recall", truth == 1, said[model] == 1),
                ("precision", said[model] == 1, truth == 1),
                ("false_positive_rate", truth == 0, said[model] == 1),
                ("selection_rate", truth >= 0, said[model] == 1),
            ):
                rate, among = own["rates"][name], among & inside
                assert rate["n"] == among.sum()
                assert rate["value"] == (pytest.approx(hit[among].mean()) if among.any() else None)
            if n < FEW:
                assert own["difference"] is None and entry["note"] == "insufficient" and entry["change"] is None
                continue
            gap = own["difference"]
            low, high = confint_proportions_2indep(k, n, others, m, method="newcomb", compare="diff")
            assert (gap["value"], gap["low"], gap["high"]) == pytest.approx((k / n - others / m, low, high))
            p = scipy_stats.fisher_exact([[k, n - k], [others, m - others]]).pvalue
            assert gap["p"] == pytest.approx(p)
        if entry["change"] is not None:
            x, y = right["base"][inside], right["onnx"][inside]
            table = [[(x & y).sum(), (x & ~y).sum()], [(~x & y).sum(), (~x & ~y).sum()]]
            assert entry["change"]["p"] == pytest.approx(mcnemar(table, exact=True).pvalue)
            assert entry["change"]["value"] == pytest.approx(y.mean() - x.mean())
            assert entry["change"]["low"] <= entry["change"]["value"] <= entry["change"]["high"]


def test_p_values_are_corrected_over_all_tested_slices() -> None:
    found = slice_results(classes(1), classes(2, weak=wards() == "south"), attributes(), **FAST)
    families = [[e["models"][m]["difference"] for e in found["slices"]] for m in ("base", "onnx")]
    for family in (*families, [e["change"] for e in found["slices"]]):
        tests = [t for t in family if t]
        assert len(tests) > 5
        expected = multipletests([t["p"] for t in tests], method="holm")[1]
        assert [t["p_holm"] for t in tests] == pytest.approx(expected.tolist())
    for model in ("base", "onnx"):
        gaps = [g for a in found["attributes"] for g in a["gaps"][model] if g["p"] is not None]
        assert [g["p_holm"] for g in gaps] == pytest.approx(
            multipletests([g["p"] for g in gaps], method="holm")[1].tolist()
        )


def test_a_slice_that_is_worse_is_found_and_so_is_what_changed_for_it() -> None:
    found = slice_results(classes(1), classes(2, weak=wards() == "south", rate=0.3), attributes(), **FAST)
    south = next(e for e in found["slices"] if e["name"] == "ward = south")
    assert south["models"]["onnx"]["difference"]["high"] < 0 and south["models"]["onnx"]["difference"]["p_holm"] < 0.01
    assert south["models"]["base"]["difference"]["p_holm"] > 0.05
    assert south["change"]["high"] < 0 and south["change"]["p_holm"] < 0.01
    gap = next(g for g in found["attributes"][0]["gaps"]["onnx"] if g["measure"] == "accuracy")
    assert gap["lowest"] == "south" and gap["p_holm"] < 0.05 and gap["value"] > gap["p95"] > gap["expected"] > 0


def test_a_gap_of_two_groups_has_newcombes_interval() -> None:
    a, b = classes(1), classes(2)
    by = attributes()
    (gap,) = [
        g for g in slice_results(a, b, by[1:], **FAST)["attributes"][0]["gaps"]["onnx"] if g["measure"] == "accuracy"
    ]
    mine = b.splits == "test"
    right = (b.predicted == b.targets)[mine]
    groups = {v: right[by[1].values[mine] == v] for v in ("f", "m")}
    high, low = groups[gap["highest"]], groups[gap["lowest"]]
    expected = confint_proportions_2indep(high.sum(), len(high), low.sum(), len(low), method="newcomb", compare="diff")
    assert gap["value"] == pytest.approx(high.mean() - low.mean())
    assert (gap["low"], gap["high"]) == pytest.approx(expected)


def test_every_number_of_a_regression_is_the_naive_one() -> None:
    weak = wards() == "west"
    a, b, by = values(1), values(2, weak=weak), attributes()
    found = slice_results(a, b, by, resamples=400, permutations=3000)
    mine = a.splits == "test"
    error = {m: (p.values - p.targets)[mine] for m, p in (("base", a), ("onnx", b))}
    assert found["measure"] == "mae" and found["unit"] == "mm"
    assert found["overall"]["onnx"]["rmse"]["value"] == pytest.approx(np.sqrt((error["onnx"] ** 2).mean()))
    for entry in found["slices"]:
        inside = rows_of(entry, by, mine)
        if entry["n"] < FEWEST:
            assert entry["models"]["onnx"]["score"] is None
            continue
        for model, own in entry["models"].items():
            size = np.abs(error[model])
            assert own["score"]["value"] == pytest.approx(size[inside].mean())
            assert own["score"]["low"] < own["score"]["value"] < own["score"]["high"]
            assert own["rates"]["rmse"]["value"] == pytest.approx(np.sqrt((size[inside] ** 2).mean()))
            assert own["rest"]["value"] == pytest.approx(size[~inside].mean())
            if own["difference"] is not None:
                assert own["difference"]["value"] == pytest.approx(size[inside].mean() - size[~inside].mean())
                test = scipy_stats.permutation_test(
                    (size[inside], size[~inside]), lambda x, y: x.mean() - y.mean(), n_resamples=2999, rng=0
                )
                assert own["difference"]["p"] == pytest.approx(test.pvalue, abs=0.05)
        if entry["change"] is not None:
            change = np.abs(error["onnx"][inside]) - np.abs(error["base"][inside])
            assert entry["change"]["value"] == pytest.approx(change.mean())
    west = next(e for e in found["slices"] if e["name"] == "ward = west")
    assert west["models"]["onnx"]["difference"]["low"] > 0 and west["models"]["onnx"]["difference"]["p_holm"] < 0.05
    assert west["change"]["low"] > 0 and west["change"]["p_holm"] < 0.05


def test_many_classes_have_no_rates() -> None:
    found = slice_results(classes(1, labels=("a", "b", "c")), classes(2, labels=("a", "b", "c")), attributes(), **FAST)
    assert all(e["models"]["onnx"]["rates"] == {} for e in found["slices"])
    assert [g["measure"] for g in found["attributes"][0]["gaps"]["onnx"]] == ["accuracy"]


def test_equal_sets_of_rows_are_listed_once_and_crossed_ones_to_depth_two() -> None:
    splits = classes(0).splits
    ward = wards().tolist()
    copy = [f"{w}'" for w in ward]
    thirds = [str(i % 3) for i in range(N)]
    by = [attribute(n, c, splits) for n, c in (("ward", ward), ("copy", copy), ("third", thirds))]
    found = slice_results(classes(1), classes(2), by, **FAST)
    names = [e["name"] for e in found["slices"]]
    assert len(set(names)) == len(names) and max(len(e["where"]) for e in found["slices"]) == 2
    assert not any("ward" in n and "copy" in n for n in names)  # the same rows as the ward alone
    assert not any("copy" in n and "third" in n for n in names)  # the same rows as ward and third
    assert any("ward" in n and "third" in n for n in names)


def test_no_more_crossed_slices_than_the_largest() -> None:
    n = 6000
    rng = np.random.default_rng(0)
    splits = classes(0, n).splits
    by = [attribute(name, [chr(97 + i) for i in rng.integers(0, 12, n)], splits) for name in "xy"]
    by = [Attribute(a.name, a.values, a.order) for a in by]
    found = slice_results(classes(1, n), classes(2, n), by, **FAST)
    crossed = [e["n"] for e in found["slices"] if len(e["where"]) == 2]
    mine = splits == "test"
    everything = sorted(
        (
            int(((by[0].values == a) & (by[1].values == b))[mine].sum())
            for a, b in itertools.product(by[0].order, by[1].order)
        ),
        reverse=True,
    )
    assert sorted(crossed, reverse=True) == everything[:MOST_CROSSED]
    assert "44 crossed slices beyond" in found["left_out"][-1]["reason"]


def test_degenerate_attributes_are_left_out_with_the_reason() -> None:
    splits = classes(0).splits
    by = [attribute("constant", ["x"] * N, splits), attribute("name", [f"n{i}" for i in range(N)], splits)]
    found = slice_results(classes(1), classes(2), by, **FAST)
    reasons = {part["attribute"]: part["reason"] for part in found["left_out"]}
    assert reasons["constant"] == "every example has the same value"
    assert [e["where"][0]["attribute"] for e in found["slices"]].count("constant") == 0
    few = slice_results(
        classes(1),
        classes(2),
        [Attribute("name", np.array([f"n{i}" for i in range(N)], object), tuple(f"n{i}" for i in range(N)))],
        **FAST,
    )
    assert few["slices"] == [] and "no value occurs in 10 examples" in few["left_out"][0]["reason"]


def test_a_rest_that_is_too_small_is_no_comparison() -> None:
    splits = classes(0).splits
    by = [attribute("x", ["rare" if i >= N - 20 else "common" for i in range(N)], splits)]
    found = slice_results(classes(1), classes(2), by, **FAST)
    common = next(e for e in found["slices"] if e["name"] == "x = common")
    assert common["note"] == "the rest is insufficient" and common["models"]["onnx"]["difference"] is None
    assert common["change"] is not None  # before and after need no rest
    assert found["attributes"][0]["gaps"]["onnx"][0]["reason"] == "fewer than two groups have 30 examples"


def test_without_attributes_without_targets_and_of_an_unknown_kind() -> None:
    a, b = classes(1), classes(2)
    nothing = slice_results(a, b, [], **FAST)
    assert nothing["slices"] == [] and nothing["reason"] == "" and nothing["n"] == 380
    blind = [ClassScores(p.ids, p.splits, np.full(N, -1), p.logits, p.labels) for p in (a, b)]
    assert "no example" in slice_results(*blind, attributes(), **FAST)["reason"]
    broken = ClassScores(b.ids, b.splits, b.targets, np.full_like(b.logits, np.nan), b.labels)
    assert "not finite" in slice_results(a, broken, attributes(), **FAST)["reason"]

    class LabelScores:
        splits = a.splits

    assert slice_results(LabelScores(), LabelScores(), [], **FAST)["reason"] == UNKNOWN_TASK  # type: ignore[arg-type]
    with pytest.raises(DataError):
        slice_results(a, values(1), attributes(), **FAST)


def test_all_right_and_all_wrong_are_no_error() -> None:
    a = classes(1)
    perfect = ClassScores(a.ids, a.splits, a.targets, 3.0 * np.eye(2)[a.targets], a.labels)
    for before, after in ((perfect, perfect), (a, perfect)):
        found = slice_results(before, after, attributes(), **FAST)
        assert all(
            e["models"]["onnx"]["difference"]["p"] == 1 for e in found["slices"] if e["models"]["onnx"]["difference"]
        )
    same = slice_results(values(1), values(1), attributes(), **FAST)
    changes = [e["change"] for e in same["slices"] if e["change"]]
    assert all(c["value"] == 0 and c["p"] == 1 for c in changes) and len(changes) > 3


def test_equal_seeds_give_equal_results() -> None:
    for kind in (classes, values):
        assert slice_results(kind(1), kind(2), attributes(), **FAST) == slice_results(
            kind(1), kind(2), attributes(), **FAST
        )


def test_rates_are_of_the_class_that_is_looked_for() -> None:
    """The same predictions with the classes in the other order, or with the first one named."""
    a, b = classes(1), classes(2, weak=wards() == "south")
    turned = [
        dataclasses.replace(p, targets=1 - p.targets, logits=p.logits[:, ::-1], labels=p.labels[::-1]) for p in (a, b)
    ]
    named = slice_results(a, b, attributes(), **FAST, positive="no")
    assert json.dumps(named) == json.dumps(slice_results(*turned, attributes(), **FAST))
    plain = slice_results(a, b, attributes(), **FAST)
    assert json.dumps(plain) == json.dumps(slice_results(a, b, attributes(), **FAST, positive="yes"))
    assert named["overall"]["onnx"]["recall"] != plain["overall"]["onnx"]["recall"]
