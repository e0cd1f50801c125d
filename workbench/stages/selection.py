"""Which predictions are explained: right, wrong, unsure and changed ones in even shares."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.errors import UsageError
from workbench.types import ClassScores, Predictions, Values

REASONS = ("wrong", "changed", "unsure", "right")


def choose_cases(
    before: Predictions, after: Predictions, *, samples: int, ids: tuple[str, ...] = (), seed: int = 0
) -> list[tuple[int, str]]:
    """Rows of the predictions to explain and why: (row, reason), in the order of the rows.

    From the test split, a quarter each: wrong (the most confident first; regression: the
    largest errors), changed by customisation (the largest change first), unsure (smallest
    margin; regression: errors around the median), right (even over the classes, drawn by
    seed; regression: the smallest errors). What a reason cannot fill goes round the others,
    right ones first.

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
    rank: Any = _rank_classes if isinstance(after, ClassScores) else _rank_values
    ranked = {reason: [int(r) for r in rows] for reason, rows in rank(before, after, test, rng).items()}
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
    shuffled = rng.permutation(np.flatnonzero(right))
    turn = np.zeros(len(test), dtype=np.int64)  # the how-manieth of its class: classes take turns
    for k in np.unique(predicted[shuffled]):
        of_class = shuffled[predicted[shuffled] == k]
        turn[of_class] = np.arange(len(of_class))
    return {
        "wrong": test[np.flatnonzero(wrong)[np.argsort(-confidence[wrong], kind="stable")]],
        "changed": test[np.flatnonzero(changed)[np.argsort(-moved[changed], kind="stable")]],
        "unsure": test[np.argsort(margin, kind="stable")][: max(len(test) // 4, 1)],
        "right": test[shuffled[np.argsort(turn[shuffled], kind="stable")]],
    }


def _rank_values(before: Values, after: Values, test: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    error = np.abs(after.values[test] - after.targets[test])
    known = np.flatnonzero(np.isfinite(error))
    by_error = test[known[np.argsort(error[known], kind="stable")]]
    moved = np.abs(after.values[test] - before.values[test])
    half, quarter = len(by_error) // 2, max(len(by_error) // 4, 1)
    return {
        "wrong": by_error[::-1][:quarter],
        "changed": test[np.argsort(-moved, kind="stable")][:quarter],
        "unsure": rng.permutation(by_error[max(half - quarter // 2, 0) : half + quarter // 2 + 1]),
        "right": by_error[:quarter],
    }
