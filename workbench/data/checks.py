"""Findings on the data before anything is trained: `data/checks.json`.

Each check is a function of what is known about a dataset and returns one `Finding` in
plain words, the good news included; a check that does not apply returns None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from workbench.data.column_checks import COLUMN_CHECKS, Finding, listed
from workbench.data.confusables import look_alike, spelt
from workbench.data.fingerprint import input_hash, input_hashes, label_counts
from workbench.data.label_checks import LABEL_CHECKS
from workbench.data.pictures import picture_size
from workbench.data.records import MISSING
from workbench.types import SPLITS, Dataset, Example

SMALL_CLASS = 10  # test examples of a class below which its numbers say little
TINY = 8  # pixels
LONG = 512  # words
_SHOWN = 10  # ids in a finding


@dataclass(frozen=True)
class Checked:
    """A dataset, the column whose values must not cross splits, and one hash an example."""

    dataset: Dataset
    group: str
    hashes: Sequence[str]

    @cached_property
    def equal(self) -> list[list[Example]]:
        """Examples with the same input, two or more together, in order of appearance."""
        together: dict[str, list[Example]] = defaultdict(list)
        for example, hash_ in zip(self.dataset.examples, self.hashes, strict=True):
            together[hash_].append(example)
        return [examples for examples in together.values() if len(examples) > 1]


def check(dataset: Dataset, *, group: str = "", hashes: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Every finding on a dataset: the content of `data/checks.json` (see docs/artefacts.md).

    Args:
        dataset: the examples.
        group: the key of `Example.meta` whose values should stay on one side of a split.
        hashes: `input_hashes(dataset)` where already computed.
    """
    if dataset.modality == "text":  # the same words in other case or spacing are the same text to most models
        hashes = [input_hash(" ".join(e.input.split()).casefold()) for e in dataset.examples]
    checked = Checked(dataset, group, hashes or input_hashes(dataset))
    findings = [make(checked) for make in _CHECKS]
    if dataset.kind == "labels":
        findings += [make(dataset) for make in LABEL_CHECKS]
    if dataset.modality == "table":
        findings += [make(dataset) for make in COLUMN_CHECKS]
    return [asdict(f) | {"examples": list(f.examples)[:_SHOWN]} for f in findings if f is not None]


def _unreadable(checked: Checked) -> Finding:
    skipped = checked.dataset.skipped
    if not skipped:
        return Finding("unreadable", "ok", "Every example could be read.")
    first = "; ".join(f"{s.where}: {s.reason}" for s in skipped[:3])
    more = "; ..." if len(skipped) > 3 else ""
    sentence = f"Left out because unusable: {_examples(len(skipped))} ({first}{more})."
    return Finding("unreadable", "note", sentence, len(skipped))


def _leak(checked: Checked, split: str, earlier: tuple[str, ...]) -> Finding | None:
    total = len(checked.dataset.split(split))
    if not total:
        return None
    leaked, same_target = [], 0
    for same in checked.equal:
        known = {e.target for e in same if e.split in earlier}
        own = [e for e in same if e.split == split] if known else []
        leaked += [e.id for e in own]
        same_target += sum(e.target in known for e in own)
    name, others = f"leak_{split}", " or ".join(earlier)
    if not leaked:
        return Finding(name, "ok", f"No {split} input also occurs in {others}.")
    sentence = (
        f"{len(leaked):,} of {total:,} {split} inputs also {_verb(len(leaked), 'occur')} in {others}, "
        f"{same_target:,} with the same target: what is measured on them is memory."
    )
    return Finding(name, "warning", sentence, len(leaked), leaked)


def _leak_test(checked: Checked) -> Finding | None:
    return _leak(checked, "test", ("train", "validation"))


def _leak_validation(checked: Checked) -> Finding | None:
    return _leak(checked, "validation", ("train",))


def _duplicates(checked: Checked) -> Finding:
    repeats: dict[str, list[str]] = {split: [] for split in SPLITS}
    for same in checked.equal:
        met: set[str] = set()
        for e in same:
            if e.split in met:
                repeats[e.split].append(e.id)
            met.add(e.split)
    ids = [i for split in SPLITS for i in repeats[split]]
    if not ids:
        return Finding("duplicates", "ok", "No input occurs twice within a split.")
    where = ", ".join(f"{len(found):,} in {split}" for split, found in repeats.items() if found)
    sentence = f"{_examples(len(ids))} {_verb(len(ids), 'repeat')} an earlier input of the same split: {where}."
    return Finding("duplicates", "note", sentence, len(ids), ids)


def _conflicts(checked: Checked) -> Finding:
    ids = [e.id for same in checked.equal if len({e.target for e in same}) > 1 for e in same]
    if not ids:
        return Finding("conflicting_targets", "ok", "No input stands with two different targets.")
    sentence = f"{_examples(len(ids))} stand beside an equal input with a different target."
    return Finding("conflicting_targets", "warning", sentence, len(ids), ids)


def _imbalance(checked: Checked) -> Finding | None:
    dataset = checked.dataset
    counts = label_counts(dataset.split("train"))
    if dataset.kind != "class" or not counts:
        return None
    sizes = [counts[k] for k in range(len(dataset.labels))]
    most, least = max(sizes), min(sizes)
    ratio = most / max(least, 1)
    if ratio == 1:
        return Finding("class_imbalance", "ok", f"Every class has {most:,} training examples.")
    sentence = (
        f"In training the largest class, {dataset.labels[sizes.index(most)]!r}, has {most:,} examples "
        f"({most / sum(sizes):.1%}) and the smallest, {dataset.labels[sizes.index(least)]!r}, {least:,}"
        f" ({least / sum(sizes):.1%})."
    )
    level = "ok" if ratio < 3 else "note" if ratio < 10 else "warning"
    return Finding("class_imbalance", level, sentence, 0 if level == "ok" else least)


def _small_classes(checked: Checked) -> Finding | None:
    dataset = checked.dataset
    if not dataset.labels:
        return None
    counts = label_counts(dataset.split("test"))
    small = [f"{label!r} ({counts[k]})" for k, label in enumerate(dataset.labels) if counts[k] < SMALL_CLASS]
    one, several = ("label", "Labels") if dataset.kind == "labels" else ("class", "Classes")
    if not small:
        return Finding("small_classes", "ok", f"Every {one} has at least {SMALL_CLASS} test examples.")
    sentence = f"{several} with fewer than {SMALL_CLASS} test examples, whose numbers say little: {listed(small)}."
    return Finding("small_classes", "warning", sentence, len(small))


def _look_alikes(checked: Checked) -> Finding | None:
    groups = look_alike(checked.dataset.labels)
    if not groups:
        return None
    shown = [" and ".join(map(spelt, group[:4])) for group in groups]
    sentence = f"Labels that look alike and count as different: {listed(shown)}; is each meant as one?"
    return Finding("look_alike_labels", "warning", sentence, sum(map(len, groups)))


def _group_leak(checked: Checked) -> Finding | None:
    if not checked.group:
        return None
    splits: Mapping[str, set[str]] = defaultdict(set)
    for e in checked.dataset.examples:
        splits[e.meta.get(checked.group, MISSING)].add(e.split)
    crossing = {value for value, found in splits.items() if len(found) > 1 and value != MISSING}
    if not crossing:
        return Finding("group_leak", "ok", f"Each {checked.group} is in one split only.")
    ids = [e.id for e in checked.dataset.examples if e.split == "test" and e.meta.get(checked.group) in crossing]
    sentence = (
        f"{len(crossing):,} values of {checked.group!r} are in more than one split ({listed(sorted(crossing))}); "
        f"{_examples(len(ids))} of the test split belong to one."
    )
    return Finding("group_leak", "warning", sentence, len(crossing), ids)


def _empty_texts(checked: Checked) -> Finding | None:
    if checked.dataset.modality != "text":
        return None
    kept = [e.id for e in checked.dataset.examples if not e.input.strip()]
    n = len(kept) + sum(s.reason == "empty text" for s in checked.dataset.skipped)
    if not n:
        return Finding("empty_texts", "ok", "No text is empty.")
    return Finding(
        "empty_texts", "warning" if kept else "note", f"Empty texts: {n:,}, of which {len(kept):,} kept.", n, kept
    )


def _long_texts(checked: Checked) -> Finding | None:
    if checked.dataset.modality != "text":
        return None
    ids = [e.id for e in checked.dataset.examples if len(e.input) > 2 * LONG and len(e.input.split()) > LONG]
    if not ids:
        return Finding("long_texts", "ok", f"No text has more than {LONG} words.")
    sentence = (
        f"{len(ids):,} of {len(checked.dataset.examples):,} texts have more than {LONG} words; "
        "what lies beyond the model's length is never read."
    )
    return Finding("long_texts", "note", sentence, len(ids), ids)


def _tiny_pictures(checked: Checked) -> Finding | None:
    if checked.dataset.modality != "image":
        return None
    ids = [e.id for e in checked.dataset.examples if min(picture_size(e.input)) < TINY]
    if not ids:
        return Finding("tiny_pictures", "ok", f"Every picture is at least {TINY} pixels wide and high.")
    sentence = f"{len(ids):,} pictures are less than {TINY} pixels wide or high and are enlarged from almost nothing."
    return Finding("tiny_pictures", "warning", sentence, len(ids), ids)


def _examples(n: int) -> str:
    return f"{n:,} example{'s' if n != 1 else ''}"


def _verb(n: int, plural: str) -> str:
    return plural if n != 1 else f"{plural}s"


_CHECKS: tuple[Callable[[Checked], Finding | None], ...] = (
    _unreadable,
    _leak_test,
    _leak_validation,
    _duplicates,
    _conflicts,
    _imbalance,
    _small_classes,
    _look_alikes,
    _group_leak,
    _empty_texts,
    _long_texts,
    _tiny_pictures,
)
