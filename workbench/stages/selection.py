"""Which predictions are explained: right, wrong, unsure and changed ones in even shares."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.errors import UsageError
from workbench.types import ClassScores, LabelScores, Predictions, Values

REASONS = ("wrong", "changed", "unsure", "right")


def choose_cases(
    before: Predictions | None, after: Predictions, *, samples: int, ids: tuple[str, ...] = (), seed: int = 0
) -> list[tuple[int, str]]:
    """Rows of the predictions to explain and why: (row, reason), in the order of the rows.

    From the test split, a quarter each: wrong (the most confident first; regression: the
    largest errors), changed by customisation (the largest change first), unsure (smallest
    margin; regression: errors around the median), right (even over the classes, drawn by
    seed; regression: the smallest errors). With several labels an example is right where all
    of them are. What a reason cannot fill goes round the others, right ones first. `before` is
    None where there is no model before.

    Raises:
        UsageError: an asked id is not among the predictions.
    """
    if ids:
        position = {str(name): row for row, name in enumerate(after.ids)}
        missing = [name for name in ids if name not in position]
        if missing:
            raise UsageError(f"no example has the id {missing[0]!r}", hint=f"ids look like {after.ids[0]!r}")
        return [(position[name], "asked for") for name in ids]
    test = np.flatnonzero(after.splits == "test")
    rng = np.random.default_rng(seed)
    rank: Any = _RANKS[type(after)]
    ranked = {reason: [int(r) for r in rows] for reason, rows in rank(before or after, after, test, rng).items()}
    if before is None:
        ranked["changed"] = []
    chosen: dict[int, str] = {}
    for place, reason in enumerate(REASONS):
        quarter = round(samples * (place + 1) / len(REASONS)) - round(samples * place / len(REASONS))
        chosen |= dict.fromkeys([r for r in ranked[reason] if r not in chosen][:quarter], reason)
    waiting = [(reason, iter([r for r in ranked[reason] if r not in chosen])) for reason in reversed(REASONS)]
    while waiting and len(chosen) < samples:  # what is left over goes round, one at a time
        reason, rows = waiting.pop(0)
        row = next((r for r in rows if r not in chosen), None)
        if row is not None:
            chosen[row] = reason
            waiting.append((reason, rows))
    return sorted(chosen.items())


def _rank_classes(
    before: ClassScores, after: ClassScores, test: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    p = after.probabilities[test]
    predicted, targets = after.predicted[test], after.targets[test]
    known = targets >= 0
    confidence = p.max(axis=1)
    ordered = np.sort(p, axis=1)
    margin = ordered[:, -1] - ordered[:, -2] if p.shape[1] > 1 else confidence
    right, wrong = known & (predicted == targets), known & (predicted != targets)
    changed = before.predicted[test] != predicted
    moved = np.abs(p - before.probabilities[test]).sum(axis=1)
    return {
        "wrong": test[np.flatnonzero(wrong)[np.argsort(-confidence[wrong], kind="stable")]],
        "changed": test[np.flatnonzero(changed)[np.argsort(-moved[changed], kind="stable")]],
        "unsure": test[np.argsort(margin, kind="stable")][: max(len(test) // 4, 1)],
        "right": test[_in_turn(right, predicted, rng)],
    }


def _in_turn(chosen: np.ndarray, answers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The chosen rows in an order drawn by lot in which the different answers take turns."""
    shuffled = rng.permutation(np.flatnonzero(chosen))
    turn = np.zeros(len(chosen), dtype=np.int64)  # the how-manieth of its answer
    for k in np.unique(answers[shuffled]):
        alike = shuffled[answers[shuffled] == k]
        turn[alike] = np.arange(len(alike))
    return np.asarray(shuffled[np.argsort(turn[shuffled], kind="stable")])


def _rank_labels(
    before: LabelScores, after: LabelScores, test: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    p, given, targets = after.probabilities[test], after.predicted[test], after.targets[test]
    known = (targets >= 0).all(axis=1)
    off = given != (targets == 1)
    right, wrong = known & ~off.any(axis=1), known & off.any(axis=1)
    surest = np.where(off, np.abs(p - targets), 0.0).max(axis=1)  # the gravest of an example's wrong labels
    margin = np.abs(p - after.thresholds).min(axis=1)
    changed = (before.predicted[test] != given).any(axis=1)
    moved = np.abs(p - before.probabilities[test]).sum(axis=1)
    answers = np.unique(given, axis=0, return_inverse=True)[1].reshape(-1)
    return {
        "wrong": test[np.flatnonzero(wrong)[np.argsort(-surest[wrong], kind="stable")]],
        "changed": test[np.flatnonzero(changed)[np.argsort(-moved[changed], kind="stable")]],
        "unsure": test[np.argsort(margin, kind="stable")][: max(len(test) // 4, 1)],
        "right": test[_in_turn(right, answers, rng)],
    }


def _rank_values(before: Values, after: Values, test: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    error = np.abs(after.values[test] - after.targets[test])
    known = np.flatnonzero(np.isfinite(error))
    by_error = test[known[np.argsort(error[known], kind="stable")]]
    moved = np.abs(after.values[test] - before.values[test])
    half, quarter = len(by_error) // 2, max(len(by_error) // 4, 1)
    return {
        "wrong": by_error[half:][::-1],
        "changed": test[np.argsort(-moved, kind="stable")][:quarter],
        "unsure": rng.permutation(by_error[max(half - quarter // 2, 0) : half + quarter // 2 + 1]),
        "right": by_error[:half],
    }


_RANKS: dict[type, Any] = {ClassScores: _rank_classes, LabelScores: _rank_labels, Values: _rank_values}
