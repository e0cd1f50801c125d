"""Shares of counted rows, between rows and between models: exact tests, or those of whole groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.stats import (
    codes_of,
    fisher_exact,
    grouped_difference,
    grouped_mean,
    grouped_p,
    grouped_share,
    grouped_shares_differ,
    mcnemar_exact,
    newcombe_independent,
    newcombe_paired,
    randomisation_p,
    why_no_p,
    wilson,
)
from workbench.stats.permutation import PERMUTATIONS
from workbench.types import Estimate

Rows = NDArray[np.bool_]
Cells = tuple[int, int, int, int]


def paired_cells(right_a: Rows, right_b: Rows) -> Cells:
    """Rows that both got right, only the first, only the second, neither."""
    pairs = ((right_a & right_b), (right_a & ~right_b), (~right_a & right_b), (~right_a & ~right_b))
    n11, n10, n01, n00 = (int(p.sum()) for p in pairs)
    return n11, n10, n01, n00


@dataclass(frozen=True)
class Counting:
    """How shares are judged: rows one by one, or by the groups (n,) that they come in.

    Rows: Wilson's interval, Newcombe's of a difference, Fisher's and McNemar's exact tests.
    Groups: the same intervals with effective counts, groups shuffled or their signs turned.
    """

    confidence: float = 0.95
    codes: NDArray[np.int64] | None = None
    permutations: int = PERMUTATIONS
    seed: int = 0

    @classmethod
    def of(
        cls, clusters: NDArray[np.generic] | None, confidence: float, permutations: int = PERMUTATIONS, seed: int = 0
    ) -> Counting:
        """Counting by `clusters` (n,) where they are given, else row by row."""
        return cls(confidence, None if clusters is None else codes_of(clusters), permutations, seed)

    def share(self, hits: Rows, among: Rows) -> Estimate:
        """The share of `among` that `hits` too; both (n,)."""
        if self.codes is not None:
            return grouped_share(hits, among, self.codes, self.confidence)
        return wilson(int((hits & among).sum()), int(among.sum()), self.confidence)

    def apart(self, hits: Rows, inside: Rows, among: Rows | None = None) -> dict[str, Any]:
        """The share inside minus that outside, with interval, p-value and what both are."""
        counted = np.ones(len(hits), dtype=bool) if among is None else among
        if self.codes is not None:
            gap = grouped_shares_differ(hits, counted, inside, self.codes, self.confidence)
            top, bottom = (hits & counted).astype(np.float64), counted.astype(np.float64)
            p = grouped_p(top, bottom, inside, self.codes, resamples=self.permutations, seed=self.seed)
            found = difference(gap, p, f"{gap.interval or 'no interval'}, whole groups")
            return found | ({"reason": why_no_p(bottom, inside, self.codes)} if p is None else {})
        ours, theirs = ((int((hits & counted & s).sum()), int((counted & s).sum())) for s in (inside, ~inside))
        p = fisher_exact(*ours, *theirs)
        return difference(newcombe_independent(*ours, *theirs, self.confidence), p, "newcombe, fisher exact")

    def ratio_apart(
        self,
        top: NDArray[np.float64],
        bottom: NDArray[np.float64],
        inside: Rows,
        bounds: tuple[float, float] = (-np.inf, np.inf),
    ) -> dict[str, Any]:
        """A ratio of sums over rows, such as a mean error, inside minus outside, from whole groups."""
        assert self.codes is not None  # rows alone have tests of their own
        gap = grouped_difference(top, bottom, inside, self.codes, self.confidence, bounds)
        p = grouped_p(top, bottom, inside, self.codes, resamples=self.permutations, seed=self.seed)
        found = difference(gap, p, f"{gap.interval or 'no interval'}, whole groups")
        return found | ({"reason": why_no_p(bottom, inside, self.codes)} if p is None else {})

    def change(self, before: Rows, after: Rows, rows: Rows) -> dict[str, Any]:
        """The share of `rows` right after minus before, with interval, p-value and discordant counts."""
        cells = paired_cells(before[rows], after[rows])
        counts = {"b": cells[1], "c": cells[2]}
        if self.codes is None:
            estimate = newcombe_paired(*cells, self.confidence)
            p = mcnemar_exact(cells[1], cells[2]) if rows.any() else None
            return difference(estimate, p, "newcombe paired, mcnemar exact") | counts
        moved = after.astype(np.float64) - before.astype(np.float64)
        estimate = grouped_mean(moved * rows, rows.astype(np.float64), self.codes, self.confidence, (-1.0, 1.0))
        p = None
        if rows.any():
            own = self.codes[rows]
            p = randomisation_p(moved[rows], clusters=own, resamples=self.permutations, seed=self.seed)
        return difference(estimate, p, f"{estimate.interval or 'no interval'}, whole groups swapped") | counts


def difference(estimate: Estimate, p: float | None, method: str) -> dict[str, Any]:
    """A tested difference as slices.json and weakness.json hold it."""
    found = {"value": estimate.value, "low": estimate.low, "high": estimate.high, "p": p, "method": method}
    return found | ({"reason": estimate.reason} if estimate.reason else {})
