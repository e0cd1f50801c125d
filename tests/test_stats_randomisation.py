"""Approximate randomisation against McNemar's exact test, full enumeration and its own null."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from workbench.stats import mcnemar_exact, randomisation_p


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (2, 9), (5, 5), (1, 12)])
def test_few_pairs_give_the_exact_test_of_mcnemar(lost: int, won: int) -> None:
    """Swapping the two models of a discordant pair is a fair coin: the two tests are one."""
    differences = np.array([-1.0] * lost + [1.0] * won + [0.0] * 20)
    assert randomisation_p(differences) == pytest.approx(mcnemar_exact(lost, won), abs=1e-12)


def test_many_pairs_come_close_to_it() -> None:
    differences = np.array([-1.0] * 12 + [1.0] * 27 + [0.0] * 100)
    assert randomisation_p(differences, resamples=40_000) == pytest.approx(mcnemar_exact(12, 27), abs=0.004)


def test_real_differences_against_every_sign() -> None:
    differences = np.random.default_rng(0).normal(0.4, 1, 9)
    observed = abs(differences.mean())
    means = [abs(np.mean(differences * signs)) for signs in itertools.product((1, -1), repeat=9)]
    expected = np.mean([m >= observed - 1e-12 for m in means])
    assert randomisation_p(differences) == pytest.approx(expected, abs=1e-12)


def test_a_group_is_swapped_as_a_whole() -> None:
    """Twenty pairs that all belong to two patients are two coins, not twenty."""
    differences = np.ones(20)
    assert randomisation_p(differences) < 1e-3
    assert randomisation_p(differences, clusters=np.array(["a", "b"] * 10)) == 0.5
    alone = np.arange(20)
    assert randomisation_p(differences, clusters=alone, seed=3) == randomisation_p(differences, seed=3)


def test_under_the_null_it_is_not_too_small() -> None:
    rng = np.random.default_rng(1)
    ps = []
    for _ in range(300):
        units = np.repeat(np.arange(10), 8)  # 10 groups whose members move together
        ps.append(randomisation_p(np.repeat(rng.normal(size=10), 8), clusters=units))
    assert np.mean(np.array(ps) <= 0.05) <= 0.08


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        randomisation_p(np.array([1.0, np.nan]))
