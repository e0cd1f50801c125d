"""The models of a run for one inspection: each loaded only where it is asked, without the run's data if it can be."""

from __future__ import annotations

import importlib.util
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

from workbench.backbones.gradients import deployed
from workbench.backbones.remembered import Remembered
from workbench.errors import MissingDependency
from workbench.stages.before import facts_before
from workbench.stages.session import Session
from workbench.types import Dataset


class Models:
    """The three models of a run, loaded without its data where that can be done.

    Torch's are loaded only where they are asked: the trained one by methods that the deployed
    file cannot serve, the one before where `with_base` and the run has no file of it.
    """

    def __init__(self, home: Session, ahead: Future[Any] | None = None) -> None:
        self._home, self._ahead = home, ahead
        self.table = home.task.modality_name == "table"
        self.torch = _is_installed("torch")
        self.with_base = False
        self._base: Future[Any] | None = None

    @cached_property
    def before(self) -> dict[str, Any] | None:
        """Facts of the gradients of the model before, where its file serves every method; None where torch does."""
        return facts_before(self._home)

    @property
    def can_ask_before(self) -> bool:
        """Whether the model before can be asked here."""
        return self.torch or self.before is not None

    def begin(self) -> None:
        """Load the model before beside what follows: importing torch alone takes seconds."""
        self.lone.dataset  # noqa: B018 - read once, here
        if self.with_base and self.before is None:
            self._base = ThreadPoolExecutor(1).submit(lambda: self.lone.base)

    @cached_property
    def onnx(self) -> Any:
        """The deployed file, asked each input once."""
        if self._home.audited:
            return Remembered(self._home.onnx)
        if self._ahead is not None:
            return Remembered(self._ahead.result())
        return Remembered(deployed(self._home.run.path / "onnx", self._home.device, self._home.gradients))

    @cached_property
    def lone(self) -> Session:
        """A session that knows of the data what the deployed file says, and none of its examples."""
        if self.table:  # the linear model that stands for "before" is built from the training rows
            return self._home
        known = self.onnx.metadata
        session = Session(self._home.run, self._home.config, self._home.device, self._home.progress)
        labels, unit = tuple(known["labels"]), known.get("unit", "")
        empty = Dataset(session.config.name, session.task.modality_name, (), labels, (), known["target"], unit)
        session._read = (empty, (), "")
        session.onnx = self.onnx
        return session

    @cached_property
    def tuned(self) -> Any:
        """The trained network."""
        if not self.torch:
            raise MissingDependency("torch", "a method that looks inside the trained network")
        if self._base is not None:
            self._base.result()  # transformers is not imported twice at once
        return self.lone.tuned

    @cached_property
    def base(self) -> Any:
        """The model before: its file, or torch's."""
        # No thread loads the file: an error that is said meanwhile would not be seen.
        if self.before is not None:
            return Remembered(deployed(self._home.run.path / "base", self._home.device, self.before))
        assert self._base is not None
        return self._base.result()


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False
