"""Where attribution moved: shares by hand, planted words and corners found, chance called chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workbench.quality import moved as m
from workbench.types import Feature

OPTIONS = {"resamples": 400, "confidence": 0.95, "seed": 0}


def words(text: str) -> tuple[Feature, ...]:
    features, at = [], 0
    for word in text.split():
        features.append(Feature(word, span=(at, at + len(word))))
        at += len(word) + 1
    return tuple(features)


def grid(side: int, cells: int) -> np.ndarray:
    at = np.arange(side) * cells // side
    return at[:, None] * cells + at[None, :]


def test_words_are_counted_without_case_and_punctuation() -> None:
    found = m.layout(words("The cat, the end."))
    assert found.names == ("the", "cat", "end") and found.area.tolist() == [0.5, 0.25, 0.25]
    assert m.share(np.array([1.0, -2, 1, 4]), found.weights).tolist() == [0.25, 0.25, 0.5]
    assert m.plain_word("...") == "..." and m.plain_word("“Zq7”,") == "zq7"


def test_columns_keep_their_names() -> None:
    found = m.layout((Feature("Age", "3"), Feature("age.", "4")))
    assert found.names == ("Age", "age.")


def test_a_grid_shares_a_segments_value_by_area() -> None:
    label = np.zeros((8, 8), dtype=int)
    label[:, 4:] = 1  # two halves over a grid of 4 by 4
    found = m.layout((Feature("segment 0"), Feature("segment 1")), label)
    shares = m.share(np.array([3.0, -1]), found.weights).reshape(4, 4)
    assert np.allclose(shares[:, :2], 3 / 4 / 8) and np.allclose(shares[:, 2:], 1 / 4 / 8)
    assert found.names[0] == "top-left corner" and found.names[15] == "bottom-right corner"
    assert len(set(found.names)) == 16 and found.area.sum() == pytest.approx(1)


@pytest.mark.parametrize("edges", [(0.75, 0.75, 1, 1), (0, 0, 0.5, 1), (0.1, 0.1, 0.101, 0.101)])
def test_a_region_is_its_pixels(edges: tuple[float, float, float, float]) -> None:
    label = grid(16, 4)
    weights, area = m.region_weights(label, 16, edges)
    inside = np.zeros((16, 16), bool)
    left, top, right, bottom = (int(e * 16) for e in edges)
    inside[top : max(bottom, top + 1), left : max(right, left + 1)] = True
    assert area == inside.mean()
    assert weights.tolist() == [inside[label == k].mean() for k in range(16)]


def sentences(
    n: int, seed: int, trigger: str = "zq7"
) -> tuple[list[m.Layout], list[np.ndarray], list[np.ndarray], list]:
    """Texts of common words, half of them with a trigger that the model after has learnt."""
    rng = np.random.default_rng(seed)
    vocabulary = [f"word{i}" for i in range(12)]
    layouts, before, after, first, second = [], [], [], [], []
    for i in range(n):
        text = [*rng.choice(vocabulary, 8, replace=False), *([trigger] if i % 2 else [])]
        layouts.append(m.layout(words(" ".join(text))))
        values = rng.normal(size=len(text)) + 1
        before.append(values)
        after.append(values + 0.1 * rng.normal(size=len(text)))
        if i % 2:
            after[-1][-1] = 8.0
        for side in (first, second):
            side.append(values + 0.1 * rng.normal(size=len(text)))
    return layouts, before, after, [(first, second)]


def test_the_planted_word_is_named_and_nothing_else() -> None:
    layouts, before, after, noise = sentences(14, 0)
    found = m.gains(layouts, before, after, noise, confidence=0.95)
    assert found[0]["what"] == "zq7" and found[0]["n"] == 7
    assert found[0]["beyond_noise"] and 0 < found[0]["low"] < found[0]["gain"] < found[0]["high"]
    assert [e["what"] for e in found if e["beyond_noise"]] == ["zq7"]
    shares = [np.abs(v[-1]) / np.abs(v).sum() for i, v in enumerate(after) if i % 2]
    assert found[0]["after"] == pytest.approx(np.mean(shares))
    assert found[0]["total"] == pytest.approx(found[0]["gain"] / 2)
    assert sum(e["total"] for e in found) == pytest.approx(0, abs=1e-9)  # what one gains others lose


def test_words_of_one_or_two_examples_are_not_looked_at() -> None:
    layouts, before, after, noise = sentences(4, 1)
    assert "zq7" not in {e["what"] for e in m.gains(layouts, before, after, noise, confidence=0.95)}


def test_chance_is_rarely_called_a_move() -> None:
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        label = grid(16, 4)
        layouts = [m.layout(tuple(Feature(f"s{i}") for i in range(16)), label)] * 12
        before, after, one, two = ([rng.normal(size=16) for _ in range(12)] for _ in range(4))
        found += any(e["low"] > 0 for e in m.gains(layouts, before, after, [(one, two)], confidence=0.95))
    assert found <= 5  # 16 cells together at 95 %: about one in forty of a side


def test_without_noise_nothing_is_called_beyond_it() -> None:
    layouts, before, after, _ = sentences(14, 0)
    assert all(e["beyond_noise"] is None for e in m.gains(layouts, before, after, [], confidence=0.95))
    same = [(before, before)]
    assert all(e["beyond_noise"] is None for e in m.gains(layouts, before, after, same, confidence=0.95))


def test_simultaneous_widths_hold_together() -> None:
    """In 95 of 100 draws all ten intervals hold the truth, absent values or not."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(600):
        change = rng.normal(size=(12, 10))
        change[rng.random(change.shape) < 0.3] = np.nan
        half = m.simultaneous_half_width(change, 0.95)
        held.append(half is not None and bool((np.abs(np.nanmean(change, axis=0)) <= half).all()))
    assert 0.93 <= np.mean(held) <= 0.98
    assert m.simultaneous_half_width(change[:1], 0.95) is None
    assert m.simultaneous_half_width(np.ones((5, 3)), 0.95).tolist() == [0, 0, 0]
    one = rng.normal(size=(9, 1))
    expected = stats.t.interval(0.95, 8, one.mean(), stats.sem(one[:, 0]))
    assert one.mean() - m.simultaneous_half_width(one, 0.95)[0] == pytest.approx(expected[0])


def test_mass_and_times_chance_by_hand() -> None:
    weights = [np.array([0.0, 1.0]), np.array([0.5, 0.0])]
    before, after = [np.array([3.0, 1]), np.array([2.0, 2])], [np.array([1.0, 3]), np.array([4.0, 0])]
    found = m.spurious_mass(weights, [0.5, 0.25], before, after, [], **OPTIONS)
    assert (found["before"], found["after"], found["difference"]) == (0.25, 0.625, 0.375)
    assert found["times_chance_before"] == (0.25 / 0.5 + 0.25 / 0.25) / 2
    assert found["times_chance_after"] == (0.75 / 0.5 + 0.5 / 0.25) / 2
    assert found["beyond_noise"] is None


def test_mass_of_a_learnt_shortcut_is_beyond_noise_and_of_chance_is_one_times_chance() -> None:
    rng = np.random.default_rng(0)
    n, corner = 30, np.eye(16)[15]
    before = [rng.normal(size=16) for _ in range(n)]
    after = [b + 4 * corner for b in before]
    noise = [(before, [b + 0.1 * rng.normal(size=16) for b in before])]
    found = m.spurious_mass([corner] * n, [1 / 16] * n, before, after, noise, **OPTIONS)
    assert found["times_chance_before"] == pytest.approx(1, abs=0.3) and found["times_chance_after"] > 3
    assert found["beyond_noise"] and found["low"] > 0 and found["n"] == n
    difference = [m.share(a, corner) - m.share(b, corner) for a, b in zip(after, before, strict=True)]
    assert found["difference"] == pytest.approx(np.mean(difference))


def test_a_part_that_no_example_holds_says_so() -> None:
    assert m.spurious_mass([], [], [], [], [], **OPTIONS)["reason"] == "no explained example holds it"
    zero = [np.zeros(2)]
    assert m.spurious_mass([np.ones(2)], [1.0], zero, zero, [], **OPTIONS)["reason"] == "all values are 0"
