"""What the stages before evaluation leave in a sample run: data, training, parity."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd

from workbench.metrics.decisions import decisions
from workbench.metrics.thresholds import Wanted
from workbench.records import finite
from workbench.run import Run
from workbench.types import ClassScores, Predictions, Values

SIZES = {"train": 900, "validation": 150, "test": 300}


def write_data(run: Run, sample: Any, frame: pd.DataFrame) -> None:
    about: dict[str, Any] = {
        "name": f"{sample.kind} sample",
        "modality": sample.modality,
        "source": "sample",
        "sha256": hashlib.sha256(sample.kind.encode()).hexdigest(),
        "notes": sample.notes,
        "split_method": "at random, stratified by class, seed 0",
        "splits": SIZES,
        "labels": sample.labels,
        "unit": "units" if sample.kind == "regression" else "",
        "target_name": "disease progression" if sample.kind == "regression" else "class",
        "columns": [],
        "skipped": [{"where": "rows.csv, row 17", "reason": "the text is empty"}],
    }
    if sample.kind == "regression":
        by_split = frame.groupby("split")["target"].agg(["mean", "std", "min", "max"])
        about["target"] = {
            s: {k: float(v) for k, v in zip(("mean", "sd", "min", "max"), by_split.loc[s], strict=True)} for s in SIZES
        }
    else:
        counted = {s: frame[frame["split"] == s]["target"].value_counts() for s in SIZES}
        about["classes"] = {s: {label: int(c.get(label, 0)) for label in sample.labels} for s, c in counted.items()}
    if sample.modality == "table":
        none = dict.fromkeys(SIZES, 0)
        about["columns"] = [
            {"name": c, "kind": "numeric", "categories": [], "missing": {**none, "train": 3 * (i % 2)}}
            for i, c in enumerate(sample.columns[:-1])
        ] + [{"name": sample.columns[-1], "kind": "categorical", "categories": ["I", "II", "III"], "missing": none}]
    run.write_json("data/fingerprint.json", about)
    run.write_json(
        "data/checks.json",
        [
            {"check": "duplicates across splits", "level": "warning", "n": 2, "examples": sample.ids[-2:],
             "sentence": "2 test examples are equal to training examples"},
            {"check": "missing values", "level": "note", "n": 24, "examples": [], "sentence": "24 values are missing"},
            {"check": "empty inputs", "level": "ok", "n": 0, "examples": [], "sentence": "no input is empty"},
        ],
    )  # fmt: skip


def write_decisions(run: Run, sample: Any, frames: dict[str, pd.DataFrame]) -> None:
    """What the evaluation keeps of confidence and thresholds; computed, as no one could invent it consistently."""
    for model, frame in frames.items():
        facts = (frame["id"].to_numpy(object), frame["split"].to_numpy(object))
        predictions: Predictions
        if sample.kind == "regression":
            predictions = Values(*facts, frame["target"].to_numpy(float), frame["value"].to_numpy(float), "units")
        else:
            index = {label: k for k, label in enumerate(sample.labels)}
            targets = frame["target"].map(index).to_numpy(np.int64)
            logits = frame[[f"logit.{label}" for label in sample.labels]].to_numpy(float)
            predictions = ClassScores(*facts, targets, logits, tuple(sample.labels))
        run.write_json(f"{model}/decisions.json", finite(decisions(predictions, Wanted(cost_ratio=0.5), resamples=100)))


def write_training(run: Run, rng: np.random.Generator) -> None:
    lines = []
    for step in range(1, 121):
        loss = 1.5 * np.exp(-step / 35) + 0.15 + 0.05 * rng.random()
        lines.append({"step": step, "epoch": step / 30, "loss": round(float(loss), 4), "learning_rate": 3e-5})
        if step % 30 == 0:
            fit = 0.35 + 0.6 * float(np.exp(-step / 30))
            score = {"validation_loss": fit, "validation_score": 0.95 - fit / 4, "score_name": "f1_macro"}
            lines.append({"step": step, "epoch": step / 30, **score})
    run.write_bytes("tuned/history.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    run.write_json(
        "tuned/finetune.json",
        {
            "strategy": "full",
            "parameters": {"total": 22_713_608, "trained": 22_713_608},
            "before": "the pretrained encoder as it came, with only a new last layer fitted to the training examples",
            "backbone": {"source": "MiniLM-L6", "sha256": "cd" * 32, "class": "BertForSequenceClassification"},
            "best_step": 120,
            "stopped": "all 4 epochs were done",
            "runs_user_code": False,
            "code": None,
        },
    )


def write_parity(run: Run) -> None:
    run.write_json(
        "onnx/parity.json",
        {
            "passed": True,
            "tolerance": 1e-4,
            "n": 300,
            "batch_sizes": [1, 2, 7, 64],
            "max_error": 2.1e-6,
            "max_abs": 6.4e-6,
            "label_agreement": {"agree": 300, "n": 300, "argmax_ties": 0},
            "opset": 20,
            "exporter": "torch.onnx dynamo 2.13.0",
            "sha256": "ef" * 32,
            "bytes": 90_912_345,
            "parameters": 22_713_608,
            "per_batch": [
                {"batch": b, "padded": b > 1, "max_error": 2.1e-6 / b, "max_abs": 6.4e-6 / b} for b in (1, 2, 7, 64)
            ],
        },
    )
    text = "Every node ran on CPUExecutionProvider"
    run.write_json("onnx/providers.json", {"requested": "auto", "used": ["CPUExecutionProvider"], "text": text})
