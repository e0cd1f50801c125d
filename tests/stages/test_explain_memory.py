"""Explaining many examples: what a case costs in memory is what says which one it is."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from workbench import pipeline
from workbench.engines.progress import Progress
from workbench.run import Run
from workbench.stages.explain import explain
from workbench.stages.session import Session


@pytest.mark.slow
@pytest.mark.unproven
def test_memory_does_not_grow_with_the_explained_examples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.round(rng.normal(size=(2600, 4)), 3)
    lines = ["a,b,c,d,y", *(",".join(map(str, r)) + f",{r[0] - r[1]:.3f}" for r in rows)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    options = (
        *(f"data.source={str(tmp_path / 'rows.csv')!r}", "data.target='y'", "data.test_share=0.8"),
        *("finetune.epochs=1", "explain.samples=4", "explain.methods=['shap','lime','integrated-gradients']"),
        *("explain.background=4", f"out={str(tmp_path)!r}", "name='many'"),
    )
    config = tmp_path / "many.toml"
    config.write_text('task = "tabular-regression"\nname = "many"\n[data]\nsource = "rows.csv"\ntarget = "y"\n')
    run = pipeline.run_config(config, options, device="cpu", progress=Progress(quiet=True))
    peaks, sizes = [], []
    for n in (500, 2000):
        session = Session.open(run.path, device="cpu", progress=Progress(quiet=True))
        session.config = session.config.model_copy(
            update={"explain": session.config.explain.model_copy(update={"samples": n})}
        )
        for ready in (session.dataset, session.dataset.by_id, session.onnx, session.base, session.tuned):
            assert ready is not None  # loaded before it is measured
        tracemalloc.start()
        explain(session)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        cases = Run(run.path).read_json("cases.json")["cases"]
        assert len(cases) == n
        sizes.append(sum((run.path / f).stat().st_size for f in run.files("onnx/attributions", "cases.json")))
    assert sizes[1] > 3.5 * sizes[0]
    assert peaks[1] - peaks[0] < 1500 * 2000  # bytes of a case: its id, its question, its place in files
