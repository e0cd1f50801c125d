"""Bands and claims: power on a real shift, silence on noise, and what is said where a band has no width."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workbench.quality.bands import bands, claim
from workbench.quality.shift import MEASURES, compare_attributions


def draw(
    n: int, m: int, seed: int, noise: float = 0.2
) -> tuple[list[np.ndarray], list[np.ndarray], list, np.random.Generator]:
    """Attributions of n examples, their like with noise added, and a pair of noise for each."""
    rng = np.random.default_rng(seed)
    truth = [rng.normal(size=m) * np.linspace(2, 0.1, m) for _ in range(n)]
    again = [t + noise * rng.normal(size=m) for t in truth]
    pairs = [[(t + noise * rng.normal(size=m), t + noise * rng.normal(size=m)) for _ in range(2)] for t in truth]
    return truth, again, pairs, rng


def judged(before: list, after: list, noise: list) -> dict:
    found = {"m": bands(before, after, noise, [None] * len(before), seed=0)}
    claim(found)
    return found["m"]


def test_a_real_shift_is_claimed_by_every_measure() -> None:
    before, _, pairs, rng = draw(14, 20, 0, noise=0.02)
    after = [rng.permutation(b) for b in before]
    found = judged(before, after, pairs)
    assert [n for n, e in found.items() if e["claimed"]] == list(found)
    assert set(found) == {n for n, m in MEASURES.items() if not m.pictures}
    assert all(e["beyond"] > 7 and e["p_holm"] >= e["p"] for e in found.values())


def test_noise_is_never_called_a_shift() -> None:
    claims = 0
    for seed in range(20):
        before, after, pairs, _ = draw(12, 20, seed)
        claims += any(e["claimed"] for e in judged(before, after, pairs).values())
    assert claims == 0  # the shift here is even smaller than the noise between two noisy repetitions


def test_the_bands_are_quantiles_of_what_was_drawn() -> None:
    before, after, pairs, _ = draw(6, 12, 3)
    entry = judged(before, after, pairs)["cosine"]
    noise = [1 - compare_attributions(x, y)["cosine"] for of_one in pairs for x, y in of_one]
    assert entry["noise"]["p95"] == pytest.approx(np.quantile(noise, 0.95)) and entry["noise"]["n"] == 12
    own = [1 - compare_attributions(x, y)["cosine"] for x, y in zip(before, after, strict=True)]
    assert entry["distance"]["median"] == pytest.approx(np.median(own))
    assert entry["value"]["median"] == pytest.approx(1 - np.median(own))
    assert entry["random"]["median"] == pytest.approx(1, abs=0.15)  # shuffled values point nowhere
    excess = np.array(own) - np.reshape(noise, (6, 2)).mean(axis=1)
    assert entry["p"] == pytest.approx(stats.wilcoxon(excess, alternative="greater").pvalue)


def test_a_band_without_width_claims_nothing_and_says_what_it_needs() -> None:
    before, after, _, _ = draw(8, 10, 1)
    for noise, reason in (
        ([[(b, b)] for b in before], "needs retrained"),
        ([[] for _ in before], "not known"),
    ):
        for entry in judged(before, after, noise).values():
            assert entry["claimed"] is None and entry["p"] is None and reason in entry["reason"]


def test_equal_models_have_shifted_nowhere() -> None:
    before, _, pairs, _ = draw(8, 10, 2)
    for entry in judged(before, before, pairs).values():
        assert entry["claimed"] is False and entry["distance"]["median"] == pytest.approx(0, abs=1e-7)


def test_all_zero_and_tiny_pictures_give_their_reason() -> None:
    zero = [np.zeros(4)] * 5
    label = (np.arange(8) * 2 // 8)[:, None] * 2 + (np.arange(8) * 2 // 8)[None, :]
    found = bands(zero, zero, [[]] * 5, [label] * 5, seed=0)
    assert found["cosine"]["value"] is None and "values are all equal" in found["cosine"]["reason"]
    assert "smaller than its window" in found["ssim"]["reason"]
