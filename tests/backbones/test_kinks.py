"""Gradients at kinks: two right ones differ there, a wrong one is still found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from workbench.backbones.gradient_parity import check_gradients
from workbench.stages.gradients import _reason

WIDTH, UNITS = 12, 20
rng = np.random.default_rng(0)
INPUT = rng.normal(size=WIDTH).astype(np.float32)
FIRST = rng.normal(size=(WIDTH, UNITS)).astype(np.float32)
SECOND = rng.normal(size=(UNITS, 3)).astype(np.float32)
OFF = torch.as_tensor(INPUT) @ torch.as_tensor(FIRST)  # so that every unit is at its kink, but for rounding


class Trained:
    """relu(x A - b) B, every example at the kinks of all its units."""

    def coordinates(self, batch: Any) -> torch.Tensor:
        return torch.as_tensor(batch["x"])

    def scores_at(self, x: torch.Tensor, batch: Any) -> torch.Tensor:
        return torch.relu(x @ torch.as_tensor(FIRST) - OFF) @ torch.as_tensor(SECOND)


class Deployed:
    """The same by sums in another order; its gradient times `factor`."""

    classes = 3

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def coordinates(self, batch: Any) -> np.ndarray:
        return np.asarray(batch["x"])

    def _hidden(self, x: np.ndarray) -> np.ndarray:
        found = -OFF.numpy()[None] + np.zeros((len(x), 1), np.float32)
        for k in range(WIDTH):
            found = found + x[:, k, None] * FIRST[k]
        return found

    def scores_at(self, batch: Any, x: np.ndarray) -> np.ndarray:
        return np.maximum(self._hidden(x), 0) @ SECOND

    def gradients_of(self, batch: Any, weights: np.ndarray) -> np.ndarray:
        return self._gradient(self.coordinates(batch), weights)

    def slopes(self, batch: Any) -> Any:
        return lambda x, weights: (self.scores_at(batch, x), self._gradient(x, np.repeat(weights[None], len(x), 0)))

    def _gradient(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        found = ((self._hidden(x) > 0) * (weights @ SECOND.T)) @ FIRST.T
        return (self.factor * found).astype(np.float32)


def checked(deployed: Deployed) -> dict[str, Any]:
    rows = np.repeat(INPUT[None], 32, 0)
    encoded = SimpleNamespace(batch=lambda at: {"x": rows[np.asarray(at)]})
    return check_gradients(Trained(), deployed, encoded, np.arange(32), 0)  # type: ignore[arg-type]


def test_right_gradients_agree_beside_the_kinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.backbones.gradient_parity.binding", lambda *_: 1.0)
    found = checked(Deployed())
    assert found["n"] > 20 and found["at_kinks"] > 0.9 * found["n"]
    assert found["passed"] and found["agree_beside"] > 0.9 * found["at_kinks"] and found["max_error"] <= 1e-4


@pytest.mark.parametrize("factor", [0.5, 0.99, 1.001, -1.0])
def test_a_wrong_gradient_agrees_nowhere(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though autograd's own gradient jumps at every example, so that each could be excused."""
    monkeypatch.setattr("workbench.backbones.gradient_parity.binding", lambda *_: 1.0)
    found = checked(Deployed(factor))
    assert not found["passed"] and found["agree_beside"] == 0 and found["at_kinks"] > found["n"] / 2


def test_the_reason_says_what_was_not_proved() -> None:
    binding = {"correlation": 0.9999, "least": 0.999}
    found = {"max_error": 1e-6, "tolerance": 1e-4, "n": 52, "at_kinks": 40, "agree_beside": 12, "binding": binding}
    assert "at 28 of 52 examples" in _reason(found) and "largest" not in _reason(found)
    assert "largest relative difference 2.0e-04, allowed 1e-04" in _reason(found | {"max_error": 2e-4})
    assert "correlation with central differences 0.9000" in _reason(found | {"binding": binding | {"correlation": 0.9}})
