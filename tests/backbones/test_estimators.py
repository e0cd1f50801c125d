"""Ensembles as a backbone: what was fitted, kept and read back, beside scikit-learn's own answers."""

from __future__ import annotations

import json
from pathlib import Path

import forests
import numpy as np
import pytest

from workbench.backbones.estimator_order import order_categories
from workbench.backbones.estimator_table import find_class, find_kind
from workbench.backbones.estimators import ABOUT, CLIP, WEIGHTS, load_estimator
from workbench.backbones.randomised import randomised
from workbench.errors import ArtefactError, DataError

EVERY = [(name, target) for name in sorted(forests.SMALL) for target in forests.CLASSES]


def again(name: str, target: str) -> object:
    """scikit-learn's own estimator, fitted to the same encoded rows."""
    found = forests.fitted(name, target)
    (train, value), (held, held_value) = forests.rows(300, 0), forests.rows(120, 1)
    encoding = found.backbone.encoding
    cls = find_class(find_kind(f"sklearn:{name}", target)[1], target)
    options = {"X_val": encoding.rows(held), "y_val": forests.answers(held_value, target)}
    given = found.backbone.facts["parameters"] | {"random_state": 0}
    if name != "hist-gradient-boosting":
        return cls(**given).fit(encoding.rows(train), forests.answers(value, target))
    given |= {"early_stopping": True, "n_iter_no_change": 25}
    return cls(**given).fit(encoding.rows(train), forests.answers(value, target), **options)


@pytest.mark.parametrize("name", sorted(forests.SMALL))
@pytest.mark.parametrize("target", ["class", "value"])
def test_answers_are_scikit_learns(name: str, target: str) -> None:
    found = forests.fitted(name, target)
    if found.kept < found.grown:
        pytest.skip("fewer trees were kept than scikit-learn has: see the staged test")
    batch = forests.rows(200, 7)[0]
    estimator, rows = again(name, target), found.backbone.encoding.rows(batch)
    scores = found.backbone.outputs(batch)
    if target == "value":
        assert np.allclose(scores[:, 0], estimator.predict(rows), rtol=1e-6)  # type: ignore[attr-defined]
        return
    z = np.exp(scores.astype(float) - scores.max(axis=1, keepdims=True))
    truth = estimator.predict_proba(rows)  # type: ignore[attr-defined]
    assert np.abs(z / z.sum(axis=1, keepdims=True) - truth).max() < 5 * CLIP


@pytest.mark.parametrize("name", ["hist-gradient-boosting", "gradient-boosting"])
def test_boosting_keeps_the_trees_with_the_lowest_loss(name: str) -> None:
    found = forests.fitted(name, "value")
    losses = [line["validation_loss"] for line in found.history]
    assert found.kept == int(np.argmin(losses)) + 1 and found.grown == len(losses)
    held, value = forests.rows(120, 1)
    rows = found.backbone.encoding.rows(held)
    staged = [((p - forests.answers(value, "value")) ** 2).mean() for p in again(name, "value").staged_predict(rows)]  # type: ignore[attr-defined]
    assert np.allclose(losses, staged, rtol=1e-5)
    own = found.backbone.outputs(held)[:, 0]
    assert ((own - forests.answers(value, "value")) ** 2).mean() == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("name, target", EVERY)
def test_what_is_kept_answers_alike(name: str, target: str, tmp_path: Path) -> None:
    backbone = forests.fitted(name, target).backbone
    backbone.save(tmp_path / "a")
    backbone.save(tmp_path / "b")
    batch = forests.rows(50, 3)[0]
    there = load_estimator(tmp_path / "a")
    assert np.array_equal(there.outputs(batch), backbone.outputs(batch))
    assert there.facts == backbone.facts and there.inputs == backbone.inputs
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [ABOUT, WEIGHTS]  # and no pickle


def test_equal_seeds_fit_equal_trees() -> None:
    one, two = (forests.fitted.__wrapped__("extra-trees", "class", seed).backbone for seed in (3, 3))
    other = forests.fitted.__wrapped__("extra-trees", "class", 4).backbone
    batch = forests.rows(50, 3)[0]
    assert np.array_equal(one.outputs(batch), two.outputs(batch))
    assert not np.array_equal(one.outputs(batch), other.outputs(batch))


def test_damaged_and_newer_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no trees that can be read"):
        load_estimator(tmp_path)
    forests.fitted("decision-tree", "value").backbone.save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text())
    (tmp_path / ABOUT).write_text(json.dumps(about | {"schema": 9}))
    with pytest.raises(ArtefactError, match="schema 9"):
        load_estimator(tmp_path)
    (tmp_path / ABOUT).write_text(json.dumps(about))
    (tmp_path / WEIGHTS).write_bytes(b"\x08")
    with pytest.raises(ArtefactError, match="no trees that can be read"):
        load_estimator(tmp_path)


def test_a_class_that_training_never_showed_is_ruled_out() -> None:
    for name in ("hist-gradient-boosting", "gradient-boosting", "random-forest"):
        backbone = forests.fitted(name, "class", classes=4).backbone
        scores = backbone.outputs(forests.rows(50, 3)[0])
        assert scores.shape == (50, 4) and (scores.argmax(axis=1) < 3).all()
        assert (scores[:, 3] < scores[:, :3].max(axis=1) - 10).all()


def test_two_classes_share_one_margin() -> None:
    backbone = forests.fitted("hist-gradient-boosting", "class", classes=2).backbone
    scores = backbone.outputs(forests.rows(50, 3)[0])
    assert backbone.trees.outputs == 1 and np.allclose(scores[:, 0], -scores[:, 1])


def test_embeddings_are_leaves_and_scores() -> None:
    backbone = forests.fitted("random-forest", "class").backbone
    batch = forests.rows(20, 3)[0]
    leaves, scores = backbone.embeddings(batch)
    assert leaves.shape == (20, 12) and np.array_equal(scores, backbone.outputs(batch))
    assert backbone.trees.is_leaf[leaves.astype(int)].all()
    places, _ = backbone.features(batch)
    assert places.min() >= 0 and places.max() <= 1


def test_random_trees_forget_what_was_learnt() -> None:
    backbone = forests.fitted("random-forest", "value").backbone
    batch = forests.rows(200, 3)[0]
    a, b, c = (randomised(backbone, seed).outputs(batch)[:, 0] for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert abs(np.corrcoef(a, backbone.outputs(batch)[:, 0])[0, 1]) < 0.5


def test_categories_stand_in_the_order_of_their_means() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, 4000)
    effect = np.array([0.0, 2.0, -1.0, 0.5, 1.0])
    order = order_categories(codes, 4, (effect[codes] + rng.normal(size=4000))[:, None])
    assert np.isnan(order[0])
    assert order[1:].tolist() in ([3, 0, 1, 2], [0, 3, 2, 1])  # either end may come first
    classes = order_categories(codes, 4, np.eye(2)[(effect[codes] + rng.normal(size=4000) > 0).astype(int)])
    assert classes[1:].tolist() in ([3, 0, 1, 2], [0, 3, 2, 1])
    assert np.array_equal(order_categories(codes, 4, np.ones((4000, 1))), [np.nan, 0, 1, 2, 3], equal_nan=True)


def test_rare_categories_share_a_place_with_unseen_ones() -> None:
    rng = np.random.default_rng(0)
    dates = order_categories(np.arange(1, 121), 120, np.eye(3)[rng.integers(0, 3, 120)])
    assert np.array_equal(dates, np.zeros(121))  # nothing that gives a row's own answer away
    codes = np.concatenate([np.repeat([1, 2, 3], 100), np.arange(4, 10)])
    answers = np.concatenate([np.repeat([0.0, 2.0, 5.0], 100), np.full(6, 3.0)]) + rng.normal(size=306)
    for missing in (False, True):
        given = np.where(np.arange(306) < 5, 0, codes) if missing else codes
        order = order_categories(given, 9, answers[:, None])
        assert np.argsort(order[[1, 2, 4, 3]]).tolist() in ([0, 1, 2, 3], [3, 2, 1, 0])
        assert len(set(order[4:].tolist())) == 1
        assert np.isnan(order[0]) if missing else order[0] == order[4]


def test_many_categories_without_a_meaning_are_not_told_from_chance() -> None:
    rng = np.random.default_rng(0)
    chance = order_categories(1 + np.arange(900) % 100, 100, rng.normal(size=(900, 1)))
    assert len(set(chance[1:].tolist())) == 1
    codes = 1 + np.arange(900) % 100
    meant = order_categories(codes, 100, 3 * rng.normal(size=101)[codes][:, None] + rng.normal(size=(900, 1)))
    assert len(set(meant[1:].tolist())) == 100


def test_one_class_alone_cannot_be_fitted() -> None:
    from workbench.backbones.estimator_fit import fit_estimator

    batch, _ = forests.rows(40, 0)
    kind = {"classes": 2, "cardinalities": forests.CARDINALITIES, "inputs": ("numeric", "categorical")}
    nothing = np.zeros(40, dtype=int)
    with pytest.raises(DataError, match="one class only"):
        fit_estimator("sklearn:random-forest", {}, "class", (batch, nothing), (batch, nothing), **kind)  # type: ignore[arg-type]
    labels = np.stack([nothing, nothing], axis=1)
    with pytest.raises(DataError, match="label 1 of 2 is the same"):
        fit_estimator("sklearn:random-forest", {}, "labels", (batch, labels), (batch, labels), **kind)  # type: ignore[arg-type]


def test_balanced_classes_weigh_alike() -> None:
    from workbench.backbones.estimator_fit import fit_estimator

    batch, value = forests.rows(400, 0)
    rare = (value > 2.2).astype(int)
    assert 0.01 < rare.mean() < 0.15
    options = {"classes": 2, "cardinalities": forests.CARDINALITIES, "inputs": ("numeric", "categorical")}
    plain, even = (
        fit_estimator(
            "sklearn:decision-tree",
            {"max_depth": 3},
            "class",
            (batch, rare),
            (batch, rare),
            balanced=balanced,
            **options,  # type: ignore[arg-type]
        ).backbone.outputs(batch)
        for balanced in (False, True)
    )
    assert (even.argmax(axis=1) == 1).sum() > (plain.argmax(axis=1) == 1).sum()
