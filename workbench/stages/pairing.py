"""Pairing: which examples two runs can be compared on, and why they cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import DataError, UsageError
from workbench.records import read_predictions, read_table
from workbench.stages.session import Session
from workbench.types import ClassScores, LabelScores, Predictions, Values

MODEL = "onnx"  # what is compared of each run: the file that ships
ON = ("same", "common")
_COMMON = "`--on common` compares what both runs hold"


@dataclass(frozen=True)
class Paired:
    """Predictions of both deployed models on the same test examples, in the same order.

    `notes` are sentences on what was left out and why.
    """

    before: Predictions
    after: Predictions
    notes: tuple[str, ...] = ()


def pair_runs(a: Session, b: Session, *, on: str = "same") -> Paired:
    """The test examples and predictions that two runs share.

    Args:
        a: the run that stands for "before".
        b: the run that stands for "after".
        on: "same" wants equal data; "common" takes the test examples with the same id and the
            same input in both, and the labels in common.

    Raises:
        UsageError: `on` is neither.
        DataError: task, unit, labels, splits or data differ, or nothing is in common.
    """
    if on not in ON:
        raise UsageError(f"--on {on}: there is no such choice", hint=f"allowed are {' and '.join(ON)}")
    names = [s.run.manifest.get("name", s.run.path.name) for s in (a, b)]
    if a.config.task != b.config.task:
        raise DataError(
            f"{names[0]} is a run of {a.config.task}, {names[1]} one of {b.config.task}: they answer two tasks",
            hint="compare two runs of one task",
        )
    before, after = read_predictions(a.run, MODEL), read_predictions(b.run, MODEL)
    if isinstance(before, Values) and isinstance(after, Values) and before.unit != after.unit:
        raise DataError(
            f"{names[0]} predicts in {before.unit or 'no unit'}, {names[1]} in {after.unit or 'no unit'}",
            hint="give both configs the same data.unit, if the numbers are of one unit",
        )
    notes: list[str] = []
    if isinstance(before, ClassScores | LabelScores) and isinstance(after, ClassScores | LabelScores):
        before, after = _labels(before, after, names, on, notes)
    first, second = (_examples(s) for s in (a, b))
    if on == "same":
        _same_data(a, b, first, second, names)
        chosen = first.index[first["split"] == "test"]
    else:
        chosen = _common(first, second, names, notes)
        _leaks(first, second, chosen, names, notes)
    before, after = (_rows(p, chosen) for p in (before, after))
    if isinstance(before, ClassScores):
        known = before.targets >= 0
        if on == "common" and isinstance(after, ClassScores):
            known &= after.targets == before.targets
            if (~known).any():
                notes.append(
                    f"{int((~known).sum())} examples are left out: their label is not one that both runs share."
                )
            before, after = before.where(known), after.where(known)
    if not len(before.ids):
        raise DataError(
            f"{names[0]} and {names[1]} have no test example in common",
            hint="compare runs whose test splits hold the same examples under the same ids",
        )
    return Paired(before, after, tuple(notes))


def _labels(
    before: ClassScores | LabelScores, after: ClassScores | LabelScores, names: list[str], on: str, notes: list[str]
) -> tuple[ClassScores | LabelScores, ClassScores | LabelScores]:
    """Both with the same labels in the order of the first."""
    shared = tuple(label for label in before.labels if label in after.labels)
    only = [[label for label in p.labels if label not in shared] for p in (before, after)]
    if any(only) and on != "common":
        said = [f"only {name} knows {_few(labels)}" for name, labels in zip(names, only, strict=True) if labels]
        raise DataError(f"the labels of the two runs differ: {'; '.join(said)}", hint=f"{_COMMON}: the labels too")
    several = isinstance(before, LabelScores)
    fewest = 1 if several else 2
    if len(shared) < fewest:
        raise DataError(
            f"{names[0]} and {names[1]} have {len(shared) or 'no'} label{'s' * (len(shared) != 1)} in common; "
            f"{('one is', 'two are')[fewest - 1]} needed",
            hint="compare runs with the same labels" if several else "compare runs with the same classes",
        )
    if any(only):
        compared = f"Only the {len(shared)} labels that both runs know are compared"
        notes.append(f"{compared}{'' if several else ', each model choosing among these'}: {_few(shared)}.")
    return _restrict(before, shared), _restrict(after, shared)


def _restrict(scores: ClassScores | LabelScores, labels: tuple[str, ...]) -> ClassScores | LabelScores:
    """The same predictions among some of the labels, in their order; targets of other classes become unknown."""
    if isinstance(scores, LabelScores):
        own = [scores.labels.index(label) for label in labels]
        return dataclasses.replace(
            scores,
            targets=scores.targets[:, own],
            logits=scores.logits[:, own],
            thresholds=scores.thresholds[own],
            labels=labels,
        )
    place = {label: k for k, label in enumerate(labels)}
    index = np.array([place.get(label, -1) for label in scores.labels] + [-1], dtype=np.int64)
    columns = [scores.labels.index(label) for label in labels]
    return ClassScores(
        scores.ids, scores.splits, index[scores.targets], scores.logits[:, columns], labels, scores.groups
    )


def _examples(session: Session) -> pd.DataFrame:
    """Split, target and hash of the input of every example, by id."""
    frame = read_table(session.run, "data/splits.parquet").to_pandas()
    return frame.set_index("id")


def _same_data(a: Session, b: Session, first: pd.DataFrame, second: pd.DataFrame, names: list[str]) -> None:
    ours, theirs = (s.run.read_json("data/fingerprint.json")["sha256"] for s in (a, b))
    if ours == theirs:
        return
    if set(first.index) == set(second.index):
        moved = first["split"] != second.loc[first.index, "split"]
        if moved.any():
            raise DataError(
                f"the splits of the two runs differ: {int(moved.sum())} of {len(first)} examples are in another one, "
                f"the first with id {str(first.index[moved][0])!r}",
                hint=f"{_COMMON}; a data.split column or equal seeds give equal splits",
            )
    raise DataError(
        f"{names[0]} and {names[1]} are of different data (fingerprints {ours[:12]} and {theirs[:12]})",
        hint=f"{_COMMON}: test examples of the same id and the same input",
    )


def _common(first: pd.DataFrame, second: pd.DataFrame, names: list[str], notes: list[str]) -> pd.Index:
    """Ids of the test examples whose input is the same in both runs, in the first one's order."""
    tests = [frame[frame["split"] == "test"] for frame in (first, second)]
    both = tests[0].index[tests[0].index.isin(tests[1].index)]
    same = tests[0].loc[both, "sha256"] == tests[1].loc[both, "sha256"]
    agreed = same & (tests[0].loc[both, "target"].fillna("") == tests[1].loc[both, "target"].fillna(""))
    chosen = both[agreed]
    for name, test in zip(names, tests, strict=True):
        if len(test) > len(both):
            notes.append(f"{len(test) - len(both)} of {len(test)} test examples of {name} are not in the other run's.")
    if (~same).any():
        notes.append(f"{int((~same).sum())} test examples have the same id but another input, and are left out.")
    if (same & ~agreed).any():
        notes.append(
            f"{int((same & ~agreed).sum())} test examples have another target in the two runs; they are left out."
        )
    return chosen


def _leaks(first: pd.DataFrame, second: pd.DataFrame, chosen: pd.Index, names: list[str], notes: list[str]) -> None:
    """Say where a compared example was trained on: that model has an unfair lead."""
    compared = set(first.loc[chosen, "sha256"])
    for name, frame in zip(names, (first, second), strict=True):
        seen = compared & set(frame.loc[frame["split"] != "test", "sha256"])
        if seen:
            notes.append(f"{len(seen)} of the compared inputs are in the training or validation split of {name}.")


def _rows(predictions: Predictions, chosen: pd.Index) -> Predictions:
    place = {str(name): i for i, name in enumerate(predictions.ids)}
    return predictions.where(np.array([place[str(name)] for name in chosen], dtype=np.int64))


def _few(names: Sequence[str]) -> str:
    return ", ".join(repr(str(n)) for n in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
