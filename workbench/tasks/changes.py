"""What can be changed of an input, and how the model answers to the changed input.

The counterpart of `binding` for counterfactuals: a search speaks of states, this module
turns them into inputs for the deployed model and back into words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.explainers.counterfactual import Counterfactual, least_part, search
from workbench.modalities import table
from workbench.modalities.table import TablePreparation
from workbench.tasks.ranges import Range
from workbench.types import Feature

_ROWS = 64  # inputs at once
_FINER = 32  # steps on the way to a number that suffices
Ask = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Found:
    """A counterfactual on its input.

    Attributes:
        search: what was asked and what is proved.
        changes: of each changed feature `index`, `name` and, for a column, `before` and `after`
            as a person reads them and the raw `value`.
        scores: (K,) the model's answer to the changed input; None where none was found.
    """

    search: Counterfactual
    changes: tuple[dict[str, Any], ...] = ()
    scores: np.ndarray | None = None


def turned(scores: np.ndarray, amount: float | None) -> Callable[[np.ndarray], np.ndarray]:
    """How far answers (n, K) are from the answer (K,): above 0 where they are another one.

    Classes: the largest other logit minus that of the class decided. Values (`amount` given):
    the distance moved minus the amount.
    """
    if amount is not None:
        return lambda found: np.abs(found[:, 0] - scores[0]) - amount
    k = int(np.argmax(scores))

    def margin(found: np.ndarray) -> np.ndarray:
        return np.delete(found, k, axis=1).max(axis=1) - found[:, k]

    return margin


def label_turned(scores: np.ndarray, label: int, threshold: float) -> Callable[[np.ndarray], np.ndarray]:
    """How far answers (n, K) are beyond giving, or not giving, one label: in logits from its threshold.

    `scores` (K,) is the answer as it is; a label is given from its threshold on.
    """
    p = float(np.clip(threshold, 1e-12, 1 - 1e-12))
    cut = float(np.log(p / (1 - p)))
    sign = 1.0 if scores[label] >= cut else -1.0
    return lambda found: sign * (cut - found[:, label])


def hide_parts(
    ask: Ask,
    features: Sequence[Feature],
    scores: np.ndarray,
    order: np.ndarray,
    *,
    amount: float | None = None,
    margin: Ask | None = None,
    budget: int,
) -> Found:
    """The fewest words or segments to hide.

    Args:
        ask: (n, M) boolean masks (True keeps a part) to (n, K) scores.
        features: the M parts.
        scores: (K,) the model's answer to the input as it is.
        order: (M,) attributions of the answer.
        amount: of a value: what counts as another one.
        margin: (n, K) scores to (n,), above 0 where the answer is another one; None: by `turned`.
        budget: inputs that may be asked.
    """
    margin = margin or turned(scores, amount)
    found = search(lambda states: margin(ask(states == 0)), [1] * len(features), order, budget=budget)
    if found.state is None:
        return Found(found)
    hidden = np.flatnonzero(found.state).tolist()
    changes = tuple({"index": i, "name": features[i].name} for i in hidden)
    return Found(found, changes, ask(found.state[None] == 0)[0])


def change_values(
    ask: Callable[[Sequence[Mapping[str, Any]]], np.ndarray],
    row: Mapping[str, Any],
    ranges: Sequence[Range],
    scores: np.ndarray,
    order: np.ndarray,
    *,
    amount: float | None = None,
    margin: Ask | None = None,
    budget: int,
) -> Found:
    """The fewest columns to set to other values, each then brought as near to its own as suffices.

    Args:
        ask: rows to (n, K) scores.
        row: the row as it is.
        ranges: what each column may become.
        scores, order, amount, margin, budget: as for `hide_parts`.
    """
    margin = margin or turned(scores, amount)
    own = [row.get(r.column.name) for r in ranges]
    values = [tuple(v for v in r.values if v != x) for r, x in zip(ranges, own, strict=True)]
    far = [np.array([0.0, *(_distance(r, x, v) for v in vs)]) for r, x, vs in zip(ranges, own, values, strict=True)]
    asked = 0

    def margins(chosen: Sequence[Mapping[int, Any]]) -> np.ndarray:
        nonlocal asked
        asked += len(chosen)
        return margin(ask([_changed(row, ranges, c) for c in chosen]))

    def of_states(states: np.ndarray) -> np.ndarray:
        return margins([{i: values[i][k - 1] for i, k in enumerate(s) if k} for s in states.tolist()])

    def cost(states: np.ndarray) -> np.ndarray:
        return np.sum([f[s] for f, s in zip(far, states.T, strict=True)], axis=0)

    found = search(of_states, [len(v) for v in values], order, budget=budget, cost=cost)
    if found.state is None:
        return Found(found)
    chosen = {int(i): values[i][found.state[i] - 1] for i in np.flatnonzero(found.state)}
    for i in list(chosen):
        nearer = [{**chosen, i: v} for v in _between(ranges[i], own[i], chosen[i])]
        enough = np.flatnonzero(margins(nearer) > 0) if nearer else np.zeros(0, dtype=np.int64)
        chosen = nearer[enough[0]] if len(enough) else chosen
    # Nearer values are other values: that no part of them suffices is asked anew.
    indices = list(chosen)

    def of_parts(parts: np.ndarray) -> np.ndarray:
        return margins([{i: chosen[i] for i, k in zip(indices, p, strict=True) if k} for p in parts])

    whole = np.ones(len(indices), dtype=np.int64)
    part, minimal, needed = least_part(of_parts, whole, lambda p: p.sum(axis=1).astype(float))
    final = {i: chosen[i] for i, k in zip(indices, part, strict=True) if k}
    answer = ask([_changed(row, ranges, final)])[0]
    turned_by = np.where(np.isin(np.arange(len(ranges)), list(final)), found.state, 0)
    proved = Counterfactual(turned_by, float(margin(answer[None])[0]), asked, found.ruled_out, minimal, needed)
    return Found(proved, tuple(_describe(i, v, row, ranges) for i, v in final.items()), answer)


def asker_of_parts(modality: Any, backbone: Any, preparation: Any, cut: Any, filler: str) -> Ask:
    """(n, M) masks to the scores (n, K) of a text or picture with the other parts hidden."""

    def ask(masks: np.ndarray) -> np.ndarray:
        parts = [
            backbone.outputs(modality.hide(cut, masks[i : i + _ROWS], preparation, filler=filler))
            for i in range(0, len(masks), _ROWS)
        ]
        return np.concatenate(parts).astype(np.float64)

    return ask


def asker_of_rows(backbone: Any, preparation: TablePreparation) -> Callable[[Sequence[Mapping[str, Any]]], np.ndarray]:
    """Rows to the scores (n, K) of the model."""

    def ask(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        encoded = table.encode(rows, preparation)
        return backbone.outputs(encoded.batch(np.arange(len(rows)))).astype(np.float64)

    return ask


def _changed(row: Mapping[str, Any], ranges: Sequence[Range], chosen: Mapping[int, Any]) -> dict[str, Any]:
    return {**row, **{ranges[i].column.name: value for i, value in chosen.items()}}


def _distance(range_: Range, current: Any, value: Any) -> float:
    """Distance of two values in a column's own unit; another category, or one for nothing, counts 1."""
    if range_.column.kind == "categorical" or current is None or current != current:
        return 1.0
    return abs(float(value) - float(current)) / range_.scale


def _between(range_: Range, current: Any, value: Any) -> list[float]:
    """Allowed numbers from the current one to the value, the nearest first, none longer than need be."""
    if range_.column.kind == "categorical" or current is None or current != current:
        return []
    start, end = float(current), float(value)
    steps = start + (end - start) * np.arange(1, _FINER) / _FINER
    digits = 0 if range_.integer else 2 - int(np.floor(np.log10(abs(end - start))))
    rounded = dict.fromkeys(np.round(steps, digits).tolist())
    low, high = max(min(start, end), range_.values[0]), min(max(start, end), range_.values[-1])
    return [v for v in rounded if low <= v <= high and v not in (start, end)]


def _describe(i: int, value: Any, row: Mapping[str, Any], ranges: Sequence[Range]) -> dict[str, Any]:
    column = ranges[i].column
    shown = (table.show(row.get(column.name), column), table.show(value, column))
    return {"index": i, "name": column.name, "before": shown[0], "after": shown[1], "value": value}
