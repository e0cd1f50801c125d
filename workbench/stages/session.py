"""What the stages of one command share: the run, its config, its data and its models, loaded once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workbench import __version__, registry
from workbench.config import Config, read_resolved
from workbench.engines.progress import Progress
from workbench.engines.threads import one_blas_thread
from workbench.errors import ArtefactError, DataError
from workbench.run import CONFIG, Run, digest, hash_file
from workbench.stages.reads import ASKING, AUDIT, MADE_OF, READS, STAGES, TURNS, VARIANTS
from workbench.tasks.record import Task
from workbench.types import Dataset

# Methods ask the file that ships; what it does not offer comes from the model it was exported from.
Models = Mapping[str, tuple[str, str]]  # side to the model that is asked and the trained one
GRAPH = "onnx/explain.onnx"
SIDES: Models = {"base": ("base", "base"), "after": ("onnx", "tuned")}
ALONE: Models = {"after": SIDES["after"]}


@dataclass
class Session:
    """One command's view of a run."""

    run: Run
    config: Config
    device: str = "auto"
    progress: Progress = field(default_factory=Progress)
    timings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path, *, device: str = "auto", progress: Progress | None = None) -> Session:
        """A session on an existing run, with the config that it was made with."""
        run = Run.open(path)
        return cls(run, read_resolved(run.path / CONFIG), device, progress or Progress())

    @cached_property
    def task(self) -> Task:
        return registry.load("tasks", self.config.task)

    @property
    def dataset(self) -> Dataset:
        """The data, read from its source; refused where it is no longer what the run was prepared with."""
        return self._read[0]

    @property
    def sides(self) -> Models:
        """Which models are explained: by side, the one that is asked and the one with gradients."""
        return ALONE if self.audited else SIDES

    @property
    def audited(self) -> bool:
        """Whether the run is of a model file that was made elsewhere."""
        return bool(self.config.audit.model)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the run in their order."""
        return AUDIT if self.audited else STAGES

    @property
    def predictors(self) -> tuple[str, ...]:
        """The models whose predictions the run keeps."""
        return ("onnx",) if self.audited else ("base", "tuned", "onnx")

    @property
    def uses_estimator(self) -> bool:
        """Whether the backbone is trees of scikit-learn."""
        from workbench.backbones.estimator_table import is_estimator

        return is_estimator(self.config.backbone.source)

    @cached_property
    def unit(self) -> str:
        """What questions about classes are asked in: what the deployed file says adds up in it, else logits."""
        return str(self.onnx.metadata.get("asked_in", ""))

    @property
    def hashes(self) -> tuple[str, ...]:
        """SHA-256 of every example's input, in the dataset's order."""
        return self._read[1]

    @property
    def sha256(self) -> str:
        """The fingerprint's hash of all the data."""
        return self._read[2]

    @cached_property
    def asked(self) -> str:
        """Hash of what the config asks for in data: the same wish should find the same data."""
        return digest(self.config.model_dump(mode="json", include={"task", "seed", "data"}))

    @cached_property
    def _read(self) -> tuple[Dataset, tuple[str, ...], str]:
        from workbench.data.fingerprint import fingerprint, input_hashes
        from workbench.data.sources import load_dataset

        dataset = load_dataset(self.config, self.task.modality_name, self.task.kind)
        hashes = input_hashes(dataset)
        now: str = fingerprint(dataset, hashes=hashes)["sha256"]
        stages = self.run.manifest["stages"]
        prepared = stages.get("prepare", {})
        then = prepared.get("sha256", now)
        if ("finetune" in stages or "adopt" in stages) and prepared.get("asked") == self.asked and then != now:
            raise DataError(
                f"{self.config.data.source} changed since this run was prepared "
                f"(fingerprint {then[:12]} then, {now[:12]} now)",
                hint="run the config under another name, or bring the data back",
            )
        return dataset, hashes, now

    def key(self, stage: str) -> str:
        """What a stage's result depends on: the program, its config sections and the stage before it."""
        sections, before = MADE_OF[stage]
        before = "adopt" if self.audited and before == "export" else before
        left_out = {} if stage == "contrast" else {"explain": TURNS}
        left_out |= {} if stage == "variants" else {"export": VARIANTS}
        own = self.config.model_dump(mode="json", include={*sections, "task", "seed"}, exclude=left_out)
        extra = [self.sha256] if stage == "prepare" else [self.audited_sha256] if stage == "adopt" else []
        return digest([stage, __version__, own, [self.key(before)] if before else [], extra])

    def inputs(self, stage: str) -> dict[str, str]:
        """Hashes of the run's files that a stage reads, as the manifest has them now."""
        return self.run.hashes(*READS[stage])

    @cached_property
    def audited_sha256(self) -> str:
        """Hash of the file that is audited; where it is gone, of the one that the run took in."""
        path = Path(self.config.audit.model)
        if path.is_file():
            return hash_file(path)
        return str(self.run.read_json("onnx/contract.json")["sha256"])

    @cached_property
    def torch_device(self) -> str:
        """ "cuda" or "cpu", as asked and as there is."""
        from workbench.backbones.devices import choose_device

        return choose_device(self.device)

    # -- models -----------------------------------------------------------------------

    def load_source(self) -> tuple[Any, Any]:
        """The backbone before any customisation, its fresh parameters drawn from the run's seed."""
        import torch

        torch.manual_seed(self.config.seed)
        backbone, preparation = self.task.load(self.config, self.dataset)
        return backbone.to(self.torch_device), preparation

    @cached_property
    def base(self) -> Any:
        """The model before customisation."""
        backbone, _ = self.load_base()
        return backbone.to(self.torch_device)

    @cached_property
    def asked_base(self) -> Any:
        """The model before as masks are put to it: its file where that serves every method."""
        from workbench.stages.before import open_before

        return open_before(self)

    def load_base(self) -> tuple[Any, Any]:
        """The model before customisation, from the source and what `finetune` fitted on it."""
        state = self.run.path / "base" / "model.safetensors"
        if self.task.modality_name == "table":
            from workbench.backbones import tabular

            return tabular.load_base(self.config, self.dataset, self.task.kind, state)
        backbone, preparation = self.load_source()
        if state.is_file():
            backbone.load_state(state)
        return backbone, preparation

    @cached_property
    def tuned(self) -> Any:
        """The customised model, from its checkpoint."""
        return self.load_tuned()[0]

    def load_tuned(self) -> tuple[Any, Any]:
        """The customised model and how its inputs are prepared; of an audited file its torch twin."""
        if self.audited:
            return self._load_twin(), self.preparation
        checkpoint = self.run.path / "tuned" / "checkpoint"
        if not (checkpoint / "model.safetensors").is_file():
            raise ArtefactError(f"no checkpoint in {checkpoint}", hint="run `workbench finetune RUN`")
        if self.uses_estimator:
            from workbench.backbones.estimators import load_estimator
            from workbench.modalities.table import TablePreparation

            return load_estimator(checkpoint), TablePreparation(self.dataset.columns)
        if self.config.backbone.factory:
            backbone, preparation = self.load_source()
            backbone.load_state(checkpoint / "model.safetensors")
            return backbone, preparation
        there = self.config.backbone.model_copy(update={"source": str(checkpoint), "revision": ""})
        backbone, preparation = self.task.load(self.config.model_copy(update={"backbone": there}), self.dataset)
        return backbone.to(self.torch_device), preparation

    def _load_twin(self) -> Any:
        from workbench.backbones.twin import NoTwin, load_twin

        known = self.run.read_json("onnx/twin.json")
        if not known["passed"]:
            return NoTwin(known["reason"])
        return load_twin(self.run.path / "onnx" / "model.onnx", self.onnx.contract).to(self.torch_device)

    @cached_property
    def onnx(self) -> Any:
        """The deployed file in ONNX Runtime; on a GPU its buffers stay there."""
        path = self.run.path / "onnx" / "model.onnx"
        if self.audited:
            from workbench.backbones.foreign import ForeignBackbone

            return ForeignBackbone(path, device=self.device)
        if self.torch_device == "cuda":
            from workbench.backbones.onnx_gpu import opened

            return opened(path, self.device, self.config.predict.gpu)
        from workbench.backbones.gradients import deployed

        return deployed(self.run.path / "onnx", self.device, self.gradients)

    @cached_property
    def gradients(self) -> dict[str, Any]:
        """What the export found out about the gradient graph; empty where there is none that may be used."""
        from workbench.backbones.gradients import proved

        return proved(self.run)

    @cached_property
    def preparation(self) -> Any:
        """How inputs are prepared: what the deployed file says."""
        return self.onnx.preparation

    # -- data as the models see it ------------------------------------------------------

    def encode(self, preparation: Any) -> Any:
        """All examples as model inputs, in the dataset's order."""
        return self.task.modality.encode([e.input for e in self.dataset.examples], preparation)

    def rows(self, split: str) -> np.ndarray:
        """Positions of a split's examples in the dataset."""
        return np.array([i for i, e in enumerate(self.dataset.examples) if e.split == split], dtype=np.int64)

    def thresholds(self, model: str) -> np.ndarray | None:
        """From which probability on one of the run's models gives each label; None but for multi-label tasks."""
        if self.task.kind != "labels":
            return None
        if model == "onnx":  # what the deployed file itself says
            return np.array(self.onnx.metadata["thresholds"], dtype=np.float64)
        return np.array([e["threshold"] for e in self.run.read_json(f"{model}/thresholds.json")["labels"]])

    def facts(self, model: str) -> dict[str, Any]:
        """What `Task.decode` needs besides the scores of one of the run's models."""
        examples = self.dataset.examples
        slices = sorted({k for e in examples for k in e.meta if k in self.config.data.slices})
        return {
            "ids": np.array([e.id for e in examples], dtype=object),
            "splits": np.array([e.split for e in examples], dtype=object),
            "targets": [e.target for e in examples],
            "labels": self.dataset.labels,
            "thresholds": self.thresholds(model),
            "unit": self.dataset.unit,
            "groups": {k: np.array([e.meta.get(k, "") for e in examples], dtype=object) for k in slices},
        }


def do_stage(
    session: Session,
    stage: str,
    work: Callable[[dict[str, Any]], None],
    outputs: tuple[str, ...],
    *,
    always: tuple[str, ...] = (),
) -> bool:
    """Do a stage unless it is done; whether it was done now. A run of an older program may lack files of `always`."""
    key, inputs = session.key(stage), session.inputs(stage)
    if session.run.fresh(stage, key, inputs):
        missing = [name for name in always if not session.run.has(name)]
        if not missing:
            session.progress.say(f"{stage}: done before, nothing has changed")
            return False
        session.progress.say(f"{stage}: an earlier version made this run without {missing[0]}, so it is done again")
    session.progress.say(f"{stage} ...")
    threads = one_blas_thread() if stage in ASKING else contextlib.nullcontext()
    with threads, session.run.stage(stage, key, outputs, inputs) as entry:
        work(entry)
    return True
