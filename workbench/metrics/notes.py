"""Why a number is not defined, or how to read it, in plain sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.types import ClassScores, Estimate

TOO_FEW = 10  # examples of a class below which only counts are given
FEW = 30  # examples of a class below which the width of the interval is pointed out


def undefined(name: str, scores: ClassScores, label: str | None) -> str:
    """Why a measure (of a class, if `label`) has no value on these rows."""
    support = np.bincount(scores.targets, minlength=len(scores.labels))
    if label is not None:
        k = scores.labels.index(label)
        if name == "precision":
            return f"no example was given the class {label!r}"
        if support[k] == 0:
            return f"no example of the class {label!r} in this split"
        return f"every example in this split is of the class {label!r}"
    if name == "log_loss" or (name == "d2_log_loss" and np.count_nonzero(support) > 1):
        return "a true class was given probability 0: the loss is infinite"
    if name == "mcc":
        return "truth or decisions are all of one class: there is no correlation"
    if np.count_nonzero(support) == 1:
        return f"every example in this split is of the class {scores.labels[int(support.argmax())]!r}"
    return f"no example in this split of {_listed(scores, support == 0)}"


def left_out(name: str, scores: ClassScores) -> str:
    """Which classes an average over classes leaves out; empty where none."""
    if name not in ("balanced_accuracy", "precision", "recall", "f1", "f1_macro"):
        return ""
    k = len(scores.labels)
    support = np.bincount(scores.targets, minlength=k)
    reasons = []
    if np.any(support == 0):
        reasons.append(f"no example in this split of {_listed(scores, support == 0)}: left out of the average")
    never = (np.bincount(scores.predicted, minlength=k) == 0) & (support > 0)
    if name == "precision" and np.any(never):
        reasons.append(f"never predicted, left out of the average: {_listed(scores, never)}")
    return "; ".join(reasons)


def for_class(name: str, estimate: Estimate, scores: ClassScores, label: str) -> Estimate:
    """A class's estimate with its own n; counts only where there are too few examples."""
    k = scores.labels.index(label)
    support = int(np.sum(scores.targets == k))
    n = estimate.n if name == "precision" and estimate.interval == "wilson" else support
    if estimate.value is None:
        return replace(estimate, n=n)
    if n < TOO_FEW:
        return Estimate(None, n=n, reason=_counts_only(name, scores, k, n))
    remarks = [estimate.reason] if estimate.reason else []
    if name == "average_precision":
        remarks.append(f"guessing would reach {support / len(scores.targets):.3f}, the share of this class")
    if n < FEW:
        remarks.append(f"few examples (n = {n}): the interval is wide")
    return replace(estimate, n=n, reason="; ".join(remarks))


def _counts_only(name: str, scores: ClassScores, k: int, n: int) -> str:
    hits = int(np.sum((scores.targets == k) & (scores.predicted == k)))
    if name == "recall":
        return f"{hits} of {n} found: too few examples for a rate"
    if name == "precision":
        return f"{hits} of {n} right: too few examples for a rate"
    return (
        "only 1 example of this class: too few for a number"
        if n == 1
        else (f"only {n} examples of this class: too few for a number")
    )


def _listed(scores: ClassScores, which: np.ndarray) -> str:
    names = [repr(scores.labels[k]) for k in np.flatnonzero(which)]
    shown = ", ".join(names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the class{'es' if len(names) > 1 else ''} {shown}{more}"
