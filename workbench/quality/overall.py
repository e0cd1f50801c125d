"""What a model does over many examples: pure functions of attributions and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from workbench.types import Estimate

RESAMPLES = 2000
FEWEST = 3  # examples behind an interval

# The mean of losses to the score, of which lower is better: itself, or its root for squared errors.
Score = Callable[[np.ndarray], np.ndarray]


def mean_estimate(values: np.ndarray, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> Estimate:
    """Mean of (n,) values with a 95 % percentile bootstrap interval over them; without one below three."""
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if not n:
        return Estimate(None, reason="there is no example")
    mean = float(values.mean())
    if n < FEWEST:
        return Estimate(mean, n=n, reason=f"{n} example{'s' if n > 1 else ''}: no interval")
    drawn = values[rng.integers(0, n, (resamples, n))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(mean, float(low), float(high), n, "bootstrap-percentile")


def importance(values: np.ndarray, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> list[Estimate]:
    """Mean size of each feature's attribution, (n, F) to F estimates from the same draws of examples."""
    size = np.abs(np.asarray(values, dtype=np.float64))
    n = len(size)
    if n < FEWEST:
        return [mean_estimate(column, rng) for column in size.T]
    times = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    low, high = np.quantile(times @ size, [0.025, 0.975], axis=0)
    ends = zip(size.mean(axis=0), low, high, strict=True)
    return [Estimate(float(m), float(a), float(b), n, "bootstrap-percentile") for m, a, b in ends]


def permutation_rise(
    own: np.ndarray,
    shuffled: np.ndarray,
    rng: np.random.Generator,
    *,
    score: Score = lambda mean: mean,
    resamples: int = RESAMPLES,
) -> Estimate:
    """How much a score gets worse when one column is shuffled (Breiman 2001; Fisher 2019).

    Args:
        own: (n,) losses of the examples as they are.
        shuffled: (S, n) losses of the same examples after each of S shuffles.
        score: of a mean loss: the mean itself, or its root for squared errors.

    Returns:
        Mean over the shuffles of score(shuffled) - score(own), with a 95 % interval over
        both the examples and the shuffles (both drawn again).
    """
    own, shuffled = np.asarray(own, dtype=np.float64), np.atleast_2d(np.asarray(shuffled, dtype=np.float64))
    n, times = len(own), len(shuffled)
    value = float((score(shuffled.mean(axis=1)) - score(own.mean())).mean())
    if n < FEWEST:
        return Estimate(value, n=n, reason=f"{n} examples: no interval")
    both, drawn = np.vstack([own, shuffled]), np.empty(resamples)
    for b in range(resamples):
        times_drawn = np.bincount(rng.integers(0, n, n), minlength=n)
        means = (both * times_drawn).sum(axis=1) / n  # row by row alike, so that equal losses differ by nothing
        drawn[b] = (score(means[1:])[rng.integers(0, times, times)] - score(means[0])).mean()
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), n, "bootstrap-percentile")


def grid_of(values: np.ndarray, points: int = 20) -> np.ndarray:
    """Distinct quantiles from the 2nd to the 98th percentile of the known values, at most `points`."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    distinct = np.unique(known)
    if len(distinct) <= points:
        return distinct
    return np.unique(np.quantile(known, np.linspace(0.02, 0.98, points)))


_EDGES = re.compile(r"^\W+|\W+$")


def words_by_class(
    cases: Sequence[tuple[str, Sequence[str], np.ndarray]], rng: np.random.Generator, *, resamples: int = RESAMPLES
) -> dict[str, list[tuple[str, Estimate]]]:
    """Mean attribution of each word for each class, those first that moved most in all texts together.

    Args:
        cases: (class that was explained, its words, (M,) attributions) of each text.

    Returns:
        Class to (word, mean over texts). A word is taken in lower case without the marks
        around it; within one text its attributions are summed. n counts texts.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for label, words, values in cases:
        sums: dict[str, float] = {}
        for word, value in zip(words, values, strict=True):
            key = _EDGES.sub("", word).casefold()
            if key:
                sums[key] = sums.get(key, 0.0) + float(value)
        of_class = found.setdefault(label, {})
        for key, total in sums.items():
            of_class.setdefault(key, []).append(total)
    ranked = {}
    for label, words_of in sorted(found.items()):
        rows = [(key, mean_estimate(np.array(v), rng, resamples=resamples)) for key, v in sorted(words_of.items())]
        ranked[label] = sorted(rows, key=lambda row: (-abs(row[1].value or 0.0) * row[1].n, row[0]))
    return ranked


def mean_saliency(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of (H, W) maps, each divided by the sum of its sizes so that no picture outweighs the others."""
    scaled = [m / total for m in maps if (total := float(np.abs(m).sum())) > 0]
    return np.asarray(np.mean(scaled, axis=0)) if scaled else np.zeros_like(np.asarray(maps[0], dtype=np.float64))
