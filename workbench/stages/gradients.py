"""Export's second file: the gradient graph, kept where it is proved equal, else the reason why there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import ExportError, StageError
from workbench.stages.session import Session

_EXAMPLES = 64


def traced(session: Session, tuned: Any, example: Any, encoded: Any) -> tuple[Any, dict[str, Any], str]:
    """The model traced once for both files: graph, facts of the gradient graph, and why it can have none."""
    from workbench.backbones.export import trace
    from workbench.backbones.narrowing import narrowed
    from workbench.backbones.taps import facts_of, taps_of

    opset, reason = session.config.export.opset, ""
    try:
        taps = taps_of(tuned, encoded)
        tuned.traced[opset] = trace(tuned, example, opset, taps)
        return narrowed(tuned.traced[opset]), facts_of(tuned, taps), ""
    except Exception as e:  # whatever it is, the model itself may still be exported
        reason = e.message if isinstance(e, ExportError) else f"{type(e).__name__}: {' '.join(str(e).split())[:200]}"
    return None, {}, reason


def write_gradients(
    session: Session,
    tuned: Any,
    graph: Any,
    facts: dict[str, Any],
    reason: str,
    encoded: Any,
    rows: np.ndarray,
    *,
    folder: str = "onnx",
) -> dict[str, Any]:
    """Write `onnx/explain.onnx` where its gradients are those of autograd; the content of `gradients` in parity.json.

    `model.onnx` has to be there in the same folder of the run. What cannot be differentiated is no error: gradients
    then come from torch, and the report says why.
    """
    target = session.run.path / folder / "explain.onnx"
    target.unlink(missing_ok=True)
    if reason:
        return {"passed": False, "reason": reason}
    partial = target.with_name(".explain.partial.onnx")
    try:
        found, content = _proved(session, tuned, graph, facts, encoded, rows, partial)
    except (ExportError, StageError) as e:
        return {"passed": False, "reason": e.message}
    finally:
        partial.unlink(missing_ok=True)
    if found["passed"]:
        session.run.write_bytes(f"{folder}/{target.name}", content)
    return found


def _proved(
    session: Session, tuned: Any, graph: Any, facts: dict[str, Any], encoded: Any, rows: np.ndarray, partial: Path
) -> tuple[dict[str, Any], bytes]:
    """What was found out about the gradient graph, and its bytes."""
    from workbench.backbones.gradient_graph import gradient_graph
    from workbench.backbones.gradient_parity import check_gradients, check_layer
    from workbench.backbones.gradients import GradientBackbone

    content = gradient_graph(graph, facts["coordinates"], facts)
    facts = facts | {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    partial.write_bytes(content)
    deployed = GradientBackbone(partial.with_name("model.onnx"), partial, facts, device=session.device)
    found = facts | check_gradients(tuned, deployed, encoded, rows[:_EXAMPLES], session.config.seed)
    if facts["layer"] and not check_layer(tuned, deployed, encoded, rows[:4]):
        found["layer"] = ""
    if not found["passed"]:
        found["reason"] = _reason(found)
    return found, content


def _reason(found: dict[str, Any]) -> str:
    """Why the gradients were not proved equal."""
    lost = found["at_kinks"] - found["agree_beside"]
    if found["max_error"] <= found["tolerance"] and found["binding"]["correlation"] >= found["binding"]["least"]:
        return (
            f"its gradients could not be told from wrong ones: at {lost} of {found['n']} examples autograd's own "
            "gradient jumps, and close beside them the two do not agree either"
        )
    return (
        f"its gradients are not those of autograd: largest relative difference {found['max_error']:.1e}, allowed "
        f"{found['tolerance']:.0e}; correlation with central differences {found['binding']['correlation']:.4f}"
    )
