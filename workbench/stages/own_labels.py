"""The labels that a file itself gives or names, against what its scores decide and against the names that are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.backbones.signature import Port, Signature
from workbench.data.cells import as_value
from workbench.errors import UsageError

_WHOLE = ("int64", "int32")
_CALLED = ("label", "class", "pred")
_TIE = 1e-4  # of scores: a label as good as the best is the file's choice between equals


def check_order(given: Sequence[str], signature: Signature) -> str:
    """How names that the user gives are known, in words.

    Raises:
        UsageError: the file's operators name the same classes in another order.
    """
    named = [spelling(str(c), given) for c in signature.classes]
    if named == list(given) or len(named) != len(given) or set(named) != set(given):
        return ""
    if signature.classes_from.startswith("its operator"):
        raise UsageError(
            f"--labels says {', '.join(given)}, and the scores of the file are in the order {', '.join(named)} "
            f"({signature.classes_from})",
            hint=f"leave --labels out, or --labels {','.join(named)}",
        )
    return f"as they were given, in another order than {signature.classes_from}"


def label_output(signature: Signature, read: Sequence[str]) -> Port | None:
    """The output that holds a label for each example, beside those that are read; None where there is none."""
    narrow = [p for p in signature.outputs if p.name not in read and not [s for s in p.shape[1:] if s != 1]]
    found = [p for p in narrow if p.dtype in ("str", *_WHOLE)]
    called = [p for p in found if any(word in p.name.lower() for word in _CALLED)]
    texts = [p for p in found if p.dtype == "str"]
    return next((some[0] for some in (called, texts) if len(some) == 1), None)


def differing(labels: Sequence[Any], scores: np.ndarray, names: Sequence[str], classes: Sequence[Any]) -> int | None:
    """How many of a file's labels are not what its scores decide; None where they are of other classes.

    Args:
        labels: of n examples, as the file gives them.
        scores: (n, K).
        names: of the K classes in the data.
        classes: of the K classes in the file; may be empty.
    """
    if len(labels) != len(scores):
        return None
    texts = [str(v) for v in labels]
    for known in (names, [str(c) for c in classes], [str(k) for k in range(scores.shape[1])]):
        if len(known) != scores.shape[1]:
            continue
        place = {text: known.index(same) for text in set(texts) if (same := spelling(text, known))}
        if len(place) == len(set(texts)):
            own = scores[np.arange(len(scores)), [place[t] for t in texts]]
            return int((own < scores.max(axis=1) - _TIE).sum())
    return None


def sentence(output: str, n: int, differ: int) -> str:
    """What a contract says of the comparison."""
    if not differ:
        return (
            f"On each of {n} examples tried the label that the file gives (output {output}) is what its scores decide."
        )
    return (
        f"On {differ} of {n} examples tried the label that the file gives (output {output}) is not what its scores "
        "decide: everything here goes by the scores."
    )


def spelling(name: str, there: Sequence[str]) -> str:
    """A class as others spell it: 1 is 1.0; "" where they do not have it."""
    if name in there:
        return name
    value = as_value(name)
    return next((n for n in there if value is not None and as_value(n) == value), "")
