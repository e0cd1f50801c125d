"""Apply: new data through the deployed file, with what the file itself says of its inputs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.backbones.onnx import OnnxBackbone
from workbench.data.tables import read_table
from workbench.errors import DataError
from workbench.run import Run, write_atomically
from workbench.types import Column

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
_BATCH = 64


def predict_new(
    run: str | Path, source: Path, *, device: str = "auto", out: Path | None = None
) -> list[dict[str, Any]]:
    """Predictions for a file or folder of new inputs: one mapping each, with id and scores.

    Text: a table with the text column of the run, or a plain `.txt` with one text a line.
    Pictures: one file or a folder. Tables: a file with the run's columns.

    Raises:
        DataError: nothing is there, or a column is missing.
    """
    opened = Run.open(run)
    backbone = OnnxBackbone(opened.path / "onnx" / "model.onnx", device=device)
    facts, preparation = backbone.metadata, backbone.preparation
    if not source.exists():
        raise DataError(f"no data at {source}", hint="give a file or a folder")
    ids, inputs = _read(opened, source, preparation)
    if not inputs:
        raise DataError(f"{source} holds no inputs")
    from workbench.modalities import image, table, text

    encoded = {"image": image, "table": table, "text": text}[preparation.modality].encode(inputs, preparation)
    order = np.argsort(encoded.lengths, kind="stable")
    parts = [backbone.outputs(encoded.batch(order[i : i + _BATCH])) for i in range(0, len(order), _BATCH)]
    scores = np.concatenate(parts).astype(np.float64)[np.argsort(order, kind="stable")]
    if facts["labels"]:
        exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = exponents / exponents.sum(axis=1, keepdims=True)
        rows = [
            {"id": i, "predicted": facts["labels"][int(p.argmax())]}
            | {f"score.{label}": float(v) for label, v in zip(facts["labels"], p, strict=True)}
            for i, p in zip(ids, probabilities, strict=True)
        ]
    else:
        rows = [{"id": i, "value": float(s[0])} for i, s in zip(ids, scores, strict=True)]
    if out is not None:
        _write(rows, out)
    return rows


def _read(run: Run, source: Path, preparation: Any) -> tuple[list[str], list[Any]]:
    if preparation.modality == "image":
        files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.suffix.lower() in PICTURES)
        root = source.parent if source.is_file() else source
        return [p.relative_to(root).as_posix() for p in files], list(files)
    if preparation.modality == "text" and source.suffix == ".txt":
        lines = [line for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [str(i + 1) for i in range(len(lines))], lines
    from workbench.config import read_config

    data = read_config(run.path / "config.toml").data
    table = read_table(source, delimiter=data.delimiter, encoding=data.encoding)
    columns = table.columns
    there = f"it has: {', '.join(columns)}"
    ids = [str(v) for v in columns[data.id]] if data.id in columns else [str(i + 1) for i in range(len(table))]
    if preparation.modality == "text":
        name = data.text or "text"
        if name not in columns:
            raise DataError(f"{source} has no column {name!r}", hint=there)
        return ids, [str(v) for v in columns[name]]
    missing = [c.name for c in preparation.columns if c.name not in columns]
    if missing:
        raise DataError(f"{source} has no column {missing[0]!r}", hint=there)
    return ids, [
        {c.name: _cell(columns[c.name][i], c, table.row(i)) for c in preparation.columns} for i in range(len(table))
    ]


def _cell(value: Any, column: Column, where: str) -> float | str | None:
    """A cell as the model takes it; empty ones are missing."""
    if value is None or value != value or value == "":
        return None
    if column.kind == "categorical":
        return str(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(f"{where}, column {column.name!r}: {value!r} is not a number") from None


def _write(rows: list[dict[str, Any]], out: Path) -> None:
    frame = pd.DataFrame(rows)
    if out.suffix == ".csv":
        write_atomically(out, frame.to_csv(index=False).encode())
        return
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    write_atomically(out, sink.getvalue())
