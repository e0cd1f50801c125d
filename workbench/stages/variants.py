"""Variants: the deployed file in other number formats, what each costs, and which is recommended."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import WorkbenchError
from workbench.stages.session import Session, do_stage
from workbench.stages.variant_parity import Judge

SIZES = (1, 8, 64)
_SEVERAL = {1: 16, 8: 4, 64: 1}  # batches of each size, so that lengths are those of the data
_CALIBRATION = 128  # training examples that static quantisation takes its ranges from
CLEARLY = 0.9  # a variant is recommended for speed if it takes at most this share of fp32's time
FOLDER = "onnx/variants"


def variants(session: Session) -> bool:
    """Write `onnx/variants/`, `onnx/variants.json` and, timings, `onnx/latency.json`."""

    def work(entry: dict[str, Any]) -> None:
        run, settings = session.run, session.config.export
        shutil.rmtree(run.path / FOLDER, ignore_errors=True)
        encoded = session.encode(session.preparation)
        dtypes = ("fp32", *(d for d in dict.fromkeys(settings.dtypes) if d != "fp32"))
        found: list[dict[str, Any]] = []
        judge = Judge(session, encoded)
        with session.progress.task("variants", len(dtypes) + 1) as bar:
            for dtype in dtypes:
                found.append(_original(session) if dtype == "fp32" else _variant(session, dtype, encoded, judge))
                bar.advance()
            run.write_json("onnx/variants.json", {"variants": found, "cost": _cost(session, encoded)})
            _measure(session, encoded, found)
            bar.advance()

    outputs = ("onnx/variants.json", "onnx/latency.json", FOLDER)
    return do_stage(session, "variants", work, outputs)


def real_batches(session: Session, encoded: Any) -> dict[int, list[dict[str, np.ndarray]]]:
    """Batches of test examples as they come, of 1, 8 and 64, repeated where there are fewer."""
    rows = session.rows("test")
    rows = rows if len(rows) else np.arange(len(encoded))
    return {size: [dict(encoded.batch(part)) for part in np.resize(rows, (_SEVERAL[size], size))] for size in SIZES}


def _original(session: Session) -> dict[str, Any]:
    path = session.run.path / "onnx" / "model.onnx"
    parity = session.run.read_json("onnx/parity.json")
    return {
        "name": "fp32",
        "file": "onnx/model.onnx",
        "bytes": path.stat().st_size,
        "how": "as exported",
        "passed": bool(parity["passed"]),
        "reason": "",
    }


def _variant(session: Session, dtype: str, encoded: Any, judge: Judge) -> dict[str, Any]:
    """One variant: its file, and how it compares with fp32; where there is none, why."""
    from workbench.backbones.precision import convert

    name = f"{FOLDER}/{dtype}.onnx"
    path = session.run.path / name
    try:
        content = (session.run.path / "onnx" / "model.onnx").read_bytes()
        made, how = convert(content, dtype, _calibration(session, encoded) if dtype == "int8" else ())
        session.run.write_bytes(name, made)
        compared = judge.compare(path, dtype)
    except WorkbenchError as e:
        path.unlink(missing_ok=True)
        return {"name": dtype, "file": None, "passed": False, "reason": e.message}
    return {"name": dtype, "file": name, "bytes": len(made), "how": how, **compared}


def _calibration(session: Session, encoded: Any) -> list[dict[str, np.ndarray]]:
    """Batches of training examples: never of those that the result is judged on."""
    rows = session.rows("train")[:_CALIBRATION]
    return [dict(encoded.batch(rows[i : i + 16])) for i in range(0, len(rows), 16)]


def _cost(session: Session, encoded: Any) -> dict[str, Any]:
    """Parameters and operations of the model before and after, on the test example of median length."""
    from workbench.backbones.cost import cost

    rows = session.rows("test")
    order = rows[np.argsort(encoded.lengths[rows], kind="stable")]
    example = encoded.batch(order[len(order) // 2 : len(order) // 2 + 1])
    return {model: cost(getattr(session, model), example) for model in ("base", "tuned")}


def _measure(session: Session, encoded: Any, found: list[dict[str, Any]]) -> None:
    from workbench.backbones.measuring import measure

    seconds = session.config.export.latency_seconds
    if not seconds:
        session.run.write_json("onnx/latency.json", {"per_batch": [], "reason": "export.latency_seconds is 0"})
        return
    paths = {v["name"]: session.run.path / v["file"] for v in found if v["file"]}
    measured = measure(paths, real_batches(session, encoded), device=session.device, seconds=seconds)
    name, why = recommend(found, measured)
    session.run.write_json(
        "onnx/latency.json",
        {
            "per_batch": measured["fp32"]["per_batch"],
            "device": _device(measured["fp32"]["providers"]),
            "variants": measured,
            "recommended": name,
            "why": why,
        },
    )


def _device(providers: list[str]) -> str:
    return "CPU" if providers[0] == "CPUExecutionProvider" else "GPU"


def milliseconds(measured: Mapping[str, Any]) -> float:
    """What speed is compared by: milliseconds an example, the mean over the sizes of batches."""
    return float(np.mean([b["p50"] / b["batch"] for b in measured["per_batch"]]))


def recommend(found: list[dict[str, Any]], measured: Mapping[str, Any]) -> tuple[str, str]:
    """Which variant to deploy, and why in one sentence.

    The fastest of those that passed every comparison with fp32, if it is clearly faster; where
    none is, the smallest of them by more than a quarter that is no slower; else fp32.
    """
    others = [v for v in found if v["name"] != "fp32"]
    if not others:
        return "fp32", "No other number format was asked for."
    base = milliseconds(measured["fp32"])
    size = next(v["bytes"] for v in found if v["name"] == "fp32")
    share = {v["name"]: milliseconds(measured[v["name"]]) / base for v in others if v["passed"]}
    fast = [n for n in share if share[n] <= CLEARLY]
    if fast:
        best = min(fast, key=lambda n: (share[n], n))
        return best, f"It takes {100 * share[best]:.0f} % of the time of fp32 and passed every comparison with it."
    small = {v["name"]: v["bytes"] / size for v in others if share.get(v["name"], 9) <= 1 / CLEARLY}
    small = {n: s for n, s in small.items() if s <= 0.75}
    if small:
        best = min(small, key=lambda n: (small[n], n))
        return (
            best,
            f"It has {100 * small[best]:.0f} % of the size of fp32, is about as fast and passed all.",
        )
    if share:
        return "fp32", "No variant that passed is clearly faster, or smaller and as fast."
    return "fp32", "No other variant passed every comparison with it."


def variant_path(run: Path, name: str) -> Path:
    """Where a variant's file lies in a run's directory."""
    return run / "onnx" / "model.onnx" if name == "fp32" else run / FOLDER / f"{name}.onnx"
