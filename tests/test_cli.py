"""The command line: what is printed where, what every command leaves behind, predictions of new data."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from runs import TINY, config_of, copy_of, made
from typer.testing import CliRunner, Result

import workbench
from workbench import registry
from workbench.backbones import onnx_gpu
from workbench.backbones.onnx import OnnxBackbone
from workbench.cli import app
from workbench.config import read_config
from workbench.records import read_predictions
from workbench.stages import apply
from workbench.stages.apply import predict_new
from workbench.stages.session import Session
from workbench.types import ClassScores

COMMANDS = (
    *("demo", "init", "run", "finetune", "export", "predict", "evaluate", "explain", "assess", "overall"),
    *("contrast", "inspect", "report", "gate", "verify", "seal", "pack", "unpack", "list", "doctor"),
)


def call(*words: Any) -> Result:
    result = CliRunner().invoke(app, [str(w) for w in words])
    assert result.exit_code == 0, (result.stderr, result.exception)
    return result


class TestHelp:
    def test_every_command_is_there_and_says_what_it_does(self) -> None:
        text = call("--help").stdout
        for name in COMMANDS:
            assert re.search(rf"\b{name}\b", text), name
            page = call(name, "--help").stdout
            assert re.search(r"[A-Z][^.]+\.", page), name

    def test_it_is_light(self) -> None:
        code = (
            "import sys; from workbench.cli import app\ntry: app(['--help'])\nfinally: print(*sys.modules, sep='\\n')"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = set(done.stdout.split())
        assert "workbench.cli" in loaded and "Usage:" in done.stdout
        assert not loaded & {"torch", "transformers", "numpy", "scipy", "pandas", "pydantic", "jinja2", "PIL", "captum"}

    def test_the_module_is_the_command_and_says_its_version(self) -> None:
        words = [sys.executable, "-m", "workbench", "--version"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stdout == f"workbench {workbench.__version__}\n" and not done.stderr
        assert call("--version").stdout == done.stdout

    def test_no_command_shows_the_help_and_a_wrong_option_is_wrong_usage(self) -> None:
        runner = CliRunner()
        assert "Usage" in runner.invoke(app, []).output
        assert runner.invoke(app, ["run"]).exit_code == 2
        assert runner.invoke(app, ["frobnicate"]).exit_code == 2


@pytest.mark.skipif(not hasattr(select, "poll"), reason="no pipes to ask")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_ends_the_command_quietly(unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "workbench", "list", "tasks", "--json"]
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, env=env, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("table", list(registry.TABLES))
def test_lists_are_those_of_the_registry(table: str) -> None:
    names = registry.names(table)
    assert json.loads(call("list", table, "--json").stdout) == names
    printed = call("list", table).stdout.splitlines()
    assert [line.split("  ")[0] for line in printed] == list(names)


def test_an_unknown_list_has_a_suggestion() -> None:
    result = CliRunner().invoke(app, ["list", "task"])
    assert result.exit_code == 2 and "did you mean 'tasks'?" in result.stderr


@pytest.mark.parametrize("task", list(registry.names("tasks")))
def test_a_starter_config_can_be_read(task: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "c.toml"
    assert "workbench run" in call("init", task, path).stdout
    config = read_config(path)
    assert config.task == task and config.data.source
    again = CliRunner().invoke(app, ["init", task, str(path)])
    assert again.exit_code == 2 and "is there already" in again.stderr
    unknown = CliRunner().invoke(app, ["init", task + "x", str(tmp_path / "other.toml")])
    assert (
        unknown.exit_code == 2
        and f"did you mean '{task}'?" in unknown.stderr
        and not (tmp_path / "other.toml").exists()
    )


class TestOneJsonDocument:
    """`--json`: one document on stdout, progress on stderr; `--quiet`: no progress."""

    def test_run(self, tmp_path: Path) -> None:
        copy_of("values", tmp_path)
        words = ["run", config_of("values"), "--set", f"out={str(tmp_path)!r}", "--device", "cpu"]
        words += [part for key in TINY for part in ("--set", key)]
        result = call(*words, "--json")
        assert json.loads(result.stdout) == {
            "run": str(tmp_path / "values"),
            "report": str(tmp_path / "values" / "report.html"),
        }
        assert "prepare: done before" in result.stderr and "report ..." in result.stderr
        quiet = call(*words, "--quiet")
        assert quiet.stdout == f"{tmp_path / 'values' / 'report.html'}\n" and quiet.stderr == ""

    @pytest.mark.parametrize("stage", ["finetune", "export", "predict", "evaluate", "explain", "assess", "overall"])
    def test_stages(self, stage: str, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        found = json.loads(call(stage, run.path, "--json", "--device", "cpu").stdout)
        assert found["run"] == str(run.path) and found["outputs"] == run.manifest["stages"][stage]["outputs"]
        lines = call(stage, run.path, "--device", "cpu", "-q").stdout.splitlines()
        assert lines and all(Path(line).is_file() or (run.path / line).is_file() for line in lines)

    def test_a_stage_takes_changes(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        call("evaluate", run.path, "--set", "evaluate.confidence=0.5", "--device", "cpu", "-q")
        assert "confidence:0.5" in run.read_json("onnx/metrics.json")[0]["signature"]
        assert read_config(run.path / "config.toml").evaluate.confidence == 0.5

    def test_report_and_verify(self, tmp_path: Path) -> None:
        run = copy_of("values", tmp_path)
        (run.path / "report.html").unlink()
        assert json.loads(call("report", run.path, "--json").stdout)["report"] == str(run.path / "report.html")
        assert json.loads(call("verify", run.path, "--json").stdout)["problems"] == []
        assert "every file is what the manifest says" in call("verify", run.path).stdout
        (run.path / "cases.json").unlink()
        result = CliRunner().invoke(app, ["verify", str(run.path), "--json"])
        assert result.exit_code == 1 and json.loads(result.stdout)["problems"] == ["cases.json is missing"]

    def test_doctor(self) -> None:
        found = json.loads(call("doctor", "--json").stdout)
        assert {"torch", "ONNX Runtime", "CUDA"} <= {f["what"] for f in found}
        assert all(isinstance(f["ok"], bool) and f["text"] for f in found)
        text = call("doctor").stdout
        assert all(f["what"] in text for f in found) and text.endswith(".\n")

    def test_predict(self, tmp_path: Path) -> None:
        source = tmp_path / "new.csv"
        source.write_text("colour,size,age\nred,0.5,NA\nviolet,,1\n", encoding="utf-8")
        rows = json.loads(call("predict", made("values").path, "--input", source, "--json").stdout)
        assert [r["id"] for r in rows] == ["row-1", "row-2"] and all(np.isfinite(r["value"]) for r in rows)
        printed = call("predict", made("values").path, "--input", source).stdout
        assert printed == "".join(f"{r['id']}\t{r['value']}\n" for r in rows)


def expected(kind: str) -> tuple[list[str], np.ndarray, list[str]]:
    """Ids, scores and predicted labels of the deployed model, as the run itself wrote them."""
    found = read_predictions(made(kind), "onnx")
    if isinstance(found, ClassScores):
        return found.ids.tolist(), found.probabilities, [found.labels[k] for k in found.predicted]
    return found.ids.tolist(), found.values[:, None], []


class TestNewData:
    """What is predicted for the data as a file is what the run predicted for it."""

    @pytest.mark.parametrize(
        ("kind", "source"),
        [("values", "table.csv"), ("classes", "table.csv"), ("texts", "texts.csv"), ("pictures", "pictures")],
    )
    def test_equal_to_the_runs_own(self, kind: str, source: str) -> None:
        rows = {r["id"]: r for r in predict_new(made(kind).path, config_of(kind).parent / source, device="cpu")}
        ids, scores, labels = expected(kind)
        assert set(rows) == set(ids)
        for i, (name, wanted) in enumerate(zip(ids, scores, strict=True)):
            row = rows[name]
            found = [v for k, v in row.items() if k == "value" or k.startswith("score.")]
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
            assert not labels or row["predicted"] == labels[i]

    def test_one_picture_and_lines_of_text(self, tmp_path: Path) -> None:
        ids, scores, _ = expected("pictures")
        (row,) = predict_new(made("pictures").path, config_of("pictures").parent / "pictures" / ids[3], device="cpu")
        assert row["id"] == Path(ids[3]).name
        np.testing.assert_allclose([row["score.blue"], row["score.red"]], scores[3], rtol=1e-4, atol=1e-5)
        texts = [e.input for e in Session.open(made("texts").path).dataset.examples]
        path = tmp_path / "new.txt"
        path.write_text("\n".join(["", *texts[:5]]), encoding="utf-8")
        rows = predict_new(made("texts").path, path, device="cpu")
        assert [r["id"] for r in rows] == [f"row-{i}" for i in range(2, 7)]
        found = [[r["score.no"], r["score.yes"]] for r in rows]
        np.testing.assert_allclose(found, expected("texts")[1][:5], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("how", ["plain", "graphs", "tensorrt"])
    def test_a_gpu_runs_the_file_as_the_config_says(self, how: str, tmp_path: Path, monkeypatch: Any) -> None:
        run, source, asked = copy_of("values", tmp_path), config_of("values").parent / "table.csv", []
        config = run.path / "config.toml"
        config.write_text(config.read_text().replace('gpu = "plain"', f'gpu = "{how}"'))
        monkeypatch.setattr(apply, "choose_device", lambda device: "cuda")

        def opened(path: Path, *more: str) -> OnnxBackbone:
            asked.append((path, *more))
            return OnnxBackbone(path, device="cpu")

        monkeypatch.setattr(onnx_gpu, "opened", opened)
        file = run.path / "onnx" / "model.onnx"
        found = predict_new(run.path, source)
        assert found == predict_new(made("values").path, source, device="cpu")
        assert asked == ([] if how == "plain" else [(file, "auto", how)])

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_files_that_are_written(self, suffix: str, tmp_path: Path) -> None:
        out = tmp_path / f"out{suffix}"
        source = config_of("classes").parent / "table.csv"
        assert call("predict", made("classes").path, "--input", source, "--out", out).stdout == f"{out}\n"
        frame = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
        rows = predict_new(made("classes").path, source)
        assert list(frame.columns) == list(rows[0]) and frame["predicted"].tolist() == [r["predicted"] for r in rows]

    def test_numbers_and_categories_are_read_as_in_training(self, tmp_path: Path) -> None:
        """Parquet's numbers, CSV's words for nothing, spaces: the same rules on both sides."""
        table = pd.read_csv(config_of("values").parent / "table.csv").head(4)
        table.loc[0, "age"] = np.nan
        table.to_parquet(tmp_path / "a.parquet")
        text = table.astype(object).assign(colour=table["colour"].map(lambda c: f" {c} "))
        text.to_csv(tmp_path / "b.csv", index=False, na_rep="n/a")
        a, b = (predict_new(made("values").path, tmp_path / n) for n in ("a.parquet", "b.csv"))
        np.testing.assert_allclose([r["value"] for r in a], [r["value"] for r in b], rtol=1e-6)

    def test_ids_of_the_file_are_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "x.jsonl"
        path.write_text(
            "".join(json.dumps({"id": n, "size": 0.1, "age": 2, "colour": "red"}) + "\n" for n in ("a", "b"))
        )
        assert [r["id"] for r in predict_new(made("values").path, path)] == ["a", "b"]
