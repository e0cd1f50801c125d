"""The torch twin of a foreign file: its graph as torch operators behind the same contract, for gradients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from workbench.backbones.contract import FLOOR, Contract
from workbench.backbones.foreign import LUMA
from workbench.backbones.onnx_to_torch import Graph
from workbench.backbones.torch import TorchBackbone
from workbench.errors import Refusal
from workbench.modalities.table import TablePreparation

_TYPES = {"float64": torch.float64, "int32": torch.int32, "int64": torch.int64}


class Twin(nn.Module):
    """A converted graph that takes what the modality's encoding gives and answers with `.logits`."""

    def __init__(self, graph: Graph, contract: Contract) -> None:
        super().__init__()
        self.graph, self.contract = graph, contract
        self.table = contract.preparation["modality"] == "table"
        if self.table:
            self.columns = [c.name for c in TablePreparation.from_json(contract.preparation).columns]

    def forward(self, **inputs: Tensor) -> Any:
        if self.table:
            return SimpleNamespace(logits=self.from_embedded(self.embed(inputs["numeric"], None)))
        feeds = {}
        for feed in self.contract.feeds:
            value = inputs[feed.takes[0]]
            feeds[feed.name] = self._picture(value) if feed.takes[0] == "pixel_values" else _filled(value, feed)
        return SimpleNamespace(logits=self._scores(feeds))

    def embed(self, numeric: Tensor, categorical: Tensor | None) -> Tensor:
        """The columns one by one: (n, columns, 1)."""
        return numeric[:, :, None]

    def from_embedded(self, x: Tensor) -> Tensor:
        """Scores for columns: (n, columns, 1) to (n, K)."""
        feeds = {}
        for feed in self.contract.feeds:
            own = x[:, [self.columns.index(name) for name in feed.takes], 0]
            flat = len(feed.shape) == 1 and not feed.matrix
            feeds[feed.name] = (own[:, 0] if flat else own).to(_TYPES.get(feed.dtype, torch.float32))
        return self._scores(feeds)

    def get_input_embeddings(self) -> nn.Module:
        """The layer that looks up the tokens."""
        ids = next(f.name for f in self.contract.feeds if f.takes == ("input_ids",))
        name = self.graph.embedding(ids)
        if not name:
            raise Refusal("the file does not look its tokens up in a table of embeddings, so none can be varied")
        return self.graph.get_submodule(name)

    def _picture(self, x: Tensor) -> Tensor:
        if self.contract.channels == "grey":
            x = (x * x.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)
        elif self.contract.channels == "bgr":
            x = x.flip(1)
        if self.contract.layout == "NHWC":
            x = x.permute(0, 2, 3, 1)
        x = x[:, 0] if self.contract.layout == "NHW" else x
        return x.to(torch.float64) if self.contract.feeds[0].dtype == "float64" else x

    def _scores(self, feeds: dict[str, Tensor]) -> Tensor:
        n, step = len(next(iter(feeds.values()))), self.contract.batch
        if step and n != step:  # a graph of a fixed batch may hold that number in its shapes
            parts = [self._scores(_part(feeds, i, step)) for i in range(0, n, step)]
            return torch.cat(parts)[:n]
        rows = torch.cat([out.reshape(n, -1).to(torch.float32) for out in self.graph(**feeds)], dim=1)
        return scores_of(rows, self.contract)


def _part(feeds: dict[str, Tensor], start: int, step: int) -> dict[str, Tensor]:
    found = {}
    for name, value in feeds.items():
        part = value[start : start + step]
        missing = step - len(part)
        found[name] = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing else part
    return found


def _filled(value: Tensor, feed: Any) -> Tensor:
    width = feed.shape[1] if len(feed.shape) > 1 else None
    if width is not None and value.shape[1] < width:
        raise Refusal("the file takes texts of one length only, at which its gradients are not asked")
    return value.to(_TYPES.get(feed.dtype, torch.int64))


def scores_of(rows: Tensor, contract: Contract) -> Tensor:
    """As `foreign.scores_of`, for tensors."""
    kind = contract.kind
    if kind == "probability":
        rows = torch.cat([1 - rows, rows], dim=1)
    if kind == "logit":
        return torch.cat([-rows / 2, rows / 2], dim=1)
    if kind == "sigmoid" and contract.facts.get("several"):
        p = rows.clamp(FLOOR, 1 - FLOOR)
        return torch.log(p) - torch.log1p(-p)
    if kind in ("probabilities", "sigmoid", "probability"):
        return torch.log(rows.clamp(min=FLOOR))
    return rows


def load_twin(path: Path, contract: Contract) -> TorchBackbone:
    """The twin of a file as a backbone with gradients.

    Raises:
        Refusal: the graph or its inputs cannot be converted; the message names the operator.
    """
    modality = contract.preparation["modality"]
    if any(feed.dtype == "str" for feed in contract.feeds):
        raise Refusal("the file takes text, which has no gradient")
    whole = [feed.name for feed in contract.feeds if feed.dtype in ("int32", "int64")]
    if modality == "table" and whole:
        raise Refusal(f"the file takes whole numbers ({', '.join(whole)}), along which there is no gradient")
    graph = Graph(onnx.load(str(path)), contract.read)
    module: Any = Twin(graph, contract).eval()
    if modality == "text":
        module.get_input_embeddings()
    if modality == "table":
        inputs = TablePreparation.from_json(contract.preparation).inputs
    else:
        inputs = tuple(contract.preparation["inputs"])
    head = graph.head
    return TorchBackbone(module, inputs, modality, f"graph.{head}" if head else "", speaks_labels=True)


def check_twin(twin: TorchBackbone, file: Any, encoded: Any, tolerance: float) -> dict[str, Any]:
    """Whether the twin answers as the file does on real examples: the content of twin.json.

    Any failure of the converted graph is a reason of its own, not an error: the file is what is
    audited, and methods that ask it alone go on. Probabilities are compared as such, within a
    tenth of the tolerance.
    """
    worst = worst_absolute = 0.0
    n, contract = len(encoded), twin.module.contract
    likely = contract.kind in ("probabilities", "sigmoid", "probability")
    tolerance = tolerance / 10 if likely else tolerance
    for start in range(0, n, 32):
        batch = encoded.batch(range(start, min(start + 32, n)))
        expected = file.outputs(batch)
        try:
            found = twin.outputs(batch)
        except Refusal:
            raise
        except Exception as e:  # a rule that does not fit the graph may fail in any way
            reason = " ".join(str(e).split())[:200]
            return {
                "passed": False,
                "n": n,
                "reason": f"the converted graph cannot be run: {type(e).__name__}: {reason}",
            }
        if found.shape != expected.shape or not np.isfinite(found).all():
            return {"passed": False, "n": n, "reason": "the converted graph gives other shapes or no finite numbers"}
        if likely:  # in single precision the logarithm of 0.000001 says more of rounding than of the model
            found, expected = (_chances(v, contract) for v in (found, expected))
        worst = max(worst, float(np.max(np.abs(found - expected) / (1 + np.abs(expected)))))
        worst_absolute = max(worst_absolute, float(np.max(np.abs(found - expected))))
    passed = worst <= tolerance
    reason = "" if passed else (
        f"the converted graph differs from the file by {worst:.2g} (relative), more than the {tolerance:g} allowed"
    )  # fmt: skip
    if passed and n:
        reason = why_no_gradient(twin, encoded.batch([0]))
        passed = not reason
    return {
        "passed": passed,
        "n": n,
        "tolerance": tolerance,
        "max_error": worst,
        "max_abs": worst_absolute,
        "reason": reason,
    }


def why_no_gradient(twin: TorchBackbone, one: Mapping[str, np.ndarray]) -> str:
    """Why the answers for one example have no gradient by its coordinates; "" where they have one."""
    x = twin.coordinates(one).detach().clone().requires_grad_(True)
    try:
        with torch.enable_grad():
            answers = twin.from_coordinates(one)(x).sum()
            slope = torch.autograd.grad(answers, x, allow_unused=True)[0] if answers.requires_grad else None
    except Exception as e:  # as above
        return f"the converted graph cannot be run: {type(e).__name__}: {' '.join(str(e).split())[:200]}"
    return "the converted graph rounds or compares its inputs, so it has no gradient" if slope is None else ""


def _chances(scores: np.ndarray, contract: Contract) -> np.ndarray:
    if contract.facts.get("several"):
        return np.asarray(1 / (1 + np.exp(-scores)))
    return np.asarray(np.exp(scores))


class NoTwin:
    """What stands where a file could not be converted: every wish for gradients is refused with the reason."""

    has_attention = False
    module = nn.Identity()

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def coordinates(self, batch: Any) -> Any:
        raise Refusal(self.reason, hint="use a method that asks the file alone: shap or lime")

    from_coordinates = outputs = coordinates
