"""Adaptive quadrature on the path from a baseline to the input, with every point kept.

Simpson's rule says where to look closer, Boole's on the same points what the values are.

The answer is known at every point, so what a panel's values miss is known too, not
estimated: the change of the answer across the panel is what they have to add up to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

HOPE = 128  # points of a path before it may be given up
_BLOCK = 1 << 22  # numbers of products that are weighed at once
_Panel = tuple[int, int, int]
_Cut = tuple[tuple[float, ...], tuple[_Panel, ...]]  # positions of the points, and the panels between them


@dataclass
class Path:
    """The path from one baseline: points that were evaluated and the panels between them.

    A panel holds three points, its ends and its middle; Simpson's rule on it is exact where
    the gradient is a cubic of the position.

    Attributes:
        row: of the baseline.
        at: position of each point, 0 at the baseline and 1 at the input.
        panels: places of (left, middle, right) points.
        answers: of the model, at the points evaluated so far.
        slopes: sums of the products.
        products: gradient times (input - baseline) at the points.
    """

    row: int
    at: list[float]
    panels: list[_Panel]
    answers: list[float]
    slopes: list[float]
    products: list[np.ndarray]
    _known: dict[str, Any] = field(default_factory=dict, repr=False)  # of the points and panels as they are

    @classmethod
    def begin(cls, row: int, panels: int, score: float, product: np.ndarray, slope: float) -> Path:
        """Even panels, with the answer, the product and its sum at the input, which is the first point."""
        at, cut = _even(panels)
        return cls(row, list(at), list(cut), [score], [slope], [product])

    @property
    def base(self) -> float:
        """The answer at the baseline."""
        return self.answers[1]

    def add(self, answers: list[float], products: list[np.ndarray], slopes: list[float]) -> None:
        """The next points' answers, their products and the sums of these."""
        self.answers += answers
        self.slopes += slopes
        self.products += products
        self._known.clear()

    def misses(self) -> np.ndarray:
        """Of each panel: the sum of its values minus the change of the answer across it."""
        if not self._known:
            look([self])
        return self._known["misses"]

    def miss(self) -> float:
        """The sum of all values minus the change of the answer along the path."""
        if not self._known:
            look([self])
        return float(self._known["miss"])

    def settled(self, gap: float, unsigned: float) -> bool:
        """Whether the values miss at most `gap` in all and `unsigned` panel by panel, or are no numbers."""
        misses = self.misses()
        return not np.isfinite(misses).all() or bool(abs(self.miss()) <= gap and np.abs(misses).sum() <= unsigned)

    def is_hopeless(self, most: int, unsigned: float) -> bool:
        """Whether the misses fall too slowly: as 1 / points, where kinks lie everywhere, beyond 4 times `most`."""
        needed = len(self.at) * float(np.abs(self.misses()).sum()) / unsigned
        return len(self.at) > HOPE and needed > 4 * most

    def refine(self, most: int, enough: float) -> bool:
        """Halve the panels that miss most, adding at most `most` points; whether any was.

        What the others miss is then at most half of all, or at most half of `enough`.
        """
        misses = np.abs(self.misses())
        self._known.clear()
        order = np.argsort(-misses, kind="stable")
        left = misses.sum() - np.cumsum(misses[order])
        needed = int(np.flatnonzero(left <= max(misses.sum() / 2, enough / 2) + 1e-300)[0]) + 1
        for i in sorted(order[: min(needed, most // 2)].tolist(), reverse=True):
            a, m, b = self.panels.pop(i)
            new = len(self.at)
            self.at += [(self.at[a] + self.at[m]) / 2, (self.at[m] + self.at[b]) / 2]
            self.panels += [(a, new, m), (m, new + 1, b)]
        return most >= 2


def sums(products: np.ndarray) -> list[float]:
    """The sum of each product of a batch (n, *shape), in float64."""
    return [float(v) for v in products.reshape(len(products), -1).sum(axis=1, dtype=np.float64)]


def look(paths: Sequence[Path]) -> None:
    """Work out what the paths miss, those that are cut alike at once."""
    for (at, panels), alike in _alike([p for p in paths if not p._known]):
        a, m, b = np.array(panels).T
        x, slopes, answers = (np.array(v) for v in (at, [p.slopes for p in alike], [p.answers for p in alike]))
        rule = (x[b] - x[a]) / 6 * (slopes[:, a] + 4 * slopes[:, m] + slopes[:, b])
        misses = rule - (answers[:, b] - answers[:, a])
        # Not a matrix product: its last bits would depend on how many paths are cut alike.
        whole = (slopes * _boole(at, panels)).sum(axis=1) - (answers[:, 0] - answers[:, 1])
        for path, own, of_all in zip(alike, misses, whole, strict=True):
            path._known = {"misses": own, "miss": of_all}


def integrals(paths: Sequence[Path]) -> np.ndarray:
    """The values of all coordinates on each path: (paths, *shape) in float64.

    Two panels that came of one are taken together by Boole's rule, which is Simpson's with
    the next term of its error removed: exact for quintics, for no further point.
    """
    found: dict[int, np.ndarray] = {}
    for (at, panels), alike in _alike(paths):
        weights = _boole(at, panels)
        # A few at once: the products of a picture's path are large.
        step = max(1, _BLOCK // max(1, len(at) * alike[0].products[0].size))
        for start in range(0, len(alike), step):
            part = alike[start : start + step]
            products = np.stack([p for path in part for p in path.products]).reshape(
                len(part), len(at), *alike[0].products[0].shape
            )
            for path, values in zip(part, np.tensordot(products, weights, axes=(1, 0)), strict=True):
                found[id(path)] = values
    return np.stack([found[id(path)] for path in paths])


def _alike(paths: Sequence[Path]) -> list[tuple[_Cut, list[Path]]]:
    groups: dict[_Cut, list[Path]] = {}
    for path in paths:
        groups.setdefault((tuple(path.at), tuple(path.panels)), []).append(path)
    return list(groups.items())


@lru_cache(maxsize=8)
def _even(panels: int) -> _Cut:
    at = [1.0, *np.linspace(0, 1, 2 * panels + 1)[:-1].tolist()]
    places = [*range(1, 2 * panels + 1), 0]
    return tuple(at), tuple((places[2 * i], places[2 * i + 1], places[2 * i + 2]) for i in range(panels))


@lru_cache(maxsize=64)
def _boole(at: tuple[float, ...], panels: tuple[_Panel, ...]) -> np.ndarray:
    """The weights of points cut into panels: the paths of one example mostly are cut alike."""
    weight = np.zeros(len(at))
    places = {(at[a], at[b] - at[a]): (a, m, b) for a, m, b in panels}
    for (start, width), (a, m, b) in places.items():
        is_left = start / width % 2 == 0
        twin = places.get((start + width, width) if is_left else (start - width, width))
        if twin is None:
            weight[[a, m, b]] += width / 6 * np.array([1.0, 4.0, 1.0])
        elif is_left:
            weight[[a, m, b, *twin[1:]]] += width / 45 * np.array([7.0, 32.0, 12.0, 32.0, 7.0])
    return weight
