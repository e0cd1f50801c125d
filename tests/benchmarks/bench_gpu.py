"""On a GPU, in one run: torch eager, torch.compile, plain ONNX Runtime, ours, and explanation against the bare forward.

python tests/benchmarks/bench_gpu.py [--seconds 2] [--tensorrt FOLDER]

Needs a CUDA device. "Ours" keeps inputs and scores in buffers on the device and replays one CUDA graph
for each shape. The goals: at least 2.5 times torch eager fp32 at batch 64, at parity (1e-3, TF32 off),
and masked pictures at no more than 1.3 times the bare forward pass.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_onnx import minilm, resnet

from workbench.backbones.devices import cuda_devices, missing_for_cuda
from workbench.backbones.export import export_onnx, tracing_batch
from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.onnx_gpu import BoundBackbone

SIZES = (1, 8, 64)


def timed(ways: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Median seconds of each way, asked in turn; the device is waited for."""
    for way in ways.values():
        for _ in range(3):
            way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    deadline = time.perf_counter() + seconds * len(ways)
    while time.perf_counter() < deadline:
        for name, way in ways.items():
            torch.cuda.synchronize()
            begun = time.perf_counter()
            way()
            torch.cuda.synchronize()
            times[name].append(time.perf_counter() - begun)
    return {name: float(np.median(t)) for name, t in times.items()}


def bench(name: str, seconds: float, folder: Path, tensorrt: Path | None) -> None:
    backbone, encoded = {"minilm": minilm, "resnet": resnet}[name]()
    path = folder / f"{name}.onnx"
    path.write_bytes(export_onnx(backbone, tracing_batch(encoded, backbone.modality), {}, 20))
    backbone.to("cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    fast = torch.compile(backbone.module, dynamic=False)
    plain, ours = OnnxBackbone(path, device="cuda"), BoundBackbone(path, device="cuda", graphs=True)
    engines = BoundBackbone(path, device="cuda", tensorrt=tensorrt) if tensorrt else None
    print(plain.describe()["text"])

    @torch.inference_mode()
    def compiled(batch: dict[str, np.ndarray]) -> np.ndarray:
        found: np.ndarray = fast(**backbone.tensors(batch)).logits.cpu().numpy()
        return found

    for size in SIZES:
        batch = encoded.batch(np.arange(size))
        expected = backbone.outputs(batch)
        error = float(np.max(np.abs(ours.outputs(batch) - expected) / (1 + np.abs(expected))))
        ways = {
            "torch eager": lambda b=batch: backbone.outputs(b),
            "torch.compile": lambda b=batch: compiled(b),
            "ONNX Runtime": lambda b=batch: plain.outputs(b),
            "ours": lambda b=batch: ours.outputs(b),
        }
        if engines is not None:
            ways["ours, TensorRT"] = lambda b=batch: engines.outputs(b)
        found = timed(ways, seconds)
        for way, took in found.items():
            ratio = found["torch eager"] / took
            print(f"{name:<8} {size:>4}  {way:<15} {size / took:>10.1f} a second {ratio:>6.2f} x eager")
        print(f"{name:<8} {size:>4}  largest relative difference to torch {error:.1e}")
    if name == "resnet":
        explanation(encoded, ours, seconds)


def explanation(encoded: Any, ours: BoundBackbone, seconds: float) -> None:
    """64 masked pictures, composed on the device, against the same number of pictures that lie there."""
    picture = torch.from_numpy(encoded.batch(np.array([0]))["pixel_values"][0]).cuda()
    label = (torch.arange(224 * 224, device="cuda") % 49).reshape(224, 224)
    masks = np.random.default_rng(0).random((64, 49)) < 0.5
    whole = {"pixel_values": picture[None].repeat(64, 1, 1, 1)}
    filler = torch.zeros_like(picture)
    found = timed(
        {
            "bare forward": lambda: ours.outputs_of(whole),
            "masked": lambda: ours.masked_pictures(masks, label, picture, filler),
        },
        seconds,
    )
    print(f"explanation: {found['masked'] / found['bare forward']:.2f} x the bare forward pass")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--tensorrt", type=Path, default=None)
    asked = parser.parse_args()
    if not cuda_devices():
        print(f"not measured, no CUDA device was found: {'; '.join(missing_for_cuda())}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("minilm", "resnet"):
            bench(name, asked.seconds, Path(folder), asked.tensorrt)
    return 0


if __name__ == "__main__":
    sys.exit(main())
