"""Explanations against random weights, another class and small changes: definitions by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from workbench.quality.sanity import class_similarity, max_sensitivity, randomisation_similarity


def test_a_method_that_ignores_the_model_is_alike_and_an_independent_one_is_at_chance() -> None:
    rng = np.random.default_rng(0)
    own = [rng.normal(size=20) for _ in range(400)]
    assert randomisation_similarity(own, own) == pytest.approx({"similarity": 1, "chance": own_chance(20), "n": 400})
    assert randomisation_similarity(own, [-a for a in own])["similarity"] == pytest.approx(1)  # sizes, not signs
    other = randomisation_similarity(own, [rng.normal(size=20) for _ in own])
    assert other["similarity"] == pytest.approx(other["chance"], abs=0.02)


def own_chance(m: int) -> float:
    return math.sqrt(2 / (math.pi * (m - 1)))


def test_each_example_counts_by_its_own_correlation() -> None:
    rng = np.random.default_rng(1)
    own, other = [rng.normal(size=9) for _ in range(5)], [rng.normal(size=9) for _ in range(5)]
    expected = np.mean([abs(spearmanr(a, b).statistic) for a, b in zip(own, other, strict=True)])
    assert randomisation_similarity(own, other)["similarity"] == pytest.approx(expected)


def test_a_constant_answer_is_no_likeness_and_few_features_do_not_count() -> None:
    found = randomisation_similarity([np.arange(6.0), np.arange(4.0)], [np.zeros(6), np.arange(4.0)])
    assert found["similarity"] == 0 and found["n"] == 1
    assert math.isnan(randomisation_similarity([], [])["similarity"])


def test_the_opposite_class_is_the_opposite_explanation() -> None:
    values = np.random.default_rng(2).normal(size=8)
    assert class_similarity(values, -values) == pytest.approx(-1)
    assert class_similarity(values, 3 * values) == pytest.approx(1)
    assert math.isnan(class_similarity(values[:4], values[:4]))


def test_max_sensitivity_of_a_linear_explanation_is_its_largest_relative_step() -> None:
    # Gradient times input of w.x: the change of the explanation is w * noise, known exactly.
    rng = np.random.default_rng(3)
    w, x = rng.normal(size=7), rng.normal(size=7)
    noise = rng.uniform(-0.02, 0.02, (10, 7))
    expected = max(np.linalg.norm(w * step) for step in noise) / np.linalg.norm(w * x)
    assert max_sensitivity(w * x, [w * (x + step) for step in noise]) == pytest.approx(expected)
    assert max_sensitivity(w, [w, w]) == 0
    assert math.isnan(max_sensitivity(np.zeros(3), [np.ones(3)])) and math.isnan(max_sensitivity(w, []))
