"""Temperature: the known one is found again, against a plain search, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn import metrics as sk

from workbench.metrics.calibration import expected_calibration_error
from workbench.metrics.settings import Settings
from workbench.metrics.temperature import fit_temperature, scaled, temperature_changes
from workbench.types import ClassScores


def drawn(n: int, classes: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and targets drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, classes)) * 3
    p = softmax(z / temperature, axis=1)
    return z, np.minimum((rng.random(n)[:, None] > np.cumsum(p, axis=1)).sum(axis=1), classes - 1)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_that_made_the_targets_is_found(true: float, classes: int) -> None:
    z, t = drawn(40_000, classes, true)
    assert fit_temperature(z, t).value == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
def test_it_is_the_least_of_a_plain_search_whatever_the_scale(scale: float) -> None:
    z, t = drawn(300, 3, 2.0)
    found = fit_temperature(z * scale, t)
    assert found.value is not None and found.n == 300
    losses = {T: -np.mean(log_softmax(z / T, axis=1)[np.arange(300), t]) for T in np.exp(np.linspace(-2, 3, 1501))}
    best = min(losses, key=losses.__getitem__)
    assert found.value / scale == pytest.approx(best, rel=0.004)
    assert found.loss_after <= losses[best] + 1e-12
    if scale <= 1:  # scikit-learn clips the probabilities of larger logits
        assert found.loss_before == pytest.approx(sk.log_loss(t, softmax(z * scale, axis=1)))
    # at the optimum the mean logit of the truth is the mean expected one
    p = softmax(z * scale / found.value, axis=1)
    assert np.mean(z[np.arange(300), t]) == pytest.approx(np.mean((p * z).sum(axis=1)), abs=1e-5)


def test_there_is_no_temperature_where_the_loss_has_no_minimum() -> None:
    z = np.array([[2.0, 0, 1], [0, 3, 1]])
    for logits, targets, reason in (
        (np.empty((0, 3)), [], "no validation example"),
        (z, [0, 1], "every validation example is right"),
        (z, [1, 0], "rises"),
        (np.zeros((4, 2)), [0, 1, 1, 0], "equal logits"),
        (np.array([[-np.inf, 0.0]]), [1], "infinite"),
    ):
        found = fit_temperature(logits, targets)
        assert found.value is None and reason in found.reason, reason


def test_scaling_changes_probabilities_and_no_decision() -> None:
    z, t = drawn(200, 4, 3.0)
    p = ClassScores(np.arange(200).astype(str), np.full(200, "test"), t, z, tuple("abcd"))
    after = scaled(p, 3.0)
    assert np.array_equal(after.predicted, p.predicted)
    assert after.probabilities == pytest.approx(softmax(z / 3, axis=1))


@pytest.mark.parametrize("classes", [2, 4])
def test_changes_are_measured_before_and_after(classes: int) -> None:
    z, t = drawn(400, classes, 3.0)
    order = np.argsort(t, kind="stable")
    p = ClassScores(np.arange(400).astype(str), np.full(400, "test"), t[order], z[order], tuple("abcd"[:classes]))
    found = {m["name"]: m for m in temperature_changes(p, 3.0, Settings(300), None)}
    assert list(found) == ["log_loss", "brier", "ece"]
    for side, logits in (("before", p.logits), ("after", p.logits / 3)):
        q = softmax(logits, axis=1)
        assert found["log_loss"][side] == pytest.approx(sk.log_loss(p.targets, q))
        assert found["brier"][side] == pytest.approx(sk.brier_score_loss(p.targets, q[:, 1] if classes == 2 else q))
        assert found["ece"][side] == pytest.approx(
            expected_calibration_error(q.max(axis=1), q.argmax(axis=1) == p.targets)
        )
    for m in found.values():
        assert m["difference"] == pytest.approx(m["after"] - m["before"])
        assert m["low"] <= m["difference"] <= m["high"] < 0 and m["method"].startswith("paired bootstrap")
    clustered = temperature_changes(p, 3.0, Settings(300), np.arange(400) // 2)
    assert [m["difference"] for m in clustered] == pytest.approx([m["difference"] for m in found.values()])
    same = temperature_changes(p, 1.0, Settings(100), None)
    assert all(m["difference"] == 0 and m["low"] is None and m["reason"] for m in same)
