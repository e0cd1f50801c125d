"""Slices and decisions of sets of labels again, from predictions.parquet alone: pandas, numpy, scikit-learn."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

close = pytest.approx
MODELS = ("base", "onnx")


@cache
def path_of() -> Path:
    """A run of enough rows for slices to be tested, as far as its slices."""
    import runs

    from workbench import pipeline
    from workbench.config import read_config
    from workbench.engines.progress import Progress
    from workbench.run import Run
    from workbench.stages.session import Session

    folder = Path(tempfile.mkdtemp(prefix="workbench-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = runs.write_data("labelled-rows", folder)
    runs.write_labelled_table(folder, n=600)
    session = Session(Run.create(folder / "out"), read_config(config, runs.TINY), "cpu", Progress(quiet=True))
    pipeline._identify(session, "rows")
    pipeline.advance(session, "slices")
    return session.run.path


def load(name: str) -> Any:
    return json.loads((path_of() / name).read_text(encoding="utf-8"))


def read(model: str, split: str) -> tuple[pd.DataFrame, list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a split, its labels, and truth, answers and probabilities (n, K)."""
    frame = pd.read_parquet(path_of() / model / "predictions.parquet")
    rows = frame[frame["split"] == split].reset_index(drop=True)
    labels = [c.removeprefix("target.") for c in rows if c.startswith("target.")]
    parts = [rows[[f"{p}.{label}" for label in labels]].to_numpy() for p in ("target", "predicted", "score")]
    return rows, labels, parts[0].astype(bool), parts[1].astype(bool), parts[2].astype(float)


def same_ends(ours: dict[str, Any], k: int, n: int) -> None:
    assert (ours["value"], ours["n"]) == (close(k / n), n)
    assert (ours["low"], ours["high"]) == close(proportion_confint(k, n, method="wilson"))


def test_slices() -> None:
    found = load("slices.json")
    sides = {m: read(m, "test") for m in MODELS}
    rows = sides["onnx"][0]
    assert found["measure"] == "subset_accuracy" and found["n"] == len(rows) and found["slices"]
    ranges = {one["name"] for one in found["attributes"] if one["kind"] == "range"}
    for entry in found["slices"]:
        if {part["attribute"] for part in entry["where"]} & ranges:
            continue  # ranges of numbers: their edges are tested with the attributes
        inside = np.ones(len(rows), dtype=bool)
        for part in entry["where"]:
            inside &= (rows[f"group.{part['attribute']}"].astype(str) == part["value"]).to_numpy()
        assert entry["n"] == inside.sum()
        for model, own in entry["models"].items():
            _, labels, t, q, _ = sides[model]
            right = (t == q).all(axis=1)
            assert own["right"] == right[inside].sum()
            if own["score"] is None:
                assert entry["n"] < 10
                continue
            same_ends(own["score"], int(right[inside].sum()), int(inside.sum()))
            wrong = own["parts"]["hamming_loss"]
            assert wrong["score"]["value"] == close((t != q)[inside].mean())
            assert wrong["rest"]["value"] == close((t != q)[~inside].mean())
            if own["difference"]:
                table = [[(right & s).sum(), (~right & s).sum()] for s in (inside, ~inside)]
                assert own["difference"]["p"] == close(stats.fisher_exact(table).pvalue)
            for k, label in enumerate(labels):
                part = own["labels"].get(label)
                if part is None or part["score"] is None:
                    assert len(entry["where"]) > 1 or t[inside, k].sum() < 10
                    continue
                assert part["n"] == t[inside, k].sum()
                assert part["score"]["value"] == close(sk.f1_score(t[inside, k], q[inside, k]))
                assert part["rest"]["value"] == close(sk.f1_score(t[~inside, k], q[~inside, k]))


@pytest.mark.parametrize("model", MODELS)
def test_decisions(model: str) -> None:
    found = load(f"{model}/decisions.json")
    _, labels, t, q, s = read(model, "test")
    _, _, v, _, w = read(model, "validation")
    assert (found["n"], found["n_validation"], len(found["labels"])) == (len(t), len(v), len(labels))
    sure, right = np.where(q, s, 1 - s).prod(axis=1), (t == q).all(axis=1)
    part = found["risk_coverage"]
    assert part["random"] == close(1 - right.mean())
    # Two products that differ in their last bits alone are one confidence.
    assert part["aurc"] == close(np.mean([1 - right[sure >= c * (1 - 1e-9)].mean() for c in sure]))
    for row in part["table"]:
        answered = sure >= row["least"] * (1 - 1e-9)
        same_ends(row["accuracy"], int(right[answered].sum()), int(answered.sum()))
    for k, entry in enumerate(found["labels"]):
        y, p = t[:, k], s[:, k]
        assert (entry["label"], entry["holds"]) == (labels[k], y.sum())
        assert sum(b["n"] for b in entry["reliability"]["bins"]) == len(y)
        for b in entry["reliability"]["bins"]:
            among = (p >= b["lower"] - 1e-12) & (p <= b["upper"] + 1e-12)
            assert (b["n"], b["share"], b["confidence"]) == (
                among.sum(),
                close(y[among].mean()),
                close(p[among].mean()),
            )
            ends = proportion_confint(int(y[among].sum()), int(among.sum()), method="wilson")
            assert (b["low"], b["high"]) == close(ends, abs=1e-9)
        for rule in entry["rules"]:
            if rule["threshold"] is None:
                assert rule["reason"]
                continue
            tn, fp, fn, tp = sk.confusion_matrix(y, p >= rule["threshold"], labels=[False, True]).ravel()
            assert (rule["tn"], rule["fp"], rule["fn"], rule["tp"]) == (tn, fp, fn, tp)
            if rule["rule"] == "used":
                np.testing.assert_array_equal(p >= rule["threshold"], q[:, k])
            if rule["rule"] == "f1":
                best = max(sk.f1_score(v[:, k], w[:, k] >= x) for x in np.unique(w[:, k]))
                assert sk.f1_score(v[:, k], w[:, k] >= rule["threshold"]) == close(best)
            if tp + fn:
                same_ends(rule["recall"], int(tp), int(tp + fn))
        for c in entry["net_benefit"]["curve"]:
            called, odds = p >= c["threshold"], c["threshold"] / (1 - c["threshold"])
            assert c["model"] == close((called & y).mean() - (called & ~y).mean() * odds)
            assert c["all"] == close(y.mean() - (1 - y.mean()) * odds)
