"""The deployed file of a run loaded by a thread: the runtime lets go of Python's lock while it reads a model."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import onnxruntime  # noqa: F401 - imported here, so that the thread imports nothing while others do

from workbench.backbones.gradients import GradientBackbone, deployed, proved
from workbench.run import Run


def load_ahead(run: Path, device: str, pool: Executor) -> Future[Any] | None:
    """Begin to load `onnx/model.onnx`, with its gradients where the export proved them; None of an audited run.

    The future raises what loading raises. While files are loaded the process's error output is held back
    (`open_session`), so whoever wants to say something ends the pool first.
    """
    if (run / "onnx" / "twin.json").is_file():  # an audited file, which is opened in a way of its own
        return None
    found = pool.submit(_load, run, device)
    pool.submit(_load_graph, found)
    return found


def _load(run: Path, device: str) -> Any:
    return deployed(run / "onnx", device, proved(Run(run)))


def _load_graph(loaded: Future[Any]) -> None:
    """The gradients' file, which is asked later; what is wrong with it is said when it is asked."""
    if loaded.exception() is None and isinstance(loaded.result(), GradientBackbone):
        loaded.result().graph  # noqa: B018 - loaded once, here
