"""Every number of metrics.json, comparison.json and decisions.json again, by code that shares nothing with ours."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recomputed as again
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn import metrics as sk
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

wilson = partial(proportion_confint, method="wilson")
close = partial(pytest.approx, rel=1e-7, abs=1e-9)
MODELS = ("base", "tuned", "onnx")
KINDS = ("classes", "several")
OF_CLASS = {"precision", "recall", "f1", "auroc", "average_precision", "classwise_ece"}


@cache
def path_of(kind: str) -> Path:
    """A finished run: two really made, and one of three classes whose predictions are drawn."""
    import runs

    return several(Path(runs.tempfile.mkdtemp())) if kind == "several" else runs.made(kind).path


def several(folder: Path) -> Path:
    """Predictions of three classes for two models, evaluated and compared by the stages' own functions."""
    from workbench.metrics.classification import classification_measures
    from workbench.metrics.decisions import decisions
    from workbench.metrics.paired import compare
    from workbench.metrics.thresholds import Wanted
    from workbench.records import finite, read_predictions, write_measures, write_predictions
    from workbench.run import Run
    from workbench.types import ClassScores

    run, rng, n = Run(folder), np.random.default_rng(0), 900
    t, ids = rng.choice(3, n, p=[0.5, 0.3, 0.2]), np.array([f"x{i}" for i in range(n)], dtype=object)
    splits = np.array(["train", "validation", "test"], dtype=object)[np.arange(n) % 3]
    noise, known = rng.normal(size=(n, 3)), np.where(np.arange(n) % 50 == 7, -1, t)
    for model, skill in zip(MODELS, (1.0, 2.0, 2.0), strict=True):
        logits = (noise + 0.5 * rng.normal(size=(n, 3)) + skill * np.eye(3)[t]).astype(np.float32)
        write_predictions(run, model, ClassScores(ids, splits, known, logits.astype(float), ("a", "b", "c")))
        p = read_predictions(run, model)
        write_measures(run, model, classification_measures(p, resamples=100))
        run.write_json(f"{model}/decisions.json", finite(decisions(p, Wanted("b", 0.4), resamples=100)))
    pair = (read_predictions(run, "base"), read_predictions(run, "onnx"))
    run.write_json("comparison.json", finite(compare(*pair, resamples=100)))
    return folder


def load(kind: str, name: str) -> Any:
    return json.loads((path_of(kind) / name).read_text(encoding="utf-8"))


def assert_value(ours: dict[str, Any], theirs: float, what: object) -> None:
    """Equal, or not defined on both sides and with a reason; an interval holds its value."""
    if ours["value"] is None:
        assert not np.isfinite(theirs) and ours["reason"], what
        return
    assert ours["value"] == close(theirs), what
    assert ours["low"] is None or ours["low"] - 1e-12 <= ours["value"] <= ours["high"] + 1e-12, what
    assert ours["low"] is not None or ours["reason"], what


def assert_floor(mean: float, p95: float, floor: np.ndarray) -> None:
    """A simulation of 500 agrees with a longer one within what 500 can tell."""
    assert mean == pytest.approx(floor.mean(), abs=4.5 * floor.std() / np.sqrt(500))
    low, high = np.quantile(floor, [0.915, 0.985])
    assert low - 1e-9 <= p95 <= high + 1e-9  # few examples give few different errors


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_metrics_of_classes(kind: str, model: str) -> None:
    measures = load(kind, f"{model}/metrics.json")
    train, k = again.read(path_of(kind), model, "train"), None
    for split in ("train", "validation", "test"):
        rows = again.read(path_of(kind), model, split)
        t, q, p = again.columns(rows)
        k, labels = p.shape[1], again.labels_of(rows)
        theirs = again.class_values(t, q, p)
        shares = np.bincount(again.columns(train)[0], minlength=k) / len(train)
        always = np.full(len(t), shares.argmax())
        nothing = again.class_values(t, always, np.tile(shares, (len(t), 1)))
        hits = int((t == always).sum())
        theirs["baseline_accuracy"] = (hits / len(t), [])
        ours = {m["name"]: m for m in measures if m["split"] == split}
        assert set(ours) == {*theirs, "ece_floor"}, "a measure that is not recomputed here"
        assert {name for name, m in ours.items() if m["per_class"]} == OF_CLASS
        floor = again.floor(p.max(axis=1), np.random.default_rng(1))
        assert_floor(ours["ece_floor"]["value"], ours["ece_floor"]["high"], floor)
        for name, (value, per_class) in theirs.items():
            assert_value(ours[name], value, (split, name))
            assert ours[name]["n"] == len(t) and f"|n:{len(t)}|" in ours[name]["signature"]
            for label, own in zip(labels, per_class, strict=False):
                entry = ours[name]["per_class"][label]
                if entry["value"] is None and np.isfinite(own):  # too few for a rate: counts alone
                    assert entry["n"] < 10 and entry["reason"]
                else:
                    assert_value(entry, own, (split, name, label))
            if name == "mcc":
                assert ours[name]["baseline"] == 0
            elif name in ("baseline_accuracy", "brier_uncertainty"):
                assert ours[name]["baseline"] is None
            else:
                assert ours[name]["baseline"] == close(nothing[name][0]), (split, name)
        right = int((t == q).sum())
        for name, count in (("accuracy", right), ("baseline_accuracy", hits)):
            assert (ours[name]["low"], ours[name]["high"]) == close(wilson(count, len(t)))
        for c, label in enumerate(labels):
            for name, among in (("recall", t == c), ("precision", q == c)):
                entry = ours[name]["per_class"][label]
                if entry["value"] is not None:
                    assert (entry["low"], entry["high"]) == close(wilson(int((t == q)[among].sum()), int(among.sum())))


@pytest.mark.parametrize("model", MODELS)
def test_metrics_and_residuals_of_values(model: str) -> None:
    measures, path = load("values", f"{model}/metrics.json"), path_of("values")
    mean = again.read(path, model, "train")["target"].mean()
    for split in ("train", "validation", "test"):
        rows = again.read(path, model, split)
        t, v = rows["target"].to_numpy(float), rows["value"].to_numpy(float)
        constant = again.value_values(t, np.full_like(t, mean))
        theirs = again.value_values(t, v)
        ours = {m["name"]: m for m in measures if m["split"] == split}
        assert set(ours) == {*theirs, "baseline_rmse"}, "a measure that is not recomputed here"
        assert_value(ours["baseline_rmse"], constant["rmse"], split)
        for name, value in theirs.items():
            assert_value(ours[name], value, (split, name))
            assert ours[name]["baseline"] == pytest.approx(constant[name], rel=1e-7, abs=1e-6), (split, name)
    found, off = load("values", f"{model}/decisions.json"), v - t
    count = min(10, max(1, len(v) // 15))
    for entry, mask in zip(found["residuals"]["bins"], again.bins_of(v, count), strict=True):
        assert (entry["n"], entry["mean"]) == (mask.sum(), close(off[mask].mean()))
        assert (entry["lower"], entry["upper"], entry["predicted"]) == close(
            (v[mask].min(), v[mask].max(), v[mask].mean())
        )
        assert entry["sd"] == close(off[mask].std(ddof=1)) and entry["low"] <= entry["mean"] <= entry["high"]
    groups = {c.removeprefix("group."): c for c in rows if c.startswith("group.")}
    assert set(found["residuals"]["groups"]) == set(groups)
    held_out = again.read(path, model, "validation")
    sizes = np.sort(np.abs(held_out["value"].to_numpy(float) - held_out["target"].to_numpy(float)))
    assert found["ranges"]["n_validation"] == len(sizes)
    for entry in found["ranges"]["levels"]:
        place = -(-(len(sizes) + 1) * round(100 * entry["level"]) // 100)
        assert (entry["half_width"] is None) == (place > len(sizes)), entry
        if entry["half_width"] is not None:
            assert entry["half_width"] == close(sizes[place - 1])
            inside = int((np.abs(off) <= entry["half_width"]).sum())
            assert (entry["hits"], entry["coverage"]) == (inside, close(inside / len(off)))
            assert (entry["low"], entry["high"]) == close(wilson(inside, len(off)))


@pytest.mark.parametrize("kind", KINDS)
def test_comparison_of_classes(kind: str) -> None:
    ours = load(kind, "comparison.json")
    before, after = (again.read(path_of(kind), model, "test") for model in ("base", "onnx"))
    (t, a, pa), (_, b, pb) = again.columns(before), again.columns(after)
    n = len(t)
    cells = [int(((a == t) == x).__and__((b == t) == y).sum()) for x, y in ((1, 1), (1, 0), (0, 1), (0, 0))]
    own = ours["accuracy"]
    assert (own["before"], own["after"]) == close(((a == t).mean(), (b == t).mean()))
    assert own["difference"] == close((b == t).mean() - (a == t).mean()) and (own["b"], own["c"]) == tuple(cells[1:3])
    assert (own["low"], own["high"]) == close(again.newcombe(*cells, wilson))
    discordant = cells[1] + cells[2]
    p = stats.binomtest(min(cells[1:3]), discordant).pvalue if discordant else 1.0
    assert own["mcnemar_p"] == close(p)
    flips = ours["flips"]
    ids = before["id"].to_numpy()
    assert set(flips["negative"]) == set(ids[(a == t) & (b != t)])
    assert set(flips["positive"]) == set(ids[(a != t) & (b == t)])
    assert (flips["nfr"], flips["pfr"], flips["churn"]) == close((cells[1] / n, cells[2] / n, (a != b).mean()))
    was, now = again.class_values(t, a, pa), again.class_values(t, b, pb)
    for m in ours["measures"]:
        assert m["name"] in was, "a measure that is not recomputed here"
        assert (m["before"], m["after"]) == close((was[m["name"]][0], now[m["name"]][0])), m["name"]
        assert m["difference"] == close(now[m["name"]][0] - was[m["name"]][0])
        assert m["low"] is None or m["low"] <= m["difference"] <= m["high"]
        assert 0 < m["p"] <= 1
    raw = []
    for c, entry in enumerate(ours["classes"]):
        rows = t == c
        lost, won = int(((a == t) & (b != t))[rows].sum()), int(((a != t) & (b == t))[rows].sum())
        assert (entry["n"], entry["b"], entry["c"]) == (rows.sum(), lost, won)
        assert (entry["before"], entry["after"]) == close(((a == t)[rows].mean(), (b == t)[rows].mean()))
        raw.append(stats.binomtest(min(lost, won), lost + won).pvalue if lost + won else 1.0)
        assert entry["p"] == close(raw[-1])
    assert [e["p_holm"] for e in ours["classes"]] == close(list(multipletests(raw, method="holm")[1]))


def test_comparison_of_values() -> None:
    before, after = (again.read(path_of("values"), model, "test") for model in ("base", "onnx"))
    was, now = (again.value_values(f["target"].to_numpy(float), f["value"].to_numpy(float)) for f in (before, after))
    for m in load("values", "comparison.json")["measures"]:
        assert m["name"] in was, "a measure that is not recomputed here"
        assert (m["before"], m["after"]) == close((was[m["name"]], now[m["name"]]))
        assert m["difference"] == close(now[m["name"]] - was[m["name"]])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_confidence_and_abstention(kind: str, model: str) -> None:
    ours = load(kind, f"{model}/decisions.json")
    rows, held_out = (again.read(path_of(kind), model, split) for split in ("test", "validation"))
    t, q, p = again.columns(rows)
    sure, right = p.max(axis=1), t == q
    assert (ours["n"], ours["n_validation"]) == (len(t), len(held_out))
    part = ours["reliability"]
    assert part["ece"] == close(again.gaps(sure, right)[0]) and part["above"] == (part["ece"] > part["floor_p95"])
    floor = again.floor(sure, np.random.default_rng(2))
    assert_floor(part["floor"], part["floor_p95"], floor)
    logits = [f"logit.{label}" for label in again.labels_of(rows)]
    fitted, z = ours["temperature"]["value"], held_out[logits].to_numpy(float)
    known = again.columns(held_out)[0]
    scaled = None
    if fitted is None:
        assert ours["temperature"]["reason"] and part["scaled"] is None
    else:
        best = minimize_scalar(
            lambda b: -log_softmax(z * b, axis=1)[np.arange(len(z)), known].mean(),
            bounds=(1e-3, 1e3),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert fitted == pytest.approx(1 / best.x, rel=1e-4)
        assert ours["temperature"]["loss_after"] == pytest.approx(best.fun)
        scaled = softmax(rows[logits].to_numpy(float) / fitted, axis=1)
        was, now = again.class_values(t, q, p), again.class_values(t, q, scaled)
        for m in ours["temperature"]["measures"]:
            assert (m["before"], m["after"]) == close((was[m["name"]][0], now[m["name"]][0]))
            assert m["difference"] == close(m["after"] - m["before"]) and m["low"] <= m["difference"] <= m["high"]
    for bins, c in ((part["bins"], sure), (part["scaled"], None if scaled is None else scaled.max(axis=1))):
        for entry, mask in zip(bins or [], again.bins_of(c) if c is not None else [], strict=True):
            k, size = int(right[mask].sum()), int(mask.sum())
            ends = (c[mask].min(), c[mask].max(), c[mask].mean(), k / size, *wilson(k, size))
            assert tuple(entry[x] for x in ("lower", "upper", "confidence", "share", "low", "high")) == close(ends)
            assert entry["n"] == size
    for h in part["histogram"]:
        inside = (sure >= h["low"]) & ((sure < h["high"]) | (h["high"] == 1))
        assert h["n"] == inside.sum()
    part = ours["risk_coverage"]
    own, best_order = again.areas(sure, right)
    assert (part["aurc"], part["oracle"], part["random"]) == close((own, best_order, 1 - right.mean()))
    for row in part["table"]:
        answered = sure >= row["least"] - 1e-15
        k = int(right[answered].sum())
        assert (
            row["n"] == answered.sum()
            and row["coverage"] == close(answered.mean())
            and row["coverage"] >= row["wanted"] - 1e-9
        )
        assert row["accuracy"]["value"] == close(k / row["n"])
        assert (row["accuracy"]["low"], row["accuracy"]["high"]) == close(wilson(k, row["n"]))
    for point in part["curve"]:
        first = np.sort(sure)[::-1][round(point["coverage"] * len(t)) - 1]
        assert point["risk"] == close(1 - right[sure >= first].mean())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_and_net_benefit(kind: str, model: str) -> None:
    ours = load(kind, f"{model}/decisions.json")
    rows, held_out = (again.read(path_of(kind), model, split) for split in ("test", "validation"))
    label, ratio = ours["thresholds"]["positive"], ours["thresholds"]["cost_ratio"]
    assert label == {"classes": again.labels_of(rows)[1], "several": "b"}[kind]
    y, s = (rows["target"] == label).to_numpy(), rows[f"score.{label}"].to_numpy(float)
    v, w = (held_out["target"] == label).to_numpy(), held_out[f"score.{label}"].to_numpy(float)
    assert ours["thresholds"]["prevalence"] == close(y.mean())
    tried = np.sort(np.unique(w))[::-1]
    counts = np.array([sk.confusion_matrix(v, w >= x, labels=[False, True]).ravel() for x in tried])
    tn, fp, fn, tp = counts.T
    keep = {
        "recall": (tp / (tp + fn) >= 0.9, 0),
        "precision": (tp / (tp + fp) >= 0.9, -1),
        "capacity": ((tp + fp) / len(v) <= 0.1, -1),
    }
    score = {"f1": 2 * tp / (2 * tp + fp + fn), "youden": tp / (tp + fn) - fp / (fp + tn)}
    if ratio is not None:
        score["cost_validation"] = -(ratio * fp + fn)
    wanted: dict[str, float | None] = {"half": 0.5} | ({"cost": ratio / (1 + ratio)} if ratio is not None else {})
    wanted |= {name: tried[np.flatnonzero(x >= x.max() - 1e-12)[0]] for name, x in score.items()}
    wanted |= {name: tried[np.flatnonzero(x)[end]] if x.any() else None for name, (x, end) in keep.items()}
    assert {r["rule"] for r in ours["thresholds"]["rules"]} == set(wanted), "a rule that is not recomputed here"
    for rule in ours["thresholds"]["rules"]:
        assert (rule["threshold"] is None) == (wanted[rule["rule"]] is None), rule
        if rule["threshold"] is None:
            assert rule["reason"]
            continue
        assert rule["threshold"] == close(wanted[rule["rule"]]), rule["rule"]
        tn1, fp1, fn1, tp1 = (
            int(x) for x in sk.confusion_matrix(y, s >= rule["threshold"], labels=[False, True]).ravel()
        )
        assert (rule["tn"], rule["fp"], rule["fn"], rule["tp"]) == (tn1, fp1, fn1, tp1)
        shares = {"recall": (tp1, tp1 + fn1), "precision": (tp1, tp1 + fp1), "specificity": (tn1, tn1 + fp1)}
        for name, (k, n) in (shares | {"selected": (tp1 + fp1, len(y))}).items():
            assert_value(rule[name], k / n if n else np.nan, (rule["rule"], name))
            if n:
                assert (rule[name]["low"], rule[name]["high"]) == close(wilson(k, n))
        assert rule["f1"] == close(sk.f1_score(y, s >= rule["threshold"]))
        assert ratio is None or rule["cost"] == close((ratio * fp1 + fn1) / len(y))
    assert len(ours["net_benefit"]["curve"]) == 99
    for c in ours["net_benefit"]["curve"]:
        odds = c["threshold"] / (1 - c["threshold"])
        called = s >= c["threshold"]
        assert c["model"] == close((called & y).mean() - (called & ~y).mean() * odds)
        assert c["all"] == close(y.mean() - (1 - y.mean()) * odds)
