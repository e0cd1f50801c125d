"""What the examples are grouped by: categories as they are, numbers cut into ranges that can be said aloud."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MISSING = "(missing)"
OTHERS = "(all other values)"
MOST_VALUES = 20  # of a category that stand alone; the rarer ones are taken together
_FEW_NUMBERS = 8  # distinct numbers up to which each is a value of its own
_A_RANGE = 40  # test examples that a range should have, about
_MOST_RANGES = 4

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Attribute:
    """One property of every example, as the value by which it is grouped.

    `values` (n,) are labels out of `order`; `kind` is "category" or "range"; `edges` are the
    upper ends (inclusive) of all ranges but the last.
    """

    name: str
    values: NDArray[np.object_]
    order: tuple[str, ...]
    kind: str = "category"
    edges: tuple[float, ...] = ()


def attribute(
    name: str, cells: Sequence[str | float | None], splits: NDArray[np.object_], split: str = "test"
) -> Attribute:
    """Group examples by a column.

    Numbers of more than eight distinct values are cut at the training split's quantiles into
    two to four ranges, by the number of examples in `split`; everything else is a category,
    of which the values that are rare in `split` are taken together.

    Args:
        name: of the column.
        cells: (n,) numbers, or words; None, NaN and empty words are missing. Words that all
            spell numbers are numbers.
        splits: (n,) the split of each example.
        split: the split that will be reported.
    """
    numbers = _numbers(cells)
    mine = np.asarray(splits) == split
    if numbers is not None and len(np.unique(numbers[np.isfinite(numbers)])) > _FEW_NUMBERS:
        training = numbers[np.asarray(splits) == "train"]
        parts = int(np.clip(mine.sum() // _A_RANGE, 2, _MOST_RANGES))
        return _ranges(name, numbers, training if np.isfinite(training).any() else numbers, parts)
    labels = np.array([MISSING if _missing(c) else _spelled(c) for c in cells], dtype=object)
    counts = Counter(labels[mine].tolist())
    kept = sorted(counts, key=lambda value: (-counts[value], value))
    if len(kept) > MOST_VALUES:
        kept = [*kept[: MOST_VALUES - 1], OTHERS]
    there = set(kept)
    labels = np.array([v if v in there else OTHERS for v in labels.tolist()], dtype=object)
    return Attribute(name, labels, _in_order([v for v in kept if v in set(labels[mine].tolist())]))


def _ranges(name: str, numbers: Floats, reference: Floats, parts: int) -> Attribute:
    known = reference[np.isfinite(reference)]
    quantiles = np.quantile(known, np.arange(1, parts) / parts)
    places = _places(known)
    edges = sorted({round(float(q), places) for q in quantiles})
    words = [spell(e) for e in edges]
    labels = [f"up to {words[0]}", *(f"over {a}, up to {b}" for a, b in itertools.pairwise(words))]
    labels.append(f"over {words[-1]}")
    place = np.searchsorted(np.array(edges), numbers, side="left")
    values = np.array([labels[p] if np.isfinite(v) else MISSING for p, v in zip(place, numbers, strict=True)], object)
    order = [label for label in (*labels, MISSING) if label in set(values.tolist())]
    return Attribute(name, values, tuple(order), "range", tuple(edges))


def _places(known: Floats) -> int:
    """Decimals after which a hundredth of the numbers' spread is lost: enough to cut at, few enough to read."""
    low, high = np.quantile(known, [0.05, 0.95])
    spread = float(high - low) or float(np.ptp(known)) or 1.0
    return -math.floor(math.log10(spread / 100))


def spell(value: float) -> str:
    """A number with as many digits as it has, at most ten, thousands apart."""
    text = f"{value:.10g}"
    return f"{value:,.10g}" if "e" not in text else text


def _numbers(cells: Sequence[str | float | None]) -> Floats | None:
    """The cells as numbers, NaN where missing; None where one is a word or none is a number."""
    found = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if _missing(cell):
            continue
        try:
            found[i] = float(cell)  # type: ignore[arg-type]
        except ValueError:
            return None
    return found if np.isfinite(found).any() else None


def _missing(cell: str | float | None) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _spelled(cell: str | float | None) -> str:
    return f"{float(cell):.10g}" if isinstance(cell, int | float) else str(cell)


def _in_order(values: list[str]) -> tuple[str, ...]:
    """Numbers by size; words as they come, the most frequent first; what is no value of its own at the end."""
    last = [v for v in values if v in (MISSING, OTHERS)]
    first = [v for v in values if v not in (MISSING, OTHERS)]
    numbers = _numbers(first)
    if numbers is not None:
        first = [first[i] for i in np.argsort(numbers, kind="stable")]
    return (*first, *last)
