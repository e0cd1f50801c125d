"""What each strategy trains, and that nothing else moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

from workbench.backbones import own
from workbench.backbones.fitting import _frozen_norms
from workbench.backbones.strategies import apply_strategy, merge_adapters
from workbench.backbones.torch import TorchBackbone, parameters_of
from workbench.config import Backbone, Finetune
from workbench.errors import ConfigError

NAMES = ("bert", "distilbert", "roberta", "vit", "resnet", "own")
FOUR = ("a", "b", "c", "d")  # more labels than the tiny models have: a fresh head


def load(name: str) -> tuple[TorchBackbone, dict[str, np.ndarray]]:
    if name == "own":
        torch.manual_seed(0)
        backbone = own.load_own(Backbone(factory=f"{tiny.factory()}:net"), FOUR)
        pixels = np.random.default_rng(0).normal(size=(6, 3, tiny.SIDE, tiny.SIDE)).astype(np.float32)
        return backbone, {"pixel_values": pixels}
    backbone, preparation = tiny.load(name, FOUR)
    return backbone, tiny.modality(name).encode(tiny.inputs(name, 6), preparation).batch(np.arange(6))


def moved(backbone: TorchBackbone, batch: dict[str, np.ndarray], *, steps: int = 2) -> set[str]:
    """Names of the parameters and buffers that a few plain steps change."""
    module = backbone.module
    still = _frozen_norms(module)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    for _ in range(steps):
        module.train()
        for layer in still:
            layer.eval()
        optimizer.zero_grad()
        module(**backbone.tensors(batch)).logits.square().sum().backward()
        optimizer.step()
    return {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}


def blocks(name: str) -> str:
    return {"bert": "bert.encoder.layer", "roberta": "roberta.encoder.layer", "distilbert": "transformer.layer",
            "resnet": "encoder.stages", "own": "inner.features"}.get(name, "")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_head_moves_the_head_and_what_is_fresh_and_nothing_else(name: str) -> None:
    backbone, batch = load(name)
    own_part = parameters_of(backbone.module, backbone.head) | backbone.fresh
    trained = apply_strategy(backbone, Finetune(strategy="head"))
    assert moved(backbone, batch) == own_part
    assert trained == sum(p.numel() for n, p in backbone.module.named_parameters() if n in own_part)


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "resnet", "own"])
def test_last_one_moves_the_last_block_and_what_follows(name: str) -> None:
    backbone, batch = load(name)
    apply_strategy(backbone, Finetune(strategy="last-1"))
    changed = moved(backbone, batch)
    part, last = blocks(name), {"own": 4}.get(name, 1)  # the own module's last items have no parameters
    inside = {k for k in changed if f"{part}." in k}
    assert inside
    first = 3 if name == "own" else last
    assert all(int(k.split(f"{part}.")[1].split(".")[0]) >= first for k in inside)
    assert parameters_of(backbone.module, backbone.head) <= changed
    assert not any("embed" in k for k in changed)


def test_last_one_of_items_without_parameters_counts_the_others() -> None:
    backbone, _ = load("own")  # convolution, norm, ReLU, convolution, norm, ReLU
    names = {
        n: {k for k, p in backbone.module.named_parameters() if p.requires_grad}
        for n in (1, 2, 4)
        if apply_strategy(backbone, Finetune(strategy=f"last-{n}"))
    }
    head = {"inner.fc.weight", "inner.fc.bias"}
    norm = {"inner.features.4.weight", "inner.features.4.bias"}
    assert names[1] == head | norm
    assert names[2] == head | norm | {"inner.features.3.weight", "inner.features.3.bias"}
    assert names[4] == {k for k, _ in backbone.module.named_parameters()}
    with pytest.raises(ConfigError, match="has 4 blocks"):
        apply_strategy(backbone, Finetune(strategy="last-5"))


@pytest.mark.parametrize("name", NAMES)
def test_full_moves_everything_that_the_output_depends_on(name: str) -> None:
    backbone, batch = load(name)
    trained = apply_strategy(backbone, Finetune(strategy="full"))
    assert trained == sum(p.numel() for p in backbone.module.parameters())
    parameters = {k for k, _ in backbone.module.named_parameters()}
    still = parameters - moved(backbone, batch)
    # A key's bias shifts all scores of a query alike: attention's softmax does not see it.
    assert all("key" in k or "k_lin" in k for k in still if k.endswith("bias")), still
    assert len(still) <= 3 + len([k for k in still if k.endswith("bias")])


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "vit"])
def test_lora_moves_adapters_and_fresh_layers_and_merges_to_the_same_outputs(name: str) -> None:
    backbone, batch = load(name)
    plain = {k: v.clone() for k, v in backbone.module.state_dict().items()}
    own_part = parameters_of(backbone.module, backbone.head) | backbone.fresh
    before = backbone.outputs(batch)
    trained = apply_strategy(backbone, Finetune(strategy="lora", lora_rank=2))
    np.testing.assert_allclose(backbone.outputs(batch), before, atol=1e-6)  # adapters start at nothing
    changed = moved(backbone, batch, steps=3)
    assert own_part <= changed
    assert any("lora_B" in k for k in changed)
    assert all("lora_" in k or k in own_part for k in changed)
    assert 0 < trained < sum(v.numel() for v in plain.values())
    adapted = backbone.outputs(batch)
    assert not np.allclose(adapted, before, atol=1e-3)
    merge_adapters(backbone.module)
    assert set(backbone.module.state_dict()) == set(plain)
    np.testing.assert_allclose(backbone.outputs(batch), adapted, rtol=1e-4, atol=1e-4)
    kept = {k for k, v in backbone.module.state_dict().items() if torch.equal(v, plain[k])}
    assert any("embeddings" in k for k in kept)


def test_lora_and_last_blocks_need_what_they_change() -> None:
    backbone, _ = load("own")
    with pytest.raises(ConfigError, match="no linear layer besides its head"):
        apply_strategy(backbone, Finetune(strategy="lora"))
    flat: Any = TorchBackbone(torch.nn.Linear(3, 2), ("x",), "image", "")
    with pytest.raises(ConfigError, match="no list of blocks"):
        apply_strategy(flat, Finetune(strategy="last-1"))


def test_merging_a_plain_model_changes_nothing() -> None:
    backbone, batch = load("bert")
    before = backbone.outputs(batch)
    merge_adapters(backbone.module)
    np.testing.assert_array_equal(backbone.outputs(batch), before)
