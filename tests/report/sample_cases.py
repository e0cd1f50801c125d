"""The explained examples of a sample run: cases, attributions, quality, pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save_file
from sample_contrasts import write_contrasts

from workbench.run import Run

METHODS = {
    "integrated-gradients": ("Integrated gradients", "Gradients summed along the path from a baseline to the input"),
    "shap": ("SHAP", "Shapley values by kernel regression on paired masks"),
    "lime": ("LIME", "A weighted linear surrogate of the model around the input"),
}
REASONS = {
    "poor": "its surrogate explains 41 % of the model on masks it was not fitted to",
    "fair": "its order changes with the seed",
    "good": "it predicts masks it never saw",
}


def write_cases(run: Run, sample: Any, frames: dict[str, pd.DataFrame]) -> None:
    rng, kind = sample.rng, sample.kind
    base, tuned = (frames[m].set_index("id") for m in ("base", "tuned"))
    cases, truths = [], {}
    for i, (_, row) in enumerate(sample.chosen(frames["tuned"]).iterrows()):
        features, more = sample.features(i)
        label = "" if kind == "regression" else str(tuned.loc[row["id"]]["predicted"])
        question = {"id": "value", "text": "Why this value?", "kind": "value", "target": None, "unit": "units"}
        if label:
            k = sample.labels.index(label)
            text = f"Why “{label}”?"
            question = {"id": f"logit:{k}", "text": text, "kind": "logit", "target": k, "unit": "logit"}
        if kind == "image":
            more = _picture(run, i, rng)
        target = float(row["target"]) if kind == "regression" else row["target"]
        before, after = sample.side(base.loc[row["id"]]), sample.side(tuned.loc[row["id"]])
        why = "asked for" if kind == "regression" else "right" if after["right"] else "wrong"
        case = {"id": row["id"], "split": "test", "target": target, "why": why, "question": question}
        cases.append({**case, "before": before, "after": after, "features": features, **more})
        truths[row["id"]] = rng.normal(size=len(features)) * (rng.random(len(features)) < 0.4)
    filler = {"text": "the word [MASK]", "image": "a blurred copy", "table": "values of 32 training rows"}
    selection = "4 wrong answers and 8 right ones, the first of each in the order of the file"
    run.write_json(
        "cases.json",
        {"modality": sample.modality, "filler": filler[sample.modality], "selection": selection, "cases": cases},
    )
    quality: dict[str, Any] = {}
    for explainer, (title, caption) in METHODS.items():
        for model in ("base", "tuned" if explainer == "integrated-gradients" else "onnx"):
            about = {"explainer": explainer, "title": title, "caption": caption, "backbone": model}
            about |= {"filler": filler[sample.modality], "unit": cases[0]["question"]["unit"], "seed": 0, "params": {}}
            lines, answers, dense = [], {}, {}
            for i, case in enumerate(cases):
                noise = 0.2 + 1.2 * (explainer == "lime" and i % 5 == 0) + 0.5 * (model == "base")
                values = truths[case["id"]] + noise * rng.normal(size=len(case["features"]))
                wide = 0.15 if explainer == "shap" else None
                for j, (f, v) in enumerate(zip(case["features"], values, strict=True)):
                    ends = (None, None) if wide is None else (v - wide, v + wide)
                    lines.append((case["id"], case["question"]["id"], f["name"], j, v, *ends))
                gap = None if explainer == "lime" else 3e-4
                answers[case["id"]] = {
                    "question": case["question"]["id"], "base_score": -0.4, "score": float(values.sum() - 0.4),
                    "gap": gap, "evaluations": 512, "params": {}, "notes": [],
                }  # fmt: skip
                light = "poor" if noise > 1.2 else "fair" if noise > 0.6 else "good"
                reason = REASONS[light]
                per_model = quality.setdefault(model, {}).setdefault(explainer, {})
                missing = {} if explainer == "lime" else {"held_out_r2": "The method fits no surrogate."}
                measures = {"held_out_r2": 0.41 if explainer == "lime" else None}
                per_model[case["id"]] = {"measures": measures, "light": light, "reasons": [reason], "missing": missing}
                if kind == "image" and explainer == "integrated-gradients":
                    dense[case["id"]] = rng.normal(size=(case["height"], case["width"])).astype(np.float32)
            names = ("id", "question", "feature", "index", "value", "low", "high")
            table = pa.Table.from_pandas(pd.DataFrame(lines, columns=names), preserve_index=False)
            (run.path / model / "attributions").mkdir(exist_ok=True)
            table = table.replace_schema_metadata({"workbench": json.dumps(about)})
            pq.write_table(table, run.path / model / "attributions" / f"{explainer}.parquet")
            run.write_json(f"{model}/attributions/{explainer}.json", {**about, "cases": answers})
            if dense:
                save_file(dense, run.path / model / "attributions" / f"{explainer}.safetensors")
    write_contrasts(run, sample, cases, frames["tuned"])
    lots = {"random": 0.12, "random_p95": 0.4}
    order = {"value": 0.61, "random": 0.0, "random_p95": 0.2}
    pairs = [
        {"a": "shap", "b": "lime", "feature": {"value": 0.6, **lots}, "spearman": order},
        {"a": "integrated-gradients", "b": "shap", "feature": {"value": 0.4, **lots}, "spearman": order},
    ]
    reason = "It does no better than hiding the parts at random"
    caught = {"measures": {}, "light": "poor", "reasons": [reason], "missing": {}}
    passed = {**caught, "light": "fair"}  # one random explanation that the tests let pass
    controls = {side: {c["id"]: caught if i else passed for i, c in enumerate(cases)} for side in ("base", "after")}
    text = "R² on masks it was not fitted to"
    run.write_json(
        "quality.json",
        {
            "thresholds": {"held_out_r2": {"good": 0.8, "fair": 0.5, "better": "higher", "text": text}},
            "cases": quality,
            "agreement": {side: {c["id"]: {"pairs": pairs} for c in cases} for side in ("base", "after")},
            "controls": controls,
        },
    )


def _picture(run: Run, i: int, rng: np.random.Generator) -> dict[str, Any]:
    side = 24 if i % 4 == 3 else 320  # tiny ones too
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(9 * x * (1 + c) + i) * np.cos(7 * y + c + i) for c in range(3)]
    pixels = np.stack(waves, axis=-1) * 70 + 120 + rng.normal(0, 6, (side, side, 3))
    (run.path / "previews").mkdir(exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(run.path / f"previews/{i}.png")
    segments = (np.floor(y * 6) * 6 + np.floor((x + 0.04 * np.sin(12 * y)).clip(0, 0.999) * 6)).astype(np.uint16)
    Image.fromarray(segments).save(run.path / f"previews/{i}.segments.png")
    picture = {"picture": f"previews/{i}.png", "segments": f"previews/{i}.segments.png"}
    return {**picture, "width": side, "height": side}
