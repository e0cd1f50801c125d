"""The linear head on frozen features against scikit-learn's own predictions."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from workbench.backbones import own
from workbench.backbones.probing import best_logistic, fit_head, head_inputs, is_linear
from workbench.config import Backbone


def blobs(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    centres = np.random.default_rng(9).normal(size=(classes, 5))
    return (centres[y] + rng.normal(size=(n, 5))) * [1, 10, 0.1, 1, 1] + [0, 5, 0, 0, 3], y


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_the_head_gives_scikit_learn_s_probabilities(classes: int) -> None:
    (x, y), held = blobs(120, classes), blobs(60, classes, seed=1)
    weight, bias, strength = best_logistic((x, y), held, classes=classes)
    scaler = StandardScaler().fit(x)
    losses = {}
    for c in (0.01, 0.1, 1.0, 10.0):
        model = LogisticRegression(C=c, max_iter=500).fit(scaler.transform(x), y)
        p = model.predict_proba(scaler.transform(held[0]))
        losses[c] = -np.log(p[np.arange(60), held[1]]).mean()
    assert strength == min(losses, key=lambda c: losses[c])
    model = LogisticRegression(C=strength, max_iter=500).fit(scaler.transform(x), y)
    found = softmax(held[0] @ weight.T + bias)
    np.testing.assert_allclose(found, model.predict_proba(scaler.transform(held[0])), atol=1e-6)


def test_a_class_that_training_never_showed_is_ruled_out() -> None:
    x, y = blobs(120, 4)
    keep = y != 2
    weight, bias, _ = best_logistic((x[keep], y[keep]), (x, y), classes=5)
    p = softmax(x @ weight.T + bias)
    assert weight.shape == (5, 5)
    assert p[:, [2, 4]].max() < 1e-6
    assert (p.argmax(1)[keep] == y[keep]).mean() > 0.5


def test_two_of_many_classes_are_put_where_they_belong() -> None:
    x, y = blobs(80, 2)
    weight, bias, strength = best_logistic((x, 3 * y + 1), (x, 3 * y + 1), classes=6)  # classes 1 and 4
    model = LogisticRegression(C=strength, max_iter=500).fit(StandardScaler().fit_transform(x), y)
    p = softmax(x @ weight.T + bias)
    np.testing.assert_allclose(p[:, [1, 4]], model.predict_proba(StandardScaler().fit_transform(x)), atol=1e-6)


def test_a_constant_feature_does_no_harm() -> None:
    x, y = blobs(80, 3)
    x = np.hstack([x, np.full((80, 1), 7.0)])
    weight, bias, _ = best_logistic((x, y), (x, y), classes=3)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()
    np.testing.assert_allclose(weight[:, 5], 0, atol=1e-9)


@pytest.mark.parametrize("name", ["bert", "vit", "resnet", "distilbert", "own"])
def test_a_fitted_head_is_what_the_model_then_says(name: str) -> None:
    labels = ("a", "b", "c", "d")
    if name == "own":
        torch.manual_seed(0)
        backbone = own.load_own(Backbone(factory=f"{tiny.factory()}:net"), labels)
        from workbench.backbones.hf import image_preparation

        preparation = image_preparation({}, Backbone(image_size=tiny.SIDE))
    else:
        backbone, preparation = tiny.load(name, labels)
    encoded = tiny.modality(name).encode(tiny.inputs(name, 40), preparation)
    rows = np.arange(39)[::-1].copy()
    features, scores = head_inputs(backbone, encoded, rows)
    assert is_linear(backbone, features, scores)
    one = np.concatenate([backbone.outputs(encoded.batch([r])) for r in rows])
    np.testing.assert_allclose(scores, one, atol=2e-4)  # in the order of the rows, whatever the batches
    y = np.random.default_rng(0).integers(0, 4, 39)
    how = fit_head(backbone, (features, y), (features, y), classes=4)
    assert "C = " in how
    weight, bias, _ = best_logistic((features, y), (features, y), classes=4)
    again = head_inputs(backbone, encoded, rows)[1]
    np.testing.assert_allclose(again, features @ weight.T + bias, atol=1e-3 * np.abs(again).max())


def test_a_head_that_is_not_the_end_or_lacks_an_intercept_is_not_linear() -> None:
    torch.manual_seed(0)
    backbone = own.load_own(Backbone(factory=f"{tiny.factory()}:without_bias"), tiny.LABELS)
    batch = {"pixel_values": np.random.default_rng(0).normal(size=(4, 3, 16, 16)).astype(np.float32)}
    assert not is_linear(backbone, *backbone.features(batch))
    backbone = own.load_own(Backbone(factory=f"{tiny.factory()}:net"), tiny.LABELS)
    x, scores = backbone.features(batch)
    assert is_linear(backbone, x, scores)
    assert not is_linear(backbone, x, 2 * scores)
    backbone.head = "inner.features.3"
    assert not is_linear(backbone, *backbone.features(batch))
