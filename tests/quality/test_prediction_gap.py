"""Prediction gaps against a plain loop over rows of the background, on models with a closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from games import additive

from workbench.probe import Probe
from workbench.quality.faithfulness import SHARES
from workbench.quality.prediction_gap import prediction_gaps

M, B = 20, 7
DRAWN = np.random.default_rng(3)
W, X, ROWS = DRAWN.normal(size=M), DRAWN.normal(size=M), DRAWN.normal(size=(B, M))


def of_rows(weights: np.ndarray | None = None, rows: int = 256) -> Probe:
    """f(x) = w x, hidden columns taken from each row in turn."""

    def hide(masks: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": np.where(masks[:, None], X, ROWS[None]).reshape(-1, M)}

    game = additive(np.zeros(M))
    return replace(
        game, hide=hide, answer=lambda batch: batch["x"] @ W, repeats=B, weights=weights, rows=rows, filler="rows"
    )


@pytest.mark.parametrize("rows", [256, 3])
@pytest.mark.parametrize("weights", [None, np.arange(1, B + 1) / np.arange(1, B + 1).sum()])
def test_gaps_are_means_of_sizes_over_rows(weights: np.ndarray | None, rows: int) -> None:
    values = W * X
    found = prediction_gaps(of_rows(weights, rows), values, np.random.default_rng(0))
    share = np.full(B, 1 / B) if weights is None else weights
    order = np.argsort(-np.abs(values))
    top, rest = [], []
    for k in (max(1, round(s * M)) for s in SHARES):
        moved = W * (X - ROWS)
        top.append(share @ np.abs(moved[:, order[:k]].sum(axis=1)))
        rest.append(share @ np.abs(moved[:, order[k:]].sum(axis=1)))
    assert found["prediction_gap_important"] == pytest.approx(np.mean(top), abs=1e-12)
    assert found["prediction_gap_unimportant"] == pytest.approx(np.mean(rest), abs=1e-12)


def test_signs_that_cancel_in_the_mean_are_seen() -> None:
    """One column whose rows lie evenly around the input: the mean says nothing, every row does."""
    rows = np.zeros((B, M))
    rows[:, 0] = np.linspace(-1, 1, B)
    probe = replace(
        of_rows(),
        hide=lambda masks: {"x": np.where(masks[:, None], 0.0, rows[None]).reshape(-1, M)},
        answer=lambda batch: batch["x"][:, 0],
    )
    assert probe.score(np.zeros((1, M), dtype=bool)) == pytest.approx([0.0])
    right, wrong = np.eye(M)[0], np.eye(M)[1]
    mean = float(np.abs(rows[:, 0]).mean())
    assert prediction_gaps(probe, right, np.random.default_rng(0)) == pytest.approx(
        {"prediction_gap_important": mean, "prediction_gap_unimportant": 0.0}
    )
    alone = prediction_gaps(probe, wrong, np.random.default_rng(0), shares=(0.05,))
    assert alone == pytest.approx({"prediction_gap_important": 0.0, "prediction_gap_unimportant": mean})


def test_without_rows_there_is_no_gap() -> None:
    assert prediction_gaps(additive(W), W, np.random.default_rng(0)) == {}
