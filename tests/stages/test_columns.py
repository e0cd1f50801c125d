"""Losses behind permutation importance, against torch's own; partial dependence, against scikit-learn's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from workbench.modalities import table
from workbench.modalities.table import TablePreparation
from workbench.stages.columns import _losses, partial_dependence
from workbench.types import Column, Example

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


def test_partial_dependence_is_scikit_learns() -> None:
    """Of a forest of three columns, on the same grid and rows; and of a category, by hand."""
    from sklearn import inspection
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(2)
    x = np.column_stack([rng.normal(size=80), rng.normal(size=80), rng.integers(1, 4, 80)]).astype(np.float32)
    forest = RandomForestRegressor(10, random_state=0).fit(x, x[:, 0] * x[:, 1] + x[:, 2])
    columns = (Column("a", "numeric"), Column("b", "numeric"), Column("c", "categorical", ("p", "q", "r")))
    rows = [{"a": float(r[0]), "b": float(r[1]), "c": "pqr"[int(r[2]) - 1]} for r in x]

    def answer(batch: dict[str, np.ndarray]) -> np.ndarray:
        return forest.predict(np.column_stack([batch["numeric"], batch["categorical"]]))[:, None]

    session: Any = SimpleNamespace(
        config=SimpleNamespace(seed=0),
        rows=lambda split: np.arange(80),
        dataset=SimpleNamespace(examples=[Example(str(i), r, 0.0, "train") for i, r in enumerate(rows)], labels=()),
        task=SimpleNamespace(modality=table, kind="value"),
        preparation=TablePreparation(columns),
        onnx=SimpleNamespace(outputs=answer),
    )
    for place, found in enumerate(partial_dependence(session, list(columns))):
        grid = np.array(found["grid"] if place < 2 else [1, 2, 3], dtype=float)
        theirs = inspection.partial_dependence(forest, x, [place], custom_values={place: grid}, method="brute")
        assert found["rows"] == 80
        assert found["curves"][0]["mean"] == pytest.approx(theirs["average"][0], rel=1e-5)
