"""What a foreign file answers: which output is read, and what its numbers are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.backbones.contract_ports import shape_text
from workbench.backbones.signature import Port, Signature
from workbench.config_audit import Audit
from workbench.errors import StageError, UnknownName, UsageError

_SUM = 1e-3  # by how much the probabilities of a row may miss 1
_LIKELY = ("prob", "logit", "score")
_FLOATS = ("float32", "float64", "float16")


def choose_output(signature: Signature, kind: str, wanted: Audit) -> Port:
    """The output that holds the scores (classes) or the value.

    Raises:
        UnknownName: no output of the asked name.
        UsageError: none holds scores, or several may.
    """
    by_name = {p.name: p for p in signature.outputs}
    if wanted.output:
        if wanted.output not in by_name:
            raise UnknownName("output", wanted.output, by_name)
        return by_name[wanted.output]
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
        raise UsageError(
            f"several outputs may hold the answer: {', '.join(map(shape_text, fit))}",
            hint=f'say which: --preprocess "output={fit[0].name}"',
        )
    return fit[0]


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
                f"the model gives {width} numbers for an example, and a regression has one",
                hint='name a classification with --task, or another output with --preprocess "output=NAME"',
            )
        return "value", "The output is the predicted value."
    single = width == 1 and labels == 2 and task == "class"
    if width != labels and not single:
        raise UsageError(
            f"the model gives {width} scores for an example, and there are {labels} labels",
            hint='name them in the model\'s order with --labels, or another output with --preprocess "output=NAME"',
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
