"""The stages explain and assess of a finished run: time outside the model, and the card's share.

    python tests/benchmarks/bench_stage.py RUN [--samples 12] [--turns 1]

The run is copied and its stage done again, in this process, in turn with a bare loop that puts the same
batches to the same models (runs of ONNX Runtime, torch forward, or forward and backward) and does
nothing else. Seconds of the wall and of this process are printed; on a machine
that others use the latter are the ones to trust.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from workbench.backbones import autograd
from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.torch import TorchBackbone
from workbench.engines.progress import Progress
from workbench.stages.assess import assess
from workbench.stages.explain import explain
from workbench.stages.session import Session


def timed(work: Callable[[], Any]) -> np.ndarray:
    """Seconds of the wall and of the process."""
    wall, own = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - own])


class Tape:
    """Every batch that was put to a model while a stage ran: forward, embedding, or forward and backward."""

    def __init__(self) -> None:
        self.runs: list[Callable[[], Any]] = []
        self._kept = OnnxBackbone.run, TorchBackbone.outputs, TorchBackbone.coordinates, autograd.slopes_of

    def __enter__(self) -> Tape:
        run, outputs, coordinates, slopes_of = self._kept

        def of_graph(backbone: Any, batch: Any, names: list[str]) -> Any:
            feed = backbone.feed(batch)
            self.runs.append(lambda: backbone._session.run(names, feed))
            return run(backbone, batch, names)

        def of(plain: Any) -> Any:
            def asked(*given: Any) -> Any:
                self.runs.append(lambda: plain(*given))
                return plain(*given)

            return asked

        OnnxBackbone.run = of_graph  # type: ignore[method-assign]
        TorchBackbone.outputs, TorchBackbone.coordinates = of(outputs), of(coordinates)  # type: ignore[method-assign]
        autograd.slopes_of = lambda *given: of(slopes_of(*given))
        return self

    def __exit__(self, *_: object) -> None:
        OnnxBackbone.run, TorchBackbone.outputs, TorchBackbone.coordinates, autograd.slopes_of = self._kept  # type: ignore[method-assign]

    def replay(self) -> None:
        for run in self.runs:
            run()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--turns", type=int, default=1, help="each is two of either")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / "run"
        shutil.copytree(options.run, there)
        session = Session.open(there, device="cpu", progress=Progress(quiet=True))
        seconds: dict[str, list[np.ndarray]] = {"explain": [], "bare loop": [], "assess": []}
        section = {} if options.samples is None else {"samples": options.samples}
        asked = session.config.explain.model_copy(update=section)
        kept = session.config.model_copy(update={"explain": asked})

        def again(seed: int) -> None:
            """Explained by masks of another seed, as by the same nothing would be done."""
            session.config = kept.model_copy(update={"seed": kept.seed + seed})
            explain(session)

        again(2 * options.turns + 1)  # loads and warms everything
        for turn in range(options.turns):
            one, other = 2 * turn + 1, 2 * turn + 2
            # To keep every batch takes time itself, so what is timed is not recorded, but the same batches are.
            with Tape() as first:
                again(one)
            seconds["explain"] += [timed(partial(again, other)), timed(partial(again, one))]
            with Tape() as second:
                again(other)
            seconds["bare loop"] += [timed(first.replay), timed(second.replay)]
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
