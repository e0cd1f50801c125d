"""The model before customisation as a file: faster than torch, and asked without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.backbones.gradients import deployed, proved
from workbench.errors import ExportError
from workbench.explainers import find_method
from workbench.stages.gradients import traced, write_gradients
from workbench.stages.reads import BEFORE
from workbench.stages.session import Session

_ROWS = 64  # examples of its parity: it is looked at, never deployed


def write_before(session: Session, encoded: Any, metadata: Mapping[str, Any], rows: np.ndarray) -> None:
    """Write `base/model.onnx` and `base/explain.onnx` of a run on pictures, with `base/parity.json`.

    Importing torch and transformers takes longer than all that `inspect` does with a picture, and torch answers
    masks at half the speed (docs/benchmarks.md). What is not proved equal is not kept; torch answers in its place.
    Of a text the model before is asked only on demand, and the linear model of a table is made from the training
    rows: neither has such files.

    Args:
        encoded: the examples as the models take them.
        metadata: that of the deployed file.
        rows: examples to compare on.
    """
    for name in BEFORE:
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
    run.write_bytes(BEFORE[0], content)
    parity["gradients"] = write_gradients(session, base, *traces, encoded, rows, folder="base")
    return parity


def facts_before(session: Session) -> dict[str, Any] | None:
    """What is known of the gradients of that file, where it serves every method of the run; None where torch does."""
    run, (model, _, parity) = session.run, BEFORE
    if not run.has(model) or not run.has(parity) or not run.read_json(parity)["passed"]:
        return None
    facts = proved(run, parity)
    offers = {"gradient", *(("layer",) if facts.get("layer") else ())} if facts else set()
    asked = frozenset().union(*(find_method(name).needs for name in session.config.explain.methods))
    return facts if asked - {"score", "picture", "hierarchy"} <= offers else None


def open_before(session: Session) -> Any:
    """The model before, of its file where that serves every method of the run, else torch's."""
    facts = facts_before(session)
    return session.base if facts is None else deployed(session.run.path / "base", session.device, facts)
