"""The settings of the training loop, from the config and the size of the model."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainingArguments

from workbench.config import Finetune
from workbench.errors import ConfigError

_OPTIMIZERS = {"adamw": "adamw_torch", "adam": "adamw_torch"}


def default_learning_rate(parameters: int, strategy: str) -> float:
    """A rate by the model's size: small networks bear larger steps.

    The usual ranges of fine-tuning (Devlin et al. 2019 for 1e-5 to 5e-5 at 100 M parameters;
    Hu et al. 2021 for ten times as much with LoRA).
    """
    rate = 1e-3 if parameters < 1e6 else 3e-4 if parameters < 1e7 else 1e-4 if parameters < 5e7 else 3e-5
    if strategy == "head":
        return max(rate, 1e-3)
    return rate * 5 if strategy == "lora" else rate


def training_arguments(folder: Path, config: Finetune, rate: float, seed: int, device: str) -> TrainingArguments:
    """The config as transformers' arguments: a checkpoint and a validation after each epoch, the best one kept.

    Raises:
        ConfigError: an optimiser or schedule that transformers does not know.
    """
    bf16 = config.precision == "bf16" or (
        config.precision == "auto" and device == "cuda" and torch.cuda.is_bf16_supported()
    )
    try:
        return TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=max(config.batch_size, 64),
            num_train_epochs=config.epochs,
            learning_rate=rate,
            weight_decay=config.weight_decay or 0.0,
            max_grad_norm=config.max_grad_norm,
            optim=_OPTIMIZERS.get(config.optimizer, config.optimizer),
            lr_scheduler_type=config.schedule,
            warmup_steps=config.warmup,
            restore_callback_states_from_checkpoint=True,  # the patience that is used up
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            logging_strategy="steps",
            logging_steps=5,
            disable_tqdm=True,
            report_to="none",
            remove_unused_columns=False,
            label_names=["labels"],
            dataloader_pin_memory=device == "cuda",
            use_cpu=device == "cpu",
            bf16=bf16,
            fp16=config.precision == "fp16",
            seed=seed,
            data_seed=seed,
        )
    except ValueError as e:
        raise ConfigError(f"[finetune]: {str(e).splitlines()[0]}", hint="see docs/config.md for what is allowed") from e
