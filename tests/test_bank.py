"""The mask bank: which coalitions, how often, with which weight."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from games import additive, game, net

from workbench.bank import Coalitions, Growing, coalitions, evaluate, evaluate_all, grow, remember
from workbench.errors import ExplainError
from workbench.types import Question


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def check_structure(c: Coalitions, m: int, budget: int) -> None:
    assert c.features == m
    assert len(c) <= budget
    assert len(np.unique(c.masks, axis=0)) == len(c)
    assert not c.masks[0].any() and c.masks[1].all()
    assert (c.masks[0::2] == ~c.masks[1::2]).all()
    assert (c.held_out[0::2] == c.held_out[1::2]).all() and (c.inclusion[0::2] == c.inclusion[1::2]).all()
    assert not c.held_out[:2].any()
    assert ((c.inclusion > 0) & (c.inclusion <= 1)).all()


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 7, 8, 12, 20, 48, 97, 300, 1000])
@pytest.mark.parametrize("budget", [2, 3, 8, 33, 64, 257, 512])
def test_structure_holds_for_every_size_and_budget(m: int, budget: int) -> None:
    c = coalitions(m, budget, rng(m * budget))
    check_structure(c, m, budget)
    assert c.exact == (2**m <= budget)
    assert len(c) == (2**m if c.exact else budget - budget % 2)


@pytest.mark.parametrize(("m", "budget"), [(10, 512), (11, 2046), (12, 4094), (13, 6000)])
def test_nearly_everything_is_drawn_without_replacement(m: int, budget: int) -> None:
    c = coalitions(m, budget, rng())
    check_structure(c, m, budget)
    assert len(c) == budget


def test_a_budget_that_holds_everything_is_exact() -> None:
    c = coalitions(6, 64, rng())
    assert c.exact and len(c) == 64 and (c.inclusion == 1).all()


def test_leave_one_outs_are_always_there_where_the_budget_holds_them() -> None:
    c = coalitions(48, 512, rng())
    assert (c.sizes == 47).sum() == 48 == (c.sizes == 1).sum()
    assert not c.held_out[np.isin(c.sizes, [1, 47])].any()


def test_a_budget_too_small_for_all_leave_one_outs_holds_some() -> None:
    c = coalitions(48, 42, rng())
    assert (c.sizes == 1).sum() == (c.sizes == 47).sum() == 20 and not c.held_out.any()


def test_about_a_fifth_is_held_out_and_half_of_the_free_pairs_stay() -> None:
    assert coalitions(20, 512, rng()).held_out.mean() == pytest.approx(0.2, abs=0.01)
    assert coalitions(8, 256, rng()).held_out.mean() == pytest.approx(0.2, abs=0.01)
    c = coalitions(200, 2 * (1 + 200 + 10), rng())
    assert c.held_out.sum() == 10


def test_sizes_are_uniform_beyond_those_drawn_in_full() -> None:
    counts = np.bincount(coalitions(40, 4000, rng()).sizes, minlength=41)
    assert counts[1] == counts[39] == 40
    assert np.ptp(counts[3:38]) <= 4


def test_sampling_is_deterministic_under_the_seed() -> None:
    a, b, other = coalitions(20, 300, rng(1)), coalitions(20, 300, rng(1)), coalitions(20, 300, rng(2))
    assert (a.masks == b.masks).all() and (a.held_out == b.held_out).all()
    assert (a.masks != other.masks).any()


@pytest.mark.parametrize(("m", "budget"), [(7, 40), (9, 100), (9, 130), (30, 120), (6, 30)])
def test_inverse_inclusion_counts_every_coalition_once_on_average(m: int, budget: int) -> None:
    """Per size, the mean of sum(1 / inclusion) over draws is the number of coalitions of that size.

    Leave-one-outs that the budget just holds count for more, and for one again once the law draws them all.
    """
    total, draws = np.zeros(m + 1), 400
    for seed in range(draws):
        c = coalitions(m, budget, rng(seed))
        total += np.bincount(c.sizes[c.fit], weights=1 / c.inclusion[c.fit], minlength=m + 1)
    expected = np.array([math.comb(m, s) for s in range(m + 1)], dtype=float)
    # A size that turns up in one draw of k varies by sqrt(k) from draw to draw.
    ratio = total / draws / expected
    if budget >= 2 * m + 2:
        assert ratio[1] == pytest.approx(ratio[-2])
        drawn_by_law = (budget // 2 - 1) * 2 / (m - 1)
        assert ratio[1] == pytest.approx(1) if drawn_by_law >= m else ratio[1] > 1
        ratio[[1, -2]] = 1
    assert np.allclose(ratio, 1, atol=0.35 if budget < 4 * m + 1 else 0.1)


def test_every_coalition_of_a_size_is_equally_likely() -> None:
    seen: dict[bytes, int] = {}
    for seed in range(600):
        c = coalitions(6, 30, rng(seed))
        for mask in c.masks[c.fit & (c.sizes == 3)]:
            seen[mask.tobytes()] = seen.get(mask.tobytes(), 0) + 1
    assert len(seen) == 20
    counts = np.array(list(seen.values()))
    assert counts.std() / counts.mean() < 0.15


def test_no_features_or_no_budget_is_an_error() -> None:
    for m in (0, 1001):
        with pytest.raises(ExplainError, match=f"{m} features cannot be hidden"):
            coalitions(m, 8, rng())
    with pytest.raises(ExplainError, match="too small"):
        coalitions(5, 1, rng())


def test_each_coalition_is_evaluated_once() -> None:
    rows: list[int] = []

    def value(z: np.ndarray) -> np.ndarray:
        rows.append(len(z))
        return z.sum(axis=1)

    c = coalitions(20, 300, rng())
    bank = evaluate(game(value, 20), c)
    assert sum(rows) == 300
    assert (bank.scores == c.sizes).all() and bank.base_score == 0 and bank.score == 20


def test_one_set_of_coalitions_serves_two_models() -> None:
    c = coalitions(10, 200, rng())
    a, b = evaluate(additive(np.ones(10)), c), evaluate(additive(np.full(10, 2.0)), c)
    assert (2 * a.scores == b.scores).all() and a.masks is b.masks


def test_wrong_number_of_features_and_infinite_answers_are_named() -> None:
    c = coalitions(5, 20, rng())
    with pytest.raises(ExplainError, match="has 4 features, the coalitions 5"):
        evaluate(additive(np.ones(4)), c)
    with pytest.raises(ExplainError, match=r"'game'.*is nan with 5 of 5 features kept"):
        evaluate(game(lambda z: np.where(z.all(axis=1), np.nan, 0.0), 5), c)


def test_banks_of_several_probes_are_those_of_each_alone() -> None:
    probes = [net(rng(k), 12) for k in range(3)]
    chosen = [coalitions(12, 64, rng(k)) for k in range(3)]
    for bank, probe, own in zip(evaluate_all(list(zip(probes, chosen, strict=True))), probes, chosen, strict=True):
        assert np.allclose(bank.scores, evaluate(probe, own).scores) and bank.coalitions is own


def test_a_bank_like_another_keeps_its_knobs_and_learns_its_own_answers() -> None:
    probe, other = net(rng(0), 14), net(rng(1), 14)
    chosen = coalitions(14, 128, rng())
    bank, moved = evaluate(probe, chosen), evaluate(other, chosen)
    found = moved.like(bank)
    assert found.odd is not None and bank.odd is not None and found.even is not None and bank.even is not None
    assert found.odd.knobs == bank.odd.knobs and np.array_equal(found.odd.lam, bank.odd.lam)
    assert found.scores is moved.scores
    same = bank.like(bank)
    assert same.odd is not None and np.allclose(same.odd.shapley(), bank.odd.shapley())
    # With the knobs fixed the stand-in is linear in the answers.
    both = replace(bank, scores=bank.scores + moved.scores).like(bank)
    assert both.odd is not None
    np.testing.assert_allclose(both.odd.shapley(), bank.odd.shapley() + found.odd.shapley(), atol=1e-9)
    with pytest.raises(ExplainError, match="different coalitions"):
        moved.like(evaluate(probe, coalitions(14, 128, rng(9))))


def test_a_remembered_probe_asks_once_and_counts() -> None:
    asked: list[np.ndarray] = []
    probe = net(rng(), 9)

    def spying(batch: dict[str, np.ndarray]) -> np.ndarray:
        asked.append(batch["masks"])
        return probe.answer(batch)

    spy = replace(probe, answer=spying)
    bank = evaluate(probe, coalitions(9, 64, rng()))
    remembered, count = remember(spy, bank)
    masks = rng(3).random((200, 9)) < 0.5
    masks = np.concatenate([masks, masks, bank.masks])
    assert np.allclose(remembered.score(masks), probe.score(masks), atol=1e-12)
    known = {m.tobytes() for m in bank.masks}
    new = {m.tobytes() for m in masks} - known
    assert count() == sum(map(len, asked)) == len(new) > 0
    assert np.allclose(remembered.score(masks), probe.score(masks), atol=1e-12) and count() == len(new)


@pytest.mark.parametrize(("m", "sizes"), [(9, (64, 128, 256)), (22, (64, 128, 256, 512)), (40, (96, 192, 384))])
def test_a_larger_bank_holds_the_smaller_one(m: int, sizes: tuple[int, ...]) -> None:
    drawn = [{row.tobytes() for row in coalitions(m, n, np.random.default_rng(3)).masks} for n in sizes]
    for small, large in itertools.pairwise(drawn):
        assert len(small & large) >= 0.98 * len(small)  # a size may be given one coalition fewer by rounding


def test_a_growing_bank_asks_nothing_twice_and_stops_when_it_is_enough() -> None:
    asked: list[bytes] = []
    weights = np.arange(1.0, 23.0)

    def value(z: np.ndarray) -> np.ndarray:
        asked.extend(row.tobytes() for row in z.astype(bool))
        return z @ weights

    jobs = [Growing([game(value, 22)], 512, (0, 1)), Growing([game(value, 22)], 512, (0, 2))]
    first, second = (banks[0] for banks in grow(jobs, enough=lambda bank: len(bank.scores) >= 256, first=80))
    assert len(first.scores) == len(second.scores) == 320
    np.testing.assert_allclose(first.scores, first.masks @ weights)
    drawn = [row.tobytes() for bank in (first, second) for row in bank.masks]
    assert len(asked) <= 1.03 * len(drawn)  # rounding may leave out what an earlier round had


def test_a_bank_grows_no_further_than_its_budget_or_its_time() -> None:
    job = Growing([game(lambda z: z.sum(axis=1), 22)], 200, (0,))
    assert len(grow([job], enough=lambda _: False)[0][0].scores) == 200
    assert (
        len(grow([job], enough=lambda _: False, first=64, deadline=0.0)[0][0].scores) == 72
    )  # three a feature and six
    assert len(grow([job])[0][0].scores) == 200


def test_the_bank_of_one_growth_is_the_bank_of_its_size() -> None:
    probe = game(lambda z: z @ np.arange(30.0), 30)
    grown = grow([Growing([probe, probe], 300, (5, 7))], enough=lambda b: len(b.scores) > 200, first=64)[0]
    alone = coalitions(30, len(grown[0].scores), np.random.default_rng([5, 7]))
    for bank in grown:
        np.testing.assert_array_equal(bank.masks, alone.masks)
        np.testing.assert_array_equal(bank.coalitions.inclusion, alone.inclusion)
        np.testing.assert_allclose(bank.scores, evaluate(probe, alone).scores)


def test_another_question_is_read_from_the_same_scores() -> None:
    both = replace(
        game(lambda z: z.sum(axis=1), 4),
        model=lambda batch: np.stack([batch["masks"].sum(axis=1), -batch["masks"].sum(axis=1)], axis=1),
        read=lambda scores: scores[:, 0],
    )
    contrast = replace(both, question=Question("contrast", "?", target=0, against=1), read=lambda s: s[:, 0] - s[:, 1])
    bank = evaluate(both, coalitions(4, 16, np.random.default_rng(0)))
    np.testing.assert_allclose(bank.reread(contrast).scores, 2 * bank.scores)
    bank.reread(contrast).require(contrast)
    with pytest.raises(ExplainError):
        replace(bank, outputs=None).reread(contrast)
