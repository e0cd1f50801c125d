"""Continuous coordinates: the same scores as the plain model, and true gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

from workbench.backbones import own, tabular
from workbench.backbones.hf import image_preparation
from workbench.backbones.torch import TorchBackbone
from workbench.config import Backbone
from workbench.modalities import table

NAMES = ("bert", "distilbert", "roberta", "vit", "resnet", "own", "table", "table, value")


def make(name: str) -> tuple[TorchBackbone, dict[str, np.ndarray]]:
    """A model and a batch of four inputs; texts of equal length, rows with missing cells."""
    if name.startswith("table"):
        kind = "value" if "value" in name else "class"
        task = "tabular-classification" if kind == "class" else "tabular-regression"
        dataset = tiny.table(60, classes=kind == "class")
        backbone, preparation = tabular.load_tabular(tiny.config(task), dataset, kind=kind)
        return backbone, table.encode([e.input for e in dataset.examples[2:6]], preparation).batch(np.arange(4))
    if name == "own":
        torch.manual_seed(0)
        backbone = own.load_own(Backbone(factory=f"{tiny.factory()}:net"), tiny.LABELS)
        preparation: Any = image_preparation({}, Backbone(image_size=tiny.SIDE))
    else:
        backbone, preparation = tiny.load(name)
    inputs = tiny.inputs(name, 4)
    if backbone.modality == "text":
        inputs = ["the unbelievable cat", "the unbelievable dog", "bad unbelievable cat", "not unbelievable mat"]
    return backbone, tiny.modality(name).encode(inputs, preparation).batch(np.arange(4))


@pytest.mark.parametrize("name", NAMES)
def test_the_coordinates_of_a_batch_give_its_scores(name: str) -> None:
    backbone, batch = make(name)
    one = {k: v[:1] for k, v in batch.items()}
    x = backbone.coordinates(batch)
    with torch.no_grad():
        found = backbone.from_coordinates(one)(x).numpy()
    expected = backbone.outputs(batch)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(expected).max()))
    assert np.ptp(expected, axis=0).max() > 1e-3, "all inputs score alike, so the test proves nothing"
    np.testing.assert_array_equal(backbone.outputs(batch), expected)  # and the hook is gone


@pytest.mark.parametrize("name", NAMES)
def test_autograd_equals_central_differences(name: str) -> None:
    backbone, batch = make(name)
    backbone.module.double()
    one = {k: v[:1].astype(np.float64) if v.dtype == np.float32 else v[:1] for k, v in batch.items()}
    forward = backbone.from_coordinates(one)
    x = backbone.coordinates(one).double()
    rng = torch.Generator().manual_seed(0)
    point = x.clone().requires_grad_(True)
    column = min(1, forward(x).shape[1] - 1)
    (gradient,) = torch.autograd.grad(forward(point)[:, column].sum(), point)
    assert float(gradient.abs().max()) > 0
    step = 1e-4  # ViT takes its softmax in float32 whatever the rest is in
    for _ in range(6):
        direction = torch.randn(x.shape, generator=rng, dtype=torch.float64)
        with torch.no_grad():
            up, down = forward(x + step * direction), forward(x - step * direction)
        slope = float((up - down)[0, column]) / (2 * step)
        expected = float((gradient * direction).sum())
        assert slope == pytest.approx(expected, abs=2e-3 * float(gradient.norm()))


def test_coordinates_hold_no_gradient_of_the_weights() -> None:
    for name in ("bert", "vit", "table"):
        backbone, batch = make(name)
        assert not backbone.coordinates(batch).requires_grad


def test_features_are_the_head_s_inputs() -> None:
    for name in ("bert", "vit", "resnet"):
        backbone, batch = make(name)
        x, scores = backbone.features(batch)
        head: Any = backbone.head_layer
        with torch.no_grad():
            np.testing.assert_allclose(head(torch.from_numpy(x)).numpy(), scores, atol=1e-5)
        np.testing.assert_array_equal(scores, backbone.outputs(batch))
