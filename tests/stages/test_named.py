"""Named parts: found in the inputs that hold them, planted evidence where the data say it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.config import Compare
from workbench.data.planted import PATCH, SIDE, planted_columns, planted_keyword, planted_patch
from workbench.errors import ConfigError, UnknownName
from workbench.modalities.image import ImagePreparation, segment
from workbench.stages.named import in_frame, named_parts
from workbench.types import Example, Feature


class Cut:
    def __init__(self, features: tuple[Feature, ...]) -> None:
        self.features = features


def text_case(text: str, meta: dict[str, str] | None = None) -> dict[str, Any]:
    features, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        features.append(Feature(word, span=(start, at)))
    return {"example": Example("t", text, 0, "test", meta or {}), "cut": Cut(tuple(features))}


PREPARATION = ImagePreparation(SIDE, SIDE, (SIDE, SIDE), (0.5,) * 3, (0.5,) * 3)  # type: ignore[arg-type]


def test_words_are_found_where_they_are() -> None:
    cases = [text_case("the Zq7, came"), text_case("nothing here"), text_case("zq7 zq7")]
    (part,) = named_parts(Compare(words=("ZQ7",)), "text", cases, None)
    assert (part.name, part.kind, part.rows) == ("ZQ7", "word", [0, 2])
    assert [w.tolist() for w in part.weights] == [[0, 1, 0], [1, 1]] and part.areas == [1 / 3, 1.0]


def test_columns_are_known_or_refused() -> None:
    cases = [{"example": Example("r", {}, 0, "test"), "cut": Cut((Feature("age", "3"), Feature("size", "1")))}]
    (part,) = named_parts(Compare(columns=("size",)), "table", cases, None)
    assert part.weights[0].tolist() == [0, 1] and part.areas == [0.5]
    with pytest.raises(UnknownName, match="'siz'") as e:
        named_parts(Compare(columns=("siz",)), "table", cases, None)
    assert "size" in e.value.hint


@pytest.mark.parametrize(("key", "value"), [("words", ("a",)), ("columns", ("a",)), ("regions", ("centre",))])
def test_what_is_meant_for_other_inputs_is_refused(key: str, value: tuple[str, ...]) -> None:
    modality = {"words": "image", "columns": "text", "regions": "table"}[key]
    with pytest.raises(ConfigError, match=f"compare.{key}"):
        named_parts(Compare(**{key: value}), modality, [], None)


def test_planted_evidence_of_pictures_is_the_coloured_square() -> None:
    examples = planted_patch(0).examples[:5]
    cases = [{"example": e, "cut": segment(e.input, PREPARATION, segments=64)} for e in examples]
    (part,) = named_parts(Compare(), "image", cases, PREPARATION)
    assert part.kind == "evidence" and part.areas == [PATCH**2 / SIDE**2] * 5
    for case, weights in zip(cases, part.weights, strict=True):
        x0, y0, x1, y1 = (int(v) for v in case["example"].meta["evidence"].split(","))
        inside = np.zeros((SIDE, SIDE), bool)
        inside[y0:y1, x0:x1] = True
        assert weights.tolist() == [inside[case["cut"].label == k].mean() for k in range(len(weights))]


def test_planted_evidence_of_texts_and_tables() -> None:
    example = planted_keyword(0).examples[3]
    case = text_case(example.input, dict(example.meta))
    (part,) = named_parts(Compare(), "text", [case, text_case("no evidence")], None)
    (held,) = np.flatnonzero(part.weights[0])
    assert case["cut"].features[held].name in ("violin", "granite") and part.rows == [0]
    row = planted_columns(0).examples[0]
    cut = Cut(tuple(Feature(name) for name in row.input))
    (part,) = named_parts(Compare(), "table", [{"example": row, "cut": cut}], None)
    assert [cut.features[k].name for k in np.flatnonzero(part.weights[0])] == ["a", "b"]


def test_a_box_follows_the_picture_into_the_frame() -> None:
    """A mark painted on a picture lies where its box says in what the model sees, resized and cropped."""
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[20:40, 40:60] = 255
    for resize in ((32, 32), (40,)):
        preparation = ImagePreparation(32, 32, resize, (0.5,) * 3, (0.5,) * 3, resample=0)  # type: ignore[arg-type]
        bright = np.argwhere(preparation.frame(picture)[..., 0] > 128)
        left, top, right, bottom = (v * 32 for v in in_frame(preparation, (60, 100), (40, 20, 60, 40)))
        assert np.abs(bright.min(axis=0) - (top, left)).max() <= 1, resize
        assert np.abs(bright.max(axis=0) + 1 - (bottom, right)).max() <= 1, resize
