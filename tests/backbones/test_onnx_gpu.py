"""Buffers that stay bound give what the plain path gives; on CUDA too, where there is one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from workbench.backbones import onnx_gpu
from workbench.backbones.devices import cuda_devices
from workbench.backbones.export import export_onnx, tracing_batch
from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.onnx_gpu import BoundBackbone
from workbench.errors import ArtefactError, StageError


class Made:
    def __init__(self, name: str, folder: Path) -> None:
        self.torch, self.preparation = tiny.load(name)
        self.encoded = tiny.modality(name).encode(tiny.inputs(name, 40), self.preparation)
        facts = {"preparation": self.preparation.to_json()}
        self.path = folder / "m.onnx"
        self.path.write_bytes(export_onnx(self.torch, tracing_batch(self.encoded, self.torch.modality), facts, 20))


@pytest.fixture(scope="module", params=["bert", "resnet"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(request.param, tmp_path_factory.mktemp("gpu"))


@pytest.mark.parametrize("graphs", [False, True])  # True: batches are filled up to buckets
def test_bound_buffers_give_what_the_plain_path_gives(made: Made, graphs: bool) -> None:
    plain, bound = OnnxBackbone(made.path, device="cpu"), BoundBackbone(made.path, device="cpu", graphs=graphs)
    for rows in ([0], [1, 2, 3], range(40), [5, 1, 0], [0]):  # shapes come again, with other contents
        batch = made.encoded.batch(np.array(rows))
        found = bound.outputs(batch)
        np.testing.assert_allclose(found, plain.outputs(batch), rtol=1e-5, atol=1e-5)
        again = found.copy()
        bound.outputs(made.encoded.batch(np.array(rows)[::-1]))
        np.testing.assert_array_equal(found, again)  # what was handed out is no view of a buffer
    assert len(bound._shapes) >= 2


def test_tensors_are_bound_where_they_lie(made: Made) -> None:
    bound = BoundBackbone(made.path, device="cpu")
    batch = made.encoded.batch(np.arange(7))
    found = bound.outputs_of({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in batch.items()})
    np.testing.assert_allclose(found.numpy(), bound.outputs(batch), rtol=1e-5, atol=1e-5)
    with pytest.raises(StageError, match="lie on meta"):
        bound.outputs_of({k: torch.empty(v.shape, device="meta") for k, v in batch.items()})


def test_what_is_wrong_is_named_as_on_the_plain_path(made: Made) -> None:
    bound = BoundBackbone(made.path, device="cpu")
    with pytest.raises(ArtefactError, match="asks for the input"):
        bound.outputs({"x": np.zeros((1, 2))})
    name = bound.inputs[0]
    wrong = {k: v[..., :0] for k, v in made.encoded.batch(np.arange(2)).items()}
    with pytest.raises(StageError, match=f"could not run.*{name}"):
        bound.outputs(wrong)


def test_pictures_are_hidden_on_the_device_as_by_hand(tmp_path: Path) -> None:
    made = Made("resnet", tmp_path)
    bound, rng = BoundBackbone(made.path, device="cpu"), np.random.default_rng(0)
    picture = made.encoded.batch(np.array([0]))[bound.inputs[0]][0]
    filler = np.zeros_like(picture)
    label = np.arange(picture.shape[1] * picture.shape[2]).reshape(picture.shape[1:]) % 5
    masks = rng.random((6, 5)) < 0.5
    by_hand = np.stack([np.where(m[label], picture, filler) for m in masks])
    found = bound.masked_pictures(masks, *(torch.from_numpy(v) for v in (label, picture, filler)))
    expected = OnnxBackbone(made.path, device="cpu").outputs({bound.inputs[0]: by_hand})
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("how", ["plain", "graphs", "tensorrt"])
def test_a_run_says_how_a_gpu_runs_its_file(made: Made, how: str, tmp_path: Path, monkeypatch: Any) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(onnx_gpu, "BoundBackbone", lambda path, **options: asked.update(options, path=path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    onnx_gpu.opened(made.path, "cuda", how)
    assert (asked["path"], asked["device"]) == (made.path, "cuda")
    assert asked.get("graphs", False) == (how == "graphs")
    engines = asked.get("tensorrt")
    assert (engines is not None) == (how == "tensorrt")
    if engines is not None:
        assert engines.is_dir() and engines.parent == tmp_path / "workbench" / "tensorrt"
        assert engines.name == hashlib.sha256(made.path.read_bytes()).hexdigest()[:16]


@pytest.mark.gpu
@pytest.mark.skipif(not cuda_devices(), reason="no CUDA device is here")
@pytest.mark.parametrize("graphs", [False, True])
def test_cuda_equals_the_cpu(made: Any, graphs: bool) -> None:
    plain = OnnxBackbone(made.path, device="cpu")
    bound = BoundBackbone(made.path, device="cuda", graphs=graphs)
    assert bound.describe()["fell_back"] == []
    for rows in ([0], range(40), [3, 1], range(40), [0]):
        batch = made.encoded.batch(np.array(rows))
        expected = plain.outputs(batch)
        assert np.max(np.abs(bound.outputs(batch) - expected) / (1 + np.abs(expected))) < 1e-3  # TF32 is off
    tensors = {k: torch.from_numpy(v).cuda() for k, v in batch.items()}
    assert torch.allclose(bound.outputs_of(tensors).cpu(), torch.from_numpy(expected), rtol=1e-3, atol=1e-3)
