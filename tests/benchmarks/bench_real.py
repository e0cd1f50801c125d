"""Runs on real sets: score, seconds a stage and size of the report, as a Markdown table.

    python tests/benchmarks/bench_real.py [NAME ...]

The sets are found by WORKBENCH_REAL_DATA, or in ../shared/data beside the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from workbench.engines.progress import Progress
from workbench.pipeline import run_config

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("WORKBENCH_REAL_DATA", HERE.parents[2] / "shared" / "data"))
SHOWN = ("accuracy", "auroc", "r2", "rmse")
STAGES = ("prepare", "finetune", "export", "predict", "evaluate", "explain", "assess", "report")


def main(names: list[str]) -> None:
    if not DATA.is_dir():
        print(f"not measured, no real data at {DATA}")
        return
    folder = Path(tempfile.mkdtemp())
    for file in (HERE / "real").iterdir():
        if file.is_file():
            (folder / file.name).write_text(file.read_text().replace("DATA/", f"{DATA}/"))
    print("| set | before | after (deployed) | " + " | ".join(f"{s} s" for s in STAGES) + " | report kB |")
    print("|---" * (len(STAGES) + 4) + "|")
    for name in names or sorted(p.stem for p in folder.glob("*.toml")):
        run = run_config(folder / f"{name}.toml", (f"out={str(folder / 'runs')!r}",), progress=Progress(quiet=True))
        scores = []
        for model in ("base", "onnx"):
            measures = json.loads((run.path / model / "metrics.json").read_text())
            found = {m["name"]: m for m in measures if m["split"] == "test"}
            scores.append(", ".join(f"{s} {found[s]['value']:.4g}" for s in SHOWN if s in found))
        seconds = [f"{run.manifest['stages'][s]['seconds']:.1f}" for s in STAGES]
        size = (run.path / "report.html").stat().st_size / 1000
        print(f"| {name} | {' | '.join(scores)} | {' | '.join(seconds)} | {size:.0f} |", flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
