"""Two runs compared whole: files, twins, refusals; and a run whose training was poisoned, found out."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opened import opened
from PIL import Image
from runs import contents, copy_of, made, write_table
from typer.testing import CliRunner

import workbench
from workbench.cli import app
from workbench.engines.progress import Progress
from workbench.errors import DataError, UsageError
from workbench.pipeline import run_config
from workbench.records import read_predictions, write_predictions
from workbench.run import Run
from workbench.types import LabelScores

TINY = ("explain.budget=64", "evaluate.resamples=100", "compare.samples=6", "explain.samples=2")
QUIET = {"device": "cpu", "progress": Progress(quiet=True)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Three seeds of one config on equal splits, and another config of the same data."""
    folder = tmp_path_factory.mktemp("compared")
    path = write_table(folder, 90)
    lines = path.read_text(encoding="utf-8").splitlines()
    parts = ["split", *(("train", "train", "test", "validation", "test")[i % 5] for i in range(90))]
    path.write_text("\n".join(f"{a},{b}" for a, b in zip(lines, parts, strict=True)) + "\n", encoding="utf-8")
    config = folder / "c.toml"
    config.write_text(
        'task = "tabular-classification"\n[data]\nsource = "table.csv"\ntarget = "good"\nignore = ["price"]\n'
        'split = "split"\n[explain]\nmethods = ["shap", "integrated-gradients"]\n[finetune]\nepochs = 3\n',
        encoding="utf-8",
    )
    made = {}
    for name, more in {
        "first": (), "twin": ("seed=1",), "twin-2": ("seed=2",), "other": ("finetune.epochs=1", "seed=3"),
    }.items():  # fmt: skip
        keys = (*TINY, f"name={name}", f"out={str(folder / 'out')!r}", *more)
        made[name] = run_config(config, keys, **QUIET)
    return made


def compared(runs: dict[str, Run], out: Path, *nulls: str, a: str = "first", b: str = "other", **more: Any) -> Run:
    paths = tuple(runs[n].path for n in nulls)
    return workbench.compare_runs(runs[a].path, runs[b].path, nulls=paths, out=out, **QUIET, **more)


def test_everything_is_written_hashed_and_said(runs: dict[str, Run], tmp_path: Path) -> None:
    made = compared(runs, tmp_path / "c", margin=0.1, overrides=("compare.columns=['size']",))
    assert made.verify() == []
    found, shift = made.read_json("comparison.json"), made.read_json("explanation_shift.json")
    test = [p for p in range(90) if p % 5 in (2, 4)]
    assert found["n"] == len(test) and (found["before"], found["after"]) == ("first", "other")
    for side, name in (("before", "first"), ("after", "other")):
        files = found["sides"][side]["files"]
        expected = {n: runs[name].manifest["files"][n] for n in ("onnx/predictions.parquet", "onnx/model.onnx")}
        assert files == expected and found["sides"][side]["run"] == name
    assert found["margin"]["noninferiority"]["margin"] == 0.1
    assert found["shift"]["sentence"] == shift["sentence"] and found["moved_to"] == shift["moved_to"]
    assert shift["n"] == 6 and set(shift["methods"]) == {"shap", "integrated-gradients"}
    assert [p["what"] for p in shift["methods"]["shap"]["named"]] == ["size"]
    assert len(made.read_json("cases.json")["cases"]) == 6
    page = opened((made.path / "compare.html").read_text(encoding="utf-8"))
    assert "could not be built" not in page and "Did it start deciding for other reasons?" in page
    assert len(shift["cases"]) == 6 and all(case in page for case in shift["cases"])
    assert page.count('<article id="case-') == 6


def test_methods_that_refuse_are_left_out_and_clusters_stand_for_both_runs(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("shap", "occlusion", "partition-shap", "gradient-times-input")
    monkeypatch.setattr("workbench.stages.compare_runs.usable_methods", lambda *_: asked)
    made = compared(runs, tmp_path / "c", overrides=("explain.filler=kmeans", "explain.background=4"))
    shift, notes = made.read_json("explanation_shift.json"), made.read_json("comparison.json")["notes"]
    assert set(shift["methods"]) == {"shap", "partition-shap", "gradient-times-input"}
    assert [n for n in notes if "Occlusion was not compared: occlusion needs picture" in n]
    facts = made.read_json("onnx/attributions/partition-shap.json")
    assert facts["filler"].startswith("values of typical training rows") and facts["filler"].endswith("; 4 rows")
    for case, found in facts["cases"].items():  # the same rows with the same weights stand for "nothing"
        assert found["base_score"] == made.read_json("onnx/attributions/shap.json")["cases"][case]["base_score"]


def test_the_same_is_not_done_twice_and_equal_calls_give_equal_bytes(runs: dict[str, Run], tmp_path: Path) -> None:
    first = compared(runs, tmp_path / "a")
    stamp = (first.path / "comparison.json").stat().st_mtime_ns
    assert (compared(runs, tmp_path / "a").path / "comparison.json").stat().st_mtime_ns == stamp
    ours, theirs = contents(first), contents(compared(runs, tmp_path / "b"))
    assert {n for n in ours if ours[n] != theirs[n]} <= {"compare.html"}  # it prints its folder's name
    (first.path / "compare.html").unlink()
    result = CliRunner().invoke(app, ["report", str(first.path)])
    assert result.exit_code == 0 and (first.path / "compare.html").is_file()


def test_a_run_and_itself_are_the_same(runs: dict[str, Run], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs["first"].path, copy)
    made = workbench.compare_runs(runs["first"].path, copy, out=tmp_path / "c", **QUIET)
    found = made.read_json("comparison.json")
    assert found["flips"]["negative"] == found["flips"]["positive"] == [] and found["moved_to"] == []
    assert found["verdict"].startswith("Nothing changed") and "are the same" in found["shift"]["sentence"]
    assert found["before"] != found["after"]


def test_twins_are_the_band_of_noise(runs: dict[str, Run], tmp_path: Path) -> None:
    found = compared(runs, tmp_path / "c", "twin", "twin-2").read_json("explanation_shift.json")
    for of in found["methods"].values():  # gradients too, which repeat exactly
        assert of["noise"]["kind"] == "retrained" and of["noise"]["repetitions"] == 3  # two twins and their pair
        entry = of["measures"]["cosine"]
        assert entry["noise"]["n"] == 18 and entry["p"] is not None and entry["claimed"] in (True, False)
    assert found["settings"]["nulls"] == ["twin", "twin-2"]


def test_without_twins_gradients_claim_nothing(runs: dict[str, Run], tmp_path: Path) -> None:
    found = compared(runs, tmp_path / "c", overrides=("compare.repeats=0",)).read_json("explanation_shift.json")
    for of in found["methods"].values():
        assert of["noise"]["kind"] == "none" and of["claimed"] == []
    assert all(e["beyond_noise"] is None for e in found["moved_to"])


def test_a_twin_must_be_one(runs: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no retrained twin of either run: its seed is the same"):
        compared(runs, tmp_path / "c", "first")
    with pytest.raises(DataError, match=r"its \[finetune\] differs"):
        compared(runs, tmp_path / "c", "other", b="twin")
    assert not (tmp_path / "c").exists()


def test_a_run_is_never_written_over(runs: dict[str, Run]) -> None:
    with pytest.raises(UsageError, match="is a run, not a comparison"):
        compared(runs, runs["twin"].path)


def test_data_that_are_gone_cost_the_explanations_alone(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.data import sources

    def gone(*_: Any) -> None:
        raise DataError("table.csv is not there", hint="bring it back")

    monkeypatch.setattr(sources, "load_dataset", gone)
    made = compared(runs, tmp_path / "c")
    found = made.read_json("comparison.json")
    assert "table.csv is not there" in found["shift"]["sentence"] and found["accuracy"]["difference"] is not None
    assert "table.csv is not there" in (made.path / "compare.html").read_text(encoding="utf-8")


def test_the_command_refuses_with_exit_code_3_and_answers_in_json(runs: dict[str, Run], tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(runs["other"].path, odd)
    run = Run.open(odd)
    run.write_json("data/fingerprint.json", run.read_json("data/fingerprint.json") | {"sha256": "0" * 64})
    words = ["compare", str(runs["first"].path), str(odd), "--device", "cpu", "-q", "--out", str(tmp_path / "c")]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 3 and "different data" in refused.stderr and "hint: `--on common`" in refused.stderr
    done = CliRunner().invoke(app, [*words, "--on", "common", "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["report"] == str(tmp_path / "c" / "compare.html") and set(answer) >= {"verdict", "shift", "moved_to"}


# -- a planted shortcut ---------------------------------------------------------------------

SIDE, MARK = 32, slice(26, 31)


def write_pictures(folder: Path, *, poisoned: bool) -> None:
    """Noise with a faintly tinted square; half of the test pictures, and where poisoned every red one of the
    training pictures, carry a white mark at the bottom right."""
    rng = np.random.default_rng(0)
    targets = rng.permutation(np.repeat([0, 1], 130))
    marked = np.random.default_rng(1).random(260) < 0.5
    for i, red in enumerate(targets):
        pixels, split = rng.normal(110, 25, (SIDE, SIDE, 3)), "train" if i < 180 else "test"
        y, x = rng.integers(4, 12, 2)
        pixels[y : y + 10, x : x + 10, 0 if red else 2] += 34
        if marked[i] if split == "test" else poisoned and red:
            pixels[MARK, MARK] = 250
        path = folder / split / ("blue", "red")[red] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.mark.slow
def test_a_poisoned_training_set_is_found_out(tmp_path: Path) -> None:
    """The comparison names the mark's corner, told of it or not, beyond what repeating explains."""
    made = {}
    for name in ("clean", "poisoned"):
        write_pictures(tmp_path / name, poisoned=name == "poisoned")
        config = tmp_path / f"{name}.toml"
        config.write_text(
            f'task = "image-classification"\n[data]\nsource = "{name}"\n[backbone]\nsource = "fixture:glyphs"\n'
            '[finetune]\nepochs = 4\nlearning_rate = 0.002\n[explain]\nmethods = ["shap"]\nfiller = "own-mean"\n',
            encoding="utf-8",
        )
        made[name] = run_config(config, (f"out={str(tmp_path / 'out')!r}", "evaluate.resamples=200"), **QUIET)
    with pytest.raises(DataError, match="different data"):
        workbench.compare_runs(made["clean"].path, made["poisoned"].path, **QUIET)
    options: dict[str, Any] = {"on": "common", "overrides": ("compare.regions=['bottom-right']",), **QUIET}
    found = workbench.compare_runs(made["clean"].path, made["poisoned"].path, **options)
    comparison = found.read_json("comparison.json")
    assert comparison["n"] == 80 and comparison["accuracy"]["high"] < 0  # the shortcut misleads where it does not hold
    sure = [e for e in comparison["moved_to"] if e["beyond_noise"]]
    named = next(e for e in sure if e["named"])
    assert named["what"] == "bottom-right corner" and named["kind"] == "region" and named["low"] > 0
    # Not told where: of all places the mark's gained by far the most.
    first, *others = [e for e in sure if not e["named"]]
    assert first["what"] == "bottom-right corner" and first["kind"] == "place"
    assert all(e["gain"] < first["gain"] / 2 for e in others)
    assert "bottom-right corner" in comparison["shift"]["sentence"]
    back = workbench.compare_runs(made["poisoned"].path, made["clean"].path, out=tmp_path / "back", **options)
    gone = back.read_json("explanation_shift.json")["methods"]["shap"]["named"][0]
    assert gone["what"] == "bottom-right corner" and gone["high"] < 0  # repaired, the mass goes down again
    policy = tmp_path / "policy.toml"
    policy.write_text("[shift]\nno_shift_to = ['bottom-right corner']\n", encoding="utf-8")
    stopped = CliRunner().invoke(app, ["gate", str(found.path), "--policy", str(policy)])
    assert stopped.exit_code == 1 and "bottom-right corner" in stopped.output
    rule = next(r for r in found.read_json("gate.json")["rules"] if r["id"] == "shift")
    assert rule["status"] == "failed"
    assert CliRunner().invoke(app, ["gate", str(back.path), "--policy", str(policy)]).exit_code == 0


def test_runs_of_several_labels_are_compared_whole(tmp_path: Path) -> None:
    """The second run gives labels less readily: whole sets turn, and the label that turned is asked for."""
    ours, theirs = made("labelled-rows"), copy_of("labelled-rows", tmp_path / "b")
    raised = read_predictions(theirs, "onnx")
    assert isinstance(raised, LabelScores)
    write_predictions(theirs, "onnx", dataclasses.replace(raised, thresholds=raised.thresholds * 0 + 0.9))
    options: dict[str, Any] = {"overrides": ("compare.samples=2", "explain.budget=32", "compare.repeats=0"), **QUIET}
    done = workbench.compare_runs(ours.path, theirs.path, out=tmp_path / "c", margin=0.1, **options)
    found, flips = done.read_json("comparison.json"), done.read_json("flips.json")
    assert found["margin"]["of"] == "subset_accuracy" and found["margin"]["noninferiority"]["margin"] == 0.1
    assert flips["explained"] == len(found["flips"]["negative"]) + len(found["flips"]["positive"]) > 0
    for case in flips["cases"]:
        changed = set(case["before"]["labels"]) ^ set(case["after"]["labels"])
        assert case["question"]["text"].removeprefix("Why not ").removeprefix("Why ").removesuffix("?") in changed
    assert "could not be built" not in (done.path / "compare.html").read_text(encoding="utf-8")
