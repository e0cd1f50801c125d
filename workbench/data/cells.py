"""What one cell of a table means: a number, a category, a label or nothing."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable
from typing import Any

# Spellings of a missing number, and of a missing category: there "NA" may be Namibia.
_NO_NUMBER = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
_NO_CATEGORY = frozenset({"", "nan", "NaN", "NAN"})
# Numbers as people write them: 1,234.5 or 1.234,5 or 1 234 or 1'234, and 0,5.
_GROUPED = re.compile(r"[+-]?(?:\d{1,3}(?:(?P<by>[,.' \u00a0\u202f\u2019])\d{3})(?:(?P=by)\d{3})*(?:[.,]\d+)?|\d+,\d+)")


def number(cell: Any) -> float:
    """A cell as a float; NaN where missing.

    Raises:
        ValueError: the cell is not a number.
    """
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _NO_NUMBER:
            return math.nan
        if "_" in text:  # Python reads 1_000, nobody else does
            raise ValueError(cell)
        return float(text)
    if isinstance(cell, bool | bytes) or not hasattr(cell, "__float__"):
        raise ValueError(cell)
    try:
        return float(cell)
    except OverflowError:
        return math.inf


def numbers(cells: Iterable[Any]) -> list[float] | None:
    """A column as floats, or None where a cell is not a number."""
    try:
        return [number(cell) for cell in cells]
    except ValueError:
        return None


def spelling(name: str) -> str:
    """How a category spells a number: "number", "grouped" (thousands, a decimal comma), "missing", "" for a word."""
    try:
        return "missing" if math.isnan(number(name)) else "number"
    except ValueError:
        return "grouped" if _GROUPED.fullmatch(name) else ""


def category(cell: Any, exact: bool = False) -> str | None:
    """A cell as the name of a category; None where missing. 1.0 and 1 are both `1`; `exact` keeps blanks around it."""
    if cell is None:
        return None
    if isinstance(cell, str):
        text = cell.strip()
        return None if text in _NO_CATEGORY else cell if exact else text
    if isinstance(cell, float):
        if math.isnan(cell):
            return None
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)


def booleans(names: Iterable[str | None]) -> dict[str, str]:
    """How a column of nothing but true, false and missing spells them, by lower case; of another column nothing."""
    spelt: dict[str, str] = {}
    for name in names:
        if name is not None and name.lower() not in ("true", "false"):
            return {}
        if name is not None:
            spelt.setdefault(name.lower(), name)
    return spelt


def is_nested(cells: Iterable[Any]) -> bool:
    """Whether a column holds lists, objects or bytes: nothing that a model of rows can read."""
    return any(isinstance(cell, list | dict | tuple | set | bytes) for cell in cells)


def as_value(label: str) -> float | None:
    """The number that a label spells, or None."""
    try:
        value = number(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels sorted: by value where all are numbers, else by name."""
    distinct = sorted(set(labels))
    values = {label: as_value(label) for label in distinct}
    if all(v is not None for v in values.values()):
        return tuple(sorted(distinct, key=lambda label: (values[label], label)))
    return tuple(distinct)
