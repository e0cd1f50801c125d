"""How predictions, measures and attributions lie on disk; see docs/artefacts.md."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import ArtefactError
from workbench.locking import cannot_write
from workbench.run import Run
from workbench.spool import Items, Partial, Tensors
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
    except (KeyError, TypeError, ValueError, pa.ArrowException) as e:  # ValueError: no UTF-8, no JSON
        raise ArtefactError(
            f"{run.path / model / 'predictions.parquet'} {'lacks' if isinstance(e, KeyError) else 'is damaged:'} {e}",
            hint="run `workbench predict` again",
        ) from None
    return ClassScores(ids, splits, targets, logits, labels, groups)


def write_measures(run: Run, model: str, measures: Sequence[Measure]) -> None:
    """Write `<model>/metrics.json`; values that are not finite become null with a reason."""
    run.write_json(f"{model}/metrics.json", [finite(dataclasses.asdict(m)) for m in measures])


def finite(value: Any) -> Any:
    """A JSON-able copy: numpy numbers as Python's, NaN and infinity as None."""
    if value is None or type(value) in (str, bool, int):  # most are: the rest is asked one after the other
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    return finite(value.tolist()) if isinstance(value, np.ndarray) else value


_SCHEMA = pa.schema(
    [("id", pa.string()), ("question", pa.string()), ("feature", pa.string()), ("index", pa.int32())]
    + [(name, pa.float64()) for name in ("value", "low", "high")]
)
_AT_ONCE = 1 << 13  # rows of features that are kept until they are written


class AttributionWriter:
    """One explainer's answers, written as they come: `.parquet` by feature, `.json` by case, `.safetensors` maps.

    Nothing appears under its name before `close`; call `discard` whatever happens.

    Args:
        run: where.
        model: whose folder.
        facts: those of the whole file: explainer, title, caption, filler, unit, library.
        folder: within the model's.
    """

    def __init__(self, run: Run, model: str, facts: Mapping[str, Any], *, folder: str = "attributions") -> None:
        self._facts = finite(facts)
        stem = run.path / model / folder
        self._paths = {kind: stem / f"{facts['explainer']}.{kind}" for kind in ("parquet", "json", "safetensors")}
        self._cases, self._maps = Items(self._paths["json"], "cases"), Tensors(self._paths["safetensors"])
        self._partial = Partial(self._paths["parquet"])
        schema = _SCHEMA.with_metadata({"workbench": json.dumps(self._facts, ensure_ascii=False)})
        self._waiting: list[list[Any]] = [[] for _ in _SCHEMA]  # columns
        self._table: Any = None  # where it could not be opened
        with self._named():
            self._table = pq.ParquetWriter(self._partial.path, schema, compression="zstd")

    def add(self, a: Attribution) -> None:
        """The next answer."""
        m = len(a.features)
        columns = [
            [a.example_id] * m,
            [a.question.id] * m,
            [f.name for f in a.features],
            range(m),
            *([None] * m if v is None else np.asarray(v, dtype=np.float64).tolist() for v in (a.values, a.low, a.high)),
        ]
        for waiting, column in zip(self._waiting, columns, strict=True):
            waiting += column
        if len(self._waiting[0]) >= _AT_ONCE:
            self._flush()
        case = {
            "question": a.question.id,
            "base_score": a.base_score,
            "score": a.score,
            "gap": a.gap,
            "evaluations": a.evaluations,
            "seed": a.seed,
            "params": dict(a.params),
        }
        self._cases.add(finite(case), a.example_id)
        if a.dense is not None:
            self._maps.add(a.example_id, np.asarray(a.dense, dtype=np.float32))

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Within, a disk that is full or read-only is said to be so; nothing half-written stays."""
        try:
            yield
        except OSError as e:
            self.discard()
            refused = cannot_write(self._paths["parquet"], e)
            raise refused from e

    def _flush(self) -> None:
        if self._waiting[0]:
            arrays = [pa.array(c, type=f.type) for c, f in zip(self._waiting, _SCHEMA, strict=True)]
            with self._named():
                self._table.write_table(pa.table(arrays, schema=self._table.schema))
        self._waiting = [[] for _ in _SCHEMA]

    def close(self) -> None:
        """Put the files in their places."""
        self._flush()
        with self._named():
            self._table.close()
        self._partial.place()
        self._cases.close(self._facts, named=True)
        if len(self._maps):
            self._maps.close()

    def discard(self) -> None:
        """Leave nothing behind that is not in its place."""
        if self._table is not None:
            with contextlib.suppress(OSError):
                self._table.close()
        self._partial.discard()
        self._cases.discard()
        self._maps.discard()


def write_attributions(
    run: Run, model: str, facts: Mapping[str, Any], found: Sequence[Attribution], *, folder: str = "attributions"
) -> None:
    """Write one explainer's answers at once; see `AttributionWriter`."""
    writer = AttributionWriter(run, model, facts, folder=folder)
    try:
        for attribution in found:
            writer.add(attribution)
        writer.close()
    finally:
        writer.discard()


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
