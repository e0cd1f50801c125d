"""Non-inferiority and equivalence: printed sample sizes, power and level by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.stats import equivalence, newcombe_paired, noninferiority, required_pairs


@pytest.mark.parametrize(("margin", "n"), [(0.01, 7849), (0.02, 1963), (0.05, 314)])
def test_required_pairs_are_the_printed_ones(margin: float, n: int) -> None:
    assert required_pairs(0.1, margin) == n


@pytest.mark.parametrize("cells", [(80, 5, 9, 6), (80, 15, 5, 20), (500, 4, 4, 60), (50, 0, 0, 2)])
@pytest.mark.parametrize("margin", [0.01, 0.05, 0.1])
def test_outcomes_follow_from_the_intervals(cells: tuple[int, int, int, int], margin: float) -> None:
    wide, narrow = newcombe_paired(*cells), newcombe_paired(*cells, 0.9)
    assert noninferiority(*cells, margin).passed == (wide.low > -margin)
    assert equivalence(*cells, margin).passed == (-margin < narrow.low and narrow.high < margin)


def test_a_sample_too_small_is_called_underpowered_and_not_equal() -> None:
    result = noninferiority(40, 5, 5, 10, margin=0.02)
    assert not result.passed and result.underpowered and result.needed > 60
    assert "Underpowered" in result.sentence and f"{result.needed:,}" in result.sentence
    assert "Underpowered" in equivalence(40, 5, 5, 10, margin=0.02).sentence


def test_a_real_loss_is_not_excused_by_power() -> None:
    result = noninferiority(4000, 500, 300, 200, margin=0.02)
    assert not result.passed and not result.underpowered
    assert "cannot be excluded" in result.sentence
    assert "cannot be excluded" in equivalence(4000, 500, 300, 200, margin=0.02).sentence


def test_passing_says_so() -> None:
    assert "Not worse by more than 2.0 points" in noninferiority(8000, 300, 320, 1380, margin=0.02).sentence
    assert "Equal within 2.0 points" in equivalence(8000, 300, 320, 1380, margin=0.02).sentence


@pytest.mark.parametrize("test", [noninferiority, equivalence])
def test_a_margin_must_be_positive_and_pairs_must_exist(test: object) -> None:
    with pytest.raises(ValueError, match="margin must be positive"):
        test(1, 1, 1, 1, margin=0.0)  # type: ignore[operator]
    with pytest.raises(ValueError, match="no pair"):
        test(0, 0, 0, 0, margin=0.1)  # type: ignore[operator]


def passing(test: object, truth: list[float], margin: float, n: int, times: int) -> float:
    tables, counts = np.unique(np.random.default_rng(0).multinomial(n, truth, size=times), axis=0, return_counts=True)
    return float(np.average([test(*map(int, t), margin).passed for t in tables], weights=counts))  # type: ignore[operator]


@pytest.mark.slow
def test_power_is_as_promised() -> None:
    truth = [0.75, 0.05, 0.05, 0.15]
    promised = noninferiority(300, 20, 20, 60, margin=0.05).power
    assert passing(noninferiority, truth, 0.05, 400, 5000) == pytest.approx(promised, abs=0.03)
    promised = equivalence(300, 20, 20, 60, margin=0.05).power
    assert passing(equivalence, truth, 0.05, 400, 5000) == pytest.approx(promised, abs=0.03)


@pytest.mark.slow
def test_noninferiority_keeps_its_level() -> None:
    # Truly worse by exactly the margin: passing is an error, nominally 2.5 % of the time.
    rate = passing(noninferiority, [0.7, 0.125, 0.075, 0.1], 0.05, 200, 20_000)
    assert rate == pytest.approx(0.025, abs=0.006)
