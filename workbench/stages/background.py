"""Training rows that stand for the hidden columns of a table, and which columns go together in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

SUMMARISED = 2000  # training rows that stand for all, for clusters and correlations


@dataclass(frozen=True)
class Background:
    """The rows behind a hidden column.

    Attributes:
        places: of the rows in the dataset.
        inputs: the rows as model inputs.
        weights: their shares; None: all alike.
        hierarchy: gives the linkage matrix of the columns, which few methods ask for.
    """

    places: np.ndarray
    inputs: dict[str, np.ndarray]
    weights: np.ndarray | None
    hierarchy: Callable[[], np.ndarray]


def choose_background(session: Any, modality: Any, filler: str, rows: int) -> Background:
    """Training rows of a table: drawn by seed, or the middles of clusters with their shares."""
    seed, preparation = session.config.seed, session.preparation
    drawn = np.random.default_rng(seed).permutation(session.rows("train"))[:SUMMARISED]
    every = modality.encode([session.dataset.examples[int(i)].input for i in drawn], preparation)
    arrays = every.batch(np.arange(len(drawn)))
    chosen, weights = np.argsort(drawn[:rows]), None
    if filler == "kmeans":
        chosen, weights = modality.summarise(arrays, rows, seed, preparation)
    inputs = {name: array[chosen] for name, array in arrays.items()}
    return Background(drawn[chosen], inputs, weights, cache(lambda: modality.hierarchy(arrays, preparation)))
