"""Fitting several labels at once: the loss, the score, the linear heads, the network for tables."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss

from workbench.backbones.export import _decisions
from workbench.backbones.multilabel import STRENGTHS, best_logistics, binary_cross_entropy, mean_average_precision
from workbench.backbones.tabular_net import TabularNet
from workbench.errors import DataError

TARGETS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=np.int8)


def test_the_loss_is_the_mean_of_each_labels_cross_entropy() -> None:
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3)))
    loss = binary_cross_entropy(TARGETS, 0.0, balanced=False)(z, torch.from_numpy(TARGETS))
    p = expit(z.numpy())
    expected = [log_loss(TARGETS[:, k], p[:, k], labels=[0, 1]) for k in range(3)]
    assert loss.item() == pytest.approx(np.mean(expected))


def test_smoothing_moves_each_target_towards_one_half() -> None:
    z, y = torch.randn(4, 3, dtype=torch.float64), torch.from_numpy(TARGETS)
    found = binary_cross_entropy(TARGETS, 0.2, balanced=False)(z, y)
    plain = binary_cross_entropy(TARGETS, 0.0, balanced=False)
    assert found.item() == pytest.approx((0.9 * plain(z, y) + 0.1 * plain(z, 1 - y)).item())


def test_balanced_labels_weigh_examples_with_and_without_alike() -> None:
    """At one logit for all, the gradient of a balanced label is that of a fair coin."""
    z = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    binary_cross_entropy(TARGETS, 0.0, balanced=True)(z, torch.from_numpy(TARGETS)).backward()
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.sum(0)[:2].numpy(), 0, atol=1e-12)
    assert z.grad.sum(0)[2].item() == pytest.approx(4 * 0.5 / 12)  # a label never seen weighs as it is


def test_the_score_is_the_average_precision_of_labels_that_occur() -> None:
    z = np.random.default_rng(1).normal(size=(4, 3))
    found = mean_average_precision(SimpleNamespace(predictions=z, label_ids=TARGETS.astype(np.float32)))
    expected = [average_precision_score(TARGETS[:, k], z[:, k]) for k in (0, 1)]
    assert found == {"score": pytest.approx(np.mean(expected))}


def test_heads_are_scikit_learns_and_the_strength_is_chosen_by_validation() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(3, [1, 5, 0.1, 1], size=(200, 4))
    x[:, 3] = 7.0  # constant
    y = (x[:, :3] - x[:, :3].mean(0) + rng.normal(size=(200, 3)) * [0.5, 5, 0.3] > [0, 5, 0.1]).astype(np.int8)
    y[:, 2] = 1
    train, held = (x[:120], y[:120]), (x[120:], y[120:])
    weight, bias, strength = best_logistics(train, held)
    inside = [
        (part - x[:120].mean(0)) / np.where(x[:120].std(0) > 1e-8, x[:120].std(0), 1) for part in (x[:120], x[120:])
    ]
    losses = {}
    for c in STRENGTHS:
        models = [LogisticRegression(C=c, max_iter=500).fit(inside[0], y[:120, k]) for k in (0, 1)]
        losses[c] = np.mean(
            [log_loss(y[120:, k], m.predict_proba(inside[1]), labels=[0, 1]) for k, m in enumerate(models)]
        )
        if c == strength:
            for k, m in enumerate(models):
                np.testing.assert_allclose(x[120:] @ weight[k] + bias[k], m.decision_function(inside[1]), atol=1e-6)
    assert strength == min(losses, key=lambda c: losses[c])
    assert not weight[2].any() and expit(bias[2]) == pytest.approx(120.5 / 121)


class TestNetworkForTables:
    def net(self, **options: object) -> TabularNet:
        rng = np.random.default_rng(0)
        numeric = rng.normal(size=(40, 2)).astype(np.float32)
        targets = (rng.random((40, 3)) < 0.4).astype(np.int8)
        return TabularNet.for_data(numeric, [], targets, task="multilabel", classes=("a", "b", "c"), **options)  # type: ignore[arg-type]

    def test_it_says_what_it_is_and_its_loss_is_binary(self) -> None:
        net = self.net()
        assert net.config.problem_type == "multi_label_classification" and net.config.num_labels == 3
        x, y = torch.randn(6, 2), (torch.rand(6, 3) > 0.5).float()
        found = net(numeric=x, labels=y)
        members = net._members(net.embed(x, None))
        expected = torch.nn.functional.binary_cross_entropy_with_logits(members, y[:, None].expand_as(members))
        assert found.loss.item() == pytest.approx(expected.item()) and found.logits.shape == (6, 3)

    @pytest.mark.parametrize(
        ("targets", "says"),
        [
            (np.zeros(4), "a 0 or 1 per row and label"),
            (np.full((4, 2), 2.0), "targets run from 2.0 to 2.0"),
            (np.array([[0, 1], [np.nan, 0], [1, 1], [0, 0]]), "target of row 1"),
        ],
    )
    def test_targets_that_do_not_fit(self, targets: np.ndarray, says: str) -> None:
        with pytest.raises(DataError, match=says):
            TabularNet.for_data(np.zeros((4, 1), np.float32), [], targets, task="multilabel", classes=("a", "b"))


def test_a_head_of_one_class_a_time_is_not_that_of_several_labels() -> None:
    from workbench.tasks.labels import PROBLEM, multilabel

    own = tuple(f"LABEL_{k}" for k in range(3))
    backbone, _ = tiny.load("bert", own)
    assert backbone.speaks_labels
    backbone.module.config.problem_type = "single_label_classification"
    assert not multilabel(backbone).speaks_labels and backbone.module.config.problem_type == PROBLEM
    backbone, _ = tiny.load("bert", own)
    backbone.module.config.problem_type = PROBLEM
    assert multilabel(backbone).speaks_labels


def test_decisions_of_labels_are_compared_at_their_thresholds() -> None:
    cuts = expit(np.array([0.0, 1.0]))
    expected = np.array([[2.0, 3.0], [-1.0, 0.5], [1e-6, 3.0], [1.0, 2.0]])
    found = np.array([[2.0, 3.0], [-1.0, 1.5], [-1e-6, 3.0], [1.0, 0.5]])
    same, tied = _decisions(expected, found, 1e-4, cuts)
    assert same.tolist() == [True, False, False, False] and tied.tolist() == [False, False, True, False]
