"""Findings on the labels of a multi-label data set: how even they are, which never occur, empty sets."""

from __future__ import annotations

from collections.abc import Callable

from workbench.data.column_checks import Finding, listed
from workbench.data.fingerprint import label_counts
from workbench.types import SPLITS, Dataset

RARE = 0.01  # share of the training examples below which a label is called rare


def missing_labels(dataset: Dataset) -> Finding:
    """Labels that never occur in a split: nothing is learnt, chosen or measured of them there."""
    counts = {split: label_counts(dataset.split(split)) for split in SPLITS if dataset.split(split)}
    missing = {split: [n for k, n in enumerate(dataset.labels) if not found[k]] for split, found in counts.items()}
    n = len({name for names in missing.values() for name in names})
    if not n:
        return Finding("missing_labels", "ok", "Every label occurs in every split.")
    where = "; ".join(f"in {split} {listed(map(repr, names))}" for split, names in missing.items() if names)
    return Finding("missing_labels", "warning", f"Labels that never occur: {where}.", n)


def label_balance(dataset: Dataset) -> Finding | None:
    """How frequent the most and the least frequent label are in training."""
    total = len(dataset.split("train"))
    if not total:
        return None
    counts = label_counts(dataset.split("train"))
    sizes = [counts[k] for k in range(len(dataset.labels))]
    most, least = max(sizes), min(sizes)
    rare = [name for name, size in zip(dataset.labels, sizes, strict=True) if size < RARE * total]
    sentence = (
        f"In training the most frequent label, {dataset.labels[sizes.index(most)]!r}, holds for {most:,} of {total:,} "
        f"examples ({most / total:.1%}) and the least frequent, {dataset.labels[sizes.index(least)]!r}, for {least:,} "
        f"({least / total:.1%})."
    )
    level = "warning" if rare else "note" if most >= 10 * max(least, 1) else "ok"
    return Finding("label_balance", level, sentence, len(rare))


def label_sets(dataset: Dataset) -> Finding:
    """Examples without any label, and data where several labels never stand together."""
    sets = [(e.id, e.target) for e in dataset.examples if isinstance(e.target, tuple)]
    empty = [i for i, s in sets if not s]
    if all(len(s) == 1 for _, s in sets):
        sentence = "Every example has exactly one label: a classification task says the same and decides between them."
        return Finding("label_sets", "note", sentence)
    average = sum(len(s) for _, s in sets) / max(len(sets), 1)
    sentence = f"An example has {average:.2f} labels on average; {len(empty):,} of {len(sets):,} have none."
    return Finding("label_sets", "note" if 2 * len(empty) > len(sets) else "ok", sentence, len(empty), empty)


LABEL_CHECKS: tuple[Callable[[Dataset], Finding | None], ...] = (missing_labels, label_balance, label_sets)
