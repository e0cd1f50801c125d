"""Counterfactuals: the fewest changes of an input after which the model answers otherwise.

A state says what is done to each of M features: 0 leaves it as it is, k takes the k-th of
its alternatives (a word or a segment has one, being hidden; a column has other values).
The search asks the model for every state it speaks of; nothing is inferred. Source of the
notion: Wachter, Mittelstadt & Russell 2017, "Counterfactual explanations without opening
the black box"; of the evidence form of it (features removed): Martens & Provost 2014.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# (n, M) int states to (n,) margins: above 0 exactly where the answer is another one.
Margin = Callable[[np.ndarray], np.ndarray]
Cost = Callable[[np.ndarray], np.ndarray]

_SUBSETS = 10  # changed features up to which every smaller part of a set is asked
_LAST = 64  # states that are held back for the last check of what was found
_STEPS = 12  # alternatives that a step of the greedy search looks at


@dataclass(frozen=True)
class Counterfactual:
    """What a search found.

    Attributes:
        state: (M,) int, the changes; None where none was found.
        margin: by how much the answer is another one, in the unit of the margin.
        evaluations: distinct states that the model was asked for.
        ruled_out: every set of at most so many changed features was asked and none suffices
            (those of the alternatives that the search was given).
        minimal: no smaller part of `state` suffices; every part was asked.
        needed: without any one of its changes the answer is the old one; each was asked.
    """

    state: np.ndarray | None
    margin: float
    evaluations: int
    ruled_out: int
    minimal: bool
    needed: bool

    @property
    def size(self) -> int:
        """Features that are changed; 0 where nothing was found."""
        return 0 if self.state is None else int((self.state > 0).sum())

    @property
    def least(self) -> bool:
        """Whether no smaller number of changed features suffices: proved, not only not found."""
        return self.state is not None and self.ruled_out >= self.size - 1


def search(
    margin: Margin,
    options: Sequence[int],
    order: np.ndarray,
    *,
    budget: int = 1024,
    cost: Cost | None = None,
) -> Counterfactual:
    """Find the fewest changed features that turn the answer.

    All single changes where half the budget holds them, a greedy search along the
    attributions and along the single effects, all pairs where they are affordable, then a
    local search that leaves out and exchanges, and a last check of every part of what was
    found.

    Args:
        margin: asks the model.
        options: alternatives of each feature; 0 where it must not change.
        order: (M,) attributions of the answer: features of large value are tried first.
        budget: distinct states that may be asked.
        cost: (n, M) states to (n,) distances; among equally small sets the nearest is taken.
            None takes the one that turns the answer most.

    Returns:
        The change found, or one whose `state` is None.
    """
    asked = _Asked(margin, budget)
    rank = cost or (lambda states: -asked.known(states))
    m = len(options)
    nothing = np.zeros(m, dtype=np.int64)
    singles = [(i, k) for i in np.argsort(-np.asarray(order), kind="stable") for k in range(1, options[i] + 1)]
    if not singles or budget < 2:
        return Counterfactual(None, 0.0, 0, 0, False, False)
    states = np.array([_with(nothing, [s]) for s in singles[: max(budget // 2, 1)]])
    effect = asked(states)
    ruled_out = 1 if len(states) == len(singles) and not (effect > 0).any() else 0
    best = _cheapest(states[effect > 0], rank)
    if best is None:
        best = _greedy(asked, singles[: len(states)], effect, np.asarray(order))
        best = None if best is None else _smaller(asked, best)
        if ruled_out and (best is None or (best > 0).sum() > 2):
            pair, all_asked = _pairs(asked, singles, m, rank)
            ruled_out = 2 if all_asked and pair is None else ruled_out
            best = best if pair is None else pair
        if best is not None:
            best = _exchanged(asked, best, singles[: len(states)], effect, rank)
    if best is None:
        return Counterfactual(None, 0.0, asked.count, ruled_out, False, False)
    asked.spend_all()
    best, minimal, needed = least_part(asked, best, rank)
    return Counterfactual(best, float(asked.known(best[None])[0]), asked.count, ruled_out, minimal, needed)


def least_part(margin: Margin, state: np.ndarray, cost: Cost) -> tuple[np.ndarray, bool, bool]:
    """The smallest part of a set of changes that turns the answer.

    Every part is asked, the smallest first; of sets of more than 10 features, or where the
    margin is NaN (not to be asked), only the whole without each one of them.

    Returns:
        The part; whether all its parts were asked, so that none smaller turns the answer;
        whether it was asked without each of its changes.
    """
    changed = np.flatnonzero(state)
    for size in range(1, len(changed)) if len(changed) <= _SUBSETS else ():
        parts = np.array([_without(state, left) for left in itertools.combinations(changed, len(changed) - size)])
        answers = margin(parts)
        found = _cheapest(parts[answers > 0], cost)
        if np.isnan(answers).any():
            break
        if found is not None:
            return found, True, True  # by its size, none of its own parts turns the answer
    else:
        if len(changed) <= _SUBSETS:
            return state, True, True
    fewer = np.array([_without(state, [i]) for i in changed])
    answers = margin(fewer)
    if (answers > 0).any():
        return least_part(margin, fewer[int(np.nanargmax(answers))], cost)
    return state, False, not np.isnan(answers).any()


class _Asked:
    """The margin, asked once a state and never beyond the budget: what cannot be afforded is NaN."""

    def __init__(self, margin: Margin, budget: int) -> None:
        self._margin, self._all = margin, budget
        self._budget = max(budget - min(budget // 4, _LAST), min(budget, 2))
        self._known: dict[bytes, float] = {}

    @property
    def count(self) -> int:
        return len(self._known)

    def spend_all(self) -> None:
        """Free what was held back for the last check."""
        self._budget = self._all

    @property
    def left(self) -> int:
        return self._budget - self.count

    def __call__(self, states: np.ndarray) -> np.ndarray:
        states = np.ascontiguousarray(states, dtype=np.int64)
        keys = [row.tobytes() for row in states]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        rows = sorted(new.values())[: max(self.left, 0)]
        if rows:
            answers = np.asarray(self._margin(states[rows]), dtype=np.float64)
            self._known.update(zip((keys[r] for r in rows), answers.tolist(), strict=True))
        return np.array([self._known.get(key, np.nan) for key in keys])

    def known(self, states: np.ndarray) -> np.ndarray:
        """Margins of states that were asked before."""
        return np.array([self._known[row.tobytes()] for row in np.ascontiguousarray(states, dtype=np.int64)])


def _with(state: np.ndarray, changes: Sequence[tuple[int, int]]) -> np.ndarray:
    changed = state.copy()
    for i, k in changes:
        changed[i] = k
    return changed


def _without(state: np.ndarray, features: Sequence[Any]) -> np.ndarray:
    changed = state.copy()
    changed[list(features)] = 0
    return changed


def _cheapest(states: np.ndarray, rank: Cost) -> np.ndarray | None:
    return states[int(np.argmin(rank(states)))] if len(states) else None


def _greedy(
    asked: _Asked, singles: Sequence[tuple[int, int]], effect: np.ndarray, order: np.ndarray
) -> np.ndarray | None:
    """The shortest of three chains of changes that turn the answer, or None."""
    best_of: dict[int, tuple[float, int]] = {}
    for (i, k), value in zip(singles, effect, strict=True):
        if not np.isnan(value) and (i not in best_of or value > best_of[i][0]):
            best_of[i] = (float(value), k)
    nothing = np.zeros(len(order), dtype=np.int64)
    found = []
    for key in (lambda i: -order[i], lambda i: -best_of[i][0]):
        state, chain = nothing, []
        for i in sorted(best_of, key=key):
            state = _with(state, [(i, best_of[i][1])])
            chain.append(state)
        turned = np.flatnonzero(asked(np.array(chain)) > 0)
        if len(turned):
            found.append(chain[turned[0]])
    longest = min((int((s > 0).sum()) for s in found), default=len(order) + 1)
    state = nothing
    by_effect = [singles[j] for j in np.argsort(-np.nan_to_num(effect, nan=-np.inf), kind="stable")]
    while (state > 0).sum() < longest - 1 and asked.left >= _STEPS:  # one that is no shorter is of no use
        nexts = [s for s in by_effect if not state[s[0]]][:_STEPS]
        if not nexts:
            break
        candidates = np.array([_with(state, [s]) for s in nexts])
        answers = np.nan_to_num(asked(candidates), nan=-np.inf)
        state = candidates[int(answers.argmax())]
        if answers.max() > 0:
            found.append(state)
            break
    return min(found, key=lambda s: int((s > 0).sum()), default=None)


def _smaller(asked: _Asked, state: np.ndarray) -> np.ndarray:
    """The set without what it does not need, left out one by one."""
    while (state > 0).sum() > 1:
        fewer = np.array([_without(state, [i]) for i in np.flatnonzero(state)])
        answers = asked(fewer)
        if not (answers > 0).any():
            return state
        state = fewer[int(np.nan_to_num(answers, nan=-np.inf).argmax())]  # the one with most room for the next
    return state


def _pairs(asked: _Asked, singles: Sequence[tuple[int, int]], m: int, rank: Cost) -> tuple[np.ndarray | None, bool]:
    """The nearest pair that turns the answer, and whether every pair was asked; none is where not all can be."""
    counts = np.bincount([i for i, _ in singles], minlength=m)
    if (counts.sum() ** 2 - (counts**2).sum()) // 2 > asked.left:
        return None, False
    nothing = np.zeros(m, dtype=np.int64)
    pairs = [_with(nothing, pair) for pair in itertools.combinations(singles, 2) if pair[0][0] != pair[1][0]]
    if not pairs:
        return None, True
    states = np.array(pairs)
    return _cheapest(states[asked(states) > 0], rank), True


def _exchanged(
    asked: _Asked, state: np.ndarray, singles: Sequence[tuple[int, int]], effect: np.ndarray, rank: Cost
) -> np.ndarray:
    """The set with two of its changes exchanged for one other, as long as that turns the answer."""
    by_effect = [singles[j] for j in np.argsort(-np.nan_to_num(effect, nan=-np.inf), kind="stable")]
    while (state > 0).sum() > 2:
        others = [s for s in by_effect if not state[s[0]]][:_STEPS]
        swaps = [
            _with(_without(state, two), [other])
            for two in itertools.combinations(np.flatnonzero(state), 2)
            for other in others
        ]
        if not swaps or len(swaps) > asked.left // 2:
            return state
        states = np.array(swaps)
        found = _cheapest(states[asked(states) > 0], rank)
        if found is None:
            return state
        state = _smaller(asked, found)
    return state
