"""Whether a table's rows can go into a foreign file as they stand: whole numbers, and categories that are known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from workbench.backbones.contract import Contract, Feed
from workbench.errors import DataError
from workbench.modalities.table import TablePreparation


def check_rows(contract: Contract, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse rows that would reach the file as something else.

    Args:
        contract: of the file.
        rows: id and columns of each.

    Raises:
        DataError: an input of whole numbers is given none, or a number that it cannot hold; or
            a category is in no row of the audited data, so that it has no code.
    """
    if contract.preparation["modality"] != "table":
        return
    known = {c.name: frozenset(c.categories) for c in TablePreparation.from_json(contract.preparation).columns}
    checked = [feed for feed in contract.feeds if feed.dtype == "str" or feed.dtype.startswith(("int", "uint", "bool"))]
    for id_, row in rows if checked else ():
        for feed in checked:
            for name in feed.takes:
                value = row.get(name)
                missing = value is None or value != value
                if feed.dtype != "str":
                    _check_whole(id_, name, None if missing else float(value), feed)  # type: ignore[arg-type]
                elif not missing and str(value) not in known[name]:
                    _refuse_unknown(id_, name, str(value), known[name])


def limits(dtype: str) -> tuple[int, int]:
    """The least and the greatest number that a type of whole numbers holds."""
    return (0, 1) if dtype == "bool" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def _check_whole(id_: str, name: str, value: float | None, feed: Feed) -> None:
    if value is None:
        raise DataError(
            f"example {id_!r}: {name!r} is missing, and input {feed.name} takes whole numbers",
            hint="fill it in, or leave the row out",
        )
    low, high = limits(feed.dtype)
    if value.is_integer() and low <= value <= high:
        return
    within = "" if feed.dtype == "int64" else f" from {low} to {high}"
    raise DataError(
        f"example {id_!r}: {name!r} is {value:.15g}, and input {feed.name} takes whole numbers{within}",
        hint="round it as was done for training, leave the row out, or export the model with an input of floats",
    )


def _refuse_unknown(id_: str, name: str, value: str, known: frozenset[str]) -> None:
    close = difflib.get_close_matches(value, sorted(known), n=1, cutoff=0.6)
    raise DataError(
        f"example {id_!r}: {name!r} is {value!r}, a category that no row of the audited data has",
        hint=(f"did you mean {close[0]!r}? if not, " if close else "") + "audit the file on data that hold it",
    )
