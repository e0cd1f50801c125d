"""Predict: every split through the model before, the trained one and the deployed file."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.engines.shards import remove_shards, run_shards, shard_bounds
from workbench.records import write_predictions
from workbench.stages.familiar import keep_embeddings
from workbench.stages.session import Session, do_stage


def predict(session: Session) -> bool:
    """Write `<model>/predictions.parquet` for the run's models, and `tuned/embeddings.safetensors`."""

    def work(entry: dict[str, Any]) -> None:
        encoded = session.encode(session.preparation)
        with session.progress.task("predicting", len(session.predictors) * len(encoded)) as bar:
            for model in session.predictors:
                scores = _scores(session, model, encoded, bar)
                if model == "tuned":  # its embeddings come with its scores, at no further cost
                    k = max(len(session.dataset.labels), 1)
                    scores, embeddings = scores[:, :k], scores[:, k:]
                    keep_embeddings(session, embeddings)
                write_predictions(session.run, model, session.task.decode(scores, session.facts(model)))
                remove_shards(session.run.path / model / ".shards")
        session.run.write_json("onnx/providers.json", session.onnx.describe())

    outputs = tuple(f"{m}/predictions.parquet" for m in session.predictors)
    return do_stage(session, "predict", work, (*outputs, "tuned/embeddings.safetensors", "onnx/providers.json"))


def _scores(session: Session, model: str, encoded: Any, bar: Any) -> np.ndarray:
    """Scores of all examples, (n, K), in resumable shards of examples sorted by length.

    Those of the tuned model are followed by the embeddings, (n, K + d).
    """
    order = np.argsort(encoded.lengths, kind="stable")
    folder = session.run.path / model / ".shards"
    size = session.config.predict.batch_size

    def compute(start: int, end: int) -> bytes:
        backbone = getattr(session, model)
        parts = []
        for first in range(start, end, size):
            rows = order[first : min(first + size, end)]
            batch = encoded.batch(rows)
            found = backbone.embeddings(batch)[::-1] if model == "tuned" else (backbone.outputs(batch),)
            parts.append(np.concatenate(found, axis=1).astype(np.float32))
            bar.advance(len(rows))
        scores = np.concatenate(parts)
        return np.array(scores.shape, dtype=np.int64).tobytes() + scores.tobytes()

    bounds = shard_bounds(len(encoded), session.config.predict.shard_size)
    paths = run_shards(folder, session.key("predict") + model, bounds, compute)
    parts = []
    for path in paths:
        content = path.read_bytes()
        rows, columns = np.frombuffer(content[:16], dtype=np.int64)
        parts.append(np.frombuffer(content[16:], dtype=np.float32).reshape(rows, columns))
    scores = np.concatenate(parts)
    result = np.empty_like(scores)
    result[order] = scores
    return result
