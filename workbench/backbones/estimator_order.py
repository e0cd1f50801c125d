"""From the columns of a table to the features of trees: categories in order, missing values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.backbones.estimators import Encoding

_SMOOTHING = 10.0  # training rows' worth of the overall mean in a category's mean
_FEWEST, _ENOUGH = 5, 20  # training rows below which a category never has a place of its own, from which always


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

    Rare categories share one place: the mean of few rows gives these rows' own targets away, and
    trees would learn from the order what no other row has. Where no training row is missing, code 0
    has that place too: an unseen category is the rarest.
    """
    counts = np.bincount(codes, minlength=size + 1).astype(np.float64)
    fewest = _fewest(codes, counts, answers)
    rare = counts < fewest
    rare[0] = False
    shared = size + 1
    groups = np.where(rare[codes], shared, codes)
    totals = np.zeros((size + 2, answers.shape[1]))
    np.add.at(totals, groups, answers)
    counts = np.bincount(groups, minlength=size + 2).astype(np.float64)
    overall = answers.mean(axis=0)
    means = (totals + _SMOOTHING * overall) / (counts + _SMOOTHING)[:, None] - overall
    if counts[shared] < fewest:
        means[shared] = 0.0
    weighted = means[1:] * np.sqrt(counts[1:])[:, None]
    if not np.abs(weighted).max(initial=0.0) > 0:
        direction = np.eye(answers.shape[1])[-1]
    else:
        direction = np.linalg.svd(weighted, full_matrices=False)[2][0]
        direction = direction * np.sign(direction[np.argmax(np.abs(direction))])
    score = np.round(means @ direction, 12)
    placed = np.flatnonzero(~np.append(rare, not rare.any()))[1:]
    found = np.full(size + 2, np.nan)
    found[placed[np.lexsort((placed, score[placed]))]] = np.arange(len(placed))
    found[:shared][rare] = found[shared]
    if not counts[0]:
        found[0] = found[shared]
    return found[:shared]


def _fewest(codes: np.ndarray, counts: np.ndarray, answers: np.ndarray) -> float:
    """Training rows of a category from which its mean says more of the category than of chance.

    Chance is the variance within categories over that between them, by an analysis of variance.
    """
    there = counts > 0
    there[0] = False
    n, inside = counts[there], answers[codes > 0]
    if len(inside) <= len(n) or len(n) < 2:
        return float(_ENOUGH if len(n) > 1 else _FEWEST)
    sums = np.zeros((len(counts), answers.shape[1]))
    np.add.at(sums, codes, answers)
    mean = inside.mean(axis=0)
    between = float((n[:, None] * (sums[there] / n[:, None] - mean) ** 2).sum())
    within = max(float(((inside - mean) ** 2).sum()) - between, 0.0) / (len(inside) - len(n))
    spread = (between - (len(n) - 1) * within) / (len(inside) - float((n**2).sum()) / len(inside))
    return float(np.clip(within / spread, _FEWEST, _ENOUGH)) if spread > 0 else float(_ENOUGH)


def some(rows: np.ndarray) -> np.ndarray:
    """The rows, with 0 in columns that are missing throughout."""
    return np.where(np.isnan(rows).all(axis=0), 0.0, rows)
