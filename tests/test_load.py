"""A million predictions evaluated, compared and reported: under 4 GB and 5 minutes, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import copy_of

from workbench.records import read_predictions, write_predictions
from workbench.run import Run, hash_file
from workbench.types import ClassScores

N = 1_000_000
_WORK = """
import json, resource, sys, time
from workbench.pipeline import run_stage
from workbench.reporting import build_report
from workbench.run import Run
begun = time.process_time()
run = run_stage(sys.argv[1], "evaluate", device="cpu")
build_report(run)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(json.dumps({"seconds": time.process_time() - begun, "gigabytes": peak}))
"""


def a_million(run: Run) -> None:
    """Put a million test predictions of each model into a finished run, as if its test split were that long."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, N)
    ids = np.array([f"row-{i}" for i in range(N)], dtype=object)
    colours = rng.choice(np.array(["red", "green", "blue"], dtype=object), N)
    manifest = run.manifest
    for model, skill in (("base", 1.0), ("tuned", 1.4), ("onnx", 1.4)):
        known = read_predictions(run, model)
        assert isinstance(known, ClassScores)
        score = skill * (2 * truth - 1) + np.random.default_rng(1).normal(size=N) * 1.5
        logits = np.column_stack([-score, score]) / 2
        own = known.splits != "test"
        write_predictions(
            run,
            model,
            ClassScores(
                np.concatenate([known.ids[own], ids]),
                np.concatenate([known.splits[own], np.full(N, "test", dtype=object)]),
                np.concatenate([known.targets[own], truth]),
                np.concatenate([known.logits[own], logits]),
                known.labels,
                {k: np.concatenate([v[own], colours]) for k, v in known.groups.items()},
            ),
        )
        name = f"{model}/predictions.parquet"
        manifest["files"][name] = hash_file(run.path / name)
    run.write_manifest(manifest)


@pytest.mark.unproven
def test_a_million_predictions(tmp_path: Path) -> None:
    run = copy_of("classes", tmp_path)
    a_million(run)
    done = subprocess.run([sys.executable, "-c", _WORK, str(run.path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    # seconds of one processor, so that other work on the machine does not count
    assert found["seconds"] < 300 and found["gigabytes"] < 4, found
    assert run.read_json("comparison.json")["n"] == N
    assert (
        next(m for m in run.read_json("onnx/metrics.json") if (m["name"], m["split"]) == ("accuracy", "test"))["n"] == N
    )
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "could not be built" not in page and "1,000,000" in page
