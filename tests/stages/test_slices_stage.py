"""The stage on finished runs: metadata, feature columns, texts, pictures, small data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runs import copy_of, made

from workbench.config import build_config
from workbench.errors import DataError
from workbench.metrics.slices import UNKNOWN_TASK
from workbench.records import read_predictions
from workbench.run import Run
from workbench.stages import slices as stage
from workbench.stages.session import Session
from workbench.types import Values


@pytest.mark.parametrize("kind", ["pictures", "texts", "classes", "values"])
def test_every_run_has_both_files_among_its_hashes(kind: str) -> None:
    run = made(kind)
    assert run.manifest["stages"]["slices"]["outputs"] == ["slices.json", "weakness.json"]
    assert {"slices.json", "weakness.json"} <= set(run.manifest["files"]) and run.verify() == []
    found = run.read_json("weakness.json")
    assert "fewer than 60" in found["reason"]  # these runs are tiny, and it is said


def test_slices_of_a_column_are_counted_on_the_deployed_model() -> None:
    run = made("classes")
    found = run.read_json("slices.json")
    scores = read_predictions(run, "onnx")
    test = scores.splits == "test"
    for entry in found["slices"]:
        ((part),) = entry["where"]
        mine = test & (scores.groups[part["attribute"]] == part["value"])
        assert entry["n"] == mine.sum() > 0
        assert entry["models"]["onnx"]["right"] == int((scores.predicted == scores.targets)[mine].sum())
    assert sum(e["n"] for e in found["slices"]) == test.sum() or found["left_out"]


def table_run(folder: Path, *, n: int = 600, slices: tuple[str, ...] = ("size", "ward")) -> Session:
    """A session of a table whose predictions are written here: wrong where the size is over 1."""
    rng = np.random.default_rng(0)
    size, ward = rng.normal(size=n), rng.choice(["a", "b"], n)
    splits = np.where(np.arange(n) % 3 == 0, "test", np.where(np.arange(n) % 3 == 1, "validation", "train"))
    lines = ["id,size,ward,split,price"]
    lines += [f"r{i},{size[i]:.4f},{ward[i]},{splits[i]},{100 + 10 * size[i]:.3f}" for i in range(n)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = {"source": str(folder / "t.csv"), "target": "price", "split": "split", "id": "id", "slices": list(slices)}
    config = build_config({"task": "tabular-regression", "data": data, "evaluate": {"resamples": 100}})
    run = Run.create(folder / "run")
    run.begin(name="run")
    session = Session(run, config)
    from workbench.records import write_predictions

    truth = np.array([e.target for e in session.dataset.examples], dtype=float)
    ids = np.array([e.id for e in session.dataset.examples], dtype=object)
    sizes = np.array([e.input["size"] for e in session.dataset.examples])
    noise = np.random.default_rng(1).normal(0, 1, n) * np.where(sizes > 1, 12, 1)
    for model, scale in (("base", 1.0), ("onnx", 1.0)):
        own = np.array([e.split for e in session.dataset.examples], dtype=object)
        write_predictions(run, model, Values(ids, own, truth, truth + scale * noise))
    return session


def test_feature_columns_are_sliced_and_searched(tmp_path: Path) -> None:
    session = table_run(tmp_path)
    assert stage.slices(session) and not stage.slices(session)  # the second time it is done
    found = session.run.read_json("slices.json")
    assert [(a["name"], a["kind"]) for a in found["attributes"]] == [("size", "range"), ("ward", "category")]
    top = next(e for e in found["slices"] if e["where"][0]["value"].startswith("over") and "up to" not in e["name"])
    assert top["models"]["onnx"]["difference"]["p_holm"] < 0.05
    weak = session.run.read_json("weakness.json")
    assert weak["grown_on"] == "the validation split" and weak["properties"] == ["size", "ward"]
    assert weak["areas"][0]["words"].startswith("size over") and weak["areas"][0]["conditions"][0][
        "threshold"
    ] == pytest.approx(1, abs=0.2)


def test_a_small_validation_split_leaves_half_of_the_test_split_for_growing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = table_run(tmp_path)
    monkeypatch.setattr(stage, "ENOUGH", 90)
    predictions = read_predictions(session.run, "onnx")
    assert isinstance(predictions, Values)
    fewer = np.flatnonzero((predictions.splits != "validation") | (np.arange(len(predictions.ids)) % 9 == 1))
    found = stage._weakness(session, predictions.where(fewer))
    assert "one half of the test split" in found["grown_on"] and found["n"] + found["n_grown"] == 200
    assert found["areas"] and found["tree"]["n"] == found["n"]


def test_a_fixture_s_feature_can_be_a_slice_and_a_wrong_name_cannot() -> None:
    raw = {"task": "tabular-classification", "data": {"source": "fixture:breast-cancer", "slices": ["worst area"]}}
    assert Session(Run("none"), build_config(raw)).config.data.slices == ("worst area",)
    from workbench.data.sources import load_dataset

    assert len(load_dataset(build_config(raw), "table", "class").examples) == 569
    raw["data"]["slices"] = ["worst aria"]  # type: ignore[index]
    with pytest.raises(DataError, match="worst aria") as caught:
        load_dataset(build_config(raw), "table", "class")
    assert "worst area" in caught.value.hint


def test_predictions_of_another_kind_are_named_and_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = copy_of("values", tmp_path)

    class LabelScores:
        ids = np.array([], dtype=object)
        splits = np.array([], dtype=object)

    monkeypatch.setattr(stage, "read_predictions", lambda run, model: LabelScores())
    session = Session.open(run.path)
    run.path.joinpath("slices.json").unlink()
    assert stage.slices(session)
    assert run.read_json("slices.json")["reason"] == run.read_json("weakness.json")["reason"] == UNKNOWN_TASK
