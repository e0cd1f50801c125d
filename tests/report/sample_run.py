"""Complete run directories with invented, seeded predictions, exactly as docs/artefacts.md says."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save_file
from scipy.special import softmax
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from workbench.run import Run, hash_file

SIZES = {"train": 900, "validation": 150, "test": 300}
METHODS = {
    "integrated-gradients": ("Integrated gradients", "Gradients summed along the path from a baseline to the input"),
    "shap": ("SHAP", "Shapley values by kernel regression on paired masks"),
    "lime": ("LIME", "A weighted linear surrogate of the model around the input"),
}
KINDS = {
    "text": ("text-classification", ("statistics", "signal", "linear algebra", "optimisation", "interpolation")),
    "image": ("image-classification", ("ant", "bee", "wasp")),
    "table": ("tabular-classification", ("benign", "malignant")),
    "regression": ("tabular-regression", ()),
}
_WORDS = (
    "returns the p value of a two sided test for the null hypothesis that two independent samples have the same mean "
    "given an array of coefficients design a digital filter by the window method and compute its frequency response "
    "solve the linear system for the unknown vector using a factorisation of the symmetric positive definite matrix "
    "minimise a scalar function of one or more variables subject to bounds with a quasi Newton method and a tolerance"
).split()
_COLUMNS = (
    "mean radius", "mean texture", "mean perimeter", "mean area", "smoothness", "compactness", "concavity",
    "concave points", "symmetry", "fractal dimension", "radius error", "texture error", "perimeter error",
    "area error", "worst radius", "worst texture", "stage",
)  # fmt: skip


class Sample:
    """Everything that is invented for one run; `names` replaces strings, for hostile ones."""

    def __init__(self, kind: str, seed: int = 0, *, cases: int = 12, labels: tuple[str, ...] | None = None) -> None:
        self.kind = kind
        self.task, known = KINDS[kind]
        self.labels = list(labels or known)
        self.modality = "table" if kind == "regression" else kind
        self.rng = np.random.default_rng(seed)
        self.n_cases = cases
        self.ids = [f"{kind}-{i:04d}" for i in range(sum(SIZES.values()))]
        self.splits = np.repeat(list(SIZES), list(SIZES.values()))
        self.columns = list(_COLUMNS)
        self.text = ""
        self.notes = ["Invented for the tests of the report", "No licence is needed"]

    # -- predictions ------------------------------------------------------------------

    def frames(self) -> dict[str, pd.DataFrame]:
        n = len(self.ids)
        known = pd.DataFrame({"id": self.ids, "split": self.splits})
        if self.kind == "regression":
            truth = self.rng.gamma(6.0, 25.0, n)
            return {
                model: known.assign(target=truth, value=truth * slope + self.rng.normal(0, sd, n) + 20)
                for model, slope, sd in (("base", 0.3, 60.0), ("tuned", 0.85, 30.0))
            }
        k = len(self.labels)
        truth = self.rng.choice(k, n, p=softmax(-0.35 * np.arange(k)))
        shared = self.rng.normal(size=(n, k))
        frames = {}
        for model, skill in (("base", 2.1), ("tuned", 3.6)):
            logits = 1.4 * shared + 0.7 * self.rng.normal(size=(n, k)) + skill * np.eye(k)[truth]
            logits += (1.2 * np.eye(k)[truth]) * (self.splits == "train")[:, None] * (model == "tuned")
            scores = softmax(logits, axis=1)
            frame = known.assign(
                target=np.array(self.labels, dtype=object)[truth],
                predicted=np.array(self.labels, dtype=object)[logits.argmax(1)],
            )
            columns = {f"score.{c}": scores[:, i] for i, c in enumerate(self.labels)}
            columns |= {f"logit.{c}": logits[:, i] for i, c in enumerate(self.labels)}
            frames[model] = pd.concat([frame, pd.DataFrame(columns)], axis=1)
        return frames

    # -- measures ---------------------------------------------------------------------

    def scores(self, rows: pd.DataFrame) -> dict[str, float]:
        if self.kind == "regression":
            target, value = rows["target"], rows["value"]
            return {
                "mae": sk.mean_absolute_error(target, value),
                "rmse": sk.root_mean_squared_error(target, value),
                "mse": sk.mean_squared_error(target, value),
                "median_ae": sk.median_absolute_error(target, value),
                "r2": sk.r2_score(target, value),
            }
        p = rows[[f"score.{c}" for c in self.labels]].to_numpy()
        index = rows["target"].map({c: i for i, c in enumerate(self.labels)}).to_numpy()
        one_hot = np.eye(len(self.labels))[index]
        both = [sk.roc_auc_score(one_hot[:, j], p[:, j]) for j in range(len(self.labels)) if 0 < one_hot[:, j].sum()]
        found = {
            "accuracy": sk.accuracy_score(rows["target"], rows["predicted"]),
            "balanced_accuracy": sk.balanced_accuracy_score(rows["target"], rows["predicted"]),
            "auroc": float(np.mean(both)),
            "log_loss": float(-np.log(p[np.arange(len(p)), index]).mean()),
        }
        options: dict[str, Any] = {"labels": self.labels, "average": "macro", "zero_division": 0.0}
        found["f1_macro"] = sk.f1_score(rows["target"], rows["predicted"], **options)
        for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score)):
            found[name] = score(rows["target"], rows["predicted"], **options)
        return {k: float(v) for k, v in found.items()}

    def measures(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        entries = []
        for split in SIZES:
            rows = frame[frame["split"] == split]
            for name, value in self.scores(rows).items():
                low, high = _ends(name, value, len(rows))
                entry = {
                    "name": name,
                    "split": split,
                    "value": value,
                    "low": float(low),
                    "high": float(high),
                    "n": len(rows),
                    "interval": "normal",
                    "better": "lower" if name in ("mae", "rmse", "mse", "median_ae", "log_loss") else "higher",
                    "signature": f"{name}|confidence:0.95|seed:0|sklearn:1.9",
                    "per_class": {},
                    "reason": "",
                    "unit": "units" if name in ("mae", "rmse", "median_ae") else "",
                }
                if name in ("precision", "recall"):
                    entry["per_class"] = self.per_class(rows, name)
                entries.append(entry)
        return entries

    def per_class(self, rows: pd.DataFrame, name: str) -> dict[str, dict[str, Any]]:
        found = {}
        for label in self.labels:
            among = rows[rows["target" if name == "recall" else "predicted"] == label]
            hits, n = int((among["target"] == among["predicted"]).sum()), len(among)
            if n:
                low, high = proportion_confint(hits, n, method="wilson")
                found[label] = {"value": hits / n, "low": low, "high": high, "n": n, "interval": "wilson", "reason": ""}
            else:
                why = "no example of this class"
                found[label] = {"value": None, "low": None, "high": None, "n": 0, "interval": "", "reason": why}
        return found

    # -- cases ------------------------------------------------------------------------

    def chosen(self, tuned: pd.DataFrame) -> pd.DataFrame:
        test = tuned[tuned["split"] == "test"]
        if self.kind == "regression":
            return test.assign(e=(test["value"] - test["target"]).abs()).sort_values("e").iloc[:: 300 // self.n_cases]
        wrong = test[test["target"] != test["predicted"]].head(self.n_cases // 3)
        return pd.concat([wrong, test[test["target"] == test["predicted"]].head(self.n_cases - len(wrong))])

    def features(self, i: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The features of a case and what else its modality keeps."""
        if self.kind == "text":
            words = self.text.split() if self.text else list(np.roll(_WORDS, -7 * i)[: 20 + 5 * (i % 6)])
            features, at = [], 0
            for w in words:
                features.append({"name": w, "value": "", "span": [at, at + len(w)]})
                at += len(w) + 1
            return features, {"text": " ".join(words), "cut": 4 if i == 1 else 0}
        if self.kind == "image":
            return [{"name": f"part {j + 1}", "value": "", "span": None} for j in range(36)], {}
        values = [f"{v:.3g}" for v in self.rng.gamma(3, 4, len(self.columns) - 1)] + ["II"]
        return [{"name": c, "value": v, "span": None} for c, v in zip(self.columns, values, strict=True)], {}

    def side(self, row: pd.Series) -> dict[str, Any]:
        if self.kind == "regression":
            return {"value": float(row["value"]), "error": float(row["value"] - row["target"])}
        top = sorted(((c, float(row[f"score.{c}"])) for c in self.labels), key=lambda e: -e[1])
        right = bool(row["predicted"] == row["target"])
        return {"label": row["predicted"], "probability": top[0][1], "top": top[:3], "right": right}


def _ends(name: str, value: float, n: int) -> tuple[float, float]:
    """An invented interval: the normal one of a share, or 8 % of any other value."""
    if name in ("mae", "rmse", "mse", "median_ae", "log_loss"):
        return 0.92 * value, 1.08 * value
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 1e-3) / n))
    return value - half, min(1.0, value + half)


def build_sample(path: Path, kind: str, sample: Sample | None = None, **options: Any) -> Run:
    """Write a whole run directory of one kind and return it, opened."""
    sample = sample or Sample(kind, **options)
    run, rng = Run.create(path), sample.rng
    frames = sample.frames()
    frames["onnx"] = frames["tuned"].copy()
    _data(run, sample, frames["tuned"])
    card = 'purpose = "Sort documentation into its field."\nlimits = "English only."\n' if kind == "text" else ""
    run.write_bytes(
        "config.toml",
        f'task = "{sample.task}"\n[data]\nsource = "sample"\n[explain]\nmethods = {json.dumps(list(METHODS))}\n'
        f'[finetune]\nstrategy = "full"\nlearning_rate = 3e-5\nepochs = 4.0\n[card]\n{card}'.encode(),
    )
    tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    for model, frame in frames.items():
        (path / model).mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path / model / "predictions.parquet")
        run.write_json(f"{model}/metrics.json", sample.measures(frame))
    _training(run, rng)
    _parity(run)
    run.write_json("comparison.json", _comparison(sample, frames))
    _cases(run, sample, frames)
    files = {n: hash_file(path / n) for n in run.files()}
    stages = ("prepare", "finetune", "export", "predict", "evaluate", "explain", "assess", "compare")
    run.write_json(
        "manifest.json",
        {
            "schema": 1,
            "name": f"{kind}-sample",
            "task": sample.task,
            "title": "",
            "seed": 0,
            "created": "2026-11-23T10:00:00+00:00",
            "config_sha256": "ab" * 32,
            "packages": {"torch": "2.13.0", "captum": "0.9.0", "shap": "0.51.0"},
            "python": "3.11.9",
            "platform": "Linux-6.8-x86_64",
            "device": {"torch": "cpu", "onnx": "CPUExecutionProvider", "text": "CPU, 16 cores"},
            "git": {"commit": "745584e" + "0" * 33, "dirty": False},
            "stages": {s: {"key": s, "outputs": [], "seconds": 3.5 * (i + 1)} for i, s in enumerate(stages)},
            "files": files,
        },
    )
    return Run.open(path)


def _data(run: Run, sample: Sample, frame: pd.DataFrame) -> None:
    about: dict[str, Any] = {
        "name": f"{sample.kind} sample",
        "modality": sample.modality,
        "source": "sample",
        "sha256": hashlib.sha256(sample.kind.encode()).hexdigest(),
        "notes": sample.notes,
        "split_method": "at random, stratified by class, seed 0",
        "splits": SIZES,
        "labels": sample.labels,
        "unit": "units" if sample.kind == "regression" else "",
        "target_name": "disease progression" if sample.kind == "regression" else "class",
        "columns": [],
        "skipped": [{"where": "rows.csv, row 17", "reason": "the text is empty"}],
    }
    if sample.kind == "regression":
        by_split = frame.groupby("split")["target"].agg(["mean", "std", "min", "max"])
        about["target"] = {
            s: {k: float(v) for k, v in zip(("mean", "sd", "min", "max"), by_split.loc[s], strict=True)} for s in SIZES
        }
    else:
        counted = {s: frame[frame["split"] == s]["target"].value_counts() for s in SIZES}
        about["classes"] = {s: {label: int(c.get(label, 0)) for label in sample.labels} for s, c in counted.items()}
    if sample.modality == "table":
        none = {s: 0 for s in SIZES}
        about["columns"] = [
            {"name": c, "kind": "numeric", "categories": [], "missing": {**none, "train": 3 * (i % 2)}}
            for i, c in enumerate(sample.columns[:-1])
        ] + [{"name": sample.columns[-1], "kind": "categorical", "categories": ["I", "II", "III"], "missing": none}]
    run.write_json("data/fingerprint.json", about)
    run.write_json(
        "data/checks.json",
        [
            {"check": "duplicates across splits", "level": "warning", "n": 2, "examples": sample.ids[-2:],
             "sentence": "2 test examples are equal to training examples"},
            {"check": "missing values", "level": "note", "n": 24, "examples": [], "sentence": "24 values are missing"},
            {"check": "empty inputs", "level": "ok", "n": 0, "examples": [], "sentence": "no input is empty"},
        ],
    )  # fmt: skip


def _training(run: Run, rng: np.random.Generator) -> None:
    lines = []
    for step in range(1, 121):
        loss = 1.5 * np.exp(-step / 35) + 0.15 + 0.05 * rng.random()
        lines.append({"step": step, "epoch": step / 30, "loss": round(float(loss), 4), "learning_rate": 3e-5})
        if step % 30 == 0:
            fit = 0.35 + 0.6 * float(np.exp(-step / 30))
            score = {"validation_loss": fit, "validation_score": 0.95 - fit / 4, "score_name": "f1_macro"}
            lines.append({"step": step, "epoch": step / 30, **score})
    run.write_bytes("tuned/history.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    run.write_json(
        "tuned/finetune.json",
        {
            "strategy": "full",
            "parameters": {"total": 22_713_608, "trained": 22_713_608},
            "before": "the pretrained encoder as it came, with only a new last layer fitted to the training examples",
            "backbone": {"source": "MiniLM-L6", "sha256": "cd" * 32, "class": "BertForSequenceClassification"},
            "best_step": 120,
            "stopped": "all 4 epochs were done",
            "runs_user_code": False,
            "code": None,
        },
    )


def _parity(run: Run) -> None:
    run.write_json(
        "onnx/parity.json",
        {
            "passed": True,
            "tolerance": 1e-4,
            "n": 300,
            "batch_sizes": [1, 2, 7, 64],
            "max_error": 2.1e-6,
            "max_abs": 6.4e-6,
            "label_agreement": {"agree": 300, "n": 300, "argmax_ties": 0},
            "opset": 20,
            "exporter": "torch.onnx dynamo 2.13.0",
            "sha256": "ef" * 32,
            "bytes": 90_912_345,
            "parameters": 22_713_608,
            "per_batch": [
                {"batch": b, "padded": b > 1, "max_error": 2.1e-6 / b, "max_abs": 6.4e-6 / b} for b in (1, 2, 7, 64)
            ],
        },
    )
    text = "Every node ran on CPUExecutionProvider"
    run.write_json("onnx/providers.json", {"requested": "auto", "used": ["CPUExecutionProvider"], "text": text})


def _comparison(sample: Sample, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    base, tuned = (frames[m][frames[m]["split"] == "test"].reset_index(drop=True) for m in ("base", "tuned"))
    was, now = sample.scores(base), sample.scores(tuned)
    entries = []
    for name in was:
        half = max(np.subtract(*_ends(name, score, len(base))[::-1]) for score in (was[name], now[name])) / 2
        low, high = now[name] - was[name] - half, now[name] - was[name] + half
        lower = name in ("mae", "rmse", "mse", "median_ae", "log_loss")
        entries.append(
            {"name": name, "before": was[name], "after": now[name], "difference": now[name] - was[name],
             "low": float(low), "high": float(high), "p": 0.0004 if low * high > 0 else 0.21,
             "method": "paired, normal", "better": "lower" if lower else "higher"}
        )  # fmt: skip
    found: dict[str, Any] = {"split": "test", "n": len(base), "before": "base", "after": "tuned", "measures": entries}
    if sample.kind == "regression":
        return {**found, "verdict": "The predictions are closer to the truth than before customisation"}
    a, b = base["target"] == base["predicted"], tuned["target"] == tuned["predicted"]
    lost, won = list(base["id"][a & ~b]), list(base["id"][~a & b])
    table = [[int((a & b).sum()), len(lost)], [len(won), int((~a & ~b).sum())]]
    first = next(e for e in entries if e["name"] == "accuracy")
    return {
        **found,
        "verdict": "Customisation made the answers better; the gain is larger than chance explains",
        "accuracy": {**{k: first[k] for k in ("before", "after", "difference", "low", "high")}, "method": "Newcombe",
                     "mcnemar_p": float(mcnemar(table, exact=True).pvalue), "b": len(lost), "c": len(won)},
        "flips": {"negative": lost, "positive": won, "nfr": len(lost) / len(base), "pfr": len(won) / len(base),
                  "churn": float((base["predicted"] != tuned["predicted"]).mean())},
    }  # fmt: skip


def _cases(run: Run, sample: Sample, frames: dict[str, pd.DataFrame]) -> None:
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
                reason = {"poor": "its surrogate explains 41 % of the model on masks it was not fitted to",
                          "fair": "its order changes with the seed", "good": "it predicts masks it never saw"}[light]  # fmt: skip
                per_model = quality.setdefault(model, {}).setdefault(explainer, {})
                per_model[case["id"]] = {"measures": {"held_out_r2": 0.41}, "light": light, "reasons": [reason]}
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
    pairs = [{"a": "SHAP", "b": "LIME", "rank": 0.61, "top_k": 0.6}]
    run.write_json(
        "quality.json",
        {
            "thresholds": {"held_out_r2": {"good": 0.8, "fair": 0.5, "text": "R² on masks it was not fitted to"}},
            "cases": quality,
            "agreement": {"onnx": {c["id"]: {"pairs": pairs} for c in cases}},
            "controls": {},
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
