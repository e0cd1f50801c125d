"""Ensembles of decision trees as plain arrays: evaluated, cut short, shuffled, kept without pickle.

One form for forests and boosting of any library: nodes of all trees below each other, each
leaf with the numbers that it adds to the outputs. TreeSHAP, the ONNX file and the trained
model's own answers all come from these arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

_LANES = 1 << 20  # (row, tree) pairs in memory at once
_ARRAYS = ("left", "right", "feature", "threshold", "missing_left", "value", "weight", "roots", "base")


@dataclass(frozen=True, eq=False)
class Trees:
    """N nodes of T trees over F features, which add up to O outputs.

    A row goes left where its feature is at most the threshold, or where it is missing (NaN)
    and `missing_left` says so. Thresholds are numbers of float32 (see `round_down`), so that
    float32 rows take the same way in float32 and float64.

    Attributes:
        left: (N,) place of the left child among all nodes; -1 in a leaf.
        right: (N,) of the right one.
        feature: (N,) that is asked; -1 in a leaf.
        threshold: (N,) float64.
        missing_left: (N,) whether a missing value goes left.
        value: (N, O) what a leaf adds; in other nodes the mean of the training rows below.
        weight: (N,) training rows (or their weight) that passed the node.
        roots: (T,) first node of each tree; the nodes of a tree follow its root.
        base: (O,) what is added to every answer.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    roots: np.ndarray
    base: np.ndarray

    def __len__(self) -> int:
        return len(self.roots)

    @property
    def outputs(self) -> int:
        return self.value.shape[1]

    @cached_property
    def is_leaf(self) -> np.ndarray:
        return self.left < 0

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First and last (exclusive) node of each tree."""
        ends = [*self.roots[1:].tolist(), len(self.left)]
        return list(zip(self.roots.tolist(), ends, strict=True))

    @property
    def parameters(self) -> int:
        """Fitted numbers: a threshold in each inner node, `outputs` in each leaf."""
        leaves = int(self.is_leaf.sum())
        return len(self.left) - leaves + leaves * self.outputs

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        """The leaf in which each of (n, F) rows ends in each tree: (n, T) places of nodes."""
        found = np.empty((len(rows), len(self)), dtype=np.int64)
        step = max(1, _LANES // max(len(self), 1))
        for start in range(0, len(rows), step):
            found[start : start + step] = self._leaves(rows[start : start + step])
        return found

    def _leaves(self, rows: np.ndarray) -> np.ndarray:
        n = len(rows)
        at = np.tile(self.roots, n)
        row = np.repeat(np.arange(n), len(self))
        pending = np.flatnonzero(~self.is_leaf[at])
        while len(pending):
            node = at[pending]
            x = rows[row[pending], self.feature[node]]
            left = np.where(np.isnan(x), self.missing_left[node], x <= self.threshold[node])
            at[pending] = np.where(left, self.left[node], self.right[node])
            pending = pending[~self.is_leaf[at[pending]]]
        return at.reshape(n, len(self))

    def sums(self, leaves: np.ndarray) -> np.ndarray:
        """Outputs (n, O) float64 of rows whose leaves are known."""
        found = np.empty((len(leaves), self.outputs))
        step = max(1, _LANES // max(leaves.shape[1] * self.outputs, 1))
        for start in range(0, len(leaves), step):
            found[start : start + step] = self.value[leaves[start : start + step]].sum(axis=1)
        return found + self.base

    def raw(self, rows: np.ndarray) -> np.ndarray:
        """Outputs (n, O) float64 of (n, F) rows."""
        return self.sums(self.leaves(rows))

    def first(self, count: int) -> Trees:
        """The first `count` trees alone."""
        if count >= len(self):
            return self
        end = int(self.roots[count])
        of_nodes = {name: getattr(self, name)[:end] for name in _ARRAYS if name not in ("roots", "base")}
        return replace(self, roots=self.roots[:count], **of_nodes)

    def scaled(self, factor: float) -> Trees:
        """The same trees, each adding `factor` times as much."""
        return replace(self, value=self.value * factor)

    def shuffled(self, rng: np.random.Generator, grid: np.ndarray) -> Trees:
        """Trees of the same shape that learnt nothing.

        Every inner node asks a feature drawn by lot, at a threshold drawn from (F, G) values
        that training rows have; the leaves of each tree change places.
        """
        inner = np.flatnonzero(~self.is_leaf)
        feature, threshold, value = self.feature.copy(), self.threshold.copy(), self.value.copy()
        feature[inner] = rng.integers(0, len(grid), len(inner))
        threshold[inner] = grid[feature[inner], rng.integers(0, grid.shape[1], len(inner))]
        missing_left = self.missing_left.copy()
        missing_left[inner] = rng.random(len(inner)) < 0.5
        for start, end in self.bounds:
            own = np.flatnonzero(self.is_leaf[start:end]) + start
            value[own] = value[rng.permutation(own)]
        return replace(self, feature=feature, threshold=threshold, missing_left=missing_left, value=value)

    # -- keeping ----------------------------------------------------------------------

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it by name, to be written."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Trees:
        """What `arrays` gave.

        Raises:
            ValueError: a child, feature or root points outside, or sizes differ.
        """
        found = cls(**{name: arrays[name] for name in _ARRAYS})
        n, inner = len(found.left), found.left >= 0
        sizes = {len(getattr(found, name)) for name in _ARRAYS if name not in ("roots", "base")}
        children = np.concatenate([found.left[inner], found.right[inner]])
        # A child stands behind its parent: no way through the nodes can go in circles.
        behind = np.concatenate([np.flatnonzero(inner)] * 2)
        if sizes != {n} or not len(found.roots) or found.roots[0] != 0 or (found.feature[inner] < 0).any():
            raise ValueError("its arrays do not fit together")
        if (children <= behind).any() or (children >= n).any() or (np.diff(found.roots) <= 0).any():
            raise ValueError("its nodes point outside their tree")
        return found


def join(parts: list[Trees]) -> Trees:
    """Trees of several ensembles below each other; their bases add up."""
    offsets = np.cumsum([0, *(len(p.left) for p in parts)])
    shift = {name: [] for name in ("left", "right", "roots")}  # type: ignore[var-annotated]
    for part, offset in zip(parts, offsets[:-1], strict=True):
        for name in ("left", "right"):
            children = getattr(part, name)
            shift[name].append(np.where(children < 0, -1, children + offset))
        shift["roots"].append(part.roots + offset)
    alike = ("feature", "threshold", "missing_left", "value", "weight")
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in alike}
    joined |= {name: np.concatenate(arrays) for name, arrays in shift.items()}
    return Trees(base=np.sum([p.base for p in parts], axis=0), **joined)


def round_down(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 at most each threshold, as float64.

    For every float32 x, x <= t exactly where x <= round_down(t): no row changes its way,
    where rounding to nearest would send rows between t and its neighbour the other way.
    """
    exact = np.asarray(thresholds, dtype=np.float64)
    near = exact.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near.astype(np.float64) > exact, below, near).astype(np.float64)
