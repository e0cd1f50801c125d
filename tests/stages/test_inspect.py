"""Contrasts of whole runs, and one prediction inspected, on tiny data of every kind."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from runs import config_of, copy_of, made
from typer.testing import CliRunner, Result

import workbench
from workbench.cli import app
from workbench.explainers.neighbours import unit
from workbench.inspection import inspect_one
from workbench.records import read_predictions
from workbench.stages.apply import predict_new
from workbench.stages.familiar import Familiar, excerpt
from workbench.stages.session import Session
from workbench.types import Example

KINDS = ("pictures", "texts", "classes", "values", "labelled-texts")


def call(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def refused(result: Result, code: int, *named: str) -> None:
    assert result.exit_code == code, (result.exit_code, result.stderr, result.exception)
    assert "\nhint: " in result.stderr and result.stderr.startswith("error: ") and "Traceback" not in result.stderr
    for part in named:
        assert part in result.stderr, (part, result.stderr)


def other(kind: str) -> Example:
    """An example of the test split that the run did not explain."""
    session = Session.open(made(kind).path)
    explained = {c["id"] for c in made(kind).read_json("cases.json")["cases"]}
    return next(e for e in session.dataset.split("test") if e.id not in explained)


def as_input(kind: str, example: Example) -> str:
    if kind == "pictures":
        return str(example.input)
    return json.dumps(example.input) if kind in ("classes", "values") else example.input


class TestContrasts:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_case_has_all_three(self, kind: str) -> None:
        run = made(kind)
        cases, told = run.read_json("cases.json")["cases"], run.read_json("contrasts.json")
        assert set(told["cases"]) == {c["id"] for c in cases}
        for case in cases:
            found = told["cases"][case["id"]]
            assert len(found["familiar"]["neighbours"]) == 3 and 0 <= found["familiar"]["share_nearer"] <= 1
            if kind == "values":
                assert "runner-up" in found["contrast"]["reason"] and found["counterfactual"]["amount"] > 0
                continue
            if kind == "labelled-texts":
                assert "several labels" in found["contrast"]["reason"] and found["counterfactual"]["amount"] is None
                continue
            contrast, after = found["contrast"], read_predictions(run, "onnx")
            row = list(after.ids).index(case["id"])
            top = np.sort(after.logits[row])[::-1]  # type: ignore[union-attr]
            assert contrast["score"] == pytest.approx(top[0] - top[1], abs=1e-4)
            assert len(contrast["values"]) == len(case["features"])
            assert sum(contrast["values"]) == pytest.approx(contrast["score"] - contrast["base_score"], abs=1e-6)

    @pytest.mark.parametrize("kind", ["classes", "values"])
    def test_a_counterfactual_is_valid_on_the_deployed_file(self, kind: str, tmp_path: Path) -> None:
        run = copy_of(kind, tmp_path)
        if kind == "values":  # a model of one epoch hardly moves
            assert call("contrast", run.path, "--set", "explain.change=0.2", "-q", "--device", "cpu").exit_code == 0
        examples = Session.open(run.path).dataset.by_id
        found = 0
        for name, told in run.read_json("contrasts.json")["cases"].items():
            turned = told["counterfactual"]
            if not turned["found"]:
                continue
            found += 1
            row = {**examples[name].input, **{c["name"]: c["value"] for c in turned["changes"]}}
            path = run.path.parent / f"{name}.jsonl"
            path.write_text("\n".join(json.dumps(r) for r in (examples[name].input, row)))
            old, new = predict_new(run.path, path, device="cpu")
            if kind == "classes":
                assert old["predicted"] != new["predicted"] == turned["answer"]["label"]
            else:
                assert abs(new["value"] - old["value"]) >= turned["amount"] * 0.9999
        assert found

    def test_neighbours_are_those_of_brute_force(self) -> None:
        session = Session.open(made("texts").path, device="cpu")
        encoded = session.encode(session.preparation)
        every = np.concatenate([session.tuned.embeddings(encoded.batch([i]))[0] for i in range(len(encoded))])
        train, known = session.rows("train"), unit(every)
        for name, told in made("texts").read_json("contrasts.json")["cases"].items():
            own = [e.id for e in session.dataset.examples].index(name)
            far = 1 - known[train] @ known[own]
            wanted = [session.dataset.examples[int(train[i])].id for i in np.argsort(far)[:3]]
            near = told["familiar"]["neighbours"]
            np.testing.assert_allclose([n["distance"] for n in near], np.sort(far)[:3], atol=1e-3)
            assert {n["id"] for n in near} == set(wanted) or np.diff(np.sort(far)[:4]).min() < 1e-3
            of = session.dataset.by_id
            assert [n["target"] for n in near] == [session.dataset.labels[int(of[n["id"]].target)] for n in near]  # type: ignore[arg-type]

    def test_an_example_is_not_its_own_neighbour(self) -> None:
        session = Session.open(made("classes").path, device="cpu")
        own = session.dataset.split("train")[0]
        encoded = session.task.modality.encode([own.input], session.preparation)
        found = Familiar(session.run).of(session.tuned.embeddings(encoded.batch([0]))[0][0], own.id)
        assert own.id not in [n["id"] for n in found["neighbours"]] and len(found["neighbours"]) == 3

    def test_wishes_on_columns_are_kept(self, tmp_path: Path) -> None:
        run = copy_of("classes", tmp_path)
        words = [
            "--set",
            "explain.immutable=['size']",
            "--set",
            "explain.ranges={age=[-1, 1]}",
            "-q",
            "--device",
            "cpu",
        ]
        assert call("contrast", run.path, *words).exit_code == 0
        for told in run.read_json("contrasts.json")["cases"].values():
            turned = told["counterfactual"]
            assert turned["fixed"] == ["size"] and "size" not in [c["name"] for c in turned["changes"]]
            assert all(-1 <= c["value"] <= 1 for c in turned["changes"] if c["name"] == "age")
        refused(call("contrast", run.path, "--set", "explain.immutable=['siez']", "-q"), 2, "siez", "size")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_case_needs_no_model(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(kind)
    case = run.read_json("cases.json")["cases"][0]
    monkeypatch.setattr("workbench.stages.inspect.Models", None)
    found = inspect_one(run.path, id=case["id"], out=tmp_path)
    assert (
        found["id"] == case["id"]
        and found["contrast"] == run.read_json("contrasts.json")["cases"][case["id"]]["contrast"]
    )
    page = (tmp_path / "inspect.html").read_text()
    assert "<script>" in page and not re.search(r"(src|href)=\"(?!data:|#|\$\{opener\}\")", page)


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_and_its_input_are_told_the_same(kind: str, tmp_path: Path) -> None:
    run, example = made(kind), other(kind)
    before = ["--before"] if kind.endswith("texts") else []
    by_id = call("inspect", run.path, "--id", example.id, "--out", tmp_path / "a", "--json", "-q", *before)
    assert by_id.exit_code == 0, (by_id.stderr, by_id.exception)
    by_input = call(
        "inspect", run.path, "--input", as_input(kind, example), "--out", tmp_path / "b", "--json", "-q", *before
    )
    assert by_input.exit_code == 0, (by_input.stderr, by_input.exception)
    a, b = json.loads(by_id.stdout), json.loads(by_input.stdout)
    assert json.loads((tmp_path / "a" / "inspect.json").read_text())["id"] == a["id"] == example.id
    assert a["target"] is not None and b["target"] is None
    for who in ("before", "after"):
        for method in ("integrated-gradients", "shap", "lime"):
            np.testing.assert_allclose(
                a["methods"][who][method]["values"], b["methods"][who][method]["values"], atol=1e-4
            )
            assert a["methods"][who][method]["quality"]["light"] in ("good", "fair", "poor")
    assert a["familiar"]["neighbours"][0]["id"] == b["familiar"]["neighbours"][0]["id"]
    row = list(read_predictions(run, "onnx").ids).index(example.id)
    predicted = read_predictions(run, "onnx")
    if kind == "values":
        assert a["decision"]["value"] == pytest.approx(predicted.values[row])  # type: ignore[union-attr]
    elif kind == "labelled-texts":
        given = [n for n, yes in zip(predicted.labels, predicted.predicted[row], strict=True) if yes]  # type: ignore[union-attr]
        assert a["decision"]["labels"] == given
    else:
        assert a["decision"]["label"] == predicted.labels[predicted.predicted[row]]  # type: ignore[union-attr]
        assert (a["decision"]["calibrated"] is None) is (a["decision"]["temperature"] is None)


def test_a_text_is_explained_after_customisation_alone_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, given = made("texts"), {"input": "river stone good window", "device": "cpu"}
    with monkeypatch.context() as patch:  # the model before would need torch, whose import takes longer than the rest
        patch.setattr(Session, "load_base", lambda _: pytest.fail("the model before was loaded"))
        found = workbench.inspect_one(run.path, out=tmp_path / "a", **given)
    assert "reason" in found["methods"]["before"]["shap"] and found["before"] is None
    page = (tmp_path / "a" / "inspect.html").read_text()
    assert "The most probable answers" in page and "not in its first" not in page  # no column of what was not asked
    assert "not known" in page and "asking that model needs torch" in page
    both = workbench.inspect_one(run.path, out=tmp_path / "b", before=True, **given)
    assert both["before"]["label"] in ("yes", "no") and "values" in both["methods"]["before"]["shap"]
    assert len(found["methods"]["after"]["shap"]["values"]) == 4


def test_a_new_text_reads_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made("texts") and made("pictures")  # made while data may still be read
    monkeypatch.setattr("workbench.data.sources.load_dataset", lambda *_: pytest.fail("the data were read"))
    for kind, value in (("texts", "river stone bad"), ("pictures", other_picture())):
        assert inspect_one(made(kind).path, input=value, out=tmp_path / kind, device="cpu")["familiar"]["neighbours"]


def other_picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (20, 24, 3)).astype(np.uint8)


def test_the_page_lies_in_the_run_by_default_and_says_what_is_calibrated(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    id = run.read_json("cases.json")["cases"][0]["id"]
    run.write_json("onnx/decisions.json", {"temperature": {"value": 2.0, "reason": ""}})
    found = json.loads(call("inspect", run.path, "--id", id, "--json", "-q").stdout)
    assert Path(found["page"]) == run.path / "inspect" / id / "inspect.html"
    raw, calm = found["decision"]["probability"], found["decision"]["calibrated"]
    assert np.log(calm / (1 - calm)) == pytest.approx(np.log(raw / (1 - raw)) / 2)
    assert "temperature 2" in Path(found["page"]).read_text()


def test_files_of_one_name_have_a_page_each(tmp_path: Path) -> None:
    run, pages = copy_of("pictures", tmp_path), set()
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        picture = np.random.default_rng(len(pages)).integers(0, 256, (20, 24, 3)).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / place / "1.png")
        pages.add(inspect_one(run.path, input=tmp_path / place / "1.png", device="cpu", before=False)["page"])
    assert len(pages) == 2 and all(Path(page).parent.name.startswith("1-") for page in pages)


class TestBadInput:
    @pytest.mark.parametrize(
        ("kind", "words", "code", "named"),
        [
            ("classes", ["--id", "row-999"], 2, ["row-999", "did you mean"]),
            ("classes", [], 2, ["--id"]),
            ("classes", ["--id", "row-1", "--input", "x"], 2, ["--id"]),
            ("classes", ["--input", "nowhere.json"], 3, ["nowhere.json"]),
            ("classes", ["--input", '{"size": 1, "age": 2, "color": "red"}'], 3, ["'colour'", "did you mean 'color'"]),
            ("classes", ["--input", '{"size": "big", "age": 2, "colour": "red"}'], 3, ["'big'"]),
            ("classes", ["--input", "{size: 1}"], 3, ["not JSON"]),
            ("texts", ["--input", "  "], 3, ["empty"]),
            ("texts", ["--input", "gone.txt"], 3, ["gone.txt"]),
            ("texts", ["--input", "river"], 3, ["1 feature to hide"]),
            ("pictures", ["--input", "none.png"], 3, ["none.png"]),
        ],
    )
    def test_refused(self, kind: str, words: list[str], code: int, named: list[str], tmp_path: Path) -> None:
        refused(call("inspect", made(kind).path, *words, "--out", tmp_path / "o", "-q"), code, *named)
        assert not (tmp_path / "o").exists()

    def test_files_that_are_not_what_they_should_be(self, tmp_path: Path) -> None:
        broken = tmp_path / "x.png"
        broken.write_bytes(b"\x89PNG\r\n\x1a\n broken")
        refused(call("inspect", made("pictures").path, "--input", broken, "-q"), 3, "x.png")
        many = config_of("values").parent / "table.csv"
        refused(call("inspect", made("values").path, "--input", many, "-q"), 3, "60 examples", "workbench predict")

    def test_damaged_runs(self, tmp_path: Path) -> None:
        run = copy_of("classes", tmp_path)
        example = other("classes")
        refused(call("inspect", tmp_path / "none", "--id", "a", "-q"), 4, "no run")
        (run.path / "tuned/embeddings.safetensors").write_bytes(b"broken")
        refused(call("inspect", run.path, "--id", example.id, "-q"), 4, "embeddings.safetensors", "damaged")
        (run.path / "onnx/model.onnx").unlink()
        refused(call("inspect", run.path, "--id", example.id, "-q"), 4, "model.onnx")
        shutil.rmtree(run.path)
        refused(call("inspect", run.path, "--id", example.id, "-q"), 4, "no run")


def test_excerpts(tmp_path: Path) -> None:
    assert excerpt("short", "text") == "short" and len(excerpt("word " * 100, "text")) == 240
    assert json.loads(excerpt({"a": float("nan"), "b": "x", "c": 1.5}, "table")) == {"a": None, "b": "x", "c": 1.5}
    Image.fromarray(other_picture()).save(tmp_path / "a.png")
    assert excerpt(tmp_path / "a.png", "image").startswith("data:image/png;base64,")
    assert excerpt(np.zeros((300, 200, 3), np.uint8), "image").startswith("data:image/webp;base64,")
