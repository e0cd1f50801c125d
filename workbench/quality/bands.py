"""Is a shift of explanations more than noise? Two bands beside it, a test, and a claim only beyond both.

Band (a): what shuffled attributions give. Band (b): what the same model gives when it is
explained again with other masks, or trained again with another seed. A shift is claimed only
where its median lies beyond the 95th percentile of band (b) and Wilcoxon's test on (shift -
noise), corrected over all measures (Holm), agrees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from workbench.quality.shift import MEASURES, compare_attributions, distances
from workbench.stats import holm

LOTS = 20  # shuffles of each attribution
LEVEL = 0.05
_ZERO = 1e-9  # distances below it are rounding

Values = np.ndarray
Pairs = Sequence[tuple[Values, Values]]  # two explanations of one model on one example


def bands(
    before: Sequence[Values],
    after: Sequence[Values],
    noise: Sequence[Pairs],
    labels: Sequence[np.ndarray | None],
    *,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Each measure over the examples beside its two bands; p-values not yet corrected.

    Args:
        before: (M,) attribution of each example by the model before.
        after: (M,) that of the model after, same features and question.
        noise: for each example the pairs that differ by noise alone; empty: not known.
        labels: (H, W) the feature of each pixel of each example, or None.
        seed: of the shuffles.

    Returns:
        measure to `{n, value {median, q1, q3}, distance {median, q1, q3}, random {p5, median, p95},
        noise {median, p95, n} or null, beyond (examples beyond band b), p, reason?}`; distances
        are 0 for equal attributions.
    """
    rng = np.random.default_rng(seed)
    values, moved, lots, repeated = [], [], [], []
    for a, b, pairs, label in zip(before, after, noise, labels, strict=True):
        found = compare_attributions(a, b, label=label)
        values.append(found)
        moved.append(distances(found))
        lots.append([distances(compare_attributions(a, rng.permutation(b), label=label)) for _ in range(LOTS)])
        repeated.append([distances(compare_attributions(x, y, label=label)) for x, y in pairs])
    names = [n for n in MEASURES if any(n in v for v in values)]
    return {n: _measure(n, values, moved, lots, repeated) for n in names}


def _measure(
    name: str,
    values: list[dict[str, float]],
    moved: list[dict[str, float]],
    lots: list[list[dict[str, float]]],
    repeated: list[list[dict[str, float]]],
) -> dict[str, Any]:
    own = np.array([m.get(name, math.nan) for m in moved])
    known = np.isfinite(own)
    entry: dict[str, Any] = {"n": int(known.sum())}
    if not known.any():
        why = f"not defined: {'the pictures are smaller than its window' if name == 'ssim' else 'values are all equal'}"
        return entry | {"value": None, "distance": None, "random": None, "noise": None, "p": None, "reason": why}
    entry["value"] = _quartiles(np.array([v.get(name, math.nan) for v in values])[known])
    entry["distance"] = _quartiles(own[known])
    drawn = _finite([lot.get(name, math.nan) for of_one in lots for lot in of_one])
    entry["random"] = (
        {
            **dict(zip(("p5", "median", "p95"), np.quantile(drawn, (0.05, 0.5, 0.95)).tolist(), strict=True)),
            "n": len(drawn),
        }
        if len(drawn)
        else None
    )
    per_example = [_finite([r.get(name, math.nan) for r in of_one]) for of_one in repeated]
    pooled = np.concatenate(per_example) if per_example else np.zeros(0)
    if not len(pooled):
        return entry | {"noise": None, "beyond": None, "p": None, "reason": "how far repeating moves it is not known"}
    p95 = float(np.quantile(pooled, 0.95))
    entry["noise"] = {"median": float(np.median(pooled)), "p95": p95, "n": len(pooled)}
    entry["beyond"] = int((own[known] > p95 + _ZERO).sum())
    if pooled.max() <= _ZERO:
        return entry | {"p": None, "reason": "repeating gives the same values: a band needs retrained models"}
    both = known & np.array([len(of_one) > 0 for of_one in per_example])
    excess = own[both] - np.array([of_one.mean() for of_one, use in zip(per_example, both, strict=True) if use])
    return entry | _wilcoxon(excess)


def _wilcoxon(excess: np.ndarray) -> dict[str, Any]:
    """One-sided signed-rank test that the shift exceeds the noise; zeros are left out."""
    moved = excess[np.abs(excess) > _ZERO]
    if not len(moved):
        return {"p": 1.0}
    # With few examples the exact distribution; scipy refuses it where sizes tie.
    ties = len(np.unique(np.round(np.abs(moved), 12))) < len(moved)
    method = "approx" if ties or len(moved) > 50 else "exact"
    return {"p": float(stats.wilcoxon(moved, alternative="greater", method=method).pvalue)}


def claim(methods: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    """Correct every p-value over all measures of all methods (Holm) and say where a shift is claimed.

    Adds `p_holm` and `claimed` to each entry: True, False, or None where nothing can be claimed.
    """
    entries = [entry for measures in methods.values() for entry in measures.values()]
    adjusted = holm([math.nan if e["p"] is None else e["p"] for e in entries])
    for entry, p in zip(entries, adjusted.tolist(), strict=True):
        if entry["p"] is None:
            entry |= {"p_holm": None, "claimed": None}
            continue
        beyond = entry["distance"]["median"] > entry["noise"]["p95"] + _ZERO
        entry |= {"p_holm": p, "claimed": bool(beyond and p < LEVEL)}


def _quartiles(values: np.ndarray) -> dict[str, float]:
    q1, middle, q3 = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": float(middle), "q1": float(q1), "q3": float(q3)}


def _finite(values: list[float]) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    return array[np.isfinite(array)]
