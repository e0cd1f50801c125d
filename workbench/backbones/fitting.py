"""Customising a backbone: one loop on transformers' `Trainer` for every task."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import Trainer, set_seed
from transformers.trainer_callback import EarlyStoppingCallback

from workbench.backbones.arguments import default_learning_rate, training_arguments
from workbench.backbones.batches import ByLength
from workbench.backbones.history import History
from workbench.backbones.multilabel import binary_cross_entropy, mean_average_precision
from workbench.backbones.quiet import quiet_transformers
from workbench.backbones.saving import saving
from workbench.backbones.strategies import apply_strategy, merge_adapters
from workbench.backbones.torch import TorchBackbone, state_of
from workbench.config import Finetune
from workbench.engines.progress import Progress
from workbench.errors import StageError
from workbench.run import digest


@dataclass(frozen=True)
class Samples:
    """What the loop reads: `encoded.batch(rows)` gives model inputs, `targets` (n,) or (n, K) their answers."""

    encoded: Any
    targets: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """What came out of the loop."""

    best_step: int
    stopped: str
    trained: int
    total: int
    learning_rate: float
    steps: int


def fit(
    backbone: TorchBackbone,
    train: Samples,
    validation: Samples,
    config: Finetune,
    *,
    folder: Path,
    kind: str,
    seed: int,
    progress: Progress,
    augment: Callable[[np.ndarray], np.ndarray] | None = None,
    key: str = "",
) -> Fitted:
    """Fine-tune in place and keep the best epoch by validation loss.

    Checkpoints lie in `folder/training` until the end; a second call after an interruption
    of the same settings goes on from the last one and ends with the same model; checkpoints
    of other settings are removed. `folder/history.jsonl` holds a
    line for every logged step, `folder/tensorboard` the same as events.

    Args:
        kind: "class" (cross-entropy), "labels" (binary cross-entropy of each label) or "value"
            (squared error on the standardised target).
        key: whatever else the result depends on, such as the data.

    Raises:
        StageError: the loss is not finite. ConfigError: an optimiser or schedule unknown.
    """
    training = folder / "training"
    resume = _last_checkpoint(training, digest([key, config.model_dump(mode="json"), kind, seed, backbone.facts]))
    set_seed(seed)
    trained = apply_strategy(backbone, config)
    total = sum(p.numel() for p in backbone.module.parameters())
    rate = config.learning_rate or default_learning_rate(total, config.strategy)
    arguments = training_arguments(training, config, rate, seed, backbone.device)
    per_epoch = math.ceil(len(train.encoded) / config.batch_size)
    steps = math.ceil(per_epoch * config.epochs)
    with progress.task("fine-tuning", steps) as bar:
        record = History(folder, bar, kind, resume)
        trainer = _Loop(
            loss=_loss(config, kind, train.targets),
            model=backbone.module,
            args=arguments,
            train_dataset=_Rows(len(train.encoded)),
            eval_dataset=_Rows(len(validation.encoded)),
            compute_metrics=_score(kind),
            callbacks=[record] + ([EarlyStoppingCallback(config.patience)] if config.patience else []),
        )
        trainer.sides = (_collator(train, augment, kind), _collator(validation, None, kind))
        trainer.lengths = train.encoded.lengths
        for noisy in _PRINTERS:
            trainer.remove_callback(noisy)
        with quiet_transformers(), saving(folder):
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    merge_adapters(backbone.module)
    backbone.module.eval()
    state = trainer.state
    best = state.best_global_step or state.global_step
    stopped = (
        f"after {state.epoch:.0f} of {config.epochs:g} epochs: {config.patience} without a better validation loss"
        if state.global_step < steps
        else f"after all {config.epochs:g} epochs"
    )
    shutil.rmtree(training, ignore_errors=True)
    return Fitted(int(best), stopped, trained, total, rate, int(state.global_step))


class _Rows(torch.utils.data.Dataset[int]):
    """Row numbers; the collator turns a list of them into a batch."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: int) -> int:
        return row


def _collator(
    samples: Samples, augment: Callable[[np.ndarray], np.ndarray] | None, kind: str
) -> Callable[[list[int]], dict[str, Tensor]]:
    dtype = np.int64 if kind == "class" else np.float32

    def collate(rows: list[int]) -> dict[str, Tensor]:
        batch = samples.encoded.batch(rows, augment) if augment else samples.encoded.batch(rows)
        batch["labels"] = samples.targets[rows].astype(dtype)
        return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in batch.items()}

    return collate


class _Loop(Trainer):
    """A Trainer whose loss and batches are ours: any module with `.logits` can be trained."""

    def __init__(self, *, loss: Callable[[Tensor, Tensor], Tensor], **options: Any) -> None:
        self._loss = loss
        self.sides: tuple[Any, Any] = (None, None)
        self.lengths = np.zeros(0, dtype=np.int64)
        super().__init__(**options)
        self.model_accepts_loss_kwargs = False
        self._still = _frozen_norms(options["model"])

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        # transformers may rename parameters as it saves, and its loop reads them back by their plain names.
        folder = Path(str(output_dir or self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state_of(cast(nn.Module, self.model)), folder / "model.safetensors")

    def get_train_dataloader(self) -> Any:
        self.data_collator = self.sides[0]
        return super().get_train_dataloader()

    def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
        return ByLength(self.lengths, self.args.train_batch_size, self.args.seed)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        self.data_collator = self.sides[1]
        return super().get_eval_dataloader(eval_dataset)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        targets = inputs.pop("labels")
        for layer in self._still:
            layer.eval()
        output = model(**inputs)
        logits, members = output.logits, getattr(output, "members", None)
        if members is None:
            loss = self._loss(logits, targets)
        else:  # an ensemble in one network: each member is trained on its own
            loss = self._loss(members.flatten(0, 1), targets.repeat_interleave(members.shape[1], dim=0))
        if model.training and not torch.isfinite(loss):
            raise StageError(
                f"the loss is {loss.item()} at step {self.state.global_step}",
                hint="lower finetune.learning_rate, or look for extreme values in the data",
            )
        inputs["labels"] = targets
        return (loss, {"logits": logits}) if return_outputs else loss


def _frozen_norms(module: nn.Module) -> list[nn.Module]:
    """Batch normalisations that are not trained: their running statistics must stay, too."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    frozen = any(not p.requires_grad for p in module.parameters())
    return [m for m in norms if frozen and not any(p.requires_grad for p in m.parameters())]


def _loss(config: Finetune, kind: str, targets: np.ndarray) -> Callable[[Tensor, Tensor], Tensor]:
    if kind == "value":
        scale = float(np.std(targets)) or 1.0

        def squared(logits: Tensor, target: Tensor) -> Tensor:
            return (((logits - target[:, None]) / scale) ** 2).mean()

        return squared
    if kind == "labels":
        return binary_cross_entropy(targets, config.label_smoothing, balanced=config.class_weights == "balanced")
    counts = torch.from_numpy(np.bincount(targets.astype(int)))
    present = counts > 0
    balanced = torch.where(present, len(targets) / (present.sum() * counts.clamp(min=1)), 1.0)

    def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
        weight = None
        if config.class_weights == "balanced":  # a class that training never showed counts once
            unseen = logits.shape[1] - len(balanced)
            weight = nn.functional.pad(balanced, (0, unseen), value=1.0).to(logits)
        return nn.functional.cross_entropy(logits, target, weight, label_smoothing=config.label_smoothing)

    return cross_entropy


def _score(kind: str) -> Callable[[Any], dict[str, float]]:
    def accuracy(evaluated: Any) -> dict[str, float]:
        return {"score": float((evaluated.predictions.argmax(-1) == evaluated.label_ids).mean())}

    def rmse(evaluated: Any) -> dict[str, float]:
        return {"score": float(np.sqrt(np.mean((evaluated.predictions[:, 0] - evaluated.label_ids) ** 2)))}

    return {"class": accuracy, "labels": mean_average_precision, "value": rmse}[kind]


def _printers() -> tuple[type, ...]:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    return PrinterCallback, ProgressCallback


_PRINTERS = _printers()


def _last_checkpoint(folder: Path, key: str) -> Path | None:
    """The newest checkpoint that was written whole; half-written ones and those of another key are removed."""
    mark = folder / "key"
    if not mark.is_file() or mark.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.write_text(key)
    found = sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    while found and not (found[-1] / "trainer_state.json").is_file():
        shutil.rmtree(found.pop())
    return found[-1] if found else None
