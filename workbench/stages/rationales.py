"""Where the data says what decides: how far an explanation names the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.data.pictures import read_image
from workbench.data.records import EVIDENCE
from workbench.errors import DataError
from workbench.modalities.image import ImagePreparation
from workbench.quality import plausibility as p
from workbench.stages.session import Session
from workbench.types import Attribution


def plausibility(session: Session, case: dict[str, Any], found: Attribution) -> dict[str, float | str]:
    """Token and passage F1, average precision, pointing game and mass against the rationale of an example.

    Empty where the example has none: nothing is said of what nobody marked.

    Raises:
        DataError: the rationale does not fit the example.
    """
    example, cut = case["example"], case["cut"]
    rationale = str(example.meta.get(EVIDENCE, "")).strip()
    if not rationale:
        return {}
    kind = session.task.modality_name
    try:
        if kind == "image":
            inside = framed(p.read_box(rationale), example.input, session.preparation)
            area = np.bincount(cut.label.ravel(), minlength=len(cut.features))
            share = np.bincount(cut.label.ravel(), weights=inside.ravel(), minlength=len(cut.features)) / area
        elif kind == "text":
            share = p.marked_words(rationale, example.input, cut.features).astype(float)
        else:
            share = p.marked_columns(rationale, cut.features).astype(float)
    except ValueError as e:
        raise DataError(f"example {example.id!r}: {e}", hint="repair what data.rationale names") from None
    marked = share >= 0.5 if (share >= 0.5).any() else share == share.max(initial=0.0)
    if not share.any() or marked.all():
        why = "What was marked is no part of what the model sees, or all of it."
        return dict.fromkeys(
            (
                "rationale_f1",
                *(["rationale_iou_f1"] if kind == "text" else []),
                "rationale_ap",
                "pointing_game",
                "rationale_mass",
            ),
            why,
        )
    passages = {"rationale_iou_f1": p.iou_f1(found.values, marked)} if kind == "text" else {}
    return {
        "rationale_f1": p.token_f1(found.values, marked),
        **passages,
        "rationale_ap": p.average_precision(found.values, marked),
        "pointing_game": p.pointing_game(found.values, marked),
        "rationale_mass": p.mass_accuracy(found.values, share),
        "rationale_share": float(share.mean()),
    }


def framed(box: tuple[float, float, float, float], picture: Any, preparation: ImagePreparation) -> np.ndarray:
    """Pixels of a box of the original picture in the frame that the model sees, (height, width) bool."""
    height, width = np.asarray(read_image(picture)).shape[:2]
    if len(preparation.resize) == 2:
        high, wide = preparation.resize
    else:
        shorter = min(height, width)
        high, wide = (int(preparation.resize[0] * side / shorter) for side in (height, width))
    left, top = (wide - preparation.width) // 2, (high - preparation.height) // 2
    x, y = wide / width, high / height
    moved = (box[0] * x - left, box[1] * y - top, box[2] * x - left, box[3] * y - top)
    return p.in_box(moved, preparation.height, preparation.width)
