"""The search for weak areas: planted ones are found, noise is not, and rules say what they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from workbench.metrics.confusion import confused_pairs
from workbench.metrics.weakness import (
    DEPTH,
    LEAST,
    Condition,
    Node,
    Property,
    as_property,
    grow,
    judge,
    members,
    shortest_between,
    words,
)


def properties(n: int, seed: int) -> list[Property]:
    rng = np.random.default_rng(seed)
    area = rng.uniform(400, 1200, n)
    area[rng.random(n) < 0.05] = np.nan
    colour = rng.choice(["red", "green", "blue"], n).astype(object)
    return [
        Property("worst area", area, True, "mm²"),
        Property("noise", rng.normal(size=n)),
        Property("colour", colour, False),
    ]


def planted(found: list[Property], seed: int, rate: float = 0.6) -> np.ndarray:
    """Wrong answers, far more often where the area is over 880."""
    weak = found[0].values > 880
    return (np.random.default_rng(seed).random(len(weak)) < np.where(weak, rate, 0.03)).astype(float)


def test_a_planted_area_is_found_and_counted_on_other_examples() -> None:
    first, second = properties(300, 1), properties(400, 2)
    errors = planted(second, 4)
    found = judge(grow(first, planted(first, 3)), second, errors, decisions=True)
    area = found["areas"][0]
    assert area["words"].startswith("worst area over 8") and area["words"].endswith("mm²")
    (condition,) = area["conditions"]
    inside = second[0].values > condition["threshold"]
    assert condition["threshold"] == pytest.approx(880, abs=15) and condition["missing"] in (True, False)
    inside = np.where(np.isnan(second[0].values), condition["missing"], inside)
    k, n = int(errors[inside].sum()), int(inside.sum())
    assert (area["errors"], area["n"], area["all_errors"], area["of"]) == (k, n, int(errors.sum()), 400)
    others, m = int(errors.sum()) - k, 400 - n
    expected = confint_proportions_2indep(k, n, others, m, method="newcomb", compare="diff")
    assert (area["difference"]["low"], area["difference"]["high"]) == pytest.approx(expected)
    assert area["difference"]["p_holm"] < 1e-6
    assert area["value"] == pytest.approx(k / n) and area["rest"] == pytest.approx(others / m)


def test_a_planted_category_is_found() -> None:
    first, second = properties(400, 5), properties(400, 6)

    def wrong(rows: list[Property], seed: int) -> np.ndarray:
        return (np.random.default_rng(seed).random(400) < np.where(rows[2].values == "red", 0.5, 0.05)).astype(float)

    found = judge(grow(first, wrong(first, 7)), second, wrong(second, 8), decisions=True)
    assert [a["words"] for a in found["areas"]] == ["colour is red"]
    assert found["areas"][0]["n"] == int((second[2].values == "red").sum())


def test_a_planted_area_of_a_regression_is_found() -> None:
    first, second = properties(300, 9), properties(300, 10)

    def size(rows: list[Property], seed: int) -> np.ndarray:
        return np.abs(np.random.default_rng(seed).normal(0, np.where(rows[0].values > 880, 30, 10)))

    errors = size(second, 12)
    found = judge(grow(first, size(first, 11)), second, errors, decisions=False, resamples=500, permutations=999)
    area = found["areas"][0]
    assert area["words"].startswith("worst area over") and area["errors"] is None
    assert area["difference"]["value"] == pytest.approx(area["value"] - area["rest"])
    assert 0 < area["difference"]["low"] < area["difference"]["value"] < area["difference"]["high"]


def test_noise_yields_no_area_more_often_than_one_run_in_twenty() -> None:
    """Errors that depend on nothing: the share of searches with a finding stays at the level."""
    hits = 0
    for seed in range(60):
        first, second = properties(150, 100 + seed), properties(150, 300 + seed)
        wrong = [(np.random.default_rng(s + seed).random(150) < 0.2).astype(float) for s in (500, 700)]
        hits += bool(judge(grow(first, wrong[0]), second, wrong[1], decisions=True)["areas"])
    assert hits <= 6  # 60 searches at 5 %: 3 expected, more than 6 in one of thirty such tests


def test_areas_that_are_named_do_not_overlap_and_p_values_are_holms() -> None:
    first, second = properties(600, 20), properties(600, 21)

    def wrong(rows: list[Property], seed: int) -> np.ndarray:
        weak = (rows[0].values > 1000) | (rows[2].values == "blue")
        return (np.random.default_rng(seed).random(600) < np.where(weak, 0.5, 0.04)).astype(float)

    root = grow(first, wrong(first, 22))
    errors = wrong(second, 23)
    found = judge(root, second, errors, decisions=True)
    assert len(found["areas"]) >= 2
    inside = [
        np.all(
            [Condition(**c).holds(next(p.values for p in second if p.name == c["name"])) for c in a["conditions"]],
            axis=0,
        )
        for a in found["areas"]
    ]
    assert not np.any(np.sum(inside, axis=0) > 1)
    tested = [n for n in root.walk() if n.worse and LEAST <= members(n, second).sum() <= 590]
    assert found["tested"] == len(tested)
    from workbench.stats import fisher_exact

    raw = [
        fisher_exact(int(errors[m].sum()), int(m.sum()), int(errors[~m].sum()), int((~m).sum()))
        for m in (members(n, second) for n in tested)
    ]
    corrected = sorted(multipletests(raw, method="holm")[1])
    assert found["areas"][0]["difference"]["p_holm"] == pytest.approx(corrected[0])


def test_the_tree_is_shallow_its_halves_are_whole_and_it_is_the_one_of_scikit_learn() -> None:
    from sklearn.tree import DecisionTreeRegressor

    first = [p for p in properties(300, 30) if p.numeric]
    errors = planted(first, 31)
    root = grow(first, errors, seed=3)
    fitted = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=15, random_state=3)
    fitted.fit(np.column_stack([p.values for p in first]), errors)
    leaves = fitted.apply(np.column_stack([p.values for p in first]))
    nodes = root.walk()
    assert max(len(n.conditions) for n in nodes) <= DEPTH
    ours = [members(n, first) for n in nodes if not n.children]
    assert sorted(tuple(np.flatnonzero(m)) for m in ours) == sorted(
        tuple(np.flatnonzero(leaves == leaf)) for leaf in np.unique(leaves)
    )
    for node in nodes:
        if node.children:
            halves = [members(c, first) for c in node.children]
            assert (halves[0] ^ halves[1] == members(node, first)).all()
            assert min(h.sum() for h in halves) >= 15


def test_degenerate_growing() -> None:
    first = properties(100, 40)
    for root in (
        grow(first, np.zeros(100)),
        grow([], np.arange(100.0)),
        grow([Property("x", np.ones(100))], np.arange(100.0)),
    ):
        assert root.children == []
        judged = judge(root, first, np.zeros(100), decisions=True)
        assert judged["areas"] == [] and judged["tested"] == 0 and judged["tree"]["n"] == 100
    empty = [as_property("x", [None] * 100, numeric=True)]
    assert grow(empty, np.arange(100.0)).children == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.0, 2.0, 1.5),
        (879.3, 884.1, 880.0),
        (0.12345, 0.12351, 0.1235),
        (3.0, 4.0, 3.5),
        (-2.0, 7.0, 2.0),
        (5.0, 5.0000001, 5.00000005),
    ],
)
def test_thresholds_have_as_few_digits_as_cut_in_the_same_place(low: float, high: float, expected: float) -> None:
    found = shortest_between(low, high)
    assert found == pytest.approx(expected, rel=1e-7) and low <= found < high


def test_rules_in_words() -> None:
    a, b = Condition("age", True, 50.0), Condition("age", False, 70.0, missing=True)
    assert words([a, b]) == "age over 50 and age up to 70"  # the missing ones are out by the first step
    assert words([Condition("age", True, 50.0), Condition("age", True, 60.0, unit="years")]) == "age over 60 years"
    assert words([Condition("age", False, 70.0, missing=True)]) == "age up to 70 or missing"
    assert words([Condition("c", True, category="red"), Condition("c", False, category="blue")]) == "c is blue"
    assert (
        words([Condition("c", True, category="red"), Condition("c", True, category="blue")])
        == "c is not red and c is not blue"
    )
    assert words([]) == "all examples" and Node().walk()[0].conditions == ()


def test_conditions_hold_as_they_say() -> None:
    values = np.array([40.0, 50.0, 60.0, np.nan])
    assert Condition("a", True, 50.0).holds(values).tolist() == [False, False, True, False]
    assert Condition("a", False, 50.0, missing=True).holds(values).tolist() == [True, True, False, True]
    colours = np.array(["red", "blue"], dtype=object)
    assert Condition("c", True, category="red").holds(colours).tolist() == [False, True]


def test_confused_pairs_are_counted_the_most_frequent_first() -> None:
    matrix: Any = [[50, 3, 0], [7, 20, 1], [0, 3, 9]]
    assert confused_pairs(matrix) == [(1, 0, 7, 28), (2, 1, 3, 12), (0, 1, 3, 53), (1, 2, 1, 28)]
    assert confused_pairs(matrix, 1) == [(1, 0, 7, 28)] and confused_pairs(np.eye(3) * 5) == []
