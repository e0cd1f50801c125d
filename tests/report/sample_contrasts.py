"""What is said of a sample run's cases beside their attributions, as docs/artefacts.md says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from workbench.report.pictures import covered
from workbench.run import Run


def write_contrasts(run: Run, sample: Any, cases: list[dict[str, Any]], frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(5)
    told = {case["id"]: _told(rng, sample, case, i, frame) for i, case in enumerate(cases)}
    facts = {"layer": "classifier", "metric": "1 - cosine", "examples": 640, "of": 640, "reference": 128}
    run.write_json("contrasts.json", {"familiar": facts, "cases": told})


def _told(rng: np.random.Generator, sample: Any, case: dict[str, Any], i: int, frame: pd.DataFrame) -> dict[str, Any]:
    features, regression = case["features"], sample.kind == "regression"
    values = rng.normal(size=len(features))
    contrast: dict[str, Any] = {"reason": "a predicted value has no runner-up"}
    if not regression:
        names = (sample.labels[case["question"]["target"]], sample.labels[case["question"]["target"] - 1])
        text = f"Why {names[0]} and not {names[1]}?"
        question = {"id": "contrast:0-1", "text": text, "kind": "contrast", "target": 0, "against": 1, "unit": "logit"}
        contrast = {
            "question": question, "answer": names[0], "against": names[1], "explainer": "shap", "title": "SHAP",
            "values": values.tolist(), "low": (values - 0.1).tolist(), "high": (values + 0.1).tolist(),
            "base_score": -0.5, "score": float(values.sum() - 0.5), "evaluations": 256,
            "faithfulness_correlation": 0.93, "light": "good",
        }  # fmt: skip
    size = (1, 2, 3, 0)[i % 4]
    changes: list[dict[str, Any]] = [{"index": k, "name": features[k]["name"]} for k in range(size)]
    if sample.modality == "table":
        changes = [{**c, "before": "1.5", "after": "2.5", "value": 2.5} for c in changes]
    answer = (
        {"value": 170.0, "error": None} if regression else {"label": sample.labels[-1], "probability": 0.51, "top": []}
    )
    turned: dict[str, Any] = {
        "found": size > 0, "changes": changes, "size": size, "least": size == 2, "minimal": size > 0,
        "needed": size > 0, "ruled_out": 1,
        "evaluations": 97, "budget": 256, "amount": 38.5 if regression else None,
        "fixed": ["stage"] if sample.modality == "table" else [],
    }  # fmt: skip
    if size:
        turned["answer"] = answer
        turned["elsewhere"] = (
            [{"name": "delete", "filler": "nothing", "turned": False}] if sample.modality == "text" else []
        )
    texts = {
        "text": f"{case.get('text', '')} and the like"[:240],
        "image": covered(np.eye(24) > 0, 96),
        "table": json.dumps({f["name"]: 1.25 for f in features}),
    }
    near = [
        {
            "id": f"{sample.kind}-{900 + k:04d}",
            "target": "155.5" if regression else sample.labels[k % len(sample.labels)],
            "distance": 0.01 + 0.02 * k,
            "excerpt": texts[sample.modality],
        }
        for k in range(3)
    ]
    share = 0.97 if i % 5 == 1 else 0.4
    return {"contrast": contrast, "counterfactual": turned, "familiar": {"neighbours": near, "share_nearer": share}}
