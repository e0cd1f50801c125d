"""The whole description: planted shortcuts named, noise kept quiet, and every sentence true to its numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from workbench.quality.reasons import Answers, Explained, Part, Settings, describe, place_text
from workbench.records import finite
from workbench.types import Feature

SETTINGS = Settings(200, 0.95, 0)


def columns(n: int = 14, m: int = 8, *, moved: bool = True, seed: int = 0) -> tuple[list[Explained], dict[str, Any]]:
    """Rows of a table; where `moved`, the model after leans on the last column, `leak`."""
    rng = np.random.default_rng(seed)
    names = (*(f"c{i}" for i in range(m - 1)), "leak")
    examples = [Explained(f"r{i}", tuple(Feature(name, "1") for name in names)) for i in range(n)]
    before = [rng.normal(size=m) + 2 for _ in range(n)]
    after = [b + 0.05 * rng.normal(size=m) for b in before]
    if moved:
        after = [np.append(0.3 * a[:-1], 9.0) for a in after]
    again = [[b + 0.1 * rng.normal(size=m) for b in side] for side in (before, after)]
    return examples, {"before": before, "after": after, "again": [(before, again[0]), (after, again[1])]}


def described(
    examples: list[Explained], found: dict[str, Any], parts: tuple[Part, ...] = (), **more: Any
) -> dict[str, Any]:
    answers = Answers("SHAP", found["before"], found["after"], **({"repeated": found["again"]} | more))
    content = describe(examples, {"shap": answers}, parts, modality="table", settings=SETTINGS)
    json.dumps(finite(content), allow_nan=False)
    return content


def test_the_leaking_column_is_where_attribution_moved() -> None:
    found = described(*columns())
    assert [e["what"] for e in found["moved_to"]] == ["leak"]
    entry = found["moved_to"][0]
    assert entry["kind"] == "column" and entry["beyond_noise"] is True and not entry["named"]
    assert entry["gain"] > entry["noise"] and entry["low"] > 0
    assert found["sentence"].startswith("The two models give different reasons")
    assert found["sentence"].endswith("Attribution moved to: the column “leak”.") and "not tested" in found["sentence"]
    assert found["methods"]["shap"]["claimed"] and "measures" in found["methods"]["shap"]["sentence"]


def test_retrained_twins_turn_the_sentence_into_an_answer() -> None:
    examples, found = columns()
    content = described(examples, found, retrained=found["again"])
    assert content["methods"]["shap"]["noise"]["kind"] == "retrained"
    assert content["sentence"].startswith("Yes: the explanations moved further than training again")


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_called_noise(seed: int) -> None:
    found = described(*columns(moved=False, seed=seed))
    assert found["moved_to"] == [] and found["methods"]["shap"]["claimed"] == []
    assert found["sentence"].startswith("Not shown") and "no change is claimed" in found["methods"]["shap"]["sentence"]


def test_a_named_part_stands_among_what_moved_and_is_marked() -> None:
    examples, found = columns()
    weight = np.eye(8)[7]
    n = len(examples)
    content = described(examples, found, (Part("leak", "column", range(n), [weight] * n, [1 / 8] * n),))
    named = content["moved_to"][0]
    assert named["named"] and named["what"] == "leak" and named["beyond_noise"] is True
    mass = content["methods"]["shap"]["named"][0]
    assert named["gain"] == mass["difference"] and mass["times_chance_after"] > 2 * mass["times_chance_before"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"fixed": True}, "gives the same values"), ({"repeated": ()}, "no explanation was repeated")],
)
def test_what_is_not_known_of_noise_is_said_and_nothing_claimed(more: dict[str, Any], reason: str) -> None:
    examples, found = columns()
    content = described(examples, found, **more)
    assert all(e["beyond_noise"] is None for e in content["moved_to"]) and content["moved_to"]
    of = content["methods"]["shap"]
    assert of["claimed"] == [] and reason in of["noise"]["text"]
    assert all(reason in m["reason"] and m["claimed"] is None for m in of["measures"].values())
    assert "no change of reasons is claimed" in content["sentence"]


def test_the_same_explanations_are_called_the_same() -> None:
    examples, found = columns()
    content = described(examples, found | {"after": found["before"]}, fixed=True)
    assert content["sentence"] == "The explanations of the two models are the same." and content["moved_to"] == []


def test_no_example_and_no_method_say_so() -> None:
    none = Answers("SHAP", [], [])
    for examples, methods in (([], {"shap": none}), (columns()[0], {})):
        content = describe(examples, methods, (), modality="table", settings=SETTINGS)
        assert "No example was explained" in content["sentence"] and content["moved_to"] == []


def test_places_in_words() -> None:
    assert place_text({"kind": "word", "what": "zq7"}) == "the word “zq7”"
    assert place_text({"kind": "place", "what": "bottom-right corner"}) == "the bottom-right corner"
    assert place_text({"kind": "evidence", "what": "planted evidence"}) == "the planted evidence"
