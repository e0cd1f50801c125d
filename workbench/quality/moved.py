"""Where attribution moved to: words, columns or places that gained a share of it, and named ones.

A share is |a| of a place over the sum of all |a| of an example. Names need not be given: every
word, column or cell of a grid over the picture is looked at, with simultaneous intervals.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from workbench.places import Edges
from workbench.stats import Plan, Statistic, bootstrap
from workbench.types import Feature

GRID = 4  # cells of a picture's side
FEWEST = 3  # examples that must hold a word before its gain says anything
_DOWN = ("top", "upper middle", "lower middle", "bottom")
_ACROSS = ("left", "centre left", "centre right", "right")


@dataclass(frozen=True)
class Layout:
    """What the places of one example are: `weights` (M, P) the part of each feature that lies in each place.

    `area` (P,) is each place's part of the whole: of the words, of the columns, of the picture.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    area: np.ndarray


def layout(features: Sequence[Feature], label: np.ndarray | None = None) -> Layout:
    """The places of an example: its distinct words, its columns, or the cells of a grid over its picture."""
    m = len(features)
    if label is not None:
        height, width = label.shape
        cells = (np.arange(height) * GRID // height)[:, None] * GRID + (np.arange(width) * GRID // width)[None, :]
        counts = np.zeros((m, GRID * GRID))
        np.add.at(counts, (label.ravel(), cells.ravel()), 1.0)
        names = tuple(cell_name(r, c) for r in range(GRID) for c in range(GRID))
        return Layout(names, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), counts.sum(axis=0) / label.size)
    plain = [plain_word(f.name) if f.span is not None else f.name for f in features]
    names = tuple(dict.fromkeys(plain))
    weights = (np.array(plain, dtype=object)[:, None] == np.array(names, dtype=object)[None, :]).astype(np.float64)
    return Layout(names, weights, weights.mean(axis=0))


def plain_word(word: str) -> str:
    """A word without the punctuation around it and without case; itself where nothing else is left."""
    return word.strip(string.punctuation + "“”‘’«»…–—").casefold() or word


def cell_name(row: int, column: int) -> str:
    """A cell of the grid in words: `bottom-right corner`, `top edge, centre left`, `upper middle, right`."""
    last = GRID - 1
    if row in (0, last) and column in (0, last):
        return f"{_DOWN[row]}-{_ACROSS[column]} corner"
    if row in (0, last):
        return f"{_DOWN[row]} edge, {_ACROSS[column]}"
    if column in (0, last):
        return f"{_ACROSS[column]} edge, {_DOWN[row]}"
    return f"{_DOWN[row]}, {_ACROSS[column]}"


def region_weights(label: np.ndarray, features: int, edges: Edges) -> tuple[np.ndarray, float]:
    """The part of each feature that lies within edges (fractions of the sides), (M,), and the region's area."""
    height, width = label.shape
    left, top, right, bottom = edges
    inside = np.zeros(label.shape, dtype=np.float64)
    # A region is never less than a pixel, however small the picture.
    y0, x0 = min(int(top * height), height - 1), min(int(left * width), width - 1)
    inside[y0 : max(y0 + 1, round(bottom * height)), x0 : max(x0 + 1, round(right * width))] = 1
    hit = np.bincount(label.ravel(), weights=inside.ravel(), minlength=features)
    return hit / np.maximum(np.bincount(label.ravel(), minlength=features), 1), float(inside.mean())


def share(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of |values| (M,) that lies in each place (M, P) or in one (M,); NaN where all values are 0."""
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    total = float(sizes.sum())
    return np.asarray(sizes @ weights / total if total > 0 else np.full(weights.shape[1:], math.nan))


def tabulate(layouts: Sequence[Layout], values: Sequence[np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Shares (n, P) of the places `names` in every example; NaN for a place that an example lacks."""
    place = {name: i for i, name in enumerate(names)}
    table = np.full((len(layouts), len(names)), math.nan)
    for row, (of_one, attribution) in enumerate(zip(layouts, values, strict=True)):
        table[row, [place[n] for n in of_one.names]] = share(attribution, of_one.weights)
    return table


def gains(
    layouts: Sequence[Layout],
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    noise: Sequence[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    *,
    confidence: float,
) -> list[dict[str, Any]]:
    """Every place's change of share over the examples that hold it, the most attribution gained first.

    Intervals are Student's, widened so that those of all places hold together (Bonferroni): the
    best of many must not be mistaken for a finding. A gain is beyond noise where its interval
    lies above 0 and it exceeds the largest change of any place between two explanations
    that differ by noise alone.

    Args:
        layouts: places of each example.
        before: (M,) attribution of each example.
        after: the same by the model after.
        noise: repetitions: two lists of attributions of one model, one entry an example each.
        confidence: simultaneous coverage.

    Returns:
        `{what, gain, low, high, before, after, n (examples that hold it), total (gain over all
        examples), noise, beyond_noise}`; `beyond_noise` is None where no noise is known or it
        is exactly zero.
    """
    known = [i for i in range(len(layouts)) if np.any(before[i]) and np.any(after[i])]
    least = min(FEWEST, len(known))
    held = Counter(name for i in known for name in layouts[i].names)
    names = [name for name, n in held.items() if n >= least]
    if not names:
        return []
    kept = [_only(layouts[i], set(names)) for i in known]
    first, second = (tabulate(kept, [side[i] for i in known], names) for side in (before, after))
    change = second - first
    gain, half = np.nanmean(change, axis=0), simultaneous_half_width(change, confidence)
    lots = []
    for x, y in noise:
        repeated = [i for i in range(len(known)) if np.any(x[known[i]]) and np.any(y[known[i]])]
        tables = [tabulate([kept[i] for i in repeated], [s[known[i]] for i in repeated], names) for s in (x, y)]
        apart = tables[1] - tables[0]
        there = np.isfinite(apart).any(axis=0)
        lots.append(float(np.abs(np.nanmean(apart[:, there], axis=0)).max(initial=0.0)))
    largest = max(lots, default=0.0)
    total = gain * np.array([held[name] for name in names]) / len(known)
    entries = []
    for k in np.argsort(-total, kind="stable"):
        low, high = (None, None) if half is None else (float(gain[k] - half[k]), float(gain[k] + half[k]))
        beyond = bool(low is not None and low > 0 and gain[k] > largest) if largest else None
        entries.append(
            {
                "what": names[k],
                "gain": float(gain[k]),
                "low": low,
                "high": high,
                "before": float(np.nanmean(first[:, k])),
                "after": float(np.nanmean(second[:, k])),
                "n": held[names[k]],
                "total": float(total[k]),
                "noise": largest if lots else None,
                "beyond_noise": beyond,
            }
        )
    return entries


def simultaneous_half_width(change: np.ndarray, confidence: float) -> np.ndarray | None:
    """Half widths (P,) of Student's intervals of the column means of (n, P), NaN left out, that hold together.

    Bonferroni over the columns (Dunn 1961); None for a single row.
    """
    n = np.isfinite(change).sum(axis=0)
    if n.min(initial=0 if not change.size else len(change)) < 2:
        return None
    error = np.nanstd(change, axis=0, ddof=1) / np.sqrt(n)
    return np.asarray(stats.t.ppf(1 - (1 - confidence) / (2 * change.shape[1]), n - 1) * error)


def spurious_mass(
    weights: Sequence[np.ndarray],
    areas: Sequence[float],
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    noise: Sequence[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """The share of attribution on a named part before and after, with a paired bootstrap interval of the change.

    Args:
        weights: (M,) the part of each feature that belongs to it, for each example that holds it.
        areas: its part of each of these examples; share over area is 1 where attribution falls by chance.
        before: (M,) attributions of these examples.
        after: the same by the model after.
        noise: repetitions, as in `gains`.
        resamples: bootstrap resamples.
        confidence: coverage of the interval.
        seed: of the resamples.

    Returns:
        `{n, before, after, difference, low, high, method, chance, times_chance_before,
        times_chance_after, noise, beyond_noise, reason?}`.
    """
    shares = [np.array([float(share(a, w)) for a, w in zip(side, weights, strict=True)]) for side in (before, after)]
    known = np.isfinite(shares[0]) & np.isfinite(shares[1])
    n = int(known.sum())
    if not n:
        names = ("before", "after", "difference", "low", "high", "times_chance_before", "times_chance_after")
        why = "no explained example holds it" if not len(weights) else "all values are 0"
        return {"n": 0, **dict.fromkeys(names), "beyond_noise": None, "reason": why}
    first, second = (side[known] for side in shares)
    area = np.array(areas)[known]
    moved = second - first

    def mean(weight: np.ndarray) -> np.ndarray:
        w = weight.astype(np.float64)
        return np.asarray((np.einsum("bn,n->b", w, moved) / w.sum(axis=1))[:, None])

    drawn = bootstrap(
        [Statistic((("mass",),), mean, ((-1.0, 1.0),))],
        Plan.rows(n),
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )[("mass",)]
    lots = []
    for x, y in noise:
        apart = [float(share(b, w) - share(a, w)) for a, b, w, use in zip(x, y, weights, known, strict=True) if use]
        lots.append(abs(float(np.nanmean(apart))) if len(apart) else 0.0)
    largest, low = max(lots) if lots else None, drawn.interval.low
    result: dict[str, Any] = {
        "n": n,
        "before": float(first.mean()),
        "after": float(second.mean()),
        "difference": float(moved.mean()),
        "low": low,
        "high": drawn.interval.high,
        "method": f"paired {drawn.interval.method}" if drawn.interval.method else "",
        "chance": float(area.mean()),
        "times_chance_before": float(np.mean(first / area)),
        "times_chance_after": float(np.mean(second / area)),
        "noise": largest,
        "beyond_noise": None if not largest else bool(low is not None and low > 0 and moved.mean() > largest),
    }
    if drawn.interval.reason:
        result["reason"] = drawn.interval.reason
    return result


def _only(whole: Layout, names: set[str]) -> Layout:
    chosen = [i for i, name in enumerate(whole.names) if name in names]
    return Layout(tuple(whole.names[i] for i in chosen), whole.weights[:, chosen], whole.area[chosen])
