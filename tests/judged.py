"""A small run directory with just what a gate reads, invented and hashed, and policies for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.run import Run, hash_file


def estimate(value: float, low: float, high: float, n: int = 100) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": n, "interval": "wilson", "reason": ""}


def measure(name: str, value: float | None, low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "split": "test", "value": value, "low": low, "high": high, "n": 100}
    return {**entry, "interval": "wilson", "better": "higher", "signature": "", "per_class": {}, "reason": "", **more}


def a_slice(name: str, n: int, value: float, low: float, high: float, difference: tuple[float, ...] | None) -> Any:
    test = None if difference is None else dict(zip(("value", "low", "high"), difference, strict=True))
    own = {"right": 0, "score": estimate(value, low, high, n), "rest": None, "difference": test, "rates": {}}
    where = [{"attribute": "ward", "value": name}]
    return {"name": f"ward = {name}", "where": where, "n": n, "note": "", "models": {"onnx": own}, "change": None}


def gap(value: float | None, p: float | None, name: str = "ward") -> dict[str, Any]:
    entry = {"measure": "accuracy", "groups": 2, "value": value, "low": 0.0, "high": 0.3, "expected": 0.05, "p95": 0.1}
    return {
        "name": name,
        "gaps": {"onnx": [{**entry, "p": p, "p_holm": p, "lowest": "north", "highest": "south", "reason": ""}]},
    }


def contents() -> dict[str, Any]:
    """Every JSON file of the run, by name."""
    recall = measure("recall", 0.9, 0.85, 0.94, per_class={"malignant": estimate(0.8, 0.66, 0.9)})
    cards = {"shap": {f"e{i}": {"light": light} for i, light in enumerate(("good", "fair", "fair", "poor"))}}
    negative = [f"n{i}" for i in range(4)]
    return {
        "onnx/metrics.json": [
            measure("accuracy", 0.9, 0.83, 0.95),
            recall,
            measure("log_loss", 0.3, 0.25, 0.36),
            measure("auroc", None, None, None, reason="one class only"),
            measure("accuracy", 0.99, 0.97, 1.0, split="train"),
        ],
        "comparison.json": {
            "split": "test",
            "n": 200,
            "before": "base",
            "after": "onnx",
            "verdict": "",
            "accuracy": {"before": 0.88, "after": 0.9, "difference": 0.02, "low": -0.015, "high": 0.05, "b": 4, "c": 8},
            "flips": {
                "negative": negative,
                "positive": [f"p{i}" for i in range(8)],
                "nfr": 0.02,
                "pfr": 0.04,
                "churn": 0.06,
            },
            "measures": [
                {"name": "log_loss", "difference": 0.01, "low": -0.02, "high": 0.04, "better": "lower"},
                {
                    "name": "auroc",
                    "difference": None,
                    "low": None,
                    "high": None,
                    "better": "higher",
                    "reason": "one class only",
                },
            ],
            "moved_to": [
                {"what": "watermark", "gain": 0.2, "low": 0.1, "high": 0.3, "beyond_noise": True, "kind": "place"},
                {"what": "age", "gain": 0.05, "low": 0.01, "high": 0.09, "beyond_noise": False, "kind": "column"},
                {"what": "zq7", "gain": 0.04, "low": 0.01, "high": 0.07, "beyond_noise": None, "kind": "word"},
            ],
        },
        "slices.json": {
            "measure": "accuracy",
            "reason": "",
            "few": 30,
            "attributes": [gap(0.12, 0.01), gap(0.3, 0.4, "site")],
            "slices": [
                a_slice("north", 40, 0.8, 0.65, 0.9, (-0.12, -0.25, -0.01)),
                a_slice("south", 60, 0.92, 0.83, 0.96, (0.12, 0.01, 0.25)),
                a_slice("hut", 12, 0.5, 0.25, 0.75, None),
            ],
        },
        "onnx/parity.json": {"passed": True, "tolerance": 1e-4, "n": 200, "max_error": 2e-6},
        "quality.json": {
            "cases": {"base": {}, "onnx": cards, "tuned": {"ig": {"e0": {"light": "good"}}}},
            "controls": {"after": {f"e{i}": {"light": "poor" if i else "fair"} for i in range(4)}},
        },
        "onnx/latency.json": {
            "per_batch": [{"batch": 1, "p95_ms": 12.5, "median_ms": 9.0}, {"batch": 8, "p95_ms": 60.0}]
        },
        "data/checks.json": [
            {"check": "leak_test", "level": "ok", "sentence": "No test input occurs in train.", "n": 0, "examples": []},
            {"check": "group_leak", "level": "ok", "sentence": "Each patient is in one split.", "n": 0, "examples": []},
            {"check": "class_imbalance", "level": "warning", "sentence": "Rare classes.", "n": 3, "examples": []},
        ],
    }


def judged_run(path: Path, files: dict[str, Any] | None = None) -> Run:
    """Write the run; `files` replaces the JSON files."""
    run = Run.create(path)
    for name, content in (contents() if files is None else files).items():
        run.write_json(name, content)
    if files is None or "onnx/parity.json" in files:
        run.write_bytes("onnx/model.onnx", b"m" * 2_500_000)
    run.write_bytes("config.toml", b'task = "tabular-classification"\n[data]\nsource = "x.csv"\n')
    rehash(run)
    return run


def rehash(run: Run) -> None:
    """Write a manifest that vouches for the files as they are."""
    facts = {"schema": 1, "name": run.path.name, "task": "tabular-classification", "stages": {}}
    run.write_manifest({**facts, "files": {n: hash_file(run.path / n) for n in run.files()}})


def policy(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
