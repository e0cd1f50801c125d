"""A hundred thousand explained rows: interrupted halfway and resumed, in memory that does not grow with them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from runs import TINY

from workbench import pipeline
from workbench.engines.progress import Progress
from workbench.records import read_table
from workbench.run import Run

PROGRAM = Path(__file__).with_name("explaining.py")
N = 100_000
SETTLED = 10  # of the lines of a log: after so many cases memory must stay as it is
SLACK = 15_000_000  # that an allocator may keep of it
BYTES = 1500  # that a further case may hold: its name and its place in the two files of banks


def data(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, n in (("rows.csv", 600), ("test.csv", N)):
        rows = np.round(rng.normal(size=(n, 4)), 3)
        lines = ["a,b,c,d,y", *(",".join(map(str, r)) + f",{r[0] - r[1]:.3f}" for r in rows)]
        (folder / name).write_text("\n".join(lines))
    config = folder / "many.toml"
    config.write_text(
        'task = "tabular-regression"\nname = "many"\n'
        '[data]\nsource = "rows.csv"\ntest = "test.csv"\ntarget = "y"\n'
        '[explain]\nmethods = ["shap"]\nbackground = 4\n'
    )
    return config


def logged(log: Path) -> list[tuple[int, int]]:
    """Cases that were explained and bytes that were held."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(n), int(held)) for n, held in map(str.split, lines)]


def started(run: Path, log: Path, *options: str) -> subprocess.Popen[bytes]:
    """The explaining, in a process of its own."""
    command = [sys.executable, str(PROGRAM), str(run), str(log), *options]
    return subprocess.Popen(command, cwd=PROGRAM.parent, env={**os.environ, "OMP_NUM_THREADS": "1"})


def wait_for(process: subprocess.Popen[bytes], log: Path, n: int) -> None:
    """Until a number of cases is explained."""
    while not (found := logged(log)) or found[-1][0] < n:
        assert process.poll() is None, "it ended too soon"
        time.sleep(0.2)


def constant(lines: list[tuple[int, int]], settled: int = SETTLED, slack: int = SLACK) -> bool:
    """Whether a further case costs next to nothing."""
    (n, held), *rest = lines[settled - 1 :]
    return all(now - held < BYTES * (done - n) + slack for done, now in rest)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of which two of its hundred thousand test rows are explained."""
    folder = tmp_path_factory.mktemp("many")
    options = (*TINY, f"out={str(folder)!r}")
    return pipeline.run_config(data(folder), options, device="cpu", progress=Progress(quiet=True))


@pytest.mark.slow
def test_a_hundred_thousand_rows(run: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    process = started(run.path, first, f"explain.samples={N}")
    wait_for(process, first, N // 2)
    process.kill()
    process.wait()
    parts = {p.name: p.stat().st_mtime_ns for p in (run.path / "onnx/.explained").iterdir() if p.name[0] != "."}
    assert 256 * len(parts) >= N // 2 - 256
    assert len(Run.open(run.path).read_json("cases.json")["cases"]) == 2  # what was there stands until all is done

    process = started(run.path, second, f"explain.samples={N}")
    wait_for(process, second, N * 3 // 4)
    now = {p.name: p.stat().st_mtime_ns for p in (run.path / "onnx/.explained").iterdir()}
    assert parts.items() <= now.items()  # none was made again
    assert process.wait() == 0 and logged(second)[-1][0] == N
    assert constant(logged(first)), logged(first)
    # Taking up what is there needs no model; those are loaded where it ends, once.
    taken, made = ([line for line in logged(second) if (line[0] <= N // 2) is early] for early in (True, False))
    assert constant(taken) and constant(made), logged(second)

    run = Run.open(run.path)
    later = run.verify()  # the stages after it have not been done again, and that is all that is wrong
    assert later and all("was made from another" in line for line in later) and not list(run.path.rglob(".explained"))
    cases = run.read_json("cases.json")["cases"]
    assert len({c["id"] for c in cases}) == N
    for model in ("base", "onnx"):
        values = read_table(run, f"{model}/attributions/shap.parquet").to_pandas()
        about = run.read_json(f"{model}/attributions/shap.json")["cases"]
        sums = values.groupby("id")["value"].sum()
        assert len(values) == 4 * N and len(sums) == len(about) == N
        expected = np.array([about[i]["score"] - about[i]["base_score"] for i in sums.index])
        np.testing.assert_allclose(sums.to_numpy(), expected, atol=1e-6)


@pytest.mark.slow
def test_ten_thousand_rows_by_methods_of_all_kinds_hold_as_little(run: Run, tmp_path: Path) -> None:
    """Gradients on paths, a surrogate and Shapley values; a line of the log for every 250 cases.

    The allocator takes its last blocks late: from 1,000 cases on it is left twice as much as from 4,000 on.
    """
    methods = "explain.methods=['shap','lime','integrated-gradients']"
    process = started(run.path, tmp_path / "log", "explain.samples=10000", methods, "--every=250")
    assert process.wait() == 0 and logged(tmp_path / "log")[-1][0] == 10_000
    assert constant(logged(tmp_path / "log"), 4, 2 * SLACK), logged(tmp_path / "log")
    assert constant(logged(tmp_path / "log"), 16), logged(tmp_path / "log")
