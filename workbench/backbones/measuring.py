"""How fast ONNX files answer and what memory they need, measured in a process of their own.

Run as `python -m workbench.backbones.measuring REQUEST.json BATCHES.npz`: a fresh process holds no
torch, no data and no other model, as where the file is deployed. Several files are asked in turn,
batch by batch, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones.energy import Meter
from workbench.errors import StageError

SIZES = (1, 8, 64)
_WARM = 2  # rounds that are not counted
_FEWEST, _MOST = 3, 400
_NEEDED = {"p50": 3, "p95": 20, "p99": 100}  # runs below which a percentile would be another name for the slowest

Batches = Mapping[int, Sequence[Mapping[str, np.ndarray]]]


def measure(
    paths: Mapping[str, Path], batches: Batches, *, device: str = "auto", seconds: float = 1.0, threads: int = 0
) -> dict[str, Any]:
    """Load and run files in a process of their own.

    Args:
        paths: file by name.
        batches: real batches by their size; those of one size are asked one after the other.
        device: "auto", "cpu" or "cuda".
        seconds: to spend on each file and size, at least 3 runs.
        threads: of one operator; 0 leaves it to the runtime.

    Returns:
        By name: `load_ms`, `peak_mb` (null where the machine does not say), `per_batch`
        [{batch, n, p50, p95, p99, examples_per_second, reason}] in ms, `joules_per_1000` or `energy_reason`.

    Raises:
        StageError: a file could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        request, data = Path(folder) / "request.json", Path(folder) / "batches.npz"
        asked = {"paths": {k: str(v.resolve()) for k, v in paths.items()}, "device": device}
        request.write_text(json.dumps(asked | {"seconds": seconds, "threads": threads}), encoding="utf-8")
        arrays = {
            f"{size}|{i}|{name}": value
            for size, several in batches.items()
            for i, batch in enumerate(several)
            for name, value in batch.items()
        }
        np.savez(data, **arrays)  # type: ignore[arg-type]
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(request), str(data)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=_environment(),
        )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise StageError(f"the speed of the ONNX file could not be measured: {said[:300]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _environment() -> dict[str, str]:
    import os

    here = str(Path(__file__).resolve().parent.parent.parent)
    own = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{own}" if own else here}


def percentiles(times: Sequence[float]) -> dict[str, Any]:
    """p50, p95 and p99 of times in ms, and why one is missing."""
    found: dict[str, Any] = {"n": len(times)}
    for name, needed in _NEEDED.items():
        known = len(times) >= needed
        found[name] = round(float(np.percentile(times, float(name[1:]))), 4) if known else None
    missing = [f"{k} needs {v} runs" for k, v in _NEEDED.items() if len(times) < v]
    found["reason"] = f"{', '.join(missing)}, there were {len(times)}" if missing else ""
    return found


def run_in_turn(
    backbones: Mapping[str, Any], batches: Sequence[Mapping[str, np.ndarray]], seconds: float
) -> dict[str, list[float]]:
    """Times in ms of each backbone on the same batches, one round after the other.

    Args:
        backbones: what has `outputs`.
        batches: asked one after the other, over and over.
        seconds: until no further round is begun, times the number of backbones.
    """
    for batch in batches[:_WARM]:
        for backbone in backbones.values():
            backbone.outputs(batch)
    times: dict[str, list[float]] = {name: [] for name in backbones}
    deadline = time.perf_counter() + seconds * len(backbones)
    for turn in range(_MOST):
        if turn >= _FEWEST and time.perf_counter() > deadline:
            break
        for name, backbone in backbones.items():
            begun = time.perf_counter()
            backbone.outputs(batches[turn % len(batches)])
            times[name].append(1000 * (time.perf_counter() - begun))
    return times


def _main(request: Path, data: Path) -> dict[str, Any]:
    from workbench.backbones.onnx import OnnxBackbone
    from workbench.backbones.onnx_session import SPINNING

    asked = json.loads(request.read_text(encoding="utf-8"))
    batches: dict[int, dict[int, dict[str, np.ndarray]]] = {}
    with np.load(data, allow_pickle=False) as arrays:
        for key in arrays.files:
            size, i, name = key.split("|", 2)
            batches.setdefault(int(size), {}).setdefault(int(i), {})[name] = arrays[key]
    largest = batches[max(batches)][0]
    backbones: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, path in asked["paths"].items():
        before = _memory("VmRSS")
        _forget_peak()
        begun = time.perf_counter()
        as_it_comes = {SPINNING: "1"}  # deployed, the runtime's threads do not wait passively
        backbone = OnnxBackbone(Path(path), device=asked["device"], threads=asked["threads"], entries=as_it_comes)
        loaded = time.perf_counter() - begun
        backbone.outputs(largest)
        peak = _memory("VmHWM")
        backbones[name] = backbone
        found[name] = {
            "load_ms": round(1000 * loaded, 3),
            "peak_mb": round((peak - before) / 1e6, 1) if peak and before else None,
            "providers": backbone.providers,
            "per_batch": [],
        }
    meter = Meter()
    for size in sorted(batches):
        several = list(batches[size].values())
        times = run_in_turn(backbones, several, asked["seconds"])
        for name, own in times.items():
            rate = round(1000 * size / float(np.median(own)), 2)
            found[name]["per_batch"].append({"batch": size, **percentiles(own), "examples_per_second": rate})
    for name, backbone in backbones.items():
        found[name] |= meter.per_1000(partial(backbone.outputs, largest), len(next(iter(largest.values()))))
    return found


def _memory(key: str) -> int:
    """Bytes of this process's memory now (VmRSS) or at most (VmHWM); 0 where the machine does not say."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


if __name__ == "__main__":
    print(json.dumps(_main(Path(sys.argv[1]), Path(sys.argv[2]))))
