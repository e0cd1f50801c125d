"""Which values the columns of a table may take when a row is changed.

Those seen in training, or within what `[explain] ranges` allows; a column of whole numbers
stays one, and what `[explain] immutable` names (age, origin, ...) is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.config import Explain
from workbench.errors import ConfigError, UnknownName
from workbench.types import Column

_CANDIDATES = 16  # values of a numeric column that are tried


@dataclass(frozen=True)
class Range:
    """What one column may become.

    Attributes:
        values: candidates; numbers in order, or the names of categories. Empty: it is fixed.
        integer: whether every training value is a whole number.
        scale: what counts as one unit of distance: the middle half of the training values.
    """

    column: Column
    values: tuple[Any, ...]
    integer: bool = False
    scale: float = 1.0


def check_ranges(settings: Explain, modality: str, columns: Sequence[Column]) -> None:
    """Refuse wishes on columns that are not there or have no range.

    Raises:
        UnknownName: no such column. ConfigError: the data are no table, a range is empty, or
            it is one of a category.
    """
    if (settings.ranges or settings.immutable) and modality != "table":
        key = "ranges" if settings.ranges else "immutable"
        raise ConfigError(f"explain.{key} is for tables; the inputs here are {modality}s", hint="leave it out")
    kinds = {column.name: column.kind for column in columns}
    for name in (*settings.ranges, *settings.immutable):
        if name not in kinds:
            raise UnknownName("column", name, kinds)
    for name, (low, high) in settings.ranges.items():
        if kinds[name] != "numeric":
            raise ConfigError(f"explain.ranges: {name!r} is a category", hint="only numbers have a range")
        if not low < high:
            raise ConfigError(
                f"explain.ranges: {name} = [{low:g}, {high:g}] is empty", hint="the lower end comes first"
            )


def ranges_of(columns: Sequence[Column], inputs: Sequence[Mapping[str, Any]], settings: Explain) -> tuple[Range, ...]:
    """What each column may become, from the training rows and the config."""
    return tuple(_range(column, inputs, settings) for column in columns)


def _range(column: Column, inputs: Sequence[Mapping[str, Any]], settings: Explain) -> Range:
    fixed = column.name in settings.immutable
    if column.kind == "categorical":
        return Range(column, () if fixed else column.categories)
    cells = (row.get(column.name) for row in inputs)
    seen = np.array([float(v) for v in cells if v is not None and v == v])
    if not len(seen):
        return Range(column, ())
    integer = bool((seen == np.rint(seen)).all())
    quarter, three = np.quantile(seen, (0.25, 0.75))
    scale = float(three - quarter) or float(seen.std()) or 1.0
    # Values that were seen: a quantile between two of them need not be possible.
    values = set(np.quantile(seen, np.linspace(0, 1, _CANDIDATES), method="inverted_cdf").tolist())
    if column.name in settings.ranges:
        low, high = settings.ranges[column.name]
        ends = (float(np.ceil(low)), float(np.floor(high))) if integer else (low, high)
        values = {v for v in (*values, *ends) if low <= v <= high}
    return Range(column, () if fixed else tuple(sorted(values)), integer, scale)
