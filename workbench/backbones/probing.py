"""What a frozen backbone already knows: a linear head on it, fitted and nothing else.

Where the head's output is the model's output, the fit is scikit-learn's (multinomial
logistic or ridge regression on the head's inputs, its strength chosen on the validation
split), exact and without a seed; else the head alone goes through the training loop.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from workbench.backbones.multilabel import STRENGTHS, best_logistics
from workbench.backbones.torch import TorchBackbone

_BATCH = 64


def head_inputs(backbone: TorchBackbone, encoded: object, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the head and the model's scores for some rows, batches sorted by length."""
    by_length = np.argsort(encoded.lengths[rows], kind="stable")  # type: ignore[attr-defined]
    features: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    for start in range(0, len(rows), _BATCH):
        batch = encoded.batch(rows[by_length[start : start + _BATCH]])  # type: ignore[attr-defined]
        x, z = backbone.features(batch)
        features.append(x)
        scores.append(z)
    back = np.argsort(by_length, kind="stable")
    return np.concatenate(features)[back], np.concatenate(scores)[back]


def is_linear(backbone: TorchBackbone, features: np.ndarray, scores: np.ndarray) -> bool:
    """Whether the scores are exactly the head, weights and intercept, applied to its inputs."""
    head = backbone.head_layer
    if not isinstance(head, nn.Linear) or head.bias is None or features.ndim != 2:
        return False
    with torch.inference_mode():
        again = head(torch.from_numpy(features[:8]).to(backbone.device)).float().cpu().numpy()
    return again.shape == scores[:8].shape and np.allclose(again, scores[:8], rtol=1e-4, atol=1e-4)


def fit_head(
    backbone: TorchBackbone,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    classes: int,
    multilabel: bool = False,
) -> str:
    """Fit the head on (features, targets) and set it; how, in words."""
    if multilabel:
        weight, bias, strength = best_logistics(train, validation)
    else:
        weight, bias, strength = best_logistic(train, validation, classes=classes)
    with torch.no_grad():
        head: Any = backbone.head_layer
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    what = "logistic regression for each label" if multilabel else "multinomial logistic regression"
    return f"{what} on its frozen features (C = {strength:g}, chosen on the validation split)"


def best_logistic(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], *, classes: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Logistic regression on (features (n, d), targets (n,)), its strength chosen by validation log-loss.

    Features are standardised for the fit; the scaling is folded back.

    Returns:
        Weight (classes, d), bias (classes,) and scikit-learn's C. A class that the training
        split never showed gets a bias that rules it out.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x, y = train
    centre, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale[scale < 1e-8] = 1.0
    best: tuple[float, float, LogisticRegression] | None = None
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=500)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the choice by validation loss covers it
            model.fit((x - centre) / scale, y)
        loss = _log_loss(model, (validation[0] - centre) / scale, validation[1])
        if best is None or loss < best[0]:
            best = (loss, strength, model)
    assert best is not None
    _, strength, model = best
    rows, bias = model.coef_ / scale, model.intercept_ - (model.coef_ / scale) @ centre
    if len(model.classes_) == 2 and len(rows) == 1:
        rows, bias = np.vstack([-rows[0] / 2, rows[0] / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    weight, offset = np.zeros((classes, x.shape[1])), np.full(classes, -20.0)
    weight[model.classes_], offset[model.classes_] = rows, bias
    return weight, offset, strength


def _log_loss(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log-probability; a class that the model does not know counts as probability 1e-12."""
    p = model.predict_proba(x)
    column = {int(k): i for i, k in enumerate(model.classes_)}
    found = np.array([p[row, column[int(k)]] if int(k) in column else 0.0 for row, k in enumerate(y)])
    return float(-np.log(np.maximum(found, 1e-12)).mean())
