"""Answers that turned: right before and wrong after, and the other way round."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.counted import paired_cells
from workbench.types import ClassScores


def flip_lists(
    after: ClassScores, right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], changed: int
) -> dict[str, Any]:
    """Both kinds of flips, the surest answers first, with their rates.

    Args:
        after: predictions of the model after the change.
        right_a: (n,) whether the model before was right.
        right_b: (n,) whether the model after is.
        changed: answers that differ at all.
    """
    cells = paired_cells(right_a, right_b)
    n = max(1, sum(cells))
    return {
        "negative": _by_confidence(after, right_a & ~right_b),
        "positive": _by_confidence(after, ~right_a & right_b),
        "nfr": cells[1] / n,
        "pfr": cells[2] / n,
        "churn": changed / n,
        "relative_nfr": relative_negative_flips(*cells),
    }


def relative_negative_flips(n11: int, n10: int, n01: int, n00: int) -> float | None:
    """Negative flips over those that two unrelated models of these accuracies would have.

    NFR / ((1 - error before) error after); None where that is 0 by 0. Source: Yan et al., CVPR 2021.
    """
    n = n11 + n10 + n01 + n00
    expected = (n11 + n10) * (n10 + n00)
    return n10 * n / expected if expected else None


def _by_confidence(scores: ClassScores, which: NDArray[np.bool_]) -> list[str]:
    """Ids of the rows, those that the model is surest of first."""
    rows = np.flatnonzero(which)
    sure = scores.probabilities.max(axis=1)[rows]
    return [str(scores.ids[rows[i]]) for i in np.argsort(-sure, kind="stable")]
