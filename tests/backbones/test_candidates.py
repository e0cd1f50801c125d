"""Each known way to write a transformer gives the same model; what cannot be written says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from workbench.backbones.candidates import CANONICAL, candidates, write_candidate
from workbench.backbones.export import check_parity, tracing_batch
from workbench.backbones.onnx import OnnxBackbone
from workbench.errors import ExportError


def test_every_candidate_is_the_model(tmp_path: Path) -> None:
    backbone, preparation = tiny.load("bert")
    encoded = tiny.modality("bert").encode(tiny.inputs("bert", 70), preparation)
    before = backbone.module.config._attn_implementation
    assert before == "eager"  # the gradient graph needs separate products
    names = candidates(backbone, 20)
    assert names == (CANONICAL, "dynamo-23", "fused-17")
    attention = {}
    for name in names:
        facts = {"preparation": preparation.to_json()}
        content = write_candidate(name, backbone, tracing_batch(encoded, "text"), facts, 20)
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        file = OnnxBackbone(path, device="cpu")
        found = check_parity(backbone, file, encoded, np.arange(70), 1e-4)
        assert found["passed"], (name, found)
        assert file.preparation == preparation
        attention[name] = sum(n for (_, kind), n in file.contents.operators.items() if "Attention" in kind)
    assert attention["dynamo"] == 0 and attention["dynamo-23"] == attention["fused-17"] == 2  # one a layer
    assert backbone.module.config._attn_implementation == before  # put back as it was


def test_models_without_attention_have_one_candidate() -> None:
    backbone, _ = tiny.load("resnet")
    assert candidates(backbone, 20) == (CANONICAL,)
    with pytest.raises(ExportError, match="fuses no models of type 'resnet'"):
        write_candidate("fused-17", backbone, {}, {}, 20)
    with pytest.raises(ExportError, match="no export candidate"):
        write_candidate("nothing", backbone, {}, {}, 20)
