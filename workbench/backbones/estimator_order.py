"""From the columns of a table to the features of trees: categories in order, missing values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.backbones.estimators import Encoding

_SMOOTHING = 10.0  # training rows' worth of the overall mean in a category's mean


def learn_encoding(
    batch: Mapping[str, np.ndarray], answers: np.ndarray, cardinalities: list[int], missing: bool
) -> Encoding:
    """Order the categories of each column by the target, and choose what stands for missing values."""
    ranks, offsets = [], []
    for j, size in enumerate(cardinalities):
        offsets.append(sum(cardinalities[:j]) + j)
        ranks.append(order_categories(batch["categorical"][:, j], size, answers))
    numbers = batch["numeric"].shape[1] if "numeric" in batch else 0
    features = numbers + len(cardinalities)
    fill = np.full(features, np.nan, dtype=np.float32)
    encoding = Encoding(
        np.concatenate(ranks).astype(np.float32) if ranks else np.zeros(0, np.float32),
        np.array(offsets, dtype=np.int64),
        fill,
    )
    if missing:
        return encoding
    rows = some(encoding.rows(batch))
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    # Below everything seen: a split can tell missing values from all others.
    return Encoding(encoding.ranks, encoding.offsets, (low - np.maximum(1.0, high - low)).astype(np.float32))


def order_categories(codes: np.ndarray, size: int, answers: np.ndarray) -> np.ndarray:
    """Place of each category by the target: (size + 1,) from 0, NaN for code 0.

    Categories are ordered by the mean target of their training rows, smoothed towards that of
    all; of several classes or labels by the first principal component of these means
    (Coppersmith, Hong and Hosking 1999). For two classes and for values a tree's best split of
    the categories into two sets is then a split of this order (Fisher 1958).
    """
    totals = np.zeros((size + 1, answers.shape[1]))
    np.add.at(totals, codes, answers)
    counts = np.bincount(codes, minlength=size + 1).astype(np.float64)
    overall = answers.mean(axis=0)
    means = (totals + _SMOOTHING * overall) / (counts + _SMOOTHING)[:, None] - overall
    weighted = means[1:] * np.sqrt(counts[1:])[:, None]
    if not np.abs(weighted).max(initial=0.0) > 0:
        direction = np.eye(answers.shape[1])[-1]
    else:
        direction = np.linalg.svd(weighted, full_matrices=False)[2][0]
        direction = direction * np.sign(direction[np.argmax(np.abs(direction))])
    score = means[1:] @ direction
    found = np.full(size + 1, np.nan)
    found[1:][np.lexsort((np.arange(size), np.round(score, 12)))] = np.arange(size)
    return found


def some(rows: np.ndarray) -> np.ndarray:
    """The rows, with 0 in columns that are missing throughout."""
    return np.where(np.isnan(rows).all(axis=0), 0.0, rows)
