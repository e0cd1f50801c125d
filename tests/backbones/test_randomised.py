"""A model with random weights: every tensor new, its scale kept, the original untouched."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from workbench.backbones.randomised import randomised


@pytest.mark.parametrize("name", ["bert", "vit", "resnet"])
def test_every_weight_is_drawn_anew_on_the_scale_of_its_tensor(name: str) -> None:
    backbone, _ = tiny.load(name)
    before = {k: v.clone() for k, v in backbone.module.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    other = randomised(backbone, 1)
    assert torch.equal(torch.rand(1), expected)  # the global generator is where it was
    assert all(torch.equal(before[k], v) for k, v in backbone.module.state_dict().items())
    buffers = dict(other.module.named_buffers())
    assert all(torch.equal(before[k], v) for k, v in buffers.items() if k in before)
    varied = {k: p for k, p in other.module.named_parameters() if p.numel() > 64 and float(before[k].std()) > 0}
    assert len(varied) > 3
    for k, p in varied.items():
        correlation = float(np.corrcoef(p.detach().ravel(), before[k].ravel())[0, 1])
        assert abs(correlation) < 5 / np.sqrt(p.numel()), k
        assert float(p.detach().std()) == pytest.approx(float(before[k].std()), rel=0.5), k


def test_equal_seeds_give_equal_weights() -> None:
    backbone, _ = tiny.load("bert")
    first, same, other = (dict(randomised(backbone, s).module.named_parameters()) for s in (3, 3, 4))
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)
