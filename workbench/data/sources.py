"""From `data.source` to a `Dataset`: examples with splits and class indices, whatever was left out named."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import registry
from workbench.data import folders, hub
from workbench.data.audited import for_file
from workbench.data.cells import as_value, in_order
from workbench.data.fingerprint import target_name
from workbench.data.labels import check_label_sets, label_names
from workbench.data.pictures import unreadable
from workbench.data.records import EVIDENCE, MISSING, Records, Target, sufficient_share, table_records
from workbench.data.roles import require
from workbench.data.shortcut import plant
from workbench.data.splits import SPLIT_NAMES, Shares, assign_splits, limit_splits
from workbench.data.tables import Table, read_table
from workbench.errors import ConfigError, DataError
from workbench.types import Column, Dataset, Example

if TYPE_CHECKING:
    from workbench.config import Config, Data

_FIXTURE, _HUB = "fixture:", "hf:"
_BOX = ("x0", "y0", "x1", "y1")


def load_dataset(config: Config, modality: str, kind: str) -> Dataset:
    """Read the examples that a config names.

    Args:
        config: `config.data` says where and what; `config.seed` drives every draw.
        modality: "text", "image" or "table".
        kind: "class" (classification), "labels" (multi-label) or "value" (regression).

    Returns:
        The dataset. Class labels are sorted (numbers by value) unless `data.labels` gives
        their order; categories are those of the training split (of all rows for a file that is
        audited); pictures stay paths or bytes, and each one was decoded once.

    Raises:
        DataError: the data cannot be used as it is, or more than `data.max_skipped` of it.
        ConfigError: the data section contradicts itself.
        UnknownName: no such fixture.
    """
    own = not config.data.source.startswith(_FIXTURE)
    dataset = _load(config, modality, kind) if own else _fixture(config, modality, kind)
    dataset = plant(dataset, config.data.shortcut, config.seed)
    return for_file(dataset) if config.audit.model and modality == "table" else dataset


def _load(config: Config, modality: str, kind: str) -> Dataset:
    data = config.data
    try:
        records, name = _read(data, modality, kind, exact=bool(config.audit.model))
    except OSError as e:
        raise DataError(
            f"cannot read {e.filename or data.source}: {e.strerror or e}", hint="check its permissions"
        ) from e
    _drop_unlabelled(records, kind)
    if not records.rows:
        _check_skipped(records, data.max_skipped)
    if kind != "value":
        (_check_classes if kind == "class" else check_label_sets)(records)
    shares = Shares(data.validation_share, data.test_share, config.seed, data.group, bool(data.validation))
    targets = [r.target for r in records.rows if r.target is not None]  # all of them
    groups = [r.meta.get(data.group, "") for r in records.rows]
    groups = [r.id if g == MISSING else g for r, g in zip(records.rows, groups, strict=True)]
    splits, method = assign_splits([r.split for r in records.rows], targets, groups, shares)
    labels: tuple[str, ...] = ()
    if kind != "value":
        labels = label_names(records, splits, data) if kind == "labels" else _labels(records, splits, data.labels)
    rows = list(zip(records.rows, splits, strict=True))
    if data.limit:
        rows = [rows[i] for i in limit_splits(splits, targets, data.limit, config.seed)]
        method += f" At most {data.limit:,} examples of each split are used, a stratified sample."
    if modality == "image":
        records.rows = [record for record, _ in rows]
        reasons = unreadable(record.input for record in records.rows)
        records.skip(reasons)
        rows = [row for row, why in zip(rows, reasons, strict=True) if not why]
    _check_skipped(records, data.max_skipped, len(rows))
    positions = {label: i for i, label in enumerate(labels)}
    examples = tuple(
        Example(r.id, r.input, _target(r.target, positions) if labels else r.target, split, r.meta)  # type: ignore[arg-type]
        for r, split in rows
    )
    return Dataset(
        name=config.name or name,
        modality=modality,
        examples=examples,
        labels=labels,
        columns=_with_categories(records.columns, examples),
        target=records.target,
        unit=data.unit if kind == "value" else "",
        skipped=tuple(records.skipped),
        notes=tuple(dict.fromkeys(records.notes)),
        split_method=method,
    )


def _read(data: Data, modality: str, kind: str, exact: bool) -> tuple[Records, str]:
    """The records of a source, and its name."""
    if data.source.startswith(_HUB):
        name = data.source.removeprefix(_HUB)
        parts = hub.hub_tables(name, data.subset, data.revision)
        return table_records(parts, data, modality, kind, exact), name
    path = Path(data.source)
    if not data.source or not path.exists():
        raise DataError(
            f"no data at {data.source!r}",
            hint="data.source is a file, a folder, a saved dataset, hf:NAME or fixture:NAME",
        )
    name = path.parent.name if path.stem.lower() in SPLIT_NAMES and path.is_file() else path.stem
    if modality == "image" and path.is_dir() and not hub.is_saved(path):
        columns_named = data.image or data.target or data.targets or kind == "labels"
        if not columns_named and folders.has_class_folders(path):
            return _pictures(path, data, kind), name
    parts = _tables(path, data)
    records = table_records(parts, data, modality, kind, exact)
    records.notes.insert(0, f"Read from {', '.join(table.where for _, table in parts)}.")
    return records, name


def _tables(path: Path, data: Data) -> list[tuple[str, Table]]:
    if path.is_dir() and hub.is_saved(path):
        return hub.saved_tables(path)
    files = folders.split_files(path) if path.is_dir() else {"": path}
    for split in ("validation", "test"):
        if own := getattr(data, split):
            files = {"train" if s == "" else s: p for s, p in files.items()} | {split: Path(own)}
    if len(files) > 1 and data.split:
        raise ConfigError(
            f"data.split = {data.split!r} and files of their own both say which row is in which split",
            hint="leave data.split empty, or name one file",
        )
    return [(s, read_table(p, delimiter=data.delimiter, encoding=data.encoding)) for s, p in files.items()]


def _pictures(path: Path, data: Data, kind: str) -> Records:
    if kind == "value":
        raise DataError(f"{path} is a folder of classes; regression needs a table", hint="name a CSV with data.source")
    named = [k for k in ("id", "split", "group", "slices") if getattr(data, k)]
    if named:
        raise ConfigError(
            f"data.{named[0]} names a column, and {path} is a folder of pictures without a table",
            hint="remove the key, or name a CSV with data.source",
        )
    return _with_boxes(folders.picture_folder(path), data)


def _with_boxes(records: Records, data: Data) -> Records:
    """Boxes of `data.rationale`, a CSV of `file,x0,y0,x1,y1`, as the evidence of the pictures of a folder."""
    if not data.rationale:
        return records
    table = read_table(Path(data.rationale), delimiter=data.delimiter, encoding=data.encoding)
    for name in ("file", *_BOX):
        require(table, name, "data.rationale")
    boxes = {str(table.columns["file"][i]): ",".join(str(table.columns[c][i]) for c in _BOX) for i in range(len(table))}
    known = {r.id for r in records.rows}
    if lost := [name for name in boxes if name not in known]:
        raise DataError(
            f"{data.rationale} names {lost[0]!r}, which is no picture of the folder",
            hint=f"names are paths inside the folder, such as {records.rows[0].id!r}",
        )
    rows = [
        dataclasses.replace(r, meta={**r.meta, EVIDENCE: boxes[r.id]}) if r.id in boxes else r for r in records.rows
    ]
    return dataclasses.replace(records, rows=rows)


def _drop_unlabelled(records: Records, kind: str) -> None:
    """Leave out splits without any target, with a note, and single examples without one."""
    for split in ("validation", "test"):
        own = [r for r in records.rows if r.split == split]
        if own and all(_no_target(r.target) or r.target == () for r in own):
            records.rows = [r for r in records.rows if r.split != split]
            records.notes.append(f"The {split} split has no targets and is left out ({len(own):,} examples).")
    records.skip([_no_target(r.target) for r in records.rows])


def _no_target(target: Target) -> str:
    if target is None or (isinstance(target, float) and math.isnan(target)):
        return "the target is missing"
    return "the target is infinite" if isinstance(target, float) and math.isinf(target) else ""


def _check_skipped(records: Records, allowed: float, kept: int = 0) -> None:
    skipped = records.skipped
    if kept and len(skipped) <= allowed * (kept + len(skipped)):
        return
    first = "; ".join(f"{s.where}: {s.reason}" for s in skipped[:3])
    more = f"; and {len(skipped) - 3:,} more" if len(skipped) > 3 else ""
    enough = sufficient_share(len(skipped), kept)
    raise DataError(
        f"{len(skipped):,} of {kept + len(skipped):,} examples cannot be used, more than data.max_skipped = "
        f"{allowed:.3g} allows: {first}{more}",
        hint="none can be used: look at the reasons"
        if not kept
        else ("look at the first reasons first: that is more than a quarter; " if 3 * len(skipped) > kept else "")
        + f"repair or remove them, or raise the share with --set data.max_skipped={enough:g}",
    )


def _check_classes(records: Records) -> None:
    """Refuse a target that has nearly a value of its own in every row, before a split is drawn by it."""
    targets = [r.target for r in records.rows if r.split in ("", "train")]
    distinct = len(set(targets))
    if distinct > 20 and distinct > len(targets) / 2:
        raise DataError(
            f"column {records.target!r} has {distinct:,} distinct values in {len(targets):,} training examples: "
            "these are no classes",
            hint="name another column with data.target, or use a regression task",
        )


def _labels(records: Records, splits: Sequence[str], given: tuple[str, ...]) -> tuple[str, ...]:
    """The class names in order; every target must be one of them."""
    training = [str(r.target) for r, split in zip(records.rows, splits, strict=True) if split == "train"]
    seen = set(training)
    labels = given or tuple(n for n in records.class_names if n in seen) or in_order(seen)
    where = f"column {records.target!r}"
    if len(set(labels)) < len(labels):
        raise ConfigError(f"data.labels holds a name twice: {', '.join(labels)}", hint="name each class once")
    if len(labels) < 2:
        raise DataError(
            f"{where} holds one class only in the training split: {labels[0]!r}",
            hint="bring examples of a second class",
        )
    positions = {label: i for i, label in enumerate(labels)}
    for record in records.rows:
        if _index(record.target, positions) is None:  # type: ignore[arg-type]
            known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
            close = difflib.get_close_matches(str(record.target), labels, n=1, cutoff=0.6)
            origin = "data.labels" if given else "the training split"
            raise DataError(
                f"{record.where}, {where}: label {record.target!r} is not in {origin} ({known})",
                hint=f"did you mean {close[0]!r}?" if close else "repair the label, or add training examples of it",
            )
    return labels


def _target(target: Target, positions: Mapping[str, int]) -> int | tuple[int, ...] | None:
    """A label's index, or the ascending indices of several."""
    if isinstance(target, tuple):
        return tuple(sorted(positions[name] for name in target))
    return _index(target, positions)


def _index(target: str | float | None, positions: Mapping[str, int]) -> int | None:
    """The index of a label; 1.0 is found where the label is spelled 1."""
    name = str(target)
    if name in positions:
        return positions[name]
    value = as_value(name)
    return next((i for label, i in positions.items() if value is not None and as_value(label) == value), None)


def _with_categories(columns: Sequence[Column], examples: Sequence[Example]) -> tuple[Column, ...]:
    found = []
    for column in columns:
        if column.kind == "categorical":
            seen = {e.input[column.name] for e in examples if e.split == "train"} - {None}
            column = dataclasses.replace(column, categories=in_order(seen))
        found.append(column)
    return tuple(found)


def _fixture(config: Config, modality: str, kind: str) -> Dataset:
    data = config.data
    dataset: Dataset = registry.load("fixtures", data.source.removeprefix(_FIXTURE))(config.seed)
    said = {"class": "classification", "labels": "multi-label classification", "value": "regression"}
    if (dataset.modality, dataset.kind) != (modality, kind):
        raise ConfigError(
            f"{data.source} is {dataset.modality} {said[dataset.kind]}, not what task {config.task!r} takes",
            hint="choose another fixture (`workbench list fixtures`) or another task",
        )
    for key, names in (("slices", data.slices), ("group", (data.group,) if data.group else ())):
        for name in names:
            features = {c.name for c in dataset.columns} if key == "slices" else set()
            if name not in features and any(name not in e.meta for e in dataset.examples):
                known = ", ".join((*dataset.examples[0].meta, *sorted(features))) or "none"
                raise DataError(f"{data.source} has no column {name!r} (data.{key})", hint=f"columns: {known}")
    if not data.limit:
        return dataset
    targets = [target_name(dataset, e.target) for e in dataset.examples]
    rows = limit_splits([e.split for e in dataset.examples], targets, data.limit, config.seed)  # type: ignore[arg-type]
    method = f"{dataset.split_method}; at most {data.limit:,} examples of each split, a stratified sample"
    return dataclasses.replace(dataset, examples=tuple(dataset.examples[i] for i in rows), split_method=method)
