"""What a foreign file answers: which output is read, and what its numbers are."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from workbench.backbones.contract_ports import shape_text
from workbench.backbones.signature import Port, Signature
from workbench.config_audit import Audit
from workbench.errors import StageError, UnknownName, UsageError

_SUM = 1e-3  # by how much the probabilities of a row may miss 1
_LIKELY = ("prob", "logit", "score")
_REGRESSORS = ("LinearRegressor", "TreeEnsembleRegressor", "SVMRegressor")
_FLOATS = ("float32", "float64", "float16")


def choose_output(signature: Signature, kind: str, wanted: Audit) -> Port:
    """The output that holds the scores (classes) or the value.

    Raises:
        UnknownName: no output of the asked name.
        UsageError: none holds scores, or several may.
    """
    port = _chosen(signature, kind, wanted)
    last = signature.last.get(port.name, "")
    if kind != "value" and last in _REGRESSORS and not wanted.scores:
        raise UsageError(
            f"the file is a regression: the last operator of output {port.name} is {last}, with no sigmoid or "
            "softmax after it",
            hint="name a regression with --task (tabular-regression), or export the classifier; if its numbers are "
            'scores of classes all the same, say so: --preprocess "scores=logit" (one number; see docs/audit.md)',
        )
    return port


def _chosen(signature: Signature, kind: str, wanted: Audit) -> Port:
    by_name = {p.name: p for p in signature.outputs}
    columns = class_columns(signature, kind)
    if wanted.output:
        if wanted.output not in by_name:
            raise UnknownName("output", wanted.output, by_name)
        if wanted.output in columns and (len(columns), wanted.output) != (2, columns[-1]):
            at = columns.index(wanted.output)
            raise UsageError(
                f"output {wanted.output} holds the score of one class alone: {signature.classes[at]}",
                hint=f"leave output= out: {', '.join(columns[:12])} are read beside each other, one of each class",
            )
        return by_name[wanted.output]
    if columns:
        return Port(", ".join(columns), by_name[columns[0]].dtype, (None, len(columns)))
    listed = ", ".join(f"{shape_text(p)} {p.dtype}" for p in signature.outputs)
    fit = [p for p in signature.outputs if p.dtype == "map" or (p.dtype in _FLOATS and len(_wide(p)) <= 1)]
    if kind == "value":
        fit = [p for p in fit if p.dtype != "map"]
    if not fit:
        why = "gives labels alone, without their scores" if kind != "value" else "gives no number"
        hint = "export it with its probabilities (scikit-learn: a classifier with predict_proba)"
        raise UsageError(f"the file {why}: {listed}", hint=hint if kind != "value" else "name another task with --task")
    likely = [[p for p in fit if p.dtype == "map"], *([p for p in fit if w in p.name.lower()] for w in _LIKELY)]
    for found in likely:
        if len(fit) > 1 and len(found) == 1:
            return found[0]
    if len(fit) > 1:
        raise _several(fit, kind)
    return fit[0]


def _several(fit: Sequence[Port], kind: str) -> UsageError:
    single = kind == "class" and not any(_wide(p) for p in fit)  # each may be the score of one class
    return UsageError(
        f"several outputs may hold the answer: {', '.join(map(shape_text, fit))}",
        hint="export it with the scores of all classes in one output (scikit-learn: zipmap=False)"
        if single and len(fit) > 2
        else f'of two classes name the output of the second: --preprocess "output={fit[1].name}"'
        if single
        else f'say which: --preprocess "output={fit[0].name}"',
    )


def class_columns(signature: Signature, kind: str) -> tuple[str, ...]:
    """Outputs that hold the score of one class each, in the order of the classes; empty where there are none.

    So scikit-learn's exporter writes them with zipmap="columns": named after the classes behind a letter, signs
    as underscores, and in their order. A name that was taken already gets a number, so one that fits is enough.
    """
    fit = [p for p in signature.outputs if p.dtype == "map" or p.dtype in _FLOATS]
    classes = [str(c) for c in signature.classes]
    if kind != "class" or len(classes) < 2 or len(fit) != len(classes):
        return ()
    if len(fit) == len(signature.outputs) or any(p.dtype == "map" or len(p.shape) > 2 or _wide(p) for p in fit):
        return ()
    names = [p.name for p in fit]
    own = [[n for n in names if n in _spellings(c)] for c in classes]
    found = {i: some[0] for i, some in enumerate(own) if len(some) == 1}
    if len(set(found.values())) == len(classes):
        return tuple(found.values())
    return tuple(names) if found and all(names[i] == name for i, name in found.items()) else ()


def _spellings(label: str) -> set[str]:
    plain = re.sub(r"[^\w+]", "_", label)
    return {label, plain, f"s{plain}", f"i{plain}", f"s{plain}_0"}  # the last: 0.0, which the file keeps as 0


def _wide(port: Port) -> list[int | None]:
    """Sizes beyond the examples', those of 1 left out."""
    return [s for s in port.shape[1:] if s != 1]


def width_of(port: Port) -> int | None:
    """How many numbers an output gives for an example; None where the file does not say."""
    if port.dtype == "map":
        return None
    sizes = port.shape[1:]
    return None if None in sizes else int(np.prod([s or 1 for s in sizes], initial=1))


def kind_of(rows: np.ndarray, labels: int, task: str, last: str, wanted: Audit) -> tuple[str, str]:
    """What the numbers are (a key of `KINDS`), and how that is known.

    Args:
        rows: (n, K) outputs of real examples.
        labels: how many names there are for them.
        task: "class", "labels" or "value".
        last: the operator that gives the output.
        wanted: what the user says.

    Raises:
        StageError: some are not finite, which no contract can repair.
        UsageError: their number does not fit the labels, or contradicts what was said.
    """
    if not np.isfinite(rows).all():
        row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise StageError(
            f"the model gives values that are not finite, first for example number {row + 1} of those tried",
            hint="look for missing or extreme values in the data: leave those rows out, or export the model with "
            "the step that fills them",
        )
    width = rows.shape[1]
    if task == "value":
        if width != 1:
            raise UsageError(
                f"the model gives {width} number{'s' * (width != 1)} for an example, and a regression has one",
                hint='name a classification with --task, or another output with --preprocess "output=NAME"',
            )
        return "value", "The output is the predicted value."
    single = width == 1 and labels == 2 and task == "class"
    if width != labels and not single:
        raise UsageError(
            f"the model gives {width} score{'s' * (width != 1)} for an example, and there are {labels} labels",
            hint="give as many names as it gives scores, in its order, with --labels, or another output with "
            '--preprocess "output=NAME"; of classes that it does not know no row can be judged',
        )
    kind, how = _seen(rows, single, task, last)
    if wanted.scores and wanted.scores != kind:
        return _said(wanted.scores, kind, rows, single)
    return kind, how


def _seen(rows: np.ndarray, single: bool, task: str, last: str) -> tuple[str, str]:
    inside = bool((rows >= -1e-6).all() and (rows <= 1 + 1e-6).all())
    by = f" (its last operator is {last})" if last else ""
    if single:
        if inside:
            return "probability", f"Its one number lies within 0 and 1{by}: the probability of the second class."
        return "logit", f"Its one number goes beyond 0 and 1{by}: the second class's score before the sigmoid."
    if inside and task == "class" and np.abs(rows.sum(axis=1) - 1).max() <= _SUM:
        return "probabilities", f"Every row lies within 0 and 1 and sums to 1{by}: probabilities."
    if inside and (task == "labels" or last == "Sigmoid"):
        return "sigmoid", f"Every number lies within 0 and 1{by}: a probability for each label by itself."
    if inside and len(rows) > 1 and task == "class":
        return (
            "sigmoid",
            f"Every number lies within 0 and 1, and rows do not sum to 1{by}: one probability for each class.",
        )
    return "logits", f"Its numbers go beyond 0 and 1{by}: scores before softmax."


def _said(said: str, seen: str, rows: np.ndarray, single: bool) -> tuple[str, str]:
    """What the user says, where the numbers do not contradict it."""
    fits: Sequence[str] = ("probability", "logit") if single else ("logits", "probabilities", "sigmoid")
    beyond = bool((rows < -1e-6).any() or (rows > 1 + 1e-6).any())
    if said not in fits or (beyond and said in ("probabilities", "sigmoid", "probability")):
        low, high = float(rows.min()), float(rows.max())
        raise UsageError(
            f"scores={said}, but the model gives {rows.shape[1]} numbers from {low:.3g} to {high:.3g} for an example",
            hint=f'leave it out ({seen} was seen), or --preprocess "scores=..." with one of {", ".join(fits)}',
        )
    return said, f"That its numbers are {said} was given."
