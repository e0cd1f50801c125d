"""The bootstrap: draws as weights, one set of draws for every number, and their intervals.

A resample is a vector of weights: how often each atom was drawn. Atoms are rows of the
predictions, or distinct cells with a count (the multinomial shortcut: it has the same
distribution as resampling rows and costs nothing). Every statistic is a function of the
weights, so that all statistics, and both models of a comparison, see the same draws, and
the jackknife of BCa is just one more set of weights.

Memory is bounded: draws are made and used in blocks of at most `BLOCK` weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.stats.intervals import Interval, interval_of, logit_interval

Weights = NDArray[np.int32]
Floats = NDArray[np.float64]
Key = tuple[str, ...]

BLOCK = 400_000  # weights in memory at once: small enough to stay in the processor's cache
BCA_LIMIT = 2000  # with more examples BCa's correction is smaller than the bootstrap's own noise


@dataclass(frozen=True)
class Statistic:
    """Several numbers computed together from weights.

    `function` maps weights (b, a) to values (b, p), NaN where a value is not defined; `keys`
    names the p values. `bounds` are the ends of each value's range (none given: unbounded),
    `trials` the number of trials that a Wilson interval may count on where every resample
    gives the same value (None: no such interval). `logit` says of each value whether its
    interval is Student's on the logit scale (see `intervals.logit_interval`); none given: no.
    """

    keys: tuple[Key, ...]
    function: Callable[[Weights], Floats]
    bounds: tuple[tuple[float, float], ...] = ()
    trials: tuple[float | None, ...] = ()
    noisy: bool = False
    logit: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is drawn: atoms with their counts, within strata or by whole clusters.

    Attributes:
        counts: (a,) how many examples each atom stands for; all 1 where atoms are rows.
        strata: (a,) codes; draws keep the number of examples of each stratum. None: one.
        clusters: (a,) codes of the unit that is drawn as a whole (a patient, a document);
            excludes strata. None: each example is its own unit.
    """

    counts: NDArray[np.int64]
    strata: NDArray[np.int64] | None = None
    clusters: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.strata is not None and self.clusters is not None:
            raise ValueError("clusters are drawn whole: they cannot be combined with strata")

    @classmethod
    def rows(
        cls, n: int, *, strata: NDArray[np.int64] | None = None, clusters: NDArray[np.generic] | None = None
    ) -> Plan:
        """The plan whose atoms are n rows."""
        codes = None if clusters is None else np.unique(clusters, return_inverse=True)[1].astype(np.int64)
        return cls(np.ones(n, dtype=np.int64), strata, codes)

    @property
    def identity(self) -> Weights:
        """The weights of the data themselves, (1, a)."""
        return self.counts.astype(np.int32)[None, :]

    @property
    def units(self) -> int:
        """Number of independent units: clusters if there are any, else examples."""
        return int(self.clusters.max()) + 1 if self.clusters is not None else int(self.counts.sum())

    @cached_property
    def _members(self) -> list[slice | NDArray[np.int64]]:
        if self.strata is None:
            return [slice(0, len(self.counts))]
        members = [np.flatnonzero(self.strata == s) for s in np.unique(self.strata)]
        # A slice where rows stand sorted by stratum: writing to it is far cheaper.
        return [slice(m[0], m[-1] + 1) if m[-1] - m[0] + 1 == len(m) else m for m in members]

    @cached_property
    def left_out(self) -> tuple[Floats, NDArray[np.int64]]:
        """Of each unit that the jackknife leaves out: how often it occurs, and its stratum."""
        if self.clusters is not None:
            return np.ones(self.units), np.zeros(self.units, dtype=np.int64)
        stratum = np.zeros(len(self.counts), dtype=np.int64)
        for code, members in enumerate(self._members):
            stratum[members] = code
        return self.counts.astype(np.float64), stratum

    def blocks(self, resamples: int) -> list[int]:
        """How many resamples each block of draws has; depends on the plan's size alone."""
        size = int(np.clip(BLOCK // max(len(self.counts), 1), 1, resamples))
        return [min(size, resamples - start) for start in range(0, resamples, size)]

    def draw(self, size: int, rng: np.random.Generator) -> Weights:
        """Weights (size, a) of `size` resamples."""
        if self.clusters is not None:
            return _tally(rng, size, self.units)[:, self.clusters] * self.counts.astype(np.int32)
        weights = np.empty((size, len(self.counts)), dtype=np.int32)
        for members in self._members:
            weights[:, members] = self._draw_stratum(members, size, rng)
        return weights

    def _draw_stratum(self, members: slice | NDArray[np.int64], size: int, rng: np.random.Generator) -> Weights:
        counts = self.counts[members]
        total = int(counts.sum())
        if total == len(counts):
            return _tally(rng, size, total)
        return rng.multinomial(total, counts / total, size=size).astype(np.int32)

    def leave_one_out(self) -> Iterator[Weights]:
        """Yield blocks of weights (b, a), each without one unit, in the order of `left_out`."""
        units = len(self.left_out[0])
        block = max(1, BLOCK // max(len(self.counts), 1))
        for start in range(0, units, block):
            out = np.arange(start, min(start + block, units))
            weights = np.repeat(self.identity, len(out), axis=0)
            if self.clusters is not None:
                weights[out[:, None] == self.clusters[None, :]] = 0
            else:
                weights[np.arange(len(out)), out] -= 1
            yield weights


@dataclass(frozen=True)
class Drawn:
    """What the bootstrap gives for one number: its value, its draws and its interval."""

    value: float
    interval: Interval
    draws: Floats = field(repr=False)


def evaluate(statistics: Sequence[Statistic], weights: Weights) -> dict[Key, Floats]:
    """Each statistic's values for weights (b, a): key to (b,)."""
    values: dict[Key, Floats] = {}
    for statistic in statistics:
        block = statistic.function(weights)
        values |= {key: block[:, j] for j, key in enumerate(statistic.keys)}
    return values


def bootstrap(
    statistics: Sequence[Statistic],
    plan: Plan,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[Key, Drawn]:
    """Intervals of several statistics from one set of draws.

    The interval is BCa up to 2,000 units, else the percentile one; where that cannot be
    computed or does not hold the value, the next in line is used and named (see
    `workbench.stats.intervals.interval_of`).

    Args:
        statistics: what is computed; keys must differ.
        plan: what is drawn.
        resamples: number of draws.
        confidence: coverage aimed at.
        seed: of the draws; equal seeds give equal draws for plans of equal shape.

    Returns:
        Key to value, interval and the (resamples,) draws.
    """
    observed = evaluate(statistics, plan.identity)
    blocks = plan.blocks(resamples)

    def part(block: int) -> dict[Key, Floats]:
        # A generator of its own for each block: the draws do not depend on the threads.
        rng = np.random.default_rng([seed, block])
        return evaluate(statistics, plan.draw(blocks[block], rng))

    parts = _in_threads(part, len(blocks))
    jackknife: dict[Key, Floats] | None = None
    if 1 < plan.units <= BCA_LIMIT:
        left = [evaluate(statistics, weights) for weights in plan.leave_one_out()]
        jackknife = {key: np.concatenate([values[key] for values in left]) for key in observed}
    result: dict[Key, Drawn] = {}
    for statistic in statistics:
        bounds = statistic.bounds or ((-np.inf, np.inf),) * len(statistic.keys)
        trials = statistic.trials or (None,) * len(statistic.keys)
        logit = statistic.logit or (False,) * len(statistic.keys)
        for key, ends, count, on_logit in zip(statistic.keys, bounds, trials, logit, strict=True):
            value = float(observed[key][0])
            draws = np.concatenate([part[key] for part in parts])
            left_out = None if jackknife is None else jackknife[key]
            interval = None
            if on_logit:
                influence = None if left_out is None else (left_out, *plan.left_out)
                interval = logit_interval(value, draws, influence, count, confidence)
            if interval is None:
                interval = interval_of(
                    value,
                    draws,
                    None if left_out is None else _acceleration(left_out, *plan.left_out),
                    confidence=confidence,
                    bounds=ends,
                    trials=count,
                    centred=statistic.noisy,
                )
            result[key] = Drawn(value, interval, draws)
    return result


def two_sided_p(draws: Floats, null: float = 0.0) -> float | None:
    """Two-sided bootstrap p-value of a difference: 2 (1 + #) / (B + 1), at most 1.

    # counts the draws on the rarer side of `null`, `null` itself included. None where no
    draw is defined.
    """
    known = draws[np.isfinite(draws)]
    if not len(known):
        return None
    rarer = min(int((known <= null).sum()), int((known >= null).sum()))
    return min(1.0, 2 * (1 + rarer) / (len(known) + 1))


def _in_threads(function: Callable[[int], dict[Key, Floats]], times: int) -> list[dict[Key, Floats]]:
    """function(0), function(1), ... in order; numpy lets go of the interpreter in its loops."""
    workers = min(times, os.cpu_count() or 1, 4)
    if workers < 2:
        return [function(i) for i in range(times)]
    from threadpoolctl import threadpool_limits

    # One thread of the BLAS each: threads of threads wait for one another longer than they work.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, range(times)))


def _tally(rng: np.random.Generator, size: int, n: int) -> Weights:
    """How often each of n units is drawn in n draws, `size` times over: (size, n)."""
    drawn = rng.integers(0, n, size=(size, n), dtype=np.int64)
    drawn += np.arange(size, dtype=np.int64)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.int32)


def _acceleration(values: Floats, times: Floats, stratum: NDArray[np.int64]) -> float | None:
    """BCa's acceleration from leave-one-out values; None where it is not defined.

    With U_i = (n_s - 1) (mean of stratum s - value_i) it is the sum of U^3 / n_s^3 over
    6 (sum of U^2 / n_s^2)^1.5. Source: Efron & Tibshirani 1993, (14.15); for strata Davison
    & Hinkley 1997, section 5.3.
    """
    known = np.isfinite(values) & (times > 0)
    values, times, stratum = values[known], times[known], stratum[known]
    sizes = np.bincount(stratum, weights=times)
    means = np.bincount(stratum, weights=times * values) / np.where(sizes > 0, sizes, 1.0)
    of = sizes[stratum]
    influence = (of - 1) * (means[stratum] - values) / of
    squares = float(np.sum(times * influence**2))
    return float(np.sum(times * influence**3)) / (6 * squares**1.5) if squares > 1e-30 else None
