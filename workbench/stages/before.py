"""The model before customisation as a file: what it says of a picture is asked without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.errors import ExportError
from workbench.stages.gradients import traced, write_gradients
from workbench.stages.session import Session

FILES = ("base/model.onnx", "base/explain.onnx", "base/parity.json")
_ROWS = 64  # examples of its parity: it is looked at, never deployed


def write_before(session: Session, encoded: Any, metadata: Mapping[str, Any], rows: np.ndarray) -> None:
    """Write `base/model.onnx` and `base/explain.onnx` of a run on pictures, with `base/parity.json`.

    Importing torch and transformers takes longer than all that `inspect` does with a picture. What is not proved
    equal is not kept; torch answers in its place. Of a text the model before is asked only on demand, and the
    linear model of a table is made from the training rows: neither has such files.

    Args:
        encoded: the examples as the models take them.
        metadata: that of the deployed file.
        rows: examples to compare on.
    """
    for name in FILES:
        (session.run.path / name).unlink(missing_ok=True)
    if session.task.modality_name != "image":
        return
    try:
        parity = _written(session, encoded, {k: v for k, v in metadata.items() if k != "thresholds"}, rows[:_ROWS])
    except ExportError as e:
        parity = {"passed": False, "reason": e.message}
    session.run.write_json("base/parity.json", parity)


def _written(session: Session, encoded: Any, metadata: Mapping[str, Any], rows: np.ndarray) -> dict[str, Any]:
    from workbench.backbones.export import check_parity, export_onnx, tracing_batch
    from workbench.backbones.onnx import OnnxBackbone

    run, settings, base = session.run, session.config.export, session.base
    example = tracing_batch(encoded, session.task.modality_name)
    traces = traced(session, base, example, encoded)
    content = export_onnx(base, example, metadata, settings.opset)
    partial = run.path / "base" / ".model.partial.onnx"
    partial.parent.mkdir(exist_ok=True)  # of a whole checkpoint nothing was kept there
    try:
        partial.write_bytes(content)
        file = OnnxBackbone(partial, device=session.device)
        parity = check_parity(base, file, encoded, rows, settings.tolerance, session.thresholds("base"))
    finally:
        partial.unlink(missing_ok=True)
    if not parity["passed"]:
        return parity | {"reason": f"largest relative difference {parity['max_error']:.1e}"}
    run.write_bytes(FILES[0], content)
    parity["gradients"] = write_gradients(session, base, *traces, encoded, rows, folder="base")
    return parity
