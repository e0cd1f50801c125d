"""How far two attributions of one input lie apart: every measure as a distance, 0 for the same.

The two are of the same features, question, masks and filler; only the model differs (or, for
the noise, not even that). Definitions: Krishna et al. 2022 (feature, rank, sign and signed
rank agreement, pairwise rank agreement), Wang et al. 2004 (SSIM), Lin 1991 (Jensen-Shannon).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import rel_entr

from workbench.quality import agreement as g

WINDOW = 11  # pixels of SSIM's Gaussian window (sigma 1.5, cut at 3.5 sigma)
_SIGMA = 1.5


@dataclass(frozen=True, slots=True)
class ShiftMeasure:
    """A measure in words; `alike` is its value for two equal attributions, `of` what it looks at."""

    title: str
    text: str
    alike: float
    pictures: bool = False


MEASURES: Mapping[str, ShiftMeasure] = {
    "spearman_size": ShiftMeasure("Order of strength", "Spearman correlation of the sizes (rank correlation).", 1.0),
    "kendall_size": ShiftMeasure("Order of strength, pairs", "Kendall's tau-b of the sizes.", 1.0),
    "pairwise_rank": ShiftMeasure(
        "Pairs in the same order", "Share of pairs of parts whose sizes stand in the same order.", 1.0
    ),
    "spearman": ShiftMeasure("Order with sign", "Spearman correlation of the signed values.", 1.0),
    "kendall": ShiftMeasure("Order with sign, pairs", "Kendall's tau-b of the signed values.", 1.0),
    "top_k_iou": ShiftMeasure("Same strongest parts", "Strongest parts of both over those of either.", 1.0),
    "feature": ShiftMeasure("Strongest parts shared", "Share of the strongest parts that both name.", 1.0),
    "rank": ShiftMeasure("… in the same place", "Share of the strongest parts that both name in the same place.", 1.0),
    "sign": ShiftMeasure("… with the same sign", "Share of the strongest parts that both name with one sign.", 1.0),
    "signed_rank": ShiftMeasure("… same place and sign", "Share that both name in one place with one sign.", 1.0),
    "cosine": ShiftMeasure("Direction", "Cosine of the two vectors of values.", 1.0),
    "jensen_shannon": ShiftMeasure(
        "Spread of strength", "Jensen-Shannon distance (base 2) of the shares of strength.", 0.0
    ),
    "ssim": ShiftMeasure("Look of the map", "SSIM of the maps of strength, each over its maximum.", 1.0, True),
    "centre": ShiftMeasure(
        "Centre of strength", "Way of the centre of strength, as a share of the picture's diagonal.", 0.0, True
    ),
}


def compare_attributions(
    a: np.ndarray, b: np.ndarray, *, label: np.ndarray | None = None, k: int | None = None
) -> dict[str, float]:
    """Every measure of `MEASURES` in its own sense, NaN where it is not defined.

    Args:
        a: (M,) attribution.
        b: (M,) another of the same features.
        label: (H, W) the feature of each pixel, for pictures; without it their two measures are left out.
        k: strongest features; default 5 or a tenth of M, whichever is more, at most M.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    k = min(len(a), max(5, round(0.1 * len(a)))) if k is None else min(k, len(a))
    found = {
        "spearman_size": g.spearman(np.abs(a), np.abs(b)),
        "kendall_size": g.kendall(np.abs(a), np.abs(b)),
        "pairwise_rank": pairwise_rank_agreement(a, b),
        "spearman": g.spearman(a, b),
        "kendall": g.kendall(a, b),
        "top_k_iou": top_k_iou(a, b, k),
        "feature": g.feature_agreement(a, b, k),
        "rank": g.rank_agreement(a, b, k),
        "sign": g.sign_agreement(a, b, k),
        "signed_rank": g.signed_rank_agreement(a, b, k),
        "cosine": cosine(a, b),
        "jensen_shannon": jensen_shannon(a, b),
    }
    if label is not None:
        found |= {"ssim": ssim(strength(a, label), strength(b, label)), "centre": centre_shift(a, b, label)}
    return found


def distances(found: Mapping[str, float]) -> dict[str, float]:
    """Each measure as a distance: how far it lies from its value for two equal attributions."""
    return {name: abs(MEASURES[name].alike - value) for name, value in found.items()}


def top_k_iou(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Intersection over union of the k strongest features of both."""
    shared = len(np.intersect1d(g.top(a, k), g.top(b, k)))
    return shared / (2 * k - shared)


def pairwise_rank_agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Share of pairs of features whose sizes stand in the same order (or tie) in both; NaN for one feature."""
    if len(a) < 2:
        return math.nan
    first, second = (np.sign(np.abs(v)[:, None] - np.abs(v)[None, :]) for v in (np.asarray(a), np.asarray(b)))
    upper = np.triu_indices(len(a), 1)
    return float(np.mean(first[upper] == second[upper]))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine similarity; NaN where one side is all zero."""
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(np.clip(a @ b / size, -1, 1)) if size > 0 else math.nan


def jensen_shannon(a: np.ndarray, b: np.ndarray) -> float:
    """Jensen-Shannon distance (base 2, 0 to 1) of the shares |a| / sum |a|; NaN where one side is all zero."""
    if not np.any(a) or not np.any(b):
        return math.nan
    p, q = (np.abs(v) / np.abs(v).sum() for v in (a, b))
    middle = (p + q) / 2
    divergence = float((rel_entr(p, middle) + rel_entr(q, middle)).sum()) / (2 * math.log(2))
    return math.sqrt(min(1.0, max(0.0, divergence)))  # rounding leaves the range by a last bit


def strength(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(H, W) map of |values|, each pixel its feature's, over the largest; all zero stays zero."""
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    top = float(sizes.max(initial=0.0))
    return np.asarray((sizes / top if top else sizes)[label])


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Structural similarity of two maps in 0..1; NaN for maps smaller than the window of 11 pixels.

    Gaussian window of sigma 1.5 as in Wang et al. 2004, computed by scikit-image.
    """
    if min(first.shape) < WINDOW:
        return math.nan
    from skimage import metrics

    compare: Any = metrics.structural_similarity
    return float(compare(first, second, data_range=1, gaussian_weights=True, sigma=_SIGMA))


def centre_shift(a: np.ndarray, b: np.ndarray, label: np.ndarray) -> float:
    """Way between the centres of |a| and |b| over the picture, as a share of its diagonal."""
    centres = []
    rows, columns = np.indices(label.shape)
    area = np.bincount(label.ravel(), minlength=len(a)).astype(np.float64)
    for values in (a, b):
        mass = np.abs(values) / np.maximum(area, 1)  # a feature's value is spread over its pixels
        weight = mass[label]
        total = float(weight.sum())
        if total <= 0:
            return math.nan
        centres.append((float((rows * weight).sum()) / total, float((columns * weight).sum()) / total))
    (y0, x0), (y1, x1) = centres
    return math.hypot(y1 - y0, x1 - x0) / math.hypot(*label.shape)
