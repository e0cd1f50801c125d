"""What the data is, in numbers and one hash: `data/fingerprint.json`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.types import SPLITS, Dataset, Example

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def input_hash(value: Any) -> str:
    """SHA-256 of an input's bytes: a text in UTF-8, a picture's file or pixels, a row as canonical JSON."""
    if isinstance(value, Path):
        with value.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if isinstance(value, str):
        return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    if isinstance(value, np.ndarray):
        head = f"{value.dtype.str}{value.shape}".encode()
        return hashlib.sha256(head + np.ascontiguousarray(value).tobytes()).hexdigest()
    if isinstance(value, Mapping):  # NaN and None are both "missing"
        row = {k: None if v is None or v != v else float(v) if not isinstance(v, str) else v for k, v in value.items()}
        return hashlib.sha256(_CANONICAL.encode(row).encode("utf-8", "surrogatepass")).hexdigest()
    return hashlib.sha256(value).hexdigest()


def input_hashes(dataset: Dataset) -> tuple[str, ...]:
    """`input_hash` of every example, in order."""
    return tuple(input_hash(e.input) for e in dataset.examples)


def fingerprint(dataset: Dataset, *, source: str = "", hashes: Sequence[str] = ()) -> dict[str, Any]:
    """The content of `data/fingerprint.json` (see docs/artefacts.md).

    `sha256` covers id, input, target and split of every example in order, and no path: a
    data folder that is moved keeps it.

    Args:
        dataset: the examples.
        source: where they came from, as the config says; empty: the dataset's name.
        hashes: `input_hashes(dataset)` where already computed.
    """
    whole = hashlib.sha256()
    for example, hash_ in zip(dataset.examples, hashes or input_hashes(dataset), strict=True):
        whole.update(json.dumps([example.id, hash_, target_name(dataset, example.target), example.split]).encode())
        whole.update(b"\n")
    splits = {name: dataset.split(name) for name in SPLITS}
    content: dict[str, Any] = {
        "name": dataset.name,
        "modality": dataset.modality,
        "source": source or dataset.name,
        "sha256": whole.hexdigest(),
        "notes": list(dataset.notes),
        "split_method": dataset.split_method,
        "splits": {name: len(examples) for name, examples in splits.items()},
    }
    if dataset.labels:
        counts = {name: label_counts(examples) for name, examples in splits.items()}
        content["classes"] = {
            name: {label: counts[name][k] for k, label in enumerate(dataset.labels)} for name in splits
        }
    else:
        content["target"] = {
            name: _summary([e.target for e in examples if isinstance(e.target, int | float)])
            for name, examples in splits.items()
        }
    if dataset.kind == "labels":
        content["label_sets"] = {name: _label_sets(examples) for name, examples in splits.items()}
    content |= {"unit": dataset.unit, "target_name": dataset.target, "labels": list(dataset.labels)}
    if dataset.columns:
        content["columns"] = [
            {
                "name": column.name,
                "kind": column.kind,
                "categories": list(column.categories),
                "missing": {
                    name: sum(is_missing(e.input[column.name]) for e in examples) for name, examples in splits.items()
                },
            }
            for column in dataset.columns
        ]
    content["skipped"] = [{"where": s.where, "reason": s.reason} for s in dataset.skipped]
    return content


def is_missing(cell: Any) -> bool:
    """Whether a cell of a table's input is missing: None or NaN."""
    return cell is None or cell != cell


def label_counts(examples: Iterable[Example]) -> Counter[int]:
    """How many examples have each class or label, by its index."""
    counts: Counter[int] = Counter()
    for e in examples:
        counts.update(e.target if isinstance(e.target, tuple) else () if e.target is None else (int(e.target),))
    return counts


def _label_sets(examples: Sequence[Example]) -> dict[str, float | int | None]:
    """Labels of an example on average, examples without any, and distinct sets of labels."""
    sets = [e.target for e in examples if isinstance(e.target, tuple)]
    return {
        "cardinality": sum(map(len, sets)) / len(sets) if sets else None,
        "empty": sum(not s for s in sets),
        "distinct": len(set(sets)),
    }


def target_name(dataset: Dataset, target: Any) -> str | float | tuple[str, ...] | None:
    """A target as it reads: the label's name, the labels' names, the value, or None where unknown."""
    if isinstance(target, tuple):
        return tuple(dataset.labels[k] for k in target)
    if target is None or target != target:
        return None
    return dataset.labels[int(target)] if dataset.labels else float(target)


def _summary(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return dict.fromkeys(("mean", "sd", "min", "max"))
    array = np.asarray(values, dtype=np.float64)
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    return {"mean": float(array.mean()), "sd": sd, "min": float(array.min()), "max": float(array.max())}
