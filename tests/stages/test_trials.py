"""Trials on whole tiny runs: what is measured, what is not and why, and that switches work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from runs import KINDS, copy_of, made

from workbench.pipeline import run_stage
from workbench.quality.thresholds import LIGHTS

SLOW = pytest.mark.slow
FURTHER = (
    *("seed_stability", "model_randomisation", "class_similarity", "max_sensitivity", "mask_unusual"),
    *("second_deletion_skill", "second_comprehensiveness", "filler_spread"),
)


def cards(quality: dict[str, Any], model: str, method: str) -> list[dict[str, Any]]:
    return list(quality["cases"][model][method].values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_further_measure_has_a_value_or_a_reason(kind: str) -> None:
    quality = made(kind).read_json("quality.json")
    for methods in quality["cases"].values():
        for of_method in methods.values():
            for card in of_method.values():
                assert card["light"] in LIGHTS
                for name in FURTHER:
                    assert name in card["measures"]
                    assert (card["measures"][name] is None) == (name in card["missing"])
                assert all(why.strip() for name, why in card["missing"].items() if name in FURTHER)
    assert len(quality["fillers"]) == 2 and quality["fillers"][0] != quality["fillers"][1]
    assert quality["settings"]["seeds"] == 5


@pytest.mark.parametrize("kind", ["pictures", "values"])
def test_random_weights_are_one_value_a_method_and_the_model_after_alone(kind: str) -> None:
    quality = made(kind).read_json("quality.json")
    for name, found in quality["randomisation"].items():
        assert "tuned" not in quality["cases"]  # the deployed file answers what needs gradients too
        values = {card["measures"]["model_randomisation"] for card in cards(quality, "onnx", name)}
        assert values == {found["similarity"] if found["n"] else None}
        before = cards(quality, "base", name)[0]
        assert "after customisation only" in before["missing"]["model_randomisation"]


def test_what_cannot_be_asked_says_so() -> None:
    values, texts = made("values").read_json("quality.json"), made("texts").read_json("quality.json")
    assert "no other class is next" in cards(values, "onnx", "shap")[0]["missing"]["class_similarity"]
    assert "cannot be changed by a little" in cards(texts, "onnx", "shap")[0]["missing"]["max_sensitivity"]
    assert cards(texts, "onnx", "integrated-gradients")[0]["measures"]["max_sensitivity"] > 0


def test_gradients_without_a_seed_are_bit_equal() -> None:
    for card in cards(made("pictures").read_json("quality.json"), "onnx", "integrated-gradients"):
        assert card["measures"]["seed_stability"] == 1 and card["measures"]["seed_spread"] == 0


def test_switched_off_measures_say_so(tmp_path: Path) -> None:
    run = copy_of("values", tmp_path)
    off = ("seeds=0", "randomised=0", "other_class=0", "perturbed=0", "masked=0", "second_filler=none")
    run_stage(run.path, "assess", tuple(f"assess.{o}" for o in (*off, "sensitivity_n=true")), device="cpu")
    card = cards(json.loads((run.path / "quality.json").read_text()), "onnx", "shap")[0]
    asked = [n for n in FURTHER if n != "class_similarity"]  # a value has no other class, switched off or not
    assert all("switched off" in card["missing"][name] for name in asked)
    assert "sensitivity_2" in card["measures"]


def test_a_method_that_ignores_the_model_is_unreliable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.quality import sanity

    alike = {"similarity": 0.97, "chance": 0.2, "n": 8}
    monkeypatch.setattr(sanity, "randomisation_similarity", lambda own, other: alike)
    run = copy_of("values", tmp_path)
    run_stage(run.path, "assess", ("assess.seeds=2",), device="cpu")
    for card in cards(run.read_json("quality.json"), "onnx", "shap"):
        assert card["light"] == "poor" and "not model-sensitive" in card["reasons"][0] + card["reasons"][-1]
