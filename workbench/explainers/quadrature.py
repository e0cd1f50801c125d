"""Adaptive quadrature on the path from a baseline to the input, with every point kept.

The answer is known at every point, so what a panel's values miss is known too, not
estimated: the change of the answer across the panel is what they have to add up to. That
is one number, in which the errors of features cancel, so the values are also compared with
those of half of the points. Where Simpson's rule changes more by it than the trapezoidal
rule and all panels miss alike, kinks lie everywhere, as on the paths of deep ReLU nets: no rule of higher order helps,
and the trapezoidal rule gives the values. Elsewhere Boole's does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

HOPE = 128  # points of a path before it may be given up
EVEN = 0.4  # of the panels, as if all of those missed alike: kinks lie everywhere (2 / pi of misses that are normal)
BETTER = 2.0  # times less is missed by Boole's rule: few points of a smooth path look rough
_BLOCK = 1 << 22  # numbers of products that are weighed at once
_Panel = tuple[int, int, int]
_Cut = tuple[tuple[float, ...], tuple[_Panel, ...]]  # positions of the points, and the panels between them


@dataclass(frozen=True)
class Look:
    """What the values of a path's points miss.

    Attributes:
        misses: of each panel: the sum of its values minus the change of the answer across it.
        finite: whether these are numbers.
        unsigned: their sum, signs aside.
        spread: the root of the sum of their squares.
        miss: the sum of all values minus the change of the answer along the path.
        rough: whether kinks lie everywhere.
        trapezoidal: whether the values are that rule's: on a rough path, but where Boole's miss far less in all.
        error: an estimate of the error of the features' values, as a length: how much half of the points change them.
        length: of the features' values.
    """

    misses: np.ndarray
    finite: bool
    unsigned: float
    spread: float
    miss: float
    rough: bool
    trapezoidal: bool
    error: float
    length: float


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
        products: gradient times (input - baseline) at the points, some at a time: (k, *shape) each.
        pool: their sums by features.
    """

    row: int
    at: list[float]
    panels: list[_Panel]
    answers: list[float]
    slopes: list[float]
    products: list[np.ndarray]
    pool: Callable[[np.ndarray], np.ndarray]
    _seen: Look | None = field(default=None, repr=False)  # of the points and panels as they are

    @classmethod
    def begin(
        cls,
        row: int,
        panels: int,
        score: float,
        product: np.ndarray,
        slope: float,
        pool: Callable[[np.ndarray], np.ndarray],
    ) -> Path:
        """Even panels, with the answer, the product and its sum at the input, which is the first point."""
        at, cut = _even(panels)
        return cls(row, list(at), list(cut), [score], [slope], [product[None]], pool)

    @property
    def base(self) -> float:
        """The answer at the baseline."""
        return self.answers[1]

    def add(self, answers: list[float], products: np.ndarray, slopes: list[float]) -> None:
        """The next points' answers, their products and the sums of these."""
        self.answers += answers
        self.slopes += slopes
        self.products.append(products)
        self._seen = None

    @property
    def seen(self) -> Look:
        """What the values of the points as they are miss."""
        if self._seen is None:
            look([self])
        assert self._seen is not None
        return self._seen

    def settled(self, gap: float, unsigned: float, error: float) -> bool:
        """Whether the values are no numbers, or near enough.

        They miss at most `gap` in all and, on a smooth path, `unsigned` panel by panel, and their
        error is at most `error` times their length, or `gap`.
        """
        seen = self.seen
        if not seen.finite:
            return True
        missed = abs(seen.miss) <= gap and (seen.rough or seen.unsigned <= unsigned)
        return missed and seen.error <= max(gap, error * seen.length)

    def is_hopeless(self, most: int, gap: float, unsigned: float) -> bool:
        """Whether the misses fall too slowly: as 1 / points, where kinks lie everywhere, beyond 4 times `most`."""
        share = self.seen.spread / gap if self.seen.rough else self.seen.unsigned / unsigned
        return len(self.at) > HOPE and len(self.at) * share > 4 * most

    def refine(self, most: int, enough: float) -> bool:
        """Halve some panels, adding at most `most` points; whether any was.

        The panels that miss most: what the others miss is then at most half of all, or at most half
        of `enough`. Of a rough path the widest, evenly: what one of them happens to miss says nothing
        of the panels it would be cut into. So too where nothing is missed and only the features are not known yet.
        """
        misses = np.abs(self.seen.misses)
        if self.seen.rough or max(self.seen.unsigned, 2 * abs(self.seen.miss)) <= enough:
            width = np.array([self.at[b] - self.at[a] for a, _, b in self.panels])
            widest = np.flatnonzero(width == width.max())
            widest = widest[np.argsort(np.array([self.at[self.panels[i][0]] for i in widest]))]
            order = widest[np.unique(np.linspace(0, len(widest) - 1, max(1, most // 2)).round().astype(int))]
            needed = len(order)
        else:
            order = np.argsort(-misses, kind="stable")
            left = misses.sum() - np.cumsum(misses[order])
            needed = int(np.flatnonzero(left <= max(misses.sum() / 2, enough / 2) + 1e-300)[0]) + 1
        self._seen = None
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
    """Work out what the paths miss and how far off their values are, those that are cut alike at once."""
    for (at, panels), alike in _alike([p for p in paths if p._seen is None]):
        a, m, b = np.array(panels).T
        x, slopes, answers = (np.array(v) for v in (at, [p.slopes for p in alike], [p.answers for p in alike]))
        rule = (x[b] - x[a]) / 6 * (slopes[:, a] + 4 * slopes[:, m] + slopes[:, b])
        misses = rule - (answers[:, b] - answers[:, a])
        unsigned, squares = np.abs(misses).sum(axis=1), (misses**2).sum(axis=1)
        rules = _rules(at, panels)
        pooled = _pooled(np.stack(list(_weighed(alike, rules))), alike[0].pool)
        length, change, beside, of_simpson = np.linalg.norm(pooled, axis=2).T
        alone = np.linalg.norm(pooled[:, 1] - pooled[:, 2], axis=1)  # of panels whose twin was halved further
        of_simpson = 15 * of_simpson
        alike_missed = unsigned**2 >= EVEN * len(panels) * squares
        rough = alike_missed & (beside > 1e-9 * length) & (beside <= of_simpson)
        # Where it falls as 1 / points the error is half of the change, its signs being random.
        # What Simpson's rule would gain by halving the panels that are alone is read off the others, which are half as
        # wide: the trapezoidal rule's gain there, in proportion, four times.
        share = np.divide(4 * of_simpson, beside, out=np.zeros_like(beside), where=beside > 0)
        error = np.where(rough, change / 2, (of_simpson + np.minimum(share, 1) * alone) / 4)
        # Not a matrix product: its last bits would depend on how many paths are cut alike.
        totals = [(slopes * weights).sum(axis=1) - (answers[:, 0] - answers[:, 1]) for weights in _both(rules)]
        trapezoidal = rough & (np.abs(totals[0]) <= BETTER * np.abs(totals[1]))
        miss = np.where(trapezoidal, *totals)
        rows = zip(
            np.isfinite(misses).all(axis=1).tolist(), unsigned.tolist(), np.sqrt(squares).tolist(), miss.tolist(),
            rough.tolist(), trapezoidal.tolist(), error.tolist(), length.tolist(), strict=True,
        )  # fmt: skip
        for path, own, row in zip(alike, misses, rows, strict=True):
            path._seen = Look(own, *row)


def integrals(paths: Sequence[Path]) -> np.ndarray:
    """The values of all coordinates on each path: (paths, *shape) in float64.

    By the trapezoidal rule on a rough path, see `Look.trapezoidal`. On others two panels that came of one are taken
    together by Boole's rule, which is Simpson's with the next term of its error removed:
    exact for quintics, for no further point.
    """
    found: dict[int, np.ndarray] = {}
    for trapezoidal in (True, False):
        for cut, alike in _alike([path for path in paths if path.seen.trapezoidal is trapezoidal]):
            weights = _both(_rules(*cut))[not trapezoidal]
            for path, (values,) in zip(alike, _weighed(alike, weights[None]), strict=True):
                found[id(path)] = values
    return np.stack([found[id(path)] for path in paths])


def _weighed(alike: Sequence[Path], weights: np.ndarray) -> Iterator[np.ndarray]:
    """Sums of each path's products with weights (rules, points): (rules, *shape)."""
    points, shape = len(alike[0].at), alike[0].products[0].shape[1:]
    # A few at once: the products of a picture's path are large.
    step = max(1, _BLOCK // max(1, points * int(np.prod(shape))))
    for start in range(0, len(alike), step):
        part = alike[start : start + step]
        stacked = np.concatenate([p for path in part for p in path.products]).reshape(len(part), points, *shape)
        yield from np.moveaxis(np.tensordot(stacked, weights, axes=(1, 1)), -1, 1)


def _pooled(values: np.ndarray, pool: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Sums by features of values (paths, rules, *shape): (paths, rules, M)."""
    paths, rules, *shape = values.shape
    size = int(np.prod(shape))
    if paths * rules <= size:
        return np.array([[pool(v) for v in found] for found in values], dtype=np.float64)
    # It is linear: of many paths of few coordinates, what it makes of each coordinate is asked once.
    onto = np.array([pool(one.reshape(shape)) for one in np.eye(size)])
    return np.asarray(values.reshape(paths, rules, size) @ onto)


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
def _rules(at: tuple[float, ...], panels: tuple[_Panel, ...]) -> np.ndarray:
    """Weights of points cut into panels (4, points): the paths of one example mostly are cut alike.

    The trapezoidal rule; what it gains by the panels' middles, in all and where two panels came of one; what Boole's
    rule gains over Simpson's there, which is a fifteenth of what Simpson's gains by those panels' middles.
    """
    trapezoidal, gain, beside, higher = rules = np.zeros((4, len(at)))
    places = {(at[a], at[b] - at[a]): (a, m, b) for a, m, b in panels}
    for (start, width), (a, m, b) in places.items():
        trapezoidal[[a, m, b]] += width / 4 * np.array([1.0, 2.0, 1.0])
        gain[[a, m, b]] += width / 4 * np.array([-1.0, 2.0, -1.0])
        if start / width % 2 == 0 and (twin := places.get((start + width, width))) is not None:
            beside[[a, m, b, *twin[1:]]] += width / 4 * np.array([-1.0, 2.0, -2.0, 2.0, -1.0])
            higher[[a, m, b, *twin[1:]]] += width / 45 * np.array([-0.5, 2.0, -3.0, 2.0, -0.5])
    return rules


def _both(rules: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a rough path's values and of a smooth one's: trapezoidal, and Boole's or Simpson's."""
    return rules[0], rules[0] + rules[1] / 3 + rules[3]
