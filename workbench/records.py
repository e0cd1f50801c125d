"""How predictions, measures and attributions lie on disk; see docs/artefacts.md."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import ArtefactError
from workbench.run import Run
from workbench.types import Attribution, ClassScores, LabelScores, Measure, Predictions, Values


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as Parquet; equal tables give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_table(run: Run, name: str) -> pa.Table:
    """A Parquet file of the run."""
    path = run.path / name
    if not path.is_file():
        raise ArtefactError(f"{path} is missing", hint=f"run `workbench run` on {run.path} again")
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as e:
        raise ArtefactError(f"{path} is damaged: {e}", hint="delete it and run the config again") from None


def write_predictions(run: Run, model: str, predictions: Predictions) -> None:
    """Write `<model>/predictions.parquet`."""
    columns: dict[str, Any] = {"id": predictions.ids.astype(str), "split": predictions.splits.astype(str)}
    if isinstance(predictions, ClassScores):
        labels = np.array([*predictions.labels, None], dtype=object)  # -1, unknown, takes the last
        columns["target"] = pa.array(labels[predictions.targets], type=pa.string())
        columns["predicted"] = pa.array(labels[predictions.predicted], type=pa.string())
        for k, label in enumerate(predictions.labels):
            columns[f"score.{label}"] = predictions.probabilities[:, k]
        for k, label in enumerate(predictions.labels):
            columns[f"logit.{label}"] = predictions.logits[:, k]
        facts: dict[str, Any] = {"kind": "class", "labels": list(predictions.labels)}
    elif isinstance(predictions, LabelScores):
        columns |= _label_columns(predictions)
        facts = {"kind": "labels", "labels": list(predictions.labels), "thresholds": predictions.thresholds.tolist()}
    else:
        columns["target"] = pa.array(predictions.targets, from_pandas=True)  # NaN becomes null
        columns["value"] = predictions.values
        facts = {"kind": "value", "unit": predictions.unit}
    for name, values in predictions.groups.items():
        columns[f"group.{name}"] = values.astype(str)
    table = pa.table(columns).replace_schema_metadata({"workbench": json.dumps(facts, ensure_ascii=False)})
    run.write_bytes(f"{model}/predictions.parquet", parquet_bytes(table))


def _label_columns(predictions: LabelScores) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for k, label in enumerate(predictions.labels):
        target = predictions.targets[:, k]
        columns[f"target.{label}"] = pa.array(target == 1, mask=target < 0, type=pa.bool_())
    for name, values in (("predicted", "predicted"), ("score", "probabilities"), ("logit", "logits")):
        table = getattr(predictions, values)
        columns |= {f"{name}.{label}": table[:, k] for k, label in enumerate(predictions.labels)}
    return columns


def read_predictions(run: Run, model: str) -> Predictions:
    """Read `<model>/predictions.parquet`."""
    table = read_table(run, f"{model}/predictions.parquet")
    try:
        facts = json.loads((table.schema.metadata or {})[b"workbench"])
        ids = table["id"].to_numpy(zero_copy_only=False).astype(object)
        splits = table["split"].to_numpy(zero_copy_only=False).astype(object)
        groups = {
            n.removeprefix("group."): table[n].to_numpy(zero_copy_only=False)
            for n in table.column_names
            if n.startswith("group.")
        }
        if facts["kind"] == "value":
            targets = table["target"].to_numpy(zero_copy_only=False).astype(np.float64)
            return Values(ids, splits, targets, table["value"].to_numpy(), facts["unit"], groups)
        labels = tuple(facts["labels"])
        if facts["kind"] == "labels":
            held = [[-1 if t is None else int(t) for t in table[f"target.{n}"].to_pylist()] for n in labels]
            logits = np.column_stack([table[f"logit.{n}"].to_numpy() for n in labels])
            cuts = np.array(facts["thresholds"], dtype=np.float64)
            return LabelScores(ids, splits, np.array(held, dtype=np.int8).T, logits, labels, cuts, groups)
        index = {label: k for k, label in enumerate(labels)}
        targets = np.array([-1 if t is None else index[t] for t in table["target"].to_pylist()], dtype=np.int64)
        logits = np.column_stack([table[f"logit.{label}"].to_numpy() for label in labels])
    except (KeyError, json.JSONDecodeError) as e:
        raise ArtefactError(
            f"{run.path / model / 'predictions.parquet'} lacks {e}", hint="run `workbench predict` again"
        ) from None
    return ClassScores(ids, splits, targets, logits, labels, groups)


def write_measures(run: Run, model: str, measures: Sequence[Measure]) -> None:
    """Write `<model>/metrics.json`; values that are not finite become null with a reason."""
    run.write_json(f"{model}/metrics.json", [finite(dataclasses.asdict(m)) for m in measures])


def finite(value: Any) -> Any:
    """A JSON-able copy: numpy numbers as Python's, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, np.ndarray):
        return finite(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_attributions(run: Run, model: str, facts: Mapping[str, Any], found: Sequence[Attribution]) -> None:
    """Write one explainer's answers: `.parquet` by feature, `.json` by case, `.safetensors` maps.

    `facts` are those of the whole file: explainer, title, caption, filler, unit, library.
    """
    stem = f"{model}/attributions/{facts['explainer']}"
    rows = [(a, i) for a in found for i in range(len(a.features))]
    table = pa.table(
        {
            "id": pa.array([a.example_id for a, _ in rows], pa.string()),
            "question": pa.array([a.question.id for a, _ in rows], pa.string()),
            "feature": pa.array([a.features[i].name for a, i in rows], pa.string()),
            "index": pa.array([i for _, i in rows], pa.int32()),
            "value": pa.array([float(a.values[i]) for a, i in rows], pa.float64()),
            "low": pa.array([None if a.low is None else float(a.low[i]) for a, i in rows], pa.float64()),
            "high": pa.array([None if a.high is None else float(a.high[i]) for a, i in rows], pa.float64()),
        }
    ).replace_schema_metadata({"workbench": json.dumps(finite(facts), ensure_ascii=False)})
    run.write_bytes(f"{stem}.parquet", parquet_bytes(table))
    cases = {
        a.example_id: {
            "question": a.question.id,
            "base_score": a.base_score,
            "score": a.score,
            "gap": a.gap,
            "evaluations": a.evaluations,
            "seed": a.seed,
            "params": dict(a.params),
        }
        for a in found
    }
    run.write_json(f"{stem}.json", finite({**facts, "cases": cases}))
    maps = {a.example_id: np.ascontiguousarray(a.dense, dtype=np.float32) for a in found if a.dense is not None}
    if maps:
        from safetensors.numpy import save

        run.write_bytes(f"{stem}.safetensors", save(dict(sorted(maps.items()))))


def read_attributions(run: Run, model: str, explainer: str, cases: Mapping[str, Any]) -> list[Attribution]:
    """Read one explainer's answers back.

    Args:
        cases: {example id: {"question": Question, "cut": segmentation with `features`}} of
            the run; answers to other examples are left out.
    """
    stem = f"{model}/attributions/{explainer}"
    table, facts = read_table(run, f"{stem}.parquet"), run.read_json(f"{stem}.json")
    ids = np.array(table["id"].to_pylist(), dtype=object)
    columns = {n: table[n].to_numpy(zero_copy_only=False) for n in ("value", "low", "high")}
    found = []
    for name, case in facts["cases"].items():
        if name not in cases:
            continue
        rows = np.flatnonzero(ids == name)
        low, high = columns["low"][rows], columns["high"][rows]
        found.append(
            Attribution(
                explainer=explainer,
                example_id=name,
                question=cases[name]["question"],
                features=cases[name]["cut"].features,
                values=columns["value"][rows].astype(np.float64),
                low=None if np.isnan(low.astype(float)).any() else low.astype(float),
                high=None if np.isnan(high.astype(float)).any() else high.astype(float),
                base_score=case["base_score"],
                score=case["score"],
                gap=case["gap"],
                evaluations=case["evaluations"],
                seconds=0.0,
                seed=case["seed"],
                params=case["params"],
            )
        )
    return found


def attribution_rows(run: Run, name: str, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """The values of some examples in an attribution file, by id, in the order of their features."""
    table = read_table(run, name).to_pandas()
    chosen = table[table["id"].isin(list(ids))].sort_values(["id", "question", "index"])
    return {str(k): v["value"].to_numpy(np.float64) for k, v in chosen.groupby("id", sort=False)}
