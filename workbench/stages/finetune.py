"""Finetune: the model before customisation, and the customised one."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from workbench.backbones.torch import TorchBackbone, parameters_of
from workbench.config import Finetune
from workbench.errors import DataError
from workbench.modalities.table import TablePreparation
from workbench.records import finite
from workbench.run import write_atomically
from workbench.stages.finetune_estimator import fit_trees
from workbench.stages.session import Session, do_stage
from workbench.types import Dataset, indicators

_RESUMABLE = "tuned/.resumable"  # holds the key of the fine-tuning that `tuned/training` belongs to


def finetune(session: Session) -> bool:
    """Write `base/` (what is fitted on the frozen backbone) and `tuned/` (checkpoint, history)."""

    def work(entry: dict[str, Any]) -> None:
        task, config, run = session.task, session.config, session.run
        trees = session.uses_estimator
        backbone, preparation = (None, TablePreparation(session.dataset.columns)) if trees else session.load_source()
        encoded = session.encode(preparation)
        targets = _targets(session.dataset)
        train, validation = session.rows("train"), session.rows("validation")
        for name, rows in (("train", train), ("validation", validation)):
            if not len(rows):
                raise DataError(f"the {name} split of {config.data.source} has no examples")
            if task.kind == "labels" and not (targets[rows] == 1).any():
                raise DataError(f"the {name} split of {config.data.source} has no example with a label")
        validation = validation[np.argsort(encoded.lengths[validation], kind="stable")]  # little padding
        _forget_other(session)
        session.progress.say("  the model before customisation")
        before = fit_base(session, backbone, encoded, targets, train, validation)
        if task.kind == "labels":
            _choose_thresholds(session, "base", session.load_base()[0], encoded, targets, validation)
        fit = fit_trees if trees else _fit_network
        tuned, facts = fit(session, encoded, targets, train, validation)
        if task.kind == "labels":
            _choose_thresholds(session, "tuned", tuned, encoded, targets, validation)
        (run.path / _RESUMABLE).unlink()
        run.write_json("tuned/finetune.json", finite({**facts, "before": before}))

    return do_stage(
        session,
        "finetune",
        work,
        (
            *(
                "base/model.safetensors",
                "tuned/checkpoint",
                "tuned/history.jsonl",
                "tuned/finetune.json",
                "tuned/tensorboard",
            ),
            *("base/thresholds.json", "tuned/thresholds.json"),  # multi-label alone
        ),
    )


def _fit_network(
    session: Session, encoded: Any, targets: np.ndarray, train: np.ndarray, validation: np.ndarray
) -> tuple[TorchBackbone, dict[str, Any]]:
    """Train the backbone from its source and write `tuned/`; the model, and what is said of it."""
    from workbench.backbones.fitting import Samples, fit

    task, config, run = session.task, session.config, session.run
    backbone, _ = session.load_source()
    fitted_head = run.path / "base" / "model.safetensors"
    start = ""
    if task.kind == "labels" and task.modality_name != "table" and fitted_head.is_file():
        # A fresh head says "as likely as not" of every label, which takes many steps to unlearn.
        backbone.load_state(fitted_head)
        start = "the head of the model before, fitted on the frozen backbone"
    augment = flip_and_shift(config.seed) if config.finetune.augment and task.modality_name == "image" else None
    settings = settle(session, len(train))
    fitted = fit(
        backbone,
        Samples(Picked(encoded, train), targets[train]),
        Samples(Picked(encoded, validation), targets[validation]),
        settings,
        folder=run.path / "tuned",
        kind=task.kind,
        seed=config.seed,
        progress=session.progress,
        augment=augment,
        key=session.key("finetune"),
    )
    checkpoint = run.path / "tuned" / "checkpoint"
    shutil.rmtree(checkpoint, ignore_errors=True)
    partial = run.path / "tuned" / ".checkpoint.partial"
    shutil.rmtree(partial, ignore_errors=True)
    backbone.save(partial)
    partial.rename(checkpoint)
    facts = dict(backbone.facts)
    return backbone, {
        "strategy": settings.strategy,
        "parameters": {"total": fitted.total, "trained": fitted.trained},
        "backbone": {k: facts.get(k) for k in ("source", "class", "sha256")},
        "runs_user_code": bool(facts.get("runs_user_code")),
        "code": facts.get("code"),
        "start": start,
        "best_step": fitted.best_step,
        "steps": fitted.steps,
        "stopped": fitted.stopped,
        "learning_rate": fitted.learning_rate,
        "settings": settings.model_dump(mode="json"),
    }


def _targets(dataset: Dataset) -> np.ndarray:
    """Targets as the loop takes them: class indices, (n, K) 0 or 1, or values; unknown ones are -1 or NaN."""
    targets = [e.target for e in dataset.examples]
    if dataset.kind == "labels":
        return indicators(targets, len(dataset.labels))
    values = np.array([np.nan if t is None else t for t in targets])
    return values.astype(np.int64) if dataset.kind == "class" else values


def _choose_thresholds(
    session: Session, model: str, backbone: TorchBackbone, encoded: Any, targets: np.ndarray, validation: np.ndarray
) -> None:
    """Write `<model>/thresholds.json`, from the model's probabilities of the validation split."""
    from workbench.metrics.label_thresholds import choose_thresholds

    backbone.to(session.torch_device)
    size = session.config.predict.batch_size
    parts = [backbone.outputs(encoded.batch(validation[i : i + size])) for i in range(0, len(validation), size)]
    labels = session.dataset.labels
    facts = {"ids": validation, "splits": validation, "targets": [None] * len(validation), "labels": labels}
    found = session.task.decode(np.concatenate(parts), {**facts, "groups": {}})
    chosen = choose_thresholds(found.probabilities, targets[validation], labels)  # type: ignore[union-attr]
    session.run.write_json(f"{model}/thresholds.json", chosen)


def _forget_other(session: Session) -> None:
    """Remove what an interrupted fine-tuning by another config or other data left to be resumed."""
    marker, key = session.run.path / _RESUMABLE, session.key("finetune")
    if marker.is_file() and marker.read_text(encoding="utf-8") == key:
        return
    for name in ("tuned/training", "tuned/tensorboard", "base/.fit"):
        shutil.rmtree(session.run.path / name, ignore_errors=True)
    write_atomically(marker, key.encode())


def settle(session: Session, rows: int) -> Finetune:
    """The settings of the loop, with what the config leaves open filled in by the backbone."""
    wanted = session.config.finetune
    usual: dict[str, Any] = {"batch_size": 32, "epochs": 3.0, "weight_decay": 0.01, "patience": 0}
    if session.task.modality_name == "table":
        from workbench.backbones.tabular import recommended_settings

        usual = recommended_settings(rows, len(session.dataset.columns), session.task.kind)
    unset = {"patience": None, "weight_decay": None, "dropout": None}  # 0 is a wish of its own for these
    return wanted.model_copy(update={k: v for k, v in usual.items() if getattr(wanted, k) == unset.get(k, 0)})


class Picked:
    """Some rows of encoded inputs as encoded inputs of their own."""

    def __init__(self, encoded: Any, rows: np.ndarray) -> None:
        self._encoded, self._rows = encoded, rows
        self.lengths = encoded.lengths[rows]

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, rows: Any, *options: Any) -> dict[str, np.ndarray]:
        return self._encoded.batch(self._rows[np.asarray(rows)], *options)


def fit_base(
    session: Session,
    backbone: TorchBackbone | None,
    encoded: Any,
    targets: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
) -> str:
    """Make the model before customisation and write what was fitted; how it came about, in a sentence."""
    path = session.run.path / "base" / "model.safetensors"
    path.unlink(missing_ok=True)
    if session.task.modality_name == "table":
        from workbench.backbones.tabular import fit_base as fit_table

        return fit_table(session.config, session.dataset, session.task.kind, encoded, targets, train, validation, path)
    assert backbone is not None  # of a table alone there may be none
    if backbone.speaks_labels:
        return "The backbone itself: its own head already gives these labels."
    from workbench.backbones.probing import fit_head, head_inputs, is_linear

    if is_linear(backbone, *head_inputs(backbone, encoded, train[:8])):  # a head on maps would fill the memory
        features, _ = head_inputs(backbone, encoded, train)
        held_out, _ = head_inputs(backbone, encoded, validation)
        how = fit_head(
            backbone,
            (features, targets[train]),
            (held_out, targets[validation]),
            classes=len(session.dataset.labels),
            multilabel=session.task.kind == "labels",
        )
    else:
        how = _train_head(session, backbone, encoded, targets, train, validation)
    only = backbone.fresh | parameters_of(backbone.module, backbone.head)
    backbone.save_state(path, only)
    return f"What the backbone already knows: its parameters frozen, its head replaced by a {how}."


def _train_head(
    session: Session,
    backbone: TorchBackbone,
    encoded: Any,
    targets: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
) -> str:
    from workbench.backbones.fitting import Samples, fit

    settings = settle(session, len(train)).model_copy(
        update={"strategy": "head", "learning_rate": 0.0, "epochs": 10.0, "patience": 2, "class_weights": "none"}
    )
    fit(
        backbone,
        Samples(Picked(encoded, train), targets[train]),
        Samples(Picked(encoded, validation), targets[validation]),
        settings,
        folder=session.run.path / "base" / ".fit",
        kind=session.task.kind,
        seed=session.config.seed,
        progress=session.progress,
        key=session.key("finetune"),
    )
    shutil.rmtree(session.run.path / "base" / ".fit", ignore_errors=True)
    return "fresh layer trained alone by gradient descent"


def flip_and_shift(seed: int) -> Any:
    """Random horizontal flips and shifts by up to an eighth of the side, of (n, H, W, 3) frames."""
    import torch

    def change(frames: np.ndarray) -> np.ndarray:
        # torch's generator is kept in the checkpoints: an interrupted training goes on with the same draws.
        rng = np.random.default_rng([seed, int(torch.randint(2**62, ()))])
        changed = np.empty_like(frames)
        for i, frame in enumerate(frames):
            height, width = frame.shape[:2]
            down, across = height // 8, width // 8
            padded = np.pad(frame, ((down, down), (across, across), (0, 0)), mode="reflect")
            top, left = rng.integers(0, 2 * down + 1), rng.integers(0, 2 * across + 1)
            view = padded[top : top + height, left : left + width]
            changed[i] = view[:, ::-1] if rng.random() < 0.5 else view
        return changed

    return change
