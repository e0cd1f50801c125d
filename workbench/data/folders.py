"""Folders as sources: pictures by split and class, or one table a split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from workbench.data.pictures import folders_in, inside, pictures_below
from workbench.data.records import Record, Records
from workbench.data.splits import SPLIT_NAMES
from workbench.data.tables import READERS
from workbench.errors import DataError
from workbench.types import SPLITS, Skipped

_LAYOUT = "allowed: FOLDER/train/CLASS/*.jpg (and validation, test) or FOLDER/CLASS/*.jpg"


def split_folders(root: Path) -> dict[str, Path]:
    """Folders named like a split that hold class folders, by split; empty where there is no training one."""
    found: dict[str, Path] = {}
    for path in folders_in(root):
        split = SPLIT_NAMES.get(path.name.lower())
        if split is None or not folders_in(path):  # `train` may also be a class: of pictures of trains
            continue
        if split in found:
            raise DataError(f"{found[split]} and {path} are both the {split} split", hint="keep one of the folders")
        found[split] = path
    return {name: found[name] for name in SPLITS if name in found} if "train" in found else {}


def has_class_folders(root: Path) -> bool:
    """Whether a folder's pictures are told apart by folders rather than by a table beside them."""
    if split_folders(root):
        return True
    tables = [p for p in root.iterdir() if p.is_file() and p.suffix.lower() in READERS]
    if any(p.stem.lower() in SPLIT_NAMES for p in tables):
        return False
    return not tables or sum(bool(pictures_below(p)) for p in folders_in(root)) > 1


def picture_folder(root: Path) -> Records:
    """Pictures of a folder by split and class as records; ids are paths inside the folder.

    Raises:
        DataError: there is no class folder, or no picture in any.
    """
    splits = split_folders(root) or {"": root}
    rows, skipped, notes = [], [], []
    for split, folder in splits.items():
        classes = folders_in(folder)
        for path in classes:
            if not (pictures := pictures_below(path)):
                where = path.relative_to(root).as_posix()
                notes.append(f"The folder {where} holds no picture of a known kind and makes no class: {_held(path)}.")
            for picture in pictures:
                name = picture.relative_to(root).as_posix()
                if inside(picture, root):
                    rows.append(Record(name, picture, path.name, split, name))
                else:
                    skipped.append(Skipped(name, "a symbolic link that leaves the data folder"))
        loose = [p for p in pictures_below(folder) if p.parent == folder]
        if loose:
            notes.append(f"{len(loose)} pictures directly in {folder.name} have no class and are left out.")
    if "" not in splits:
        others = [p.name for p in folders_in(root) if p not in splits.values()]
        if others:
            notes.append(f"Folders beside the splits are left out: {', '.join(others)}.")
    if not rows and not skipped:
        raise DataError(f"no picture in a class folder of {root}", hint=_LAYOUT)
    return Records(rows, "class", skipped=skipped, notes=notes)


def _held(folder: Path) -> str:
    """What a folder without a picture holds, by suffix, with the number of files."""
    kinds = Counter(p.suffix.lower() for p in folder.rglob("*") if p.is_file())
    return ", ".join(f"*{kind} ({n:,})" for kind, n in kinds.most_common(3)) or "it is empty"


def split_files(root: Path) -> dict[str, Path]:
    """The table files of a folder by split: `train.csv`, `dev.tsv`, ...; or its only one.

    Raises:
        DataError: no file can be taken, or several could.
    """
    files = sorted(p for p in root.iterdir() if p.is_file() and p.suffix.lower() in READERS)
    found: dict[str, Path] = {}
    for path in files:
        split = SPLIT_NAMES.get(path.stem.lower())
        if split is None:
            continue
        if split in found:
            raise DataError(
                f"{found[split]} and {path} are both the {split} split", hint="name one with data.source or data.test"
            )
        found[split] = path
    if "train" not in found:
        if len(files) != 1 or found:
            there = ", ".join(p.name for p in files[:20]) or "none"
            raise DataError(
                f"{root} has no train.csv (.tsv, .jsonl, .parquet); table files there: {there}",
                hint="name the file itself with data.source",
            )
        return {"": _own(files[0], root)}
    return {name: _own(found[name], root) for name in SPLITS if name in found}


def _own(path: Path, root: Path) -> Path:
    if not inside(path, root):
        raise DataError(f"{path} is a symbolic link that leaves the data folder", hint="copy the file there")
    return path
