"""Export: the customised model as one ONNX file, proved equal to the trained one."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from workbench import __version__
from workbench.errors import ExportError
from workbench.stages.before import write_before
from workbench.stages.candidates import write_model
from workbench.stages.gradients import traced, write_gradients
from workbench.stages.reads import BEFORE
from workbench.stages.session import GRAPH, Session, do_stage
from workbench.types import PROBABILITY

_PARITY_EXAMPLES = 512


def export(session: Session) -> bool:
    """Write `onnx/model.onnx`, `onnx/explain.onnx` and `onnx/parity.json`; of pictures the same of the model before.

    Scores over tolerance are an error, never a warning; gradients over it are left to torch.
    """

    def work(entry: dict[str, Any]) -> None:
        from workbench.backbones.export import check_parity
        from workbench.backbones.onnx import OnnxBackbone

        run, config, dataset = session.run, session.config, session.dataset
        tuned, preparation = session.load_tuned()
        encoded = session.encode(preparation)
        metadata = {
            "task": config.task,
            "kind": session.task.kind,
            "labels": list(dataset.labels),
            "target": dataset.target,
            "unit": dataset.unit,
            "preparation": preparation.to_json(),
            "workbench": __version__,
            "data_sha256": session.sha256,
        }
        thresholds = session.thresholds("tuned")
        if thresholds is not None:
            metadata["thresholds"] = thresholds.tolist()
        content, written, traces = _write(session, tuned, encoded, metadata)
        rows = parity_rows(session)
        partial = run.path / "onnx" / ".model.partial.onnx"
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            parity = check_parity(
                tuned,
                OnnxBackbone(partial, device=session.device),
                encoded,
                rows,
                config.export.tolerance,
                thresholds,
            )
        finally:
            partial.unlink(missing_ok=True)
        parity |= {
            **written,
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "parameters": tuned.parameters,
        }
        if not parity["passed"]:
            raise ExportError(
                f"the ONNX file is not the trained model: largest relative difference {parity['max_error']:.2e} "
                f"over {parity['tolerance']:.0e}, same label on {parity['label_agreement']['agree']} of {parity['n']}",
                hint="try another [export] opset; the file was not kept",
            )
        run.write_bytes("onnx/model.onnx", content)
        parity["gradients"] = write_gradients(session, tuned, *traces, encoded, rows)
        run.write_json("onnx/parity.json", parity)
        run.write_json("onnx/providers.json", session.onnx.describe())
        write_before(session, encoded, metadata, rows)

    outputs = ("onnx/model.onnx", GRAPH, "onnx/parity.json", "onnx/providers.json", *BEFORE)
    always = BEFORE[-1:] if session.task.modality_name == "image" else ()
    return do_stage(session, "export", work, outputs, always=always)


def _write(
    session: Session, tuned: Any, encoded: Any, metadata: dict[str, Any]
) -> tuple[bytes, dict[str, Any], tuple[Any, dict[str, Any], str]]:
    """The file's bytes; what wrote them: `exporter`, `opset`, `candidate`; what its gradient graph is made of."""
    opset = session.config.export.opset
    if session.uses_estimator:
        from workbench.backbones.estimator_export import export_estimator

        if tuned.link.in_probability:  # its scores are logarithms of what its trees add up to
            metadata = {**metadata, "asked_in": PROBABILITY}
        written = {"opset": opset, "exporter": "onnx, from the trees as arrays"}
        none: tuple[Any, dict[str, Any], str] = None, {}, "trees have no gradient: their answer steps"
        return export_estimator(tuned, metadata, opset), written, none
    from workbench.backbones.export import tracing_batch

    example = tracing_batch(encoded, session.task.modality_name)
    traces = traced(session, tuned, example, encoded)
    return *write_model(session, tuned, example, metadata, encoded), traces


def parity_rows(session: Session) -> np.ndarray:
    """The examples of the parity check: of the test split, filled up from the others to 256."""
    rows = session.rows("test")[:_PARITY_EXAMPLES]
    if len(rows) < 256:
        others = np.concatenate([session.rows("validation"), session.rows("train")])
        rows = np.concatenate([rows, others[: 256 - len(rows)]])
    return rows
