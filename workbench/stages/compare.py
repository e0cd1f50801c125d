"""Compare: the model before and the deployed one, paired by example."""

from __future__ import annotations

from typing import Any

from workbench.metrics.paired import compare as compare_predictions
from workbench.metrics.paired_labels import compare_labels
from workbench.records import finite, read_predictions
from workbench.run import Run, hash_file
from workbench.stages.evaluate import clusters_of, settings_of
from workbench.stages.session import Session, do_stage
from workbench.types import LabelScores


def compare(session: Session) -> bool:
    """Write `comparison.json`: on the test split, every difference with its interval."""

    def work(entry: dict[str, Any]) -> None:
        before, after = read_predictions(session.run, "base"), read_predictions(session.run, "onnx")
        settings = {**settings_of(session), "clusters": clusters_of(session, before.ids)}
        settings["margin"] = session.config.compare.margin
        if isinstance(before, LabelScores) and isinstance(after, LabelScores):
            found = compare_labels(before, after, split="test", **settings)
        else:
            found = compare_predictions(before, after, split="test", **settings)
        sides = {"before": side(session.run, "base"), "after": side(session.run, "onnx")}
        session.run.write_json("comparison.json", finite(found | {"sides": sides}))

    return do_stage(session, "compare", work, ("comparison.json",))


# The file that is each model: what its predictions are to be traced back to.
_FILES = {"base": "base/model.safetensors", "tuned": "tuned/checkpoint/model.safetensors", "onnx": "onnx/model.onnx"}


def side(run: Run, model: str) -> dict[str, Any]:
    """One side of a comparison, identified: run, model, and the hash of its file and of its predictions.

    The model before keeps only what was fitted; its backbone's hash stands beside it.
    """
    manifest = run.manifest
    files = {name: run.path / name for name in (f"{model}/predictions.parquet", _FILES[model])}
    about = run.read_json("tuned/finetune.json") if run.has("tuned/finetune.json") else {}
    return {
        "run": manifest.get("name", run.path.name),
        "model": model,
        "seed": manifest.get("seed"),
        "workbench": manifest.get("workbench"),
        "data_sha256": manifest["stages"].get("prepare", {}).get("sha256"),
        "files": {name: hash_file(path) for name, path in files.items() if path.is_file()},
        "backbone": {k: v for k, v in (about.get("backbone") or {}).items() if k in ("source", "sha256")},
        "text": about.get("before", "") if model == "base" else "",
    }
