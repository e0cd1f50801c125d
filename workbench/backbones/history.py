"""What the training loop says of itself: history.jsonl, TensorBoard events and the bar's note."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from workbench.engines.progress import Task


class History(TrainerCallback):
    """Writes history.jsonl and TensorBoard events, and moves the bar."""

    def __init__(self, folder: Path, bar: Task, kind: str, resume: Path | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path, self._bar = folder / "history.jsonl", bar
        self._name = {"class": "accuracy", "labels": "mean_average_precision", "value": "rmse"}[kind]
        folder.mkdir(parents=True, exist_ok=True)
        step = int(resume.name.rpartition("-")[2]) if resume else 0
        kept = self._path.read_text().splitlines(keepends=True) if resume and self._path.exists() else []
        kept = [line for line in kept if line.endswith("\n") and json.loads(line)["step"] <= step]
        self._path.write_text("".join(kept))
        if not resume:
            shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        bar.advance(step)
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=step or None)
        self._note = ""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.advance(1, self._note)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # The mean loss of a line never spans a checkpoint, so an interrupted training writes the same lines.
        control.should_log = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        logs = logs or {}
        line: dict[str, Any] = {"step": state.global_step, "epoch": round(state.epoch or 0, 6)}
        if "loss" in logs:
            line |= {"loss": logs["loss"], "learning_rate": logs.get("learning_rate")}
            self._note = f"loss {logs['loss']:.4g}"
        elif "eval_loss" in logs:
            line |= {
                "validation_loss": logs["eval_loss"],
                "validation_score": logs["eval_score"],
                "score_name": self._name,
            }
            self._note = f"validation {self._name} {logs['eval_score']:.4g}"
        else:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for key in ("loss", "learning_rate", "validation_loss", "validation_score"):
            if line.get(key) is not None:
                self._events.add_scalar(key, line[key], state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._events.close()
