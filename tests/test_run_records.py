"""Predictions, measures and attributions on disk: what is written is what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from workbench.errors import ArtefactError
from workbench.records import (
    finite,
    parquet_bytes,
    read_attributions,
    read_predictions,
    read_table,
    write_attributions,
    write_measures,
    write_predictions,
)
from workbench.run import Run
from workbench.types import Attribution, ClassScores, Estimate, Feature, Measure, Question, Values


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run")


def objects(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


CLASSES = ClassScores(
    objects("a", "ü", "c"),
    objects("train", "test", "test"),
    np.array([1, -1, 0]),
    np.array([[1 / 3, -2.0], [0.0, 1e-300], [-7.5, 40.0]]),
    ("no", "score.yes"),
    {"sex": objects("f", "", "m")},
)
VALUES = Values(objects("a", "b"), objects("test", "test"), np.array([1.5, np.nan]), np.array([1 / 3, -2e9]), "mm", {})


def test_class_scores_come_back_to_the_bit(run: Run) -> None:
    write_predictions(run, "base", CLASSES)
    found = read_predictions(run, "base")
    assert isinstance(found, ClassScores)
    assert found.labels == CLASSES.labels
    for name in ("ids", "splits", "targets", "logits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(CLASSES, name))
    np.testing.assert_array_equal(found.groups["sex"], CLASSES.groups["sex"])
    assert (found.logits.dtype, found.targets.dtype) == (np.float64, np.int64)


def test_the_table_of_class_scores_is_what_the_contract_says(run: Run) -> None:
    write_predictions(run, "onnx", CLASSES)
    table = pq.read_table(run.path / "onnx" / "predictions.parquet")
    assert table.column_names == [
        "id", "split", "target", "predicted", "score.no", "score.score.yes", "logit.no", "logit.score.yes", "group.sex",
    ]  # fmt: skip
    assert table["target"].to_pylist() == ["score.yes", None, "no"]
    assert table["predicted"].to_pylist() == ["no", "score.yes", "score.yes"]
    p = np.column_stack([table["score.no"], table["score.score.yes"]])
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.log(p[:, 0] / p[:, 1])[:1], [1 / 3 + 2], rtol=1e-12)


def test_values_come_back_to_the_bit(run: Run) -> None:
    write_predictions(run, "tuned", VALUES)
    found = read_predictions(run, "tuned")
    assert isinstance(found, Values)
    assert found.unit == "mm"
    for name in ("ids", "splits", "targets", "values"):
        np.testing.assert_array_equal(getattr(found, name), getattr(VALUES, name))
    assert pq.read_table(run.path / "tuned" / "predictions.parquet")["target"].null_count == 1


@pytest.mark.parametrize("facts", [b"{\xfe\xff", b"no json", b"[]", b"7", b'{"kind": "class", "labels": 3}'])
def test_predictions_with_damaged_facts_are_named(run: Run, facts: bytes) -> None:
    write_predictions(run, "onnx", CLASSES)
    path = run.path / "onnx" / "predictions.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"workbench": facts}), path)
    with pytest.raises(ArtefactError, match=r"onnx/predictions\.parquet is damaged") as e:
        read_predictions(run, "onnx")
    assert "predict" in e.value.hint


def test_equal_predictions_are_equal_bytes(run: Run) -> None:
    for model in ("base", "tuned"):
        write_predictions(run, model, CLASSES)
    files = [(run.path / m / "predictions.parquet").read_bytes() for m in ("base", "tuned")]
    assert files[0] == files[1]


def test_missing_damaged_and_foreign_tables_are_named(run: Run) -> None:
    with pytest.raises(ArtefactError, match="is missing") as caught:
        read_predictions(run, "base")
    assert caught.value.hint
    write_predictions(run, "base", CLASSES)
    path = run.path / "base" / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtefactError, match="is damaged"):
        read_table(run, "base/predictions.parquet")
    table = pa.table({"id": ["a"]})
    path.write_bytes(parquet_bytes(table))
    with pytest.raises(ArtefactError, match="lacks"):
        read_predictions(run, "base")
    path.write_bytes(parquet_bytes(table.replace_schema_metadata({"workbench": '{"kind": "value"}'})))
    with pytest.raises(ArtefactError, match="lacks"):
        read_predictions(run, "base")


def test_measures_are_json_without_nan(run: Run) -> None:
    per_class = {"no": Estimate(np.float64(0.5), float("nan"), np.inf, 3, "wilson")}
    measure = Measure("f1", "test", 0.25, None, float("nan"), 12, "none", "higher", "seed=0", per_class, "few", "mm")
    write_measures(run, "base", [measure])
    text = (run.path / "base" / "metrics.json").read_text()
    (found,) = json.loads(text, parse_constant=lambda c: pytest.fail(c))
    assert found["value"] == 0.25
    assert found["high"] is None
    assert found["per_class"]["no"] == {
        "value": 0.5, "low": None, "high": None, "n": 3, "interval": "wilson", "reason": "",
    }  # fmt: skip


def test_finite_is_json_able_at_every_depth() -> None:
    value = {1: np.array([1.0, np.nan]), "x": (np.int64(3), [np.float32(0.5), -np.inf]), "y": np.bool_(True), "z": None}
    assert finite(value) == {"1": [1.0, None], "x": [3, [0.5, None]], "y": True, "z": None}
    json.dumps(finite(value), allow_nan=False)


def attribution(name: str, m: int, *, dense: bool = False, interval: bool = True) -> Attribution:
    rng = np.random.default_rng(m)
    values = rng.normal(size=m)
    return Attribution(
        "shap", name, Question("logit", "Why?", target=1, unit="logit"), tuple(Feature(f"f{i}") for i in range(m)),
        values, values - 1 if interval else None, values + 1 if interval else None, 0.1, 0.1 + values.sum(), 1e-9,
        512, 1.5, 7, {"library": "shap 0.51", "steps": np.int64(16), "worst": float("nan")},
        rng.normal(size=(2, 3)) if dense else None,
    )  # fmt: skip


def test_attributions_come_back(run: Run) -> None:
    given = [attribution("a", 3, dense=True), attribution("b", 5, interval=False)]
    facts = {"explainer": "shap", "title": "Shapley", "unit": "logit"}
    write_attributions(run, "onnx", facts, given)
    cases: dict[str, Any] = {
        a.example_id: {"question": a.question, "cut": type("Cut", (), {"features": a.features})} for a in given
    }
    found = read_attributions(run, "onnx", "shap", cases)
    assert [a.example_id for a in found] == ["a", "b"]
    for one, other in zip(found, given, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        for end in ("low", "high"):
            a, b = getattr(one, end), getattr(other, end)
            assert (a is None) == (b is None)
            if b is not None:
                np.testing.assert_array_equal(a, b)
        for name in ("explainer", "question", "features", "base_score", "score", "gap", "evaluations", "seed"):
            assert getattr(one, name) == getattr(other, name)
        assert one.params == {"library": "shap 0.51", "steps": 16, "worst": None}
    assert [a.example_id for a in read_attributions(run, "onnx", "shap", {"b": cases["b"]})] == ["b"]
    maps = load_file(run.path / "onnx" / "attributions" / "shap.safetensors")
    assert list(maps) == ["a"]
    np.testing.assert_allclose(maps["a"], given[0].dense, rtol=1e-6)


def test_the_table_of_attributions_is_what_the_contract_says(run: Run) -> None:
    write_attributions(run, "base", {"explainer": "shap"}, [attribution("a", 2), attribution("b", 1, interval=False)])
    table = pq.read_table(run.path / "base" / "attributions" / "shap.parquet")
    assert table.column_names == ["id", "question", "feature", "index", "value", "low", "high"]
    assert table["id"].to_pylist() == ["a", "a", "b"]
    assert table["question"].to_pylist() == ["logit:1"] * 3
    assert table["index"].to_pylist() == [0, 1, 0]
    assert table["low"].null_count == 1
    assert json.loads(table.schema.metadata[b"workbench"]) == {"explainer": "shap"}
    assert not (run.path / "base" / "attributions" / "shap.safetensors").exists()
