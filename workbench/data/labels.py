"""The label names of a multi-label data set, and whether its targets can be such labels at all."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.data.cells import in_order
from workbench.data.records import Records
from workbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from workbench.config import Data

_MANY = 20  # labels up to which their number is not doubted


def check_label_sets(records: Records) -> None:
    """Refuse a target without any label, or with nearly a label of its own for every row.

    Raises:
        DataError: so it is.
    """
    targets = [r.target for r in records.rows if r.split in ("", "train")]
    counts = Counter(label for target in targets if isinstance(target, tuple) for label in target)
    where = f"column {records.target!r}"
    if not counts:
        raise DataError(
            f"{where} holds no label in any of {len(targets):,} training examples",
            hint="name another column with data.target, or columns of 0 and 1 with data.targets",
        )
    if len(counts) > _MANY and len(counts) > len(targets) / 2:
        raise DataError(
            f"{where} has {len(counts):,} distinct labels in {len(targets):,} training examples: these are no labels",
            hint="name another column with data.target, or set data.label_separator",
        )


def label_names(records: Records, splits: Sequence[str], data: Data) -> tuple[str, ...]:
    """The label names in order; every label of every example must be one of them.

    Raises:
        DataError: there are fewer than two labels, one of `data.targets` never holds in
            training, or an example has a label that training does not know.
        ConfigError: `data.labels` holds a name twice, or not the names of `data.targets`.
    """
    seen: set[str] = set()
    for record, split in zip(records.rows, splits, strict=True):
        if split == "train" and isinstance(record.target, tuple):
            seen |= set(record.target)
    coded = tuple(name for name in records.class_names if name in seen)
    labels = data.labels or data.targets or coded or in_order(seen)
    where = f"column {records.target!r}"
    if len(set(labels)) < len(labels):
        raise ConfigError(f"data.labels holds a name twice: {', '.join(labels)}", hint="name each label once")
    if data.targets and set(labels) != set(data.targets):
        raise ConfigError("data.labels and data.targets name different labels", hint="leave data.labels empty")
    if len(labels) < 2:
        raise DataError(
            f"{where} holds one label only in the training split: {labels[0]!r}",
            hint="bring a second label, or use a classification task to tell whether this one holds",
        )
    never = [name for name in data.targets if name not in seen]
    if never:
        raise DataError(
            f"column {never[0]!r} (data.targets) holds no 1 in the training split",
            hint="leave it out of data.targets, or add training examples where the label holds",
        )
    for record in records.rows:
        for name in record.target if isinstance(record.target, tuple) else ():
            if name not in labels:
                known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
                close = difflib.get_close_matches(name, labels, n=1, cutoff=0.6)
                origin = "data.labels" if data.labels else "the training split"
                raise DataError(
                    f"{record.where}, {where}: label {name!r} is not in {origin} ({known})",
                    hint=f"did you mean {close[0]!r}?" if close else "repair it, or add training examples of it",
                )
    return tuple(labels)
