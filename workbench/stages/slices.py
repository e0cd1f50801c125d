"""Slices: for whom the model is worse, and where it fails, on the test split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.data.pictures import read_image
from workbench.data.records import MISSING
from workbench.metrics.attributes import Attribute, attribute
from workbench.metrics.confusion import confused_pairs, confusion_matrix
from workbench.metrics.counted import Counting
from workbench.metrics.multilabel import wrong_shares
from workbench.metrics.slices import MODELS, UNKNOWN_TASK, slice_results
from workbench.metrics.weakness import ENOUGH, Property, as_property, grow, judge
from workbench.modalities.descriptors import UNITS, describe_pictures, describe_texts
from workbench.records import finite, read_predictions
from workbench.stages.evaluate import clusters_of, settings_of
from workbench.stages.session import Session, do_stage
from workbench.types import ClassScores, Example, LabelScores, Predictions, Values

NAMES = ("slices.json", "weakness.json")
_MEASURED = {ClassScores: "wrong", LabelScores: "wrong decisions", Values: "absolute error"}


def slices(session: Session) -> bool:
    """Write `slices.json` and `weakness.json`."""

    def work(entry: dict[str, Any]) -> None:
        after = read_predictions(session.run, MODELS[1])
        before = after if session.audited else read_predictions(session.run, MODELS[0])
        with session.progress.task("slicing", 2) as bar:
            attributes = _attributes(session, before)
            settings = {**settings_of(session), "clusters": clusters_of(session, before.ids)}
            found = slice_results(before, after, attributes, **settings, positive=session.config.evaluate.positive)
            session.run.write_json("slices.json", finite(alone(found) if session.audited else found))
            bar.advance()
            session.run.write_json("weakness.json", finite(_weakness(session, after)))
            bar.advance()

    return do_stage(session, "slices", work, NAMES)


def alone(found: dict[str, Any]) -> dict[str, Any]:
    """The results of one model, which stood for both."""
    first = MODELS[0]
    entries = [
        {**e, "models": {m: v for m, v in e["models"].items() if m != first}, "change": None} for e in found["slices"]
    ]
    attributes = [{**a, "gaps": {m: v for m, v in a["gaps"].items() if m != first}} for a in found["attributes"]]
    overall = {m: v for m, v in (found.get("overall") or {}).items() if m != first}
    return {**found, "slices": entries, "attributes": attributes, "overall": overall}


def _attributes(session: Session, predictions: Predictions) -> list[Attribute]:
    """The columns that data.slices names: of the metadata, or features of a table."""
    examples = [session.dataset.by_id[str(i)] for i in predictions.ids]
    return [
        attribute(name, [_cell(e, name) for e in examples], predictions.splits)
        for name in dict.fromkeys(session.config.data.slices)
    ]


def _cell(example: Example, name: str) -> Any:
    if isinstance(example.input, dict) and name in example.input:
        return example.input[name]
    cell = example.meta.get(name)
    return None if cell == MISSING else cell


def _weakness(session: Session, after: Predictions) -> dict[str, Any]:
    """The content of weakness.json: the tree, its areas and the most confused classes."""
    found: dict[str, Any] = {"split": "test", "n": 0, "reason": "", "measure": "", "unit": "", "grown_on": ""}
    found |= {"n_grown": 0, "properties": [], "tree": None, "areas": [], "tested": 0, "confused": []}
    if not isinstance(after, ClassScores | LabelScores | Values):
        return found | {"reason": UNKNOWN_TASK}
    decisions, clusters = isinstance(after, ClassScores), clusters_of(session, after.ids)
    known = _known(after)
    test = np.flatnonzero(known & (after.splits == "test"))
    found |= {"measure": _MEASURED[type(after)], "n": len(test)}
    found["unit"] = after.unit if isinstance(after, Values) else ""
    outputs = after.values if isinstance(after, Values) else after.logits
    if isinstance(after, ClassScores):
        units = None if clusters is None else clusters[test]
        found["confused"] = _confused(after.where(test), Counting.of(units, session.config.evaluate.confidence))
    if not len(test) or not np.isfinite(outputs[test]).all():
        return found | {"reason": "no example with a known target" if not len(test) else "outputs are not finite"}
    validation = np.flatnonzero(known & (after.splits == "validation"))
    growing, judging, grown_on = validation, test, "the validation split"
    if len(growing) < ENOUGH:
        growing, judging = _halves(test, None if clusters is None else clusters[test], session.config.seed)
        grown_on = "one half of the test split, drawn by lot; the other half was judged"
    if len(growing) < ENOUGH:
        return found | {"reason": f"fewer than {ENOUGH} examples are there to look for weak areas on"}
    rows = np.concatenate([growing, judging])
    properties = _properties(session, [session.dataset.by_id[str(i)] for i in after.ids[rows]])
    first = [dataclasses.replace(p, values=p.values[: len(growing)]) for p in properties]
    second = [dataclasses.replace(p, values=p.values[len(growing) :]) for p in properties]
    wanted = session.config.evaluate
    tree = grow(first, _doubt(after, growing), seed=session.config.seed)
    errors = _errors(after, judging)
    judged = judge(
        tree,
        second,
        errors,
        decisions=decisions,
        confidence=wanted.confidence,
        resamples=wanted.resamples,
        seed=session.config.seed,
        clusters=None if clusters is None else clusters[judging],
    )
    return found | {
        "n": len(judging),
        "grown_on": grown_on,
        "n_grown": len(growing),
        "properties": [p.name for p in properties],
        **judged,
    }


def _known(predictions: Predictions) -> np.ndarray:
    """Which rows have a known target."""
    if isinstance(predictions, LabelScores):
        return np.asarray((predictions.targets >= 0).all(axis=1))
    if isinstance(predictions, ClassScores):
        return np.asarray(predictions.targets >= 0)
    return np.isfinite(predictions.targets)


def _halves(rows: np.ndarray, clusters: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in two halves by lot, both ascending; the rows of a cluster stay together."""
    rng = np.random.default_rng(seed)
    if clusters is None:
        shuffled = rng.permutation(rows)
        return np.sort(shuffled[::2]), np.sort(shuffled[1::2])
    names = rng.permutation(np.unique(clusters.astype(str)))
    first = np.isin(clusters.astype(str), names[::2])
    return rows[first], rows[~first]


def _errors(predictions: Predictions, rows: np.ndarray) -> np.ndarray:
    """1 for a wrong and 0 for a right decision; the size of an error; the share of wrong labels."""
    if isinstance(predictions, Values):
        return np.abs(predictions.values[rows] - predictions.targets[rows])
    if isinstance(predictions, LabelScores):
        return wrong_shares(predictions.targets[rows] == 1, predictions.predicted[rows])
    return np.asarray(predictions.predicted[rows] != predictions.targets[rows], dtype=np.float64)


def _doubt(predictions: Predictions, rows: np.ndarray) -> np.ndarray:
    """What the tree is grown on: the probability that a decision denied the truth tells more than right or wrong."""
    if isinstance(predictions, Values):
        return _errors(predictions, rows)
    if isinstance(predictions, LabelScores):
        off = np.abs(predictions.probabilities[rows] - (predictions.targets[rows] == 1))
        return np.asarray(off.mean(axis=1))
    of_truth = predictions.probabilities[rows, predictions.targets[rows]]
    return np.asarray(1 - of_truth, dtype=np.float64)


def _properties(session: Session, examples: Sequence[Example]) -> list[Property]:
    """What the tree may ask of an example: a table's columns, else descriptors; and the slice columns."""
    dataset = session.dataset
    found: list[Property] = []
    if dataset.modality == "table":
        for column in dataset.columns:
            cells = [e.input[column.name] for e in examples]
            found.append(as_property(column.name, cells, numeric=column.kind == "numeric", unit=column.unit))
    elif dataset.modality == "text":
        described = describe_texts([e.input for e in examples], session.preparation)
        found += [Property(name, values, True, UNITS.get(name, "")) for name, values in described.items()]
    elif dataset.modality == "image":
        described = describe_pictures(read_image(e.input) for e in examples)
        found += [Property(name, values, True, UNITS.get(name, "")) for name, values in described.items()]
    there = {p.name for p in found}
    splits = np.full(len(examples), "test", dtype=object)
    for name in dict.fromkeys(session.config.data.slices):
        if name not in there:
            grouped = attribute(name, [_cell(e, name) for e in examples], splits)
            found.append(Property(name, grouped.values, False))
    return found


def _confused(scores: ClassScores, counting: Counting) -> list[dict[str, Any]]:
    """The most confused pairs of classes with the share of the true class and its interval."""
    pairs = confused_pairs(confusion_matrix(scores.targets, scores.predicted, len(scores.labels)))
    found = []
    for true, decided, times, n in pairs:
        share = counting.share(scores.predicted == decided, scores.targets == true)
        words = {"true": scores.labels[true], "decided": scores.labels[decided]}
        found.append(words | {"n": times, "of": n, "share": share.value, "low": share.low, "high": share.high})
    return found
