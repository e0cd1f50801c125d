"""Hugging Face datasets, from the hub or a saved directory, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.data.splits import SPLIT_NAMES
from workbench.data.tables import Table
from workbench.errors import DataError


def is_saved(path: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def hub_tables(name: str, subset: str = "", revision: str = "") -> list[tuple[str, Table]]:
    """A dataset of the hub, one table a split; no code that comes with it is run.

    Raises:
        DataError: there is no such dataset, subset or revision, or the hub cannot be reached.
    """
    import datasets

    try:
        content = datasets.load_dataset(name, subset or None, revision=revision or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as e:  # it raises all of them
        first = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise DataError(
            f"cannot load hf:{name}{f' ({subset})' if subset else ''}: {first}",
            hint="check the name, data.subset, data.revision and the connection; or save it with "
            "`save_to_disk` and name the folder",
        ) from e
    return _tables(content, f"hf:{name}")


def saved_tables(path: Path) -> list[tuple[str, Table]]:
    """A directory written by `save_to_disk`, one table a split.

    Raises:
        DataError: the directory is damaged.
    """
    import datasets

    try:
        content = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        raise DataError(f"cannot load the saved dataset {path}: {e}", hint="save it again with `save_to_disk`") from e
    return _tables(content, path.name)


def _tables(content: Any, where: str) -> list[tuple[str, Table]]:
    import datasets

    if isinstance(content, datasets.Dataset):
        return [("", _table(content, where))]
    found: dict[str, Table] = {}
    others = []
    for name, part in content.items():
        split = SPLIT_NAMES.get(name.lower())
        if split is None:
            others.append(name)
        elif split in found:
            raise DataError(f"{where} has two splits that are {split}", hint="save the splits you want, one of each")
        else:
            found[split] = _table(part, f"{where}[{name}]")
    if not found and len(others) == 1:
        return [("", _table(content[others[0]], f"{where}[{others[0]}]"))]
    if "train" not in found:
        raise DataError(
            f"{where} has no training split; its splits are {', '.join(content)}",
            hint="save it with a split named train",
        )
    if others:
        table = found["train"]
        note = f"Splits of {where} that are left out: {', '.join(others)}."
        found["train"] = Table(table.where, table.columns, class_names=table.class_names, notes=(*table.notes, note))
    return list(found.items())


def _table(part: Any, where: str) -> Table:
    """One split's columns; coded classes by name, pictures as the bytes or path they are stored as."""
    import datasets

    class_names = {}
    for name, feature in part.features.items():
        if isinstance(feature, datasets.Image):
            part = part.cast_column(name, datasets.Image(decode=False))
        elif isinstance(feature, datasets.ClassLabel):
            class_names[name] = tuple(feature.names)
        elif isinstance(inner := getattr(feature, "feature", None), datasets.ClassLabel):  # lists of codes
            class_names[name] = tuple(inner.names)
    columns = {name: list(part.with_format(None)[name]) for name in part.column_names}
    for name, names in class_names.items():
        columns[name] = [_named(code, names) for code in columns[name]]
    if not len(part):
        raise DataError(f"{where} has no rows", hint="name a dataset that holds examples")
    return Table(where, columns, class_names=class_names)


def _named(code: Any, names: tuple[str, ...]) -> Any:
    """The class of a code, or the list of those of a list; -1 stands for "not published"."""
    if isinstance(code, list):
        return [_named(c, names) for c in code]
    return names[code] if code is not None and code >= 0 else None
