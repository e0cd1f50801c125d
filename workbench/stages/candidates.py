"""Which of the exporters' files of one model is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import ExportError
from workbench.stages.session import Session

FASTEST = "fastest"
# Another file must be this much faster than the canonical one: less is within what two runs of the
# same machine differ by, and a run made again should keep the same file.
MARGIN = 0.15
_SECONDS = 0.4  # a file and number of examples


def write_model(
    session: Session, tuned: Any, example: Mapping[str, np.ndarray], metadata: Mapping[str, Any], encoded: Any
) -> tuple[bytes, dict[str, Any]]:
    """The model's file by the exporter that `[export] candidate` names, or by the fastest of them.

    Returns:
        The bytes, and for parity.json `candidate`, `exporter` and `opset`.

    Raises:
        ExportError: the named exporter cannot write the model, or none can.
    """
    from workbench.backbones.candidates import CANONICAL, NAMES, candidates, write_candidate

    wanted, opset = session.config.export.candidate, session.config.export.opset
    if wanted != FASTEST:
        content = write_candidate(wanted, tuned, example, metadata, opset)
        return content, {"candidate": wanted, **_about(content, NAMES[wanted])}
    written: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    for name in candidates(tuned, opset):
        try:
            written[name] = write_candidate(name, tuned, example, metadata, opset)
        except ExportError as e:
            failed[name] = e.message
    if not written:
        raise ExportError(failed[CANONICAL], hint="try another [export] opset")
    order, times = [CANONICAL], {}
    if len(written) > 1:
        times = _times(session, written, encoded)
        order = ranked(times, CANONICAL, MARGIN)
    refused: dict[str, str] = {}
    while len(order) > 1 and (reason := _differs(session, tuned, written[order[0]], encoded)):
        refused[order.pop(0)] = reason
    name = order[0]  # the last one's parity is judged by the caller, as any file's
    tried = {"times_ms": times, "failed": failed, "refused": refused, "margin": MARGIN, "chosen": name}
    session.run.write_json("onnx/candidates.json", tried)
    return written[name], {"candidate": name, **_about(written[name], NAMES[name])}


def ranked(times: Mapping[str, float], canonical: str, margin: float) -> list[str]:
    """Names from the one to try first to the canonical one: what is faster by a clear margin, fastest first.

    Args:
        times: by name, lower is better.
        canonical: what is kept unless another is faster by `margin`, a share of its time.
        margin: see above.
    """
    if canonical not in times:
        return sorted(times, key=lambda n: (times[n], n))
    faster = [n for n in times if n != canonical and times[n] < (1 - margin) * times[canonical]]
    return [*sorted(faster, key=lambda n: (times[n], n)), canonical]


def _times(session: Session, written: Mapping[str, bytes], encoded: Any) -> dict[str, float]:
    """Milliseconds an example, the mean over 1, 8 and 64 at once, all files asked in turn."""
    from workbench.backbones.measuring import SIZES, measure
    from workbench.stages.variants import real_batches

    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        paths = {name: Path(folder) / f"{name}.onnx" for name in written}
        for name, path in paths.items():
            path.write_bytes(written[name])
        found = measure(paths, real_batches(session, encoded), device=session.device, seconds=_SECONDS)
    return {
        name: round(sum(b["p50"] / b["batch"] for b in own["per_batch"]) / len(SIZES), 5) for name, own in found.items()
    }


def _differs(session: Session, tuned: Any, content: bytes, encoded: Any) -> str:
    """Why a file is not the trained model on a few real examples; "" where it is."""
    from workbench.backbones.export import check_parity
    from workbench.backbones.onnx import OnnxBackbone

    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(content)
        rows = session.rows("test")[:64]
        try:
            found = check_parity(
                tuned, OnnxBackbone(path, device=session.device), encoded, rows, session.config.export.tolerance
            )
        except ExportError as e:
            return e.message
    return "" if found["passed"] else f"largest relative difference {found['max_error']:.2e}"


def _about(content: bytes, exporter: str) -> dict[str, Any]:
    from workbench.backbones.onnx_file import check_file

    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(content)
        return {"exporter": exporter.partition(",")[0], "opset": check_file(path).opset}
