"""Controls know nothing of the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from games import additive, continuous

from workbench import registry
from workbench.errors import ExplainError
from workbench.explainers import run_explainer
from workbench.explainers.controls import EDGES, MAGNITUDE, RANDOM
from workbench.probe import Picture


def test_controls_are_in_their_table() -> None:
    assert registry.load("controls", "random") is RANDOM
    assert registry.load("controls", "magnitude") is MAGNITUDE
    assert registry.load("controls", "edges") is EDGES
    assert not set(registry.names("controls")) & set(registry.names("explainers"))


def test_random_values_depend_on_the_seed_only() -> None:
    a = run_explainer(RANDOM, additive(np.ones(5)), seed=1)
    b = run_explainer(RANDOM, additive(np.arange(5.0)), seed=1)
    other = run_explainer(RANDOM, additive(np.ones(5)), seed=2)
    assert np.array_equal(a.values, b.values) and not np.array_equal(a.values, other.values)
    assert a.gap is None and a.evaluations == 0 and (a.base_score, a.score) == (0.0, 5.0)


def test_magnitude_is_the_distance_from_the_mean_baseline() -> None:
    x, baselines = np.array([1.0, -2.0, 3.0]), np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
    groups = np.array([0, 0, 1])
    for weight in (0.0, 5.0):
        probe = continuous(lambda X, w=weight: X.sum(dim=1) * w, x, baselines, groups=groups)
        found = run_explainer(MAGNITUDE, probe, seed=0)
        assert found.values == pytest.approx([0.5 + 3, 2])
        assert found.dense[0] == pytest.approx([0.5, 3, 2])


def test_magnitude_needs_coordinates() -> None:
    with pytest.raises(ExplainError, match="magnitude needs gradient"):
        run_explainer(MAGNITUDE, additive(np.ones(3)), seed=0)


def test_edges_are_where_the_picture_steps_whatever_the_model() -> None:
    frame = np.zeros((8, 10, 3), np.uint8)
    frame[:, 5:] = 255
    picture = Picture(frame, lambda a: np.array([a[:, :4].sum(), a[:, 4:6].sum(), a[:, 6:].sum()]), lambda k: k)
    probe = replace(additive(np.ones(3)), picture=lambda: picture)
    found = run_explainer(EDGES, probe, seed=0)
    assert found.values[[0, 2]] == pytest.approx(0) and found.values[1] == pytest.approx(8 * 2 * 4)
    assert found.dense.shape == (8, 10) and (found.dense[:, 4:6] == 4).all()  # Sobel's answer to a step of 1
    with pytest.raises(ExplainError, match="edges needs picture"):
        run_explainer(EDGES, additive(np.ones(3)), seed=0)
