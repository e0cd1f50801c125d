"""Multi-label predictions as frames: the set of labels as one answer, and each label's own columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.language import N_
from workbench.language import gettext as _

NONE = N_("no label")
_TRUTH, _GIVEN = "target.", "predicted."


def labels_of(frame: pd.DataFrame) -> list[str]:
    """The labels of a multi-label frame in their order; none of any other frame."""
    return [str(c).removeprefix(_TRUTH) for c in frame if str(c).startswith(_TRUTH)]


def with_sets(frame: pd.DataFrame) -> pd.DataFrame:
    """A multi-label frame with `target` and `predicted` as the names of the labels that hold.

    So the whole set is one answer, right where every label is. `target` is None where a label
    is unknown. Any other frame is returned as it is.
    """
    labels = labels_of(frame)
    if not labels or "target" in frame:
        return frame
    truth, given = (frame[[f"{prefix}{label}" for label in labels]] for prefix in (_TRUTH, _GIVEN))
    known = truth.notna().all(axis=1).to_numpy()
    sets = named(truth.fillna(False).to_numpy(dtype=bool), labels)
    target = [s if sure else None for s, sure in zip(sets, known, strict=True)]
    return frame.assign(target=target, predicted=named(given.to_numpy(dtype=bool), labels))


def named(held: np.ndarray, labels: list[str]) -> list[str]:
    """The names of the labels of each row (n, K) in words."""
    return [written([label for label, yes in zip(labels, row, strict=True) if yes]) for row in held]


def written(labels: list[str]) -> str:
    """A set of labels as it is printed."""
    return ", ".join(labels) or _(NONE)


def truth_and_answers(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What holds, what is given (n, K) bool, and the probabilities (n, K), of rows with a known target."""
    labels = labels_of(frame)
    truth, given = (frame[[f"{p}{label}" for label in labels]].to_numpy(dtype=bool) for p in (_TRUTH, _GIVEN))
    return truth, given, frame[[f"score.{label}" for label in labels]].to_numpy(dtype=float)
