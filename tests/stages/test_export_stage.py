"""One weight of the deployed file is changed: parity, the manifest and the gate all refuse it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from runs import copy_of
from typer.testing import CliRunner

from workbench.backbones.export import check_parity
from workbench.backbones.onnx import OnnxBackbone
from workbench.cli import app
from workbench.run import Run
from workbench.stages.export import parity_rows
from workbench.stages.session import Session


def tamper(path: Path) -> None:
    """Change the one largest number of the first product's weights."""
    model = onnx.load(path)
    weight = max(
        (w for w in model.graph.initializer if len(w.dims) > 1 and w.data_type == onnx.TensorProto.FLOAT),
        key=lambda w: float(np.abs(numpy_helper.to_array(w)).max()),
    )
    values = numpy_helper.to_array(weight).copy()
    values.flat[np.abs(values).argmax()] *= -3
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    path.write_bytes(model.SerializeToString(deterministic=True))


@pytest.fixture
def tampered(tmp_path: Path) -> Run:
    run = copy_of("classes", tmp_path)
    session = Session.open(run.path, device="cpu")
    tuned, preparation = session.load_tuned()
    encoded, rows = session.encode(preparation), parity_rows(session)
    path = run.path / "onnx" / "model.onnx"
    assert check_parity(tuned, OnnxBackbone(path, device="cpu"), encoded, rows, 1e-4)["passed"]
    assert CliRunner().invoke(app, ["verify", str(run.path)]).exit_code == 0
    tamper(path)
    found = check_parity(tuned, OnnxBackbone(path, device="cpu"), encoded, rows, 1e-4)
    assert not found["passed"] and found["max_error"] > 1e-3
    return run


def test_parity_verify_and_gate_refuse_a_tampered_weight(tampered: Run, tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["verify", str(tampered.path)])
    assert refused.exit_code == 1
    assert "onnx/model.onnx has changed" in refused.output
    policy = tmp_path / "policy.toml"
    policy.write_text("[parity]\nrequired = true\n", encoding="utf-8")
    judged = CliRunner().invoke(app, ["gate", str(tampered.path), "--policy", str(policy)])
    assert judged.exit_code == 1
    assert "onnx/model.onnx" in judged.output
