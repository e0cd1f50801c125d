"""Interventional TreeSHAP in float64: which leaves an example and a background row can reach together.

A leaf is a box: for each column on its path an interval, and whether a missing value goes
there. Mixed from an example and one background row, a row ends in the leaf exactly where every
column that only the example satisfies (a of them) comes from the example, and every column that
only the background row satisfies (b) from that row; a column that neither satisfies closes the
leaf. The leaf thus adds its value to a game "all of the a and none of the b", whose Shapley
values are known: (a - 1)! b! / (a + b)! for each of the a, and -a! (b - 1)! / (a + b)! for each
of the b (Lundberg et al. 2020; Laberge and Pequignot 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from workbench.errors import Refusal
from workbench.trees import Trees

_MOST = 64  # columns on one path: as many as bits of a number
_AT_ONCE = 1 << 22  # (row, leaf) pairs in memory


@dataclass(frozen=True, eq=False)
class Boxes:
    """The L leaves of an ensemble by the at most D columns on their paths.

    Attributes:
        feature: (D, L) column of each slot, float32 bounds of it in
        low: (D, L), exclusive, and
        high: (D, L), inclusive.
        missing: (D, L) whether a missing value is inside.
        whole: (L,) uint64 with a bit for every slot that is used.
        leaf: (L,) places of the leaves among the nodes.
    """

    feature: np.ndarray
    low: np.ndarray
    high: np.ndarray
    missing: np.ndarray
    whole: np.ndarray
    leaf: np.ndarray

    @classmethod
    def of(cls, trees: Trees) -> Boxes:
        """The boxes of an ensemble, found by climbing from all leaves to their roots at once.

        Raises:
            Refusal: a path asks more than 64 columns.
        """
        inner = np.flatnonzero(~trees.is_leaf)
        parent = np.full(len(trees.left), -1, dtype=np.int64)
        parent[trees.left[inner]] = parent[trees.right[inner]] = inner
        leaf = np.flatnonzero(trees.is_leaf)
        n = len(leaf)
        slots = [_slot(n)]
        used, at = np.zeros(n, dtype=np.int64), leaf.copy()
        climbing = np.flatnonzero(parent[at] >= 0)
        while len(climbing):
            above = parent[at[climbing]]
            feature, threshold = trees.feature[above], trees.threshold[above].astype(np.float32)
            left = trees.left[above] == at[climbing]
            inside = trees.missing_left[above] == left
            at[climbing] = above
            place = used[climbing].copy()
            for j in range(len(slots)):
                place[slots[j][0][climbing] == feature] = j
            used[climbing] = np.maximum(used[climbing], place + 1)
            while len(slots) < used.max():
                slots.append(_slot(n))
            for j in range(len(slots)):
                own, here = climbing[place == j], place == j
                asked, below, above_all, gone = slots[j]
                asked[own] = feature[here]
                below[own] = np.where(left[here], below[own], np.maximum(below[own], threshold[here]))
                above_all[own] = np.where(left[here], np.minimum(above_all[own], threshold[here]), above_all[own])
                gone[own] &= inside[here]
            climbing = climbing[parent[at[climbing]] >= 0]
        if len(slots) > _MOST:
            raise Refusal(f"a path of a tree asks {len(slots)} columns, more than {_MOST}", hint="grow flatter trees")
        bits = np.arange(len(slots), dtype=np.uint64)[:, None]
        whole = np.where(np.arange(len(slots))[:, None] < used, np.uint64(1) << bits, np.uint64(0))
        columns, low, high, missing = (np.stack(arrays) for arrays in zip(*slots, strict=True))
        columns = np.maximum(columns, 0)  # slots without use ask any column, and are not in `whole`
        return cls(columns, low, high, missing, np.bitwise_or.reduce(whole, axis=0), leaf)

    def inside(self, rows: np.ndarray) -> np.ndarray:
        """Which columns of each leaf each of (n, F) rows satisfies: (n, L) uint64 of bits."""
        found = np.zeros((len(rows), len(self.leaf)), dtype=np.uint64)
        step = max(1, _AT_ONCE // max(len(rows), 1))
        by_column = np.ascontiguousarray(rows.astype(np.float32).T)
        for start in range(0, len(self.leaf), step):
            part = slice(start, start + step)
            for j in range(len(self.feature)):
                x = by_column[self.feature[j, part]]
                ok = (x > self.low[j, part, None]) & (x <= self.high[j, part, None])
                ok |= np.isnan(x) & self.missing[j, part, None]
                found[:, part] |= ok.T.astype(np.uint64) << np.uint64(j)
        return found & self.whole

    def shapley(
        self, value: np.ndarray, point: np.ndarray, background: np.ndarray, shares: np.ndarray, features: int
    ) -> np.ndarray:
        """Shapley values (F,) of one example.

        Args:
            value: (L,) what each leaf adds to the answer.
            point: (L,) `inside` of the example.
            background: (B, L) `inside` of the background rows.
            shares: (B,) of these rows, that sum to 1.
            features: F.
        """
        values = np.zeros(features)
        step = max(1, _AT_ONCE // max(len(self.leaf), 1))
        for start in range(0, len(background), step):
            rows = background[start : start + step]
            place, met = np.nonzero(((point | rows) == self.whole) & (point != rows))
            x, r = point[met], rows[place, met]
            only_x, only_r = x & ~r, r & ~x
            a, b = np.bitwise_count(only_x).astype(int), np.bitwise_count(only_r).astype(int)
            size = shares[start + place] * value[met]
            gain, loss = size * _weight(a, b), -size * _weight(b, a)
            for j in range(len(self.feature)):
                bit = np.uint64(1) << np.uint64(j)
                for mask, amount in ((only_x, gain), (only_r, loss)):
                    on = (mask & bit) > 0
                    values += np.bincount(self.feature[j, met[on]], weights=amount[on], minlength=features)
        return values


def _slot(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A column of no leaf: no bounds, missing values inside."""
    return (
        np.full(n, -1, dtype=np.int32),
        np.full(n, -np.inf, dtype=np.float32),
        np.full(n, np.inf, dtype=np.float32),
        np.ones(n, dtype=bool),
    )


def _weight(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(own - 1)! other! / (own + other)!; 0 where there is none of its own."""
    table = _table(int((own + other).max(initial=0)))
    return np.asarray(table[own, other])


def _table(size: int) -> np.ndarray:
    own, other = np.arange(size + 1)[:, None], np.arange(size + 1)[None]
    logs = gammaln(np.maximum(own, 1)) + gammaln(other + 1) - gammaln(own + other + 1)
    return np.asarray(np.where(own > 0, np.exp(logs), 0.0))
