"""Occlusion: leave-one-outs of the bank, and a window slid over a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from games import additive, game, net

from workbench.bank import coalitions, evaluate
from workbench.errors import Refusal
from workbench.explainers import run_explainer
from workbench.explainers.occlusion import FEATURE_ABLATION, OCCLUSION
from workbench.probe import Picture, Probe


@pytest.mark.parametrize("budget", [8, 20, 64, 256, 4096])
def test_ablation_is_the_loss_without_each_part_and_asks_only_what_the_bank_lacks(budget: int) -> None:
    probe = net(np.random.default_rng(0), 12)
    bank = evaluate(probe, coalitions(12, budget, np.random.default_rng(1)))
    found = run_explainer(FEATURE_ABLATION, probe, bank=bank, seed=0)
    full, without = probe.score(np.ones((1, 12), bool)), probe.score(~np.eye(12, dtype=bool))
    assert np.abs(found.values - (full - without)).max() < 1e-12
    assert found.evaluations == len(bank.scores) + found.params["asked_anew"]
    assert found.params["asked_anew"] == max(0, 12 - (budget // 2 - 1))


def test_ablation_is_free_where_the_bank_has_the_leave_one_outs() -> None:
    probe = additive(np.arange(6.0))
    bank = evaluate(probe, coalitions(6, 64, np.random.default_rng(0)))
    silent = replace(probe, answer=lambda batch: pytest.fail("the bank already knows"))
    assert run_explainer(FEATURE_ABLATION, silent, bank=bank, seed=0).values == pytest.approx(np.arange(6.0))


def test_saturation_box() -> None:
    """relu(x1 + x2 - 1), max and product: hiding one part shows all of the answer, or none of it."""
    for value, hidden in (
        (lambda z: np.maximum(z.sum(axis=1) - 1, 0), 1),
        (lambda z: z.max(axis=1), 0),
        (lambda z: 6 * z.prod(axis=1), 6),
    ):
        found = run_explainer(FEATURE_ABLATION, game(value, 2), seed=0, budget=8)
        assert found.values == pytest.approx([hidden, hidden]) and found.gap is None


def pictured(value: object, height: int, width: int) -> Probe:
    """A probe on a picture of two halves whose answer is `value` of the (n, H, W) masks."""
    left = np.arange(width) < width // 2

    def pool(dense: np.ndarray) -> np.ndarray:
        return np.array([dense[:, left].sum(), dense[:, ~left].sum()])

    picture = Picture(np.zeros((height, width, 3), np.uint8), pool, value)  # type: ignore[arg-type]
    whole = lambda z: value(np.where(left, z[:, :1], z[:, 1:]).reshape(-1, 1, width).repeat(height, 1) > 0)  # type: ignore[operator] # noqa: E731
    return replace(game(whole, 2), picture=lambda: picture)


def test_windows_of_one_pixel_give_the_weights_of_a_linear_picture() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 8))
    probe = pictured(lambda keep: (keep * weights).sum(axis=(1, 2)), 6, 8)
    found = run_explainer(OCCLUSION, probe, seed=0, window=1 / 6, stride=1 / 6)
    assert found.dense == pytest.approx(weights) and found.params["windows"] == 48
    assert found.values == pytest.approx([weights[:, :4].sum(), weights[:, 4:].sum()])
    assert found.score == pytest.approx(weights.sum()) and found.base_score == pytest.approx(0)


def test_windows_are_captums_up_to_the_share_of_a_pixel() -> None:
    import torch
    from captum.attr import Occlusion

    rng = np.random.default_rng(1)
    weights = rng.normal(size=(12, 12))

    def value(keep: np.ndarray) -> np.ndarray:
        return np.tanh((keep * weights).sum(axis=(1, 2)) / 3)

    theirs = Occlusion(lambda x: torch.as_tensor(value(x[:, 0].numpy()))).attribute(
        torch.ones(1, 1, 12, 12).double(), sliding_window_shapes=(1, 4, 4), strides=(1, 2, 2)
    )
    found = run_explainer(OCCLUSION, pictured(value, 12, 12), seed=0, window=4 / 12, stride=2 / 12)
    assert found.dense == pytest.approx(theirs[0, 0].numpy() / 16)
    assert found.params["window"] == 4 and found.evaluations == found.params["windows"] + 1 == 26


def test_every_pixel_is_covered_whatever_the_size() -> None:
    probe = pictured(lambda keep: keep.sum(axis=(1, 2)).astype(float), 13, 10)
    found = run_explainer(OCCLUSION, probe, seed=0, window=0.4, stride=0.3)
    assert found.dense == pytest.approx(np.ones((13, 10)))


def test_occlusion_is_refused_without_a_picture() -> None:
    with pytest.raises(Refusal, match="occlusion needs picture"):
        run_explainer(OCCLUSION, additive(np.ones(3)), seed=0)
