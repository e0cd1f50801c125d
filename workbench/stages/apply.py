"""Apply: new data through the deployed file, with what the file itself says of its inputs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from workbench.backbones.contract import CONTRACT
from workbench.backbones.contract_rows import check_rows
from workbench.backbones.devices import choose_device
from workbench.backbones.foreign import ForeignBackbone
from workbench.backbones.onnx import OnnxBackbone
from workbench.config import read_resolved
from workbench.data.unlabelled import new_inputs
from workbench.errors import UsageError
from workbench.markup import csv_cell
from workbench.modalities import image, table, text
from workbench.run import CONFIG, Run, write_atomically

_BATCH = 64
_MODALITIES = {"image": image, "table": table, "text": text}
_WRITERS = (".csv", ".parquet")


def predict_new(
    run: str | Path, source: str | Path, *, device: str = "auto", out: str | Path | None = None
) -> list[dict[str, Any]]:
    """Predictions for a file or folder of new inputs: one mapping each, with id and scores.

    Text: a table with the text column of the run, or a plain `.txt` with one text a line.
    Pictures: one file or a folder. Tables: a file with the run's columns.

    Args:
        out: a `.csv` or `.parquet` file to write them to. In a CSV, what a spreadsheet would take for a
            formula begins with an apostrophe.

    Raises:
        DataError: nothing is there, a column is missing, or a row cannot be used.
        UsageError: `out` is neither a CSV nor a Parquet file.
    """
    out = None if out is None else Path(out)
    if out is not None and out.suffix.lower() not in _WRITERS:
        raise UsageError(f"--out {out}: the file's kind is not known", hint=f"allowed are {' and '.join(_WRITERS)}")
    opened = Run.open(run)
    file = opened.path / "onnx" / "model.onnx"
    audited = file.with_name(CONTRACT).is_file()
    config = read_resolved(opened.path / CONFIG)
    backbone: Any = ForeignBackbone(file, device=device) if audited else _open(file, device, config.predict.gpu)
    labels, preparation, data = backbone.metadata["labels"], backbone.preparation, config.data
    ids, inputs = new_inputs(Path(source), data, preparation.modality, getattr(preparation, "columns", ()))
    if audited:
        check_rows(backbone.contract, zip(ids, inputs, strict=True))
    encoded = _MODALITIES[preparation.modality].encode(inputs, preparation)
    order = np.argsort(encoded.lengths, kind="stable")
    parts = [backbone.outputs(encoded.batch(order[i : i + _BATCH])) for i in range(0, len(order), _BATCH)]
    scores = np.concatenate(parts).astype(np.float64)[np.argsort(order, kind="stable")]
    thresholds = backbone.metadata.get("thresholds")
    if thresholds:
        rows = _label_sets(ids, scores, labels, np.array(thresholds), data.label_separator)
    else:
        rows = _classes(ids, scores, labels) if labels else _values(ids, scores)
    if out is not None:
        _write(rows, out)
    return rows


def _open(file: Path, device: str, gpu: str) -> OnnxBackbone:
    """The deployed file, on a GPU as the run's config says; the plain way needs no torch."""
    if gpu == "plain" or choose_device(device) == "cpu":
        return OnnxBackbone(file, device=device)
    from workbench.backbones.onnx_gpu import opened

    return opened(file, device, gpu)


def _classes(ids: tuple[str, ...], scores: np.ndarray, labels: list[str]) -> list[dict[str, Any]]:
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    return [
        {"id": i, "predicted": labels[int(s.argmax())]}
        | {f"score.{label}": float(v) for label, v in zip(labels, p, strict=True)}
        for i, s, p in zip(ids, scores, probabilities, strict=True)
    ]


def _label_sets(
    ids: tuple[str, ...], scores: np.ndarray, labels: list[str], thresholds: np.ndarray, separator: str
) -> list[dict[str, Any]]:
    """All labels of a row in one cell, as the data is read that the model learnt from."""
    probabilities = expit(scores)
    given = probabilities >= thresholds
    return [
        {"id": i, "predicted": separator.join(n for n, y in zip(labels, yes, strict=True) if y)}
        | {f"score.{label}": float(v) for label, v in zip(labels, p, strict=True)}
        for i, yes, p in zip(ids, given, probabilities, strict=True)
    ]


def _values(ids: tuple[str, ...], scores: np.ndarray) -> list[dict[str, Any]]:
    return [{"id": i, "value": float(s[0])} for i, s in zip(ids, scores, strict=True)]


def _write(rows: list[dict[str, Any]], out: Path) -> None:
    frame = pd.DataFrame(rows)
    if out.suffix.lower() == ".csv":
        safe = frame.rename(columns=csv_cell).map(csv_cell)
        write_atomically(out, safe.to_csv(index=False).encode())
        return
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    write_atomically(out, sink.getvalue())
