"""Every measure once more, from predictions.parquet alone: pandas, numpy, scipy and scikit-learn only."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sk

Table = pd.DataFrame
BINS = 15


def read(run: Path, model: str, split: str) -> Table:
    """The rows of a split whose target is known."""
    frame = pd.read_parquet(run / model / "predictions.parquet")
    return frame[(frame["split"] == split) & frame["target"].notna()].reset_index(drop=True)


def labels_of(frame: Table) -> list[str]:
    return [c.removeprefix("score.") for c in frame if c.startswith("score.")]


def columns(frame: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of truth and decision, and probabilities (n, K)."""
    labels = labels_of(frame)
    code = {label: k for k, label in enumerate(labels)}
    p = frame[[f"score.{label}" for label in labels]].to_numpy(float)
    return frame["target"].map(code).to_numpy(int), frame["predicted"].map(code).to_numpy(int), p


def bins_of(values: np.ndarray, count: int = BINS) -> list[np.ndarray]:
    """Row masks of bins (edge, next edge] with edges at the quantiles; empty ones left out."""
    edges = np.quantile(values, np.linspace(0, 1, count + 1))
    edges[0] = -np.inf
    found = [(values > a) & (values <= b) for a, b in pairwise(edges)]
    return [mask for mask in found if mask.any()]


def widths_of(values: np.ndarray, count: int = BINS) -> list[np.ndarray]:
    """Row masks of bins (edge, next edge], all of one width; empty ones left out."""
    edges = np.linspace(0, 1, count + 1)
    edges[0] = -np.inf
    found = [(values > a) & (values <= b) for a, b in pairwise(edges)]
    return [mask for mask in found if mask.any()]


def gaps(sure: np.ndarray, happened: np.ndarray, bins: Any = widths_of) -> tuple[float, float]:
    """Calibration error and largest gap over bins."""
    each = [(mask.mean(), abs(happened[mask].mean() - sure[mask].mean())) for mask in bins(sure)]
    return sum(w * g for w, g in each), max(g for _, g in each)


def murphy(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    distinct = np.unique(p)
    groups = [p == v for v in distinct] if len(distinct) <= BINS else bins_of(p)
    reliability = sum(g.mean() * (p[g].mean() - y[g].mean()) ** 2 for g in groups)
    resolution = sum(g.mean() * (y[g].mean() - y.mean()) ** 2 for g in groups)
    return np.array([reliability, resolution, y.mean() * (1 - y.mean())])


def areas(sure: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Risk over coverage, and that of the best order of the same answers."""
    own = float(np.mean([1 - right[sure >= c].mean() for c in sure]))
    best = np.sort(~right)
    return own, float(np.mean(np.cumsum(best) / np.arange(1, len(best) + 1)))


def floor(sure: np.ndarray, rng: np.random.Generator, times: int = 4000) -> np.ndarray:
    """Calibration errors of simulated answers that are right exactly as often as they are sure."""
    right = rng.random((times, len(sure))) < sure
    return sum(mask.mean() * np.abs(right[:, mask].mean(axis=1) - sure[mask].mean()) for mask in widths_of(sure))


def class_values(t: np.ndarray, q: np.ndarray, p: np.ndarray) -> dict[str, tuple[float, list[float]]]:
    """Name to value and per-class values (empty where it has none); NaN where it is not defined."""
    k, binary = p.shape[1], p.shape[1] == 2
    every, present = list(range(k)), [c for c in range(k) if (t == c).any()]
    with np.errstate(all="ignore"):
        precision, recall, f1, support = sk.precision_recall_fscore_support(t, q, labels=every, zero_division=np.nan)
    f1 = np.where(support > 0, np.nan_to_num(f1), np.nan)
    sure, right = p.max(axis=1), t == q
    one = [c for c in every if 0 < support[c] < len(t)]
    auroc = [sk.roc_auc_score(t == c, p[:, c]) if c in one else np.nan for c in every]
    ap = [sk.average_precision_score(t == c, p[:, c]) if c in one else np.nan for c in every]
    loss = float(-np.mean(np.log(p[np.arange(len(t)), t])))
    square = (p - np.eye(k)[t]) ** 2
    brier = float(square[:, 1].mean() if binary else square.sum(axis=1).mean())
    share = np.bincount(t, minlength=k) / len(t)
    null_loss = -sum(s * np.log(s) for s in share if s)
    null_brier = share[0] * share[1] if binary else 1 - (share**2).sum()
    parts = sum(murphy(p[:, c], (t == c).astype(float)) for c in ([1] if binary else every))
    classwise = [gaps(p[:, c], (t == c).astype(float))[0] for c in every]
    own, best = areas(sure, right)
    single = {
        "accuracy": right.mean(),
        "balanced_accuracy": np.nanmean(recall),
        "mcc": sk.matthews_corrcoef(t, q) if len(present) > 1 and len(set(q)) > 1 else np.nan,
        "f1_macro": np.nanmean(f1),
        "f1_weighted": np.nansum(f1 * support) / len(t),
        "log_loss": loss,
        "brier": brier,
        "d2_log_loss": 1 - loss / null_loss if null_loss else np.nan,
        "d2_brier": 1 - brier / null_brier if null_brier else np.nan,
        "brier_reliability": parts[0],
        "brier_resolution": parts[1],
        "brier_uncertainty": parts[2],
        "ece": gaps(sure, right)[0],
        "ace": gaps(sure, right, bins_of)[0],
        "mce": gaps(sure, right)[1],
        "aurc": own,
        "aurc_excess": own - best,
    }
    if not binary:
        pairs = [
            sk.roc_auc_score((t == a)[np.isin(t, [a, b])], p[np.isin(t, [a, b]), a])
            for a in present
            for b in present
            if a != b
        ]
        single["auroc_weighted"] = np.sum(share * auroc) if len(present) == k else np.nan
        single["auroc_ovo"] = np.mean(pairs) if len(present) == k else np.nan
    found = {name: (float(value), []) for name, value in single.items()}
    kept = [c for c in every if support[c] and not np.isnan(precision[c])]
    found["precision"] = (float(np.mean(precision[kept])) if kept else np.nan, list(precision))
    found["recall"] = (float(np.nanmean(recall)), list(recall))
    found["f1"] = (float(np.nanmean(f1)), list(f1))
    found["auroc"] = (float(auroc[1] if binary else np.mean(auroc)), auroc)
    found["average_precision"] = (float(ap[1] if binary else np.mean(ap)), ap)
    found["classwise_ece"] = (float(np.mean(classwise)), classwise)
    return found


def value_values(t: np.ndarray, v: np.ndarray) -> dict[str, float]:
    """Name to value for a regression."""
    found: dict[str, Any] = {
        "mse": sk.mean_squared_error(t, v),
        "rmse": sk.root_mean_squared_error(t, v),
        "mae": sk.mean_absolute_error(t, v),
        "median_ae": sk.median_absolute_error(t, v),
        "r2": sk.r2_score(t, v),
        "bias": np.mean(v - t),
        "pinball_50": sk.mean_pinball_loss(t, v),
        "d2_absolute_error": sk.d2_absolute_error_score(t, v),
    }
    for alpha in (0.1, 0.9):
        found[f"pinball_{alpha * 100:.0f}"] = sk.mean_pinball_loss(t, v, alpha=alpha)
        found[f"d2_pinball_{alpha * 100:.0f}"] = sk.d2_pinball_score(t, v, alpha=alpha)
    return {name: float(value) for name, value in found.items()}


def newcombe(n11: int, n10: int, n01: int, n00: int, wilson: Any) -> tuple[float, float]:
    """Newcombe's method 10 (1998), from his paper; `wilson` gives both ends from (k, n)."""
    n = n11 + n10 + n01 + n00
    a, b = (n11 + n10) / n, (n11 + n01) / n
    (l1, u1), (l2, u2) = wilson(n11 + n10, n), wilson(n11 + n01, n)
    product = (n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00)
    lean = n11 * n00 - n10 * n01
    lean = max(lean - n / 2, 0) if lean > 0 else lean
    phi = lean / np.sqrt(product) if product else 0.0

    def half(x: float, y: float) -> float:
        return float(np.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y)))

    return b - a - half(b - l2, u1 - a), b - a + half(u2 - b, a - l1)
