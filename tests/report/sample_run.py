"""Complete run directories with invented, seeded predictions, exactly as docs/artefacts.md says."""

from __future__ import annotations

import json
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sample_cases import METHODS, write_cases
from sample_stages import SIZES, write_data, write_decisions, write_parity, write_training
from scipy.special import softmax
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from workbench.run import Run, hash_file

KINDS = {
    "text": ("text-classification", ("statistics", "signal", "linear algebra", "optimisation", "interpolation")),
    "image": ("image-classification", ("ant", "bee", "wasp")),
    "table": ("tabular-classification", ("benign", "malignant")),
    "regression": ("tabular-regression", ()),
}
_TEXT = """returns the p value of a two sided test for the null hypothesis that two independent samples have
given an array of coefficients design a digital filter by the window method and compute its frequency response
solve the linear system for the unknown vector using a factorisation of the symmetric positive definite matrix
minimise a scalar function of one or more variables subject to bounds with a quasi Newton method and a tolerance"""
_WORDS = _TEXT.split()
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
        both = [sk.roc_auc_score(one_hot[:, j], p[:, j]) for j in range(len(self.labels)) if one_hot[:, j].sum() > 0]
        with warnings.catch_warnings(action="ignore"):  # a predicted class that is in no row
            balanced = sk.balanced_accuracy_score(rows["target"], rows["predicted"])
        found = {
            "accuracy": sk.accuracy_score(rows["target"], rows["predicted"]),
            "balanced_accuracy": balanced,
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
    write_data(run, sample, frames["tuned"])
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
    write_decisions(run, sample, frames)
    write_training(run, rng)
    write_parity(run)
    run.write_json("comparison.json", _comparison(sample, frames))
    write_cases(run, sample, frames)
    files = {n: hash_file(path / n) for n in run.files()}
    stages = ("prepare", "finetune", "export", "predict", "evaluate", "explain", "assess", "compare")
    run.write_manifest(
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
