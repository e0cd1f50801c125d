"""MLflow: what is logged of a run, by which names, to a real server; and what is said where there is none."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import copy_of
from typer.testing import CliRunner

from workbench import tracking
from workbench.cli import app
from workbench.run import Run

ALLOWED = re.compile(r"[\w\-. /]{1,250}")  # of MLflow's file store, the strictest


def test_every_measure_goes_there_with_its_interval(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    metrics = tracking.metrics_of(run)
    for model, start in (("onnx", ""), ("base", "base."), ("tuned", "tuned.")):
        for measure in run.read_json(f"{model}/metrics.json"):
            key = f"{start}{measure['split']}.{measure['name']}"
            if measure["value"] is None:
                assert key not in metrics  # MLflow knows no reasons
                continue
            assert metrics[key] == measure["value"]
            for end in ("low", "high"):
                assert metrics.get(f"{key}.{end}") == measure[end]
    entry = next(e for e in run.read_json("comparison.json")["measures"] if e["difference"] is not None)
    key = f"difference.{entry['name']}"
    assert (metrics[key], metrics[f"{key}.low"]) == (entry["difference"], entry["low"])
    assert all(ALLOWED.fullmatch(name) for name in metrics)


def test_names_that_mlflow_refuses_are_made_plain_and_stay_apart() -> None:
    found: dict[str, float] = {}
    for label in ("a/b", "a:b", "..", "../../etc", "x" * 400, "<script>", "naïve", "a b. "):
        tracking._put(found, f"test.recall.{label}", 1.0)
    assert len(found) == 8 and all(ALLOWED.fullmatch(name) for name in found)
    assert not any(".." in name or name.endswith((".", " ")) for name in found)


def test_settings_are_flat_and_tags_name_the_run(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    params, tags = tracking.params_of(run), tracking.tags_of(run)
    assert params["task"] == run.manifest["task"] == tags["workbench.task"]
    assert "finetune.epochs" in params and "explain.methods" in params
    assert all(len(value) <= 500 for value in params.values())
    assert tags["workbench.manifest"] == run.manifest["sha256"]


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    run = copy_of("classes", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    result = CliRunner().invoke(app, ["report", str(run.path), "--mlflow", uri, "-q"])
    assert result.exit_code == 6
    assert f"error: the MLflow server at {uri} did not take the run" in result.stderr
    assert "hint: is it running there?" in result.stderr


def test_no_address_and_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = copy_of("classes", tmp_path)
    result = CliRunner().invoke(app, ["report", str(run.path), "--mlflow", "localhost", "-q"])
    assert result.exit_code == 2 and "'localhost' is no address" in result.stderr
    monkeypatch.setitem(sys.modules, "mlflow", None)  # as if it were not installed
    result = CliRunner().invoke(app, ["report", str(run.path), "--mlflow", "http://127.0.0.1:1", "-q"])
    assert result.exit_code == 5 and "pip install 'workbench[mlflow]'" in result.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server with a store of its own; WORKBENCH_MLFLOW names the program where it lives elsewhere."""
    named = os.environ.get("WORKBENCH_MLFLOW") or shutil.which("mlflow")
    here = all(importlib.util.find_spec(name) for name in ("flask", "sqlalchemy", "aiohttp"))  # more than the client
    if not named or not (here or os.environ.get("WORKBENCH_MLFLOW")):
        pytest.skip("no MLflow server: pip install mlflow, or name its program in WORKBENCH_MLFLOW")
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "kept")]
    command = [named, "server", *store, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
        try:
            for _ in range(600):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                        assert answer.status == 200
                        break
                except OSError:
                    assert started.poll() is None, (folder / "log").read_text()
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(started.pid, 15)
            started.wait(30)


@pytest.mark.slow
def test_a_real_server_takes_the_run(server: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    run = copy_of("classes", tmp_path)
    result = CliRunner().invoke(app, ["report", str(run.path), "--mlflow", server, "--json", "-q"])
    assert result.exit_code == 0, (result.stderr, result.exception)
    said = json.loads(result.stdout)
    assert said["mlflow_url"].startswith(server) and said["mlflow_experiment"] == "workbench"
    client = MlflowClient(tracking_uri=server)
    logged = client.get_run(said["mlflow_id"])
    run = Run.open(run.path)
    assert logged.info.status == "FINISHED" and logged.info.run_name == run.manifest["name"]
    assert logged.data.metrics == pytest.approx(tracking.metrics_of(run))
    assert logged.data.params == tracking.params_of(run)
    assert tracking.tags_of(run).items() <= logged.data.tags.items()
    kept = {item.path for item in client.list_artifacts(said["mlflow_id"])}
    assert {"report.html", "report.json", "model_card.md", "manifest.json", "config.toml"} <= kept
    got = client.download_artifacts(said["mlflow_id"], "report.html", str(tmp_path))
    assert Path(got).read_bytes() == (run.path / "report.html").read_bytes()
