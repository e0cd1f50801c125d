"""Grad-CAM and attention rollout, on tiny convolutional nets and transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from games import additive

from workbench import registry
from workbench.errors import Refusal
from workbench.explainers import run_explainer
from workbench.explainers.inside import ATTENTION_ROLLOUT, GRAD_CAM, rollout
from workbench.modalities.grid import enlarge, token_grid
from workbench.tasks.binding import bind
from workbench.types import Example, Question


def bound(name: str, given: Any = None, target: int = 1) -> Any:
    """(probe, backbone, model inputs) of a tiny model."""
    backbone, preparation = tiny.load(name)
    pictures = name in ("vit", "resnet")
    task = registry.load("tasks", "image-classification" if pictures else "text-classification")
    given = given if given is not None else tiny.inputs(name, 1)[0]
    cut = task.modality.segment(given, preparation, segments=16)
    question = Question("logit", "Why?", target=target, unit="logit")
    filler = "blur" if pictures else "mask" if preparation.mask_id is not None else "delete"
    probe = bind(task, backbone, preparation, Example("e", given, 0, "test"), question, cut, filler=filler)
    return probe, backbone, task.modality.encode([given], preparation).batch([0])


def test_grad_cam_is_captums_at_the_last_map_of_a_resnet() -> None:
    from captum.attr import LayerGradCam

    probe, backbone, batch = bound("resnet")
    found = run_explainer(GRAD_CAM, probe, seed=0)
    layer = backbone.module.get_submodule(found.params["layer"])
    method = LayerGradCam(lambda x: backbone.module(pixel_values=x).logits, layer)
    theirs = method.attribute(torch.from_numpy(batch["pixel_values"]), target=1, relu_attributions=True)
    small = theirs[0, 0].detach().numpy()
    assert found.params["grid"] == list(small.shape) and found.params["kind"] == "map"
    assert found.dense == pytest.approx(enlarge(small, 16, 16), abs=1e-5)
    assert found.values.sum() == pytest.approx(found.dense.sum()) and (found.values >= 0).all()
    assert found.gap is None
    deepest = [n for n, m in backbone.module.named_modules() if isinstance(m, torch.nn.ReLU)][-1]
    assert found.params["layer"] == deepest


def test_grad_cam_reads_a_named_layer_and_refuses_one_without_places() -> None:
    probe, backbone, _ = bound("resnet")
    first = next(n for n, m in backbone.module.named_modules() if isinstance(m, torch.nn.Conv2d))
    found = run_explainer(GRAD_CAM, probe, seed=0, layer=first)
    assert found.params["layer"] == first and found.params["grid"] == [8, 8]
    with pytest.raises(Refusal, match="found no layer 'classifier"):
        run_explainer(GRAD_CAM, probe, seed=0, layer="classifier.1")


def test_grad_cam_of_a_vit_reads_the_patches_before_the_last_attention() -> None:
    """After it only the class token counts: the patches' gradient is 0, and a map there would be empty."""
    probe, backbone, batch = bound("vit")
    found = run_explainer(GRAD_CAM, probe, seed=0)
    assert found.params["kind"] == "tokens" and found.params["grid"] == [4, 4]
    layer = backbone.module.get_submodule(found.params["layer"])
    assert "layernorm_before" in found.params["layer"] and ".1." in found.params["layer"]
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda *a: kept.append(a[2]))
    logits = backbone.module(pixel_values=torch.from_numpy(batch["pixel_values"])).logits
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, 1], kept[0])
    weight = gradient[0, 1:].mean(dim=0)
    cam = torch.relu(kept[0][0, 1:] @ weight).detach().numpy().reshape(4, 4)
    assert found.dense == pytest.approx(enlarge(cam, 16, 16), abs=1e-5)


def test_grad_cam_depends_on_the_class() -> None:
    one, two = (run_explainer(GRAD_CAM, bound("resnet", target=k)[0], seed=0).values for k in (0, 2))
    assert np.abs(one - two).max() > 1e-4


def test_rollout_multiplies_half_residual_attention_through_the_layers() -> None:
    """Against Abnar & Zuidema's recursion written out for three tokens and two layers."""
    rng = np.random.default_rng(0)
    weights = rng.random((2, 3, 3, 3))
    weights /= weights.sum(axis=-1, keepdims=True)
    first, second = ((w.mean(axis=0) + np.eye(3)) / 2 for w in weights)
    assert rollout(weights) == pytest.approx(second @ first)
    assert rollout(weights).sum(axis=1) == pytest.approx(np.ones(3))
    assert rollout(np.broadcast_to(np.eye(3), (4, 2, 3, 3))) == pytest.approx(np.eye(3))


@pytest.mark.parametrize(("name", "given"), [("bert", "the unbelievable cat sat"), ("roberta", "a cat"), ("vit", None)])
def test_rollout_starts_where_the_answer_is_read(name: str, given: str | None) -> None:
    probe, backbone, batch = bound(name, given)
    found = run_explainer(ATTENTION_ROLLOUT, probe, seed=0)
    assert found.params["read"] == 0 and found.params["layers"] == 2 and found.params["heads"] == 2
    tensors = {k: torch.from_numpy(v) for k, v in batch.items()}
    with torch.no_grad():
        attentions = backbone.module(**tensors, output_attentions=True).attentions
    row = rollout(torch.stack([a[0] for a in attentions]).double().numpy())[0]
    if name == "vit":
        assert found.dense == pytest.approx(enlarge(row[1:].reshape(4, 4), 16, 16), abs=1e-5)
    else:
        assert found.dense is None
        assert found.values.sum() == pytest.approx(row[1:-1].sum(), abs=1e-6)  # special tokens are no word's
    assert (found.values >= 0).all() and found.gap is None


def test_rollout_is_the_same_for_every_class() -> None:
    one, two = (run_explainer(ATTENTION_ROLLOUT, bound("bert", "a cat sat", k)[0], seed=0).values for k in (0, 2))
    assert one == pytest.approx(two)


def test_what_has_no_layers_or_attention_is_refused() -> None:
    for method, what in ((GRAD_CAM, "layer and picture"), (ATTENTION_ROLLOUT, "attention")):
        with pytest.raises(Refusal, match=what):
            run_explainer(method, additive(np.ones(3)), seed=0)
    with pytest.raises(Refusal, match="attention"):
        run_explainer(ATTENTION_ROLLOUT, bound("resnet")[0], seed=0)


def test_tokens_are_laid_out_as_the_picture_is() -> None:
    assert token_grid(197, 224, 224) == (14, 14, 1)
    assert token_grid(198, 224, 224) == (14, 14, 2)  # with a distillation token
    assert token_grid(49, 224, 224) == (7, 7, 0)
    assert token_grid(1 + 6 * 8, 96, 128) == (6, 8, 1)
    assert token_grid(23, 224, 224) is None and token_grid(1, 8, 8) is None


def test_maps_are_enlarged_bilinearly() -> None:
    small = np.random.default_rng(0).random((4, 5))
    theirs = torch.nn.functional.interpolate(torch.as_tensor(small)[None, None], size=(16, 20), mode="bilinear")
    assert enlarge(small, 16, 20) == pytest.approx(theirs[0, 0].numpy(), abs=1e-5)
