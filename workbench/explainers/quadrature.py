"""Adaptive quadrature on the path from a baseline to the input, with every point kept.

The answer is known at every point, so what a panel's values miss is known too, not
estimated: the change of the answer across the panel is what they have to add up to. That
is one number, in which the errors of features cancel, so the values are also compared with
those of half of the points. Where Simpson's rule changes more by it than the trapezoidal
rule and all panels miss alike, kinks lie everywhere, as on the paths of deep ReLU nets: no rule of higher order helps,
and the trapezoidal rule gives the values. Elsewhere Boole's does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

HOPE = 128  # points of a path before it may be given up
EVEN = 0.4  # of the panels, as if all of those missed alike: kinks lie everywhere (2 / pi of misses that are normal)
BETTER = 2.0  # times less is missed by Boole's rule: few points of a smooth path look rough
_Panel = tuple[int, int, int]
_Cut = tuple[tuple[float, ...], tuple[_Panel, ...]]  # positions of the points, and the panels between them


@dataclass(frozen=True)
class Look:
    """What the values of k paths' points miss: (k, panels) and (k,) arrays.

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
    finite: np.ndarray
    unsigned: np.ndarray
    spread: np.ndarray
    miss: np.ndarray
    rough: np.ndarray
    trapezoidal: np.ndarray
    error: np.ndarray
    length: np.ndarray

    def of(self, places: np.ndarray) -> Look:
        """Of the paths at some places."""
        return Look(**{name: values[places] for name, values in vars(self).items()})


@dataclass
class Paths:
    """Paths from k baselines that are cut alike: points that were evaluated and the panels between them.

    A panel holds three points, its ends and its middle; Simpson's rule on it is exact where
    the gradient is a cubic of the position.

    Attributes:
        rows: (k,) of the baselines.
        at: position of each point, 0 at the baseline and 1 at the input.
        panels: places of (left, middle, right) points.
        answers: (k, n) of the model, at the points evaluated so far.
        slopes: (k, n) sums of the products.
        products: gradient times (input - baseline) at the points, some at a time: (k, q, *shape) each.
        pool: their sums by features.
    """

    rows: np.ndarray
    at: tuple[float, ...]
    panels: tuple[_Panel, ...]
    answers: np.ndarray
    slopes: np.ndarray
    products: list[np.ndarray]
    pool: _Pool
    _seen: Look | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, panels: int, score: float, ends: np.ndarray, pool: Callable[[np.ndarray], np.ndarray]) -> Paths:
        """Even panels, with the answer and the products (k, *shape) at the input, which is the first point."""
        count = len(ends)
        slopes = sums(ends)[:, None]
        return cls(np.arange(count), *_even(panels), np.full((count, 1), score), slopes, [ends[:, None]], _Pool(pool))

    @property
    def bases(self) -> np.ndarray:
        """The answers at the baselines, (k,)."""
        return self.answers[:, 1]

    @property
    def missing(self) -> tuple[float, ...]:
        """Positions of the points that are to be evaluated."""
        return self.at[self.answers.shape[1] :]

    def add(self, answers: np.ndarray, products: np.ndarray) -> None:
        """The missing points' answers (k q,) and products (k q, *shape), path by path."""
        shape = len(self.rows), len(self.missing)
        self.answers = np.concatenate([self.answers, answers.reshape(shape)], axis=1)
        self.slopes = np.concatenate([self.slopes, sums(products).reshape(shape)], axis=1)
        self.products.append(products.reshape(*shape, *products.shape[1:]))
        self._seen = None

    def of(self, places: np.ndarray) -> Paths:
        """Those at some places, (j,); all of them without a copy."""
        if len(places) == len(self.rows):
            return self
        products = [p[places] for p in self.products]
        rows, answers, slopes = self.rows[places], self.answers[places], self.slopes[places]
        seen = None if self._seen is None else self._seen.of(places)
        return Paths(rows, self.at, self.panels, answers, slopes, products, self.pool, seen)

    @property
    def seen(self) -> Look:
        """What the values of the points as they are miss, and how far off they are."""
        if self._seen is None:
            self._seen = self._look()
        return self._seen

    def _look(self) -> Look:
        a, m, b = np.array(self.panels).T
        x, slopes, answers = np.array(self.at), self.slopes, self.answers
        rule = (x[b] - x[a]) / 6 * (slopes[:, a] + 4 * slopes[:, m] + slopes[:, b])
        misses = rule - (answers[:, b] - answers[:, a])
        unsigned, squares = np.abs(misses).sum(axis=1), (misses**2).sum(axis=1)
        rules = _rules(self.at, self.panels)
        pooled = self.pool(self._weighed(rules))
        length, change, beside, of_simpson = np.linalg.norm(pooled, axis=2).T
        alone = np.linalg.norm(pooled[:, 1] - pooled[:, 2], axis=1)  # of panels whose twin was halved further
        of_simpson = 15 * of_simpson
        alike_missed = unsigned**2 >= EVEN * len(self.panels) * squares
        rough = alike_missed & (beside > 1e-9 * length) & (beside <= of_simpson)
        # Where it falls as 1 / points the error is half of the change, its signs being random.
        # What Simpson's rule would gain by halving the panels that are alone is read off the others, which are half as
        # wide: the trapezoidal rule's gain there, in proportion, four times.
        share = np.divide(4 * of_simpson, beside, out=np.zeros_like(beside), where=beside > 0)
        error = np.where(rough, change / 2, (of_simpson + np.minimum(share, 1) * alone) / 4)
        # Not a matrix product: its last bits would depend on how many paths are cut alike.
        totals = [(slopes * weights).sum(axis=1) - (answers[:, 0] - answers[:, 1]) for weights in _both(rules)]
        trapezoidal = rough & (np.abs(totals[0]) <= BETTER * np.abs(totals[1]))
        miss, finite = np.where(trapezoidal, *totals), np.isfinite(misses).all(axis=1)
        return Look(misses, finite, unsigned, np.sqrt(squares), miss, rough, trapezoidal, error, length)

    def settled(self, gap: float, unsigned: float, error: float) -> np.ndarray:
        """Of each path whether the values are no numbers, or near enough, (k,).

        They miss at most `gap` in all and, on a smooth path, `unsigned` panel by panel, and their
        error is at most `error` times their length, or `gap`.
        """
        seen = self.seen
        missed = (np.abs(seen.miss) <= gap) & (seen.rough | (seen.unsigned <= unsigned))
        return np.asarray(~seen.finite | (missed & (seen.error <= np.maximum(gap, error * seen.length))))

    def hopeless(self, most: int, gap: float, unsigned: float) -> np.ndarray:
        """Of each path whether the misses fall too slowly, (k,): as 1 / points, where kinks lie everywhere.

        They would have to fall beyond 4 times `most` points.
        """
        if len(self.at) <= HOPE:
            return np.zeros(len(self.rows), dtype=bool)
        share = np.where(self.seen.rough, self.seen.spread / gap, self.seen.unsigned / unsigned)
        return np.asarray(len(self.at) * share > 4 * most)

    def halved(self, most: int, enough: float) -> list[Paths]:
        """The same paths with some panels halved, which adds at most `most` points; those cut alike stay together.

        The panels that miss most: what the others miss is then at most half of all, or at most half
        of `enough`. Of a rough path the widest, evenly: what one of them happens to miss says nothing
        of the panels it would be cut into. So too where nothing is missed and only the features are not known yet.
        """
        seen = self.seen
        evenly = seen.rough | (np.maximum(seen.unsigned, 2 * np.abs(seen.miss)) <= enough)
        groups: dict[tuple[int, ...], list[int]] = {}
        if evenly.any():
            groups[self._widest(most)] = np.flatnonzero(evenly).tolist()
        for i in np.flatnonzero(~evenly).tolist():
            groups.setdefault(_worst(np.abs(seen.misses[i]), most, enough), []).append(i)
        found = []
        for chosen, places in groups.items():
            part = self.of(np.array(places))
            at, panels = _halve(self.at, self.panels, chosen)
            found.append(Paths(part.rows, at, panels, part.answers, part.slopes, list(part.products), self.pool))
        return found

    def _widest(self, most: int) -> tuple[int, ...]:
        """Places of the widest panels, evenly along the path and at most half of `most`."""
        left = np.array([self.at[a] for a, _, _ in self.panels])
        width = np.array([self.at[b] for _, _, b in self.panels]) - left
        widest = np.flatnonzero(width == width.max())
        widest = widest[np.argsort(left[widest])]
        even = np.unique(np.linspace(0, len(widest) - 1, max(1, most // 2)).round().astype(int))
        return tuple(sorted(widest[even].tolist()[: most // 2]))

    def integrals(self) -> np.ndarray:
        """The values of all coordinates on each path: (k, *shape) in float64.

        By the trapezoidal rule on a rough path, see `Look.trapezoidal`. On others two panels that came of one are
        taken together by Boole's rule, which is Simpson's with the next term of its error removed:
        exact for quintics, for no further point.
        """
        either = self._weighed(np.stack(_both(_rules(self.at, self.panels))))
        choice = (~self.seen.trapezoidal).astype(int)
        return np.asarray(either[np.arange(len(self.rows)), choice])

    def _weighed(self, weights: np.ndarray) -> np.ndarray:
        """Sums of each path's products with weights (rules, n): (k, rules, *shape) in float64."""
        count, _, *shape = self.products[0].shape
        found, start = np.zeros((count, len(weights), int(np.prod(shape)))), 0
        for products in self.products:  # one after the other: those of a picture's path are large, and are not copied
            points = products.shape[1]
            # A product of matrices a path: its last bits do not depend on how many paths are cut alike.
            found += weights[:, start : start + points] @ products.reshape(count, points, -1)
            start += points
        return found.reshape(count, len(weights), *shape)


def sums(products: np.ndarray) -> np.ndarray:
    """The sum of each product of a batch (n, *shape), in float64: (n,)."""
    return np.asarray(products.reshape(len(products), -1).sum(axis=1, dtype=np.float64))


class _Pool:
    """Sums by features, which are linear, of many values at once.

    Args:
        one: (*shape) values to (M,).
    """

    def __init__(self, one: Callable[[np.ndarray], np.ndarray]) -> None:
        self._one = one
        self._onto: np.ndarray | None = None

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Of values (paths, rules, *shape): (paths, rules, M)."""
        paths, rules, *shape = values.shape
        size = int(np.prod(shape))
        if self._onto is None and paths * rules <= size:
            return np.array([[self._one(v) for v in found] for found in values], dtype=np.float64)
        if self._onto is None:  # of many paths of few coordinates, what it makes of each coordinate is asked once
            self._onto = np.array([self._one(one.reshape(shape)) for one in np.eye(size)])
        return np.asarray(values.reshape(paths, rules, size) @ self._onto)


def _worst(misses: np.ndarray, most: int, enough: float) -> tuple[int, ...]:
    """Places of the panels that miss most, at most half of `most`."""
    order = np.argsort(-misses, kind="stable")
    left = misses.sum() - np.cumsum(misses[order])
    needed = int(np.flatnonzero(left <= max(misses.sum() / 2, enough / 2) + 1e-300)[0]) + 1
    return tuple(sorted(order[: min(needed, most // 2)].tolist()))


def _halve(at: tuple[float, ...], panels: tuple[_Panel, ...], chosen: tuple[int, ...]) -> _Cut:
    """The points with a panel's two new middles each, and the panels with its halves at the end."""
    points, kept = list(at), list(panels)
    for i in reversed(chosen):
        a, m, b = kept.pop(i)
        new = len(points)
        points += [(points[a] + points[m]) / 2, (points[m] + points[b]) / 2]
        kept += [(a, new, m), (m, new + 1, b)]
    return tuple(points), tuple(kept)


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
