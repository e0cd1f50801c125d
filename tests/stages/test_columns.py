"""Losses behind permutation importance, against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from workbench.stages.columns import _losses

SCORES = np.random.default_rng(0).normal(size=(7, 3)) * 3


def test_losses_are_torchs() -> None:
    classes = np.array([0, 1, 2, 0, 1, 2, 0])
    wrong, surprise = _losses(SCORES, classes, "class")
    assert wrong.tolist() == (SCORES.argmax(axis=1) != classes).astype(float).tolist()
    expected = F.cross_entropy(torch.tensor(SCORES), torch.tensor(classes), reduction="none")
    assert surprise == pytest.approx(expected.numpy())
    sets = (np.random.default_rng(1).random((7, 3)) < 0.5).astype(int)
    each = F.binary_cross_entropy_with_logits(torch.tensor(SCORES), torch.tensor(sets).double(), reduction="none")
    assert _losses(SCORES, sets, "labels")[0] == pytest.approx(each.mean(dim=1).numpy())
    values = np.arange(7.0)
    assert _losses(SCORES[:, :1], values, "value")[0] == pytest.approx((SCORES[:, 0] - values) ** 2)
