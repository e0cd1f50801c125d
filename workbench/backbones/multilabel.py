"""What is particular to fitting several labels at once: the loss, the score, a linear head for each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # scikit-learn's C, from which a linear head takes one


def binary_cross_entropy(
    targets: np.ndarray, smoothing: float, *, balanced: bool
) -> Callable[[Tensor, Tensor], Tensor]:
    """Binary cross-entropy of logits (n, K), averaged over rows and labels.

    Args:
        targets: (n, K) 0 or 1, the training split's.
        smoothing: share of each target that is spread over yes and no.
        balanced: an example with a label weighs as much more as there are fewer of them
            than of those without; a label that training never showed weighs as it is.
    """
    held = (targets == 1).sum(axis=0)
    ratio = np.where(held > 0, (len(targets) - held) / np.maximum(held, 1), 1.0)
    weights = torch.from_numpy(ratio) if balanced else None

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        answers = target.to(logits.dtype) * (1 - smoothing) + smoothing / 2
        weight = None if weights is None else weights.to(logits)
        return nn.functional.binary_cross_entropy_with_logits(logits, answers, pos_weight=weight)

    return loss


def mean_average_precision(evaluated: Any) -> dict[str, float]:
    """Average precision, averaged over the labels that occur, as transformers' loop asks for it."""
    from sklearn.metrics import average_precision_score

    answers = np.asarray(evaluated.label_ids) == 1
    found = [
        average_precision_score(answers[:, k], evaluated.predictions[:, k])
        for k in range(answers.shape[1])
        if answers[:, k].any()
    ]
    return {"score": float(np.mean(found))}


def best_logistics(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """One logistic regression a label on (features (n, d), targets (n, K)).

    The strength is the same for all labels and chosen by validation log loss. Features are
    standardised for the fit; the scaling is folded back.

    Returns:
        Weight (K, d), bias (K,) and scikit-learn's C. A label that all training examples
        have, or none, gets no weight and the bias of its smoothed frequency.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x, y = train
    centre, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale[scale < 1e-8] = 1.0
    inside, held = (x - centre) / scale, (validation[0] - centre) / scale
    best: tuple[float, float, np.ndarray, np.ndarray] | None = None
    for strength in STRENGTHS:
        weight, bias = np.zeros((y.shape[1], x.shape[1])), np.zeros(y.shape[1])
        for k in range(y.shape[1]):
            yes = int((y[:, k] == 1).sum())
            if yes in (0, len(y)):
                bias[k] = np.log((yes + 0.5) / (len(y) - yes + 0.5))
                continue
            model = LogisticRegression(C=strength, max_iter=500)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the choice by validation loss covers it
                model.fit(inside, y[:, k])
            weight[k], bias[k] = model.coef_[0], model.intercept_[0]
        z = held @ weight.T + bias
        loss = float(np.mean(np.logaddexp(0, z) - (validation[1] == 1) * z))
        if best is None or loss < best[0]:
            best = (loss, strength, weight, bias)
    assert best is not None
    _, strength, weight, bias = best
    rows = weight / scale
    return rows, bias - rows @ centre, strength
