"""The stages explain and assess of a finished run: time outside the model, and the card's share.

    python tests/benchmarks/bench_stage.py RUN [--samples 12] [--turns 3]

The run is copied and its stage done again, in this process, in turn with a bare loop that puts the same
batches to the same models (ONNX Runtime for black-box methods, torch forward and backward for
gradients) and does nothing else. Seconds of the wall and of this process are printed; on a machine
that others use the latter are the ones to trust.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.torch import TorchBackbone
from workbench.engines.progress import Progress
from workbench.explainers import paths
from workbench.stages.assess import assess
from workbench.stages.explain import explain
from workbench.stages.session import Session


def timed(work: Callable[[], Any]) -> np.ndarray:
    """Seconds of the wall and of the process."""
    wall, own = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - own])


class Tape:
    """What was put to the models while a stage ran."""

    def __init__(self) -> None:
        self.runs: list[Callable[[], Any]] = []
        self._kept = OnnxBackbone.outputs, TorchBackbone.outputs, paths.along

    def __enter__(self) -> Tape:
        onnx, torch_outputs, along = self._kept

        def of(plain: Any) -> Any:
            def outputs(backbone: Any, batch: Any) -> Any:
                self.runs.append(lambda: plain(backbone, batch))
                return plain(backbone, batch)

            return outputs

        def recorded(form: Any, rows: np.ndarray, at: np.ndarray) -> Any:
            self.runs.append(lambda: self._descend(form, rows, at))
            return along(form, rows, at)

        OnnxBackbone.outputs, TorchBackbone.outputs = of(onnx), of(torch_outputs)  # type: ignore[method-assign]
        paths.along = recorded
        return self

    def __exit__(self, *_: object) -> None:
        OnnxBackbone.outputs, TorchBackbone.outputs, paths.along = self._kept  # type: ignore[method-assign]

    @staticmethod
    def _descend(form: Any, rows: np.ndarray, at: np.ndarray) -> None:
        """Forward and backward of the same number of points."""
        import torch

        for start in range(0, len(rows), form.batch):
            same = np.repeat(form.point, len(rows[start : start + form.batch]), axis=0)
            if form.forward is None:  # gradients of a graph of ONNX Runtime: one call
                form.slopes(same)
                continue
            points = torch.from_numpy(same).requires_grad_(True)
            torch.autograd.grad(form.forward(points).sum(), points)

    def replay(self) -> None:
        for run in self.runs:
            run()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / "run"
        shutil.copytree(options.run, there)
        session = Session.open(there, device="cpu", progress=Progress(quiet=True))
        seconds: dict[str, list[np.ndarray]] = {"explain": [], "bare loop": [], "assess": []}
        for turn in range(options.turns):
            section = session.config.explain.model_copy(
                update={} if options.samples is None else {"samples": options.samples}
            )
            # Another seed each turn, so that nothing is fresh.
            session.config = session.config.model_copy(update={"seed": session.config.seed + 1, "explain": section})
            with Tape() as tape:
                found = timed(lambda: explain(session))
            if turn == 0:  # loads and warms everything
                explain_again = session.config.model_copy(update={"seed": session.config.seed + 100})
                session.config = explain_again
                with Tape() as tape:
                    found = timed(lambda: explain(session))
            seconds["explain"].append(found)
            seconds["bare loop"].append(timed(tape.replay))
            seconds["assess"].append(timed(lambda: assess(session)))
        mean = {name: np.mean(values, axis=0) for name, values in seconds.items()}
    print("| what | wall s | process s |\n|---|---|---|")
    for name, (wall, own) in mean.items():
        print(f"| {name} | {wall:.2f} | {own:.2f} |")
    for name, over, under in (
        ("explain / bare loop", "explain", "bare loop"),
        ("(explain + assess) / explain", "assess", "explain"),
    ):
        more = 1 if over == "assess" else 0
        wall, own = mean[over] / mean[under] + more
        print(f"| {name} | {wall:.2f} | {own:.2f} |")


if __name__ == "__main__":
    main()
