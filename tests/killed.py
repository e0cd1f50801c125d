"""Kill a run again and again at moments drawn from a seed, and let the same command go on: a program of its own.

`python killed.py CONFIG OUT KILLS SEED`. Everything heavy is imported once and every attempt is a fork that has
computed nothing before, so that an attempt costs what the run costs and not the start of a process. Prints one JSON
document: how often it was killed and in which stages, and which finished runs differ from the undisturbed one.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import select
import signal
import sys
from pathlib import Path

import psutil

import workbench
from workbench import pipeline
from workbench.run import Run
from workbench.stages.reads import STAGES


def _import_everything() -> None:
    for module in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("torch._dynamo", "onnxscript", "sklearn.linear_model", "statsmodels.api", "lime.lime_base"):
        importlib.import_module(name)


def attempt(
    config: str, overrides: tuple[str, ...], stage: str = "", after: float = 0.0
) -> tuple[bool, dict[str, float]]:
    """One call of the command in a process of its own, killed some seconds of processor time into a stage.

    Returns:
        Whether it was killed, and the processor time at which each stage began.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(write, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            pipeline.run_config(config, overrides, device="cpu")
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    watched, said, begun = psutil.Process(child), "", {}
    with os.fdopen(read, "rb", buffering=0) as output:
        while True:
            if select.select([output], [], [], 0.002)[0]:
                said += (output.read(4096) or b"").decode(errors="replace")
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                if os.WIFSIGNALED(status) or os.WEXITSTATUS(status):
                    raise SystemExit(f"an attempt failed by itself: status {status}\n{said}")
                return False, begun
            spent = sum(watched.cpu_times()[:2])
            for name in (*STAGES, "report"):
                if name not in begun and f"{name} ..." in said:
                    begun[name] = spent
            if stage in begun and spent >= begun[stage] + after:
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                return os.WIFSIGNALED(status), begun


def stage_of(path: Path) -> str:
    """The stage that was under way: the first that the manifest does not have."""
    if not (path / "manifest.json").is_file():
        return STAGES[0]
    done = Run.open(path).manifest["stages"]
    return next((s for s in (*STAGES, "report") if s not in done), "report")


def main(config: str, out: str, kills: int, seed: int) -> None:
    """Kill, go on, compare; see the module."""
    from runs import TINY, contents

    _import_everything()
    name = Path(config).stem
    more = lambda n: (*TINY, f"out={str(Path(out) / n)!r}")  # noqa: E731
    attempt(config, more("undisturbed"))
    _, begun = attempt(config, more("again"))
    stages = [*STAGES, "report"]
    ends = [*(begun.get(s, 0.0) for s in stages[1:]), begun["report"] + 0.5]
    lasts = {s: max(end - begun[s], 0.05) for s, end in zip(stages, ends, strict=True) if s in begun}
    expected = contents(Run.open(Path(out) / "undisturbed" / name))
    drawn = random.Random(seed)
    killed: dict[str, int] = {}
    different, chain = [], 0
    while sum(killed.values()) < kills:
        path = Path(out) / f"chain-{chain}" / name
        for stage in lasts:  # one moment in every stage, then the next run
            was_killed, _ = attempt(config, more(path.parent.name), stage, drawn.uniform(0, 1.1) * lasts[stage])
            if was_killed:
                at = stage_of(path)
                killed[at] = killed.get(at, 0) + 1
        attempt(config, more(path.parent.name))
        run, chain = Run.open(path), chain + 1
        found = contents(run)
        wrong = sorted({n for n in {*found, *expected} if found.get(n) != expected.get(n)}) + run.verify()
        different += [f"{path.parent.name}: {n}" for n in wrong]
    print(json.dumps({"killed": killed, "finished": chain, "different": different, "seconds": lasts}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
