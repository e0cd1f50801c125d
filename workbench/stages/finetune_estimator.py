"""Fine-tuning where the backbone is trees of scikit-learn: fitted at once, on the same splits."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np

from workbench.run import write_atomically
from workbench.stages.session import Session


def fit_trees(
    session: Session, encoded: Any, targets: np.ndarray, train: np.ndarray, validation: np.ndarray
) -> tuple[Any, dict[str, Any]]:
    """Fit the estimator and write `tuned/checkpoint` and `tuned/history.jsonl`.

    An interrupted fit begins again: it is short, and equal by its seed.

    Returns:
        The backbone, and what `tuned/finetune.json` says of it.
    """
    from workbench.backbones.estimator_fit import fit_estimator
    from workbench.modalities.table import TablePreparation

    config, dataset, kind = session.config, session.dataset, session.task.kind
    preparation = TablePreparation(dataset.columns)
    session.progress.say(f"  fitting {config.backbone.source}")
    train, validation = (_known(targets, rows, kind) for rows in (train, validation))
    found = fit_estimator(
        config.backbone.source,
        config.backbone.parameters,
        kind,
        (encoded.batch(train), targets[train]),
        (encoded.batch(validation), targets[validation]),
        classes=max(len(dataset.labels), 1),
        cardinalities=[len(preparation.columns[i].categories) for i in preparation.categorical],
        inputs=preparation.inputs,
        balanced=config.finetune.class_weights == "balanced",
        seed=config.seed,
    )
    _keep(session, found)
    total = found.backbone.parameters
    facts = found.backbone.facts
    return found.backbone, {
        "strategy": "estimator",
        "parameters": {"total": total, "trained": total},
        "backbone": {k: facts.get(k) for k in ("source", "class", "sha256")},
        "runs_user_code": False,
        "code": None,
        "start": "",
        "best_step": found.kept,
        "steps": found.grown,
        "stopped": found.how,
        "learning_rate": None,
        "settings": {},
        "estimator": {
            "parameters": facts["parameters"],
            "trees": facts["trees"],
            "categories": "each in the order that the targets of its training rows give",
            "missing": "learnt at each split" if np.isnan(found.backbone.encoding.fill).all() else "below every value",
        },
    }


def _known(targets: np.ndarray, rows: np.ndarray, kind: str) -> np.ndarray:
    """The rows whose answer is known; a row of several labels may lack some of them."""
    if kind == "labels":
        return rows[(targets[rows] >= 0).any(axis=1)]
    return rows[targets[rows] >= 0 if kind == "class" else np.isfinite(targets[rows])]


def _keep(session: Session, found: Any) -> None:
    folder = session.run.path / "tuned"
    for name in ("training", "tensorboard", ".checkpoint.partial"):
        shutil.rmtree(folder / name, ignore_errors=True)
    lines = "".join(json.dumps(line) + "\n" for line in found.history)
    write_atomically(folder / "history.jsonl", lines.encode())
    partial, checkpoint = folder / ".checkpoint.partial", folder / "checkpoint"
    found.backbone.save(partial)
    shutil.rmtree(checkpoint, ignore_errors=True)
    partial.rename(checkpoint)
