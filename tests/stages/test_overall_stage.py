"""The views of the whole model on tiny runs, and explanations against marked evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from runs import TINY, made, write_data
from safetensors.numpy import load_file

from workbench.modalities.image import ImagePreparation
from workbench.pipeline import run_config
from workbench.records import read_predictions
from workbench.stages import columns
from workbench.stages.rationales import framed
from workbench.stages.session import Session


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_table_has_importance_curves_and_shuffles(kind: str) -> None:
    run = made(kind)
    found, rows = run.read_json("global.json"), pq.read_table(run.path / "global.parquet").to_pandas()
    names = {"size", "age", "colour"}
    assert {c["name"] for c in found["columns"]} == {c["name"] for c in found["permutation"]["columns"]} == names
    means = rows.assign(size=rows["value"].abs()).groupby("column")["size"].mean()
    sizes = [c["importance"]["value"] for c in found["columns"]]
    assert sizes == sorted(sizes, reverse=True)
    for column in found["columns"]:
        entry = column["importance"]
        assert (
            entry["value"] == pytest.approx(means[column["name"]]) and entry["low"] <= entry["value"] <= entry["high"]
        )
    assert found["n"] * 3 == len(rows) and "all" in found["selection"]
    assert ((rows["number"].notna()) != (rows["category"].notna())).all()
    if kind == "values":
        assert found["permutation"]["scores"] == ["rmse"] and found["columns"][0]["name"] == "size"  # price = 30 size


def test_columns_of_many_rows_are_shuffled_in_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session.open(made("values").path, device="cpu")
    after = read_predictions(session.run, "onnx")
    n = int((after.splits == "test").sum())
    monkeypatch.setattr(columns, "MOST", n - 2)
    found = columns.permutation_importance(session, after, np.random.default_rng(0))
    assert (found["n"], found["of"]) == (n - 2, n)
    assert all(c["rmse"]["n"] == n - 2 for c in found["columns"])


def test_partial_dependence_is_the_mean_answer_of_the_deployed_file() -> None:
    run = made("values")
    entry = next(e for e in run.read_json("global.json")["partial"] if e["column"] == "size")
    curve = entry["curves"][0]
    assert np.corrcoef(entry["grid"], curve["mean"])[0, 1] > 0.5  # price rises with size; one epoch
    assert (np.array(curve["low"]) <= np.array(curve["mean"])).all()
    session = Session.open(run.path, device="cpu")
    train = [e.input for e in session.dataset.split("train")]  # fewer than a hundred, so all of them are used
    assert entry["rows"] == len(train)
    for value, mean in zip(entry["grid"][::7], curve["mean"][::7], strict=True):
        moved = session.task.modality.encode([{**row, "size": value} for row in train], session.preparation)
        assert mean == pytest.approx(session.onnx.outputs(moved.arrays).mean(), rel=1e-5)


def test_words_and_maps() -> None:
    texts, pictures = made("texts"), made("pictures")
    words = texts.read_json("global.json")["words"]
    assert words and all(entry["texts"] >= 1 and entry["words"] for entry in words.values())
    saliency = pictures.read_json("global.json")["saliency"]
    arrays = load_file(pictures.path / "global.safetensors")
    for entry in saliency:
        if entry["n"]:
            assert arrays[entry["map"]].shape == arrays[entry["frame"]].shape[:2]
            assert np.abs(arrays[entry["map"]]).sum() <= 1 + 1e-5
        else:
            assert entry["reason"]


def test_more_texts_can_be_asked_for(tmp_path: Path) -> None:
    config = write_data("texts", tmp_path)
    off = [f"assess.{k}=0" for k in ("seeds", "randomised", "other_class", "perturbed", "masked")]
    more = ("explain.global_samples=6", "assess.second_filler=none", *off, f"out={str(tmp_path)!r}")
    run = run_config(config, (*TINY, *more), device="cpu")
    found = run.read_json("global.json")
    assert found["n"] == 6 and found["method"] == "integrated-gradients" and "drawn by lot" in found["selection"]


def test_marked_words_are_looked_for(tmp_path: Path) -> None:
    config = write_data("texts", tmp_path)
    lines = (tmp_path / "texts.csv").read_text(encoding="utf-8").splitlines()
    marked = ["text,label,why"]
    for i, line in enumerate(lines[1:]):
        words = line.rpartition(",")[0].split()
        place = next(k for k, w in enumerate(words) if w in ("good", "bad"))
        marked.append(f"{line},{place if i % 3 else words[place]}")  # by place, or by the word itself
    (tmp_path / "texts.csv").write_text("\n".join(marked) + "\n", encoding="utf-8")
    config.write_text(
        config.read_text(encoding="utf-8").replace('"texts.csv"', '"texts.csv"\nrationale = "why"'), encoding="utf-8"
    )
    off = [f"assess.{k}=0" for k in ("seeds", "randomised", "other_class", "perturbed", "masked")]
    run = run_config(config, (*TINY, *off, "assess.second_filler=none", f"out={str(tmp_path)!r}"), device="cpu")
    for card in run.read_json("quality.json")["cases"]["onnx"]["shap"].values():
        assert card["measures"]["rationale_f1"] in (0, 1) and 0 < card["measures"]["rationale_ap"] <= 1
        assert card["measures"]["pointing_game"] == card["measures"]["rationale_f1"]  # one word is marked


def test_a_box_is_where_the_model_sees_it() -> None:
    picture = np.zeros((40, 80, 3), np.uint8)
    prepared = ImagePreparation(20, 20, (20,), (0.5,) * 3, (0.5,) * 3)  # to 20 by 40, the middle 20 kept
    picture[10:30, 30:50] = 255
    inside = framed((30, 10, 50, 30), picture, prepared)
    assert inside.shape == (20, 20) and (inside == (prepared.frame(picture)[..., 0] > 127)).mean() > 0.95
    assert not framed((0, 0, 10, 10), picture, prepared).any()  # cropped away
