"""TreeSHAP beside enumeration, a textbook and another library's code; the traps of shap's own defaults."""

from __future__ import annotations

import itertools
import math

import forests
import numpy as np
import pytest
from games import shapley_by_definition

from workbench.errors import Refusal
from workbench.explainers import find_method, run_explainer
from workbench.explainers.tree_shap import expected
from workbench.probe import Probe
from workbench.trees import Trees, join
from workbench.types import Attribution


def case(seed: int, *, outputs: int = 1, rows: int = 6) -> tuple[Trees, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    trees = forests.random_trees(rng, 9, 5, depth=4, outputs=outputs)
    x = rng.normal(size=(rows + 1, 5)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    return trees, x[0], x[1:]


def run(name: str, probe: Probe) -> Attribution:
    return run_explainer(find_method(name), probe, seed=0)


@pytest.mark.parametrize("seed", range(6))
def test_interventional_values_are_those_of_every_coalition(seed: int) -> None:
    trees, x, background = case(seed, outputs=3)
    mix = np.array([0.5, -2.0, 1.0])
    probe = forests.probe_of(trees, x, background, mix, constant=0.7)
    found = run("tree-shap", probe)
    assert np.abs(found.values - shapley_by_definition(probe)).max() < 1e-10
    assert found.gap < 1e-10 and found.score == pytest.approx(trees.raw(x[None])[0] @ mix + 0.7)
    assert found.base_score == pytest.approx(float(probe.score(np.zeros((1, 5), bool))[0]))


def test_values_by_background_rows_of_unequal_shares() -> None:
    trees, x, background = case(11)
    shares = np.array([0.05, 0.1, 0.15, 0.2, 0.2, 0.3])
    probe = forests.probe_of(trees, x, background, weights=shares)
    assert np.abs(run("tree-shap", probe).values - shapley_by_definition(probe)).max() < 1e-10
    alike = forests.probe_of(trees, x, background)
    assert np.abs(run("tree-shap", alike).values - shapley_by_definition(alike)).max() < 1e-10


@pytest.mark.parametrize("name", sorted(forests.SMALL))
@pytest.mark.parametrize("target", ["class", "labels", "value"])
def test_fitted_ensembles_are_explained_as_the_bank_explains_them(name: str, target: str) -> None:
    """The same game: `exact-shap` asks the model in float32, TreeSHAP reads its trees."""
    backbone = forests.fitted(name, target).backbone
    x, background = (backbone.encoding.rows(forests.rows(n, seed)[0]) for n, seed in ((1, 5), (8, 6)))
    probe = forests.probe_of(backbone.trees, x[0], background)
    exact, found = run("exact-shap", probe), run("tree-shap", probe)
    assert np.abs(exact.values - found.values).max() < 1e-10 * max(1, abs(exact.score))


def of_shap(trees: Trees, x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """What shap's own code says, given every background row."""
    import shap

    from workbench.explainers.tree_shap import _tree

    model = {"trees": [_tree(trees, first, last) for first, last in trees.bounds], "base_offset": 0.0}
    rows = background.astype(float)
    explainer = shap.TreeExplainer(model, shap.maskers.Independent(rows, max_samples=len(rows)))
    return np.asarray(explainer.shap_values(x[None].astype(float), check_additivity=False))[0]


def test_all_background_rows_count_where_shap_draws_a_hundred() -> None:
    import shap

    trees, x, background = case(3, rows=150)
    probe = forests.probe_of(trees, x, background)
    own, truth, theirs = run("tree-shap", probe).values, shapley_by_definition(probe), of_shap(trees, x, background)
    assert np.abs(own - truth).max() < 1e-10
    assert 1e-10 < np.abs(theirs - truth).max() < 1e-5  # an independent implementation, in float32
    assert len(shap.maskers.Independent(background).data) == 100


def test_many_columns_agree_with_shaps_code() -> None:
    trees = forests.random_trees(np.random.default_rng(4), 20, 30, depth=6)
    x = np.random.default_rng(5).normal(size=(9, 30)).astype(np.float32)
    x[0, ::4] = np.nan
    found = run("tree-shap", forests.probe_of(trees, x[0], x[1:])).values
    assert np.abs(found - of_shap(trees, x[0], x[1:])).max() < 1e-5


def test_paths_of_too_many_columns_are_refused() -> None:
    n = 66  # a chain: each node asks another column
    inner = np.arange(n)
    order = np.arange(2 * n + 1)
    chain = np.zeros(2 * n + 1, dtype=np.int64) - 1
    chain[::2][:n] = order[1::2]
    other = np.zeros(2 * n + 1, dtype=np.int64) - 1
    other[::2][:n] = order[2::2]
    feature = np.full(2 * n + 1, -1)
    feature[::2][:n] = inner
    zero = np.zeros(2 * n + 1)
    trees = Trees(chain, other, feature, zero, zero > 0, zero[:, None], zero + 1, np.zeros(1, np.int64), np.zeros(1))
    with pytest.raises(Refusal, match="asks 66 columns"):
        run("tree-shap", forests.probe_of(trees, np.zeros(n, np.float32), np.ones((2, n), np.float32)))


def path_expectation(trees: Trees, x: np.ndarray, kept: set[int], node: int) -> np.ndarray:
    """Algorithm 1 of Lundberg et al. 2018: the answer with a set of features known."""
    if trees.left[node] < 0:
        return trees.value[node]
    left, right, feature = int(trees.left[node]), int(trees.right[node]), int(trees.feature[node])
    if feature in kept:
        goes = trees.missing_left[node] if np.isnan(x[feature]) else x[feature] <= trees.threshold[node]
        return path_expectation(trees, x, kept, left if goes else right)
    a, b = trees.weight[left], trees.weight[right]
    both = (path_expectation(trees, x, kept, side) for side in (left, right))
    return (a * next(both) + b * next(both)) / (a + b)


@pytest.mark.parametrize("seed", range(4))
def test_path_dependent_values_are_the_textbooks(seed: int) -> None:
    trees, x, background = case(seed, outputs=2)

    def worth(kept: set[int]) -> float:
        return float((sum(path_expectation(trees, x, kept, int(r)) for r in trees.roots) + trees.base) @ [1.0, -1.0])

    values = np.zeros(5)
    for i in range(5):
        others = [j for j in range(5) if j != i]
        for size in range(5):
            share = math.factorial(size) * math.factorial(4 - size) / math.factorial(5)
            for chosen in itertools.combinations(others, size):
                values[i] += share * (worth({*chosen, i}) - worth(set(chosen)))
    found = run("path-tree-shap", forests.probe_of(trees, x, background, np.array([1.0, -1.0])))
    assert np.abs(found.values - values).max() < 1e-10
    assert found.base_score == pytest.approx(worth(set())) and found.gap < 1e-10
    assert expected(trees) @ [1.0, -1.0] == pytest.approx(worth(set()))


def test_path_dependent_values_are_xgboosts() -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 1]) + np.nan_to_num(x[:, 2])
    model = xgboost.XGBRegressor(n_estimators=15, max_depth=4, base_score=0.3).fit(x, y)
    trees = of_xgboost(model)
    theirs = model.get_booster().predict(xgboost.DMatrix(x[:20]), pred_contribs=True)
    for row, truth in zip(x[:20], theirs, strict=True):
        found = run("path-tree-shap", forests.probe_of(trees, row, x[:4]))
        assert np.abs(found.values - truth[:-1]).max() < 1e-5
        assert found.base_score == pytest.approx(float(truth[-1]), abs=1e-5)


def of_xgboost(model: object) -> Trees:
    """An XGBoost model in our arrays, from its own JSON; it goes left where x < t."""
    import json

    booster = model.get_booster()
    content = json.loads(booster.save_raw("json"))["learner"]
    made = []
    for tree in content["gradient_booster"]["model"]["trees"]:
        left = np.array(tree["left_children"])
        leaf = left < 0
        threshold = np.array(tree["split_conditions"], dtype=np.float32)
        order = np.arange(len(left))
        made.append(
            Trees(
                left=left,
                right=np.array(tree["right_children"]),
                feature=np.where(leaf, -1, tree["split_indices"]),
                threshold=np.where(leaf, 0.0, np.nextafter(threshold, np.float32(-np.inf))).astype(np.float64),
                missing_left=np.array(tree["default_left"], dtype=bool) & ~leaf,
                value=np.where(leaf, threshold, 0.0).astype(np.float64)[:, None],
                weight=np.array(tree["sum_hessian"], dtype=np.float64),
                roots=np.zeros(1, np.int64),
                base=np.array([0.3 if not made else 0.0]),
            )
        )
        assert (np.array(tree["left_children"])[~leaf] > order[~leaf]).all()
    return join(made)


def test_axioms() -> None:
    rng = np.random.default_rng(2)
    one, two = (forests.random_trees(rng, 4, 3) for _ in range(2))
    x, background = rng.normal(size=6).astype(np.float32), rng.normal(size=(5, 6)).astype(np.float32)
    values = [run("tree-shap", forests.probe_of(t, x, background)).values for t in (one, two, join([one, two]))]
    assert (values[0][3:] == 0).all()  # dummies: no tree asks these columns
    assert np.abs(values[0] + values[1] - values[2]).max() < 1e-12  # linearity
    swapped = forests.random_trees(np.random.default_rng(5), 6, 2)
    mirrored = Trees(**{**swapped.arrays(), "feature": np.where(swapped.is_leaf, -1, 1 - swapped.feature)})
    same = np.full(2, 0.3, np.float32)
    alike = run("tree-shap", forests.probe_of(join([swapped, mirrored]), same, np.zeros((3, 2), np.float32))).values
    assert alike[0] == pytest.approx(alike[1], abs=1e-12)  # symmetry


def test_models_without_trees_are_refused_in_words() -> None:
    trees, x, background = case(0)
    from dataclasses import replace

    probe = replace(forests.probe_of(trees, x, background), estimator=None)
    with pytest.raises(Refusal, match="reads decision trees that add up to the answer, and this model has none"):
        run("tree-shap", probe)
    with pytest.raises(Refusal, match="needs gradient"):
        run("integrated-gradients", forests.probe_of(trees, x, background))
