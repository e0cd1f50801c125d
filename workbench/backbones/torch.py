"""A torch model as a backbone: outputs, the inputs of its head, and its continuous coordinates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from workbench.backbones.gradients import pooled
from workbench.backbones.saving import saving
from workbench.errors import ArtefactError, ConfigError, Refusal


@dataclass
class TorchBackbone:
    """A model whose `module(**inputs).logits` is (n, K).

    Attributes:
        module: the network.
        inputs: names of its inputs, in the order of the ONNX file's.
        modality: "text", "image" or "table".
        head: dotted name of the layer that gives the scores.
        fresh: names of the parameters that no pretraining has touched.
        facts: what a report says of it: source, class, hash, whether user code ran.
        companions: files that belong into the checkpoint beside the weights (tokenizer, ...).
        speaks_labels: whether the backbone's own head already gives the task's labels.
    """

    module: Any  # an nn.Module; its attributes are those of many classes
    inputs: tuple[str, ...]
    modality: str
    head: str
    fresh: frozenset[str] = frozenset()
    facts: dict[str, Any] = field(default_factory=dict)
    companions: dict[str, bytes] = field(default_factory=dict)
    speaks_labels: bool = False
    device: str = "cpu"
    traced: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)  # by opset, with taps

    def to(self, device: str) -> TorchBackbone:
        """Move to a device, in evaluation mode."""
        self.module.to(device).eval()
        self.device = device
        return self

    def tensors(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """A batch of arrays as tensors on the model's device."""
        return {k: torch.from_numpy(np.ascontiguousarray(v)).to(self.device) for k, v in batch.items()}

    @torch.inference_mode()
    def outputs(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of a batch: (n, K) float32."""
        self.module.eval()
        return self.module(**self.tensors(batch)).logits.float().cpu().numpy()

    @torch.inference_mode()
    def features(self, batch: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The input of the head (n, ...) and the scores (n, K)."""
        self.module.eval()
        seen: list[Tensor] = []
        handle = self.head_layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        try:
            logits = self.module(**self.tensors(batch)).logits
        finally:
            handle.remove()
        return seen[-1].float().cpu().numpy(), logits.float().cpu().numpy()

    def embeddings(self, batch: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The input of the head as one vector an example (n, d), and the scores (n, K).

        A map is averaged over its places, an ensemble over its members.
        """
        inputs, scores = self.features(batch)
        return pooled(inputs, of_maps=isinstance(self.head_layer, nn.Conv2d)), scores

    @property
    def parameters(self) -> int:
        """Numbers that can be trained."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def head_layer(self) -> nn.Module:
        return self.module.get_submodule(self.head)

    # -- gradients --------------------------------------------------------------------

    def coordinates(self, batch: Mapping[str, np.ndarray]) -> Tensor:
        """The continuous coordinates of a batch: pixels, embedded tokens or embedded columns."""
        tensors = self.tensors(batch)
        with torch.no_grad():
            if self.modality == "image":
                return tensors["pixel_values"]
            if self.modality == "text":
                return self._embedding(tensors["input_ids"])
            return self.module.embed(tensors.get("numeric"), tensors.get("categorical"))

    def scores_at(self, x: Tensor, batch: Mapping[str, np.ndarray]) -> Tensor:
        """Scores (n, K) at (n, *shape) coordinates; `batch` says the rest of the rows, or of the one example."""
        scores: Tensor
        if self.modality == "image":
            scores = self.module(pixel_values=x).logits
        elif self.modality == "table":
            scores = self.module.from_embedded(x)
        else:
            rows = {k: v.expand(len(x), -1) for k, v in self.tensors(batch).items()}
            with self._embedded_as(x):
                scores = self.module(**rows).logits
        return scores

    def from_coordinates(self, batch: Mapping[str, np.ndarray]) -> Callable[[Tensor], Tensor]:
        """A function from (n, *shape) coordinates to (n, K) scores; `batch` is the one example they vary."""
        return lambda x: self.scores_at(x, batch)

    @property
    def has_attention(self) -> bool:
        """Whether the model is a transformer of one width throughout, whose attentions can be read."""
        return isinstance(getattr(getattr(self.module, "config", None), "num_attention_heads", None), int)

    def attentions(
        self, batch: Mapping[str, np.ndarray], scalar: Callable[[Tensor], Tensor]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Attention of one example and where its answer is read.

        Returns:
            (layers, heads, T, T) weights, and (T,) shares by the size of the gradient of
            `scalar` of the scores at the last layer's tokens.

        Raises:
            Refusal: the model does not tell its attention.
        """
        self.module.eval()
        tensors = self.tensors(batch)
        x = self.coordinates(batch).detach().clone().requires_grad_(True)
        asked = {"output_attentions": True, "output_hidden_states": True}
        with torch.enable_grad(), contextlib.ExitStack() as stack:
            if self.modality == "text":
                stack.enter_context(self._embedded_as(x))
            else:
                tensors = {"pixel_values": x}
            out = self.module(**tensors, **asked)
            weights = [a for a in out.attentions or () if a is not None]
            square = bool(weights) and all(a.shape == weights[0].shape and a.dim() == 4 for a in weights)
            if not square or not out.hidden_states or out.hidden_states[-1].dim() != 3:
                raise Refusal("this model does not tell its attention from token to token", hint="use another method")
            answer = scalar(out.logits).reshape(-1)[0]
            (slope,) = torch.autograd.grad(answer, out.hidden_states[-1], allow_unused=True)
        if slope is None or not bool(slope.norm() > 0):
            raise Refusal("no token of the last layer decides this answer", hint="use another method")
        size = slope[0].double().norm(dim=1)
        return torch.stack([a[0] for a in weights]).detach().double().cpu().numpy(), (size / size.sum()).cpu().numpy()

    @property
    def _embedding(self) -> nn.Module:
        return self.module.get_input_embeddings()

    @contextlib.contextmanager
    def _embedded_as(self, x: Tensor) -> Iterator[None]:
        """Within, the token embedding gives `x`; positions and everything after stay the model's own."""
        handle = self._embedding.register_forward_hook(lambda *_: x)
        try:
            yield
        finally:
            handle.remove()

    # -- saving -----------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write the model in transformers' layout (a user's own module: its state alone)."""
        folder.mkdir(parents=True, exist_ok=True)
        inner = self.module
        if hasattr(inner, "save_pretrained"):
            from workbench.backbones.quiet import quiet_transformers

            with quiet_transformers(), saving(folder):
                inner.save_pretrained(folder)
        else:
            with saving(folder):
                save_file(state_of(inner), folder / "model.safetensors")
        for name, content in self.companions.items():
            (folder / name).write_bytes(content)

    def load_state(self, file: Path) -> None:
        """Take parameters from a safetensors file; those that it lacks stay as they are."""
        try:
            state = load_file(file, device="cpu")
        except Exception as e:  # safetensors raises its own bare errors
            raise ArtefactError(f"{file} cannot be read: {e}", hint="delete it and run the config again") from e
        try:
            _, unexpected = self.module.load_state_dict(state, strict=False)
        except RuntimeError as e:
            raise ArtefactError(f"{file} does not fit the model: {str(e)[:300]}", hint="run the config again") from e
        if unexpected:
            raise ArtefactError(f"{file} has parameters that the model lacks: {', '.join(unexpected[:3])}")

    def save_state(self, file: Path, only: frozenset[str] | None = None) -> None:
        """Write parameters and buffers as safetensors, all or those named."""
        state = state_of(self.module)
        file.parent.mkdir(parents=True, exist_ok=True)
        with saving(file.parent):
            save_file({k: v for k, v in state.items() if only is None or k in only}, file)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers on the CPU, shared tensors copied: safetensors stores no memory twice."""
    return {k: v.detach().cpu().clone().contiguous() for k, v in module.state_dict().items()}


def check_pictures(backbone: TorchBackbone, height: int, width: int, classes: int) -> None:
    """Try an empty picture, so that a size or shape that does not fit is known before the work begins.

    Raises:
        ConfigError: the backbone fails on it, or does not answer with one score a class.
    """
    what = f"the backbone was tried on pictures of {height} by {width} pixels"
    try:
        scores = backbone.outputs({"pixel_values": np.zeros((2, 3, height, width), np.float32)})
    except Exception as e:  # a user's module may raise anything
        reason = " ".join(str(e).split())[:200]
        raise ConfigError(
            f"{what}: {type(e).__name__}: {reason}", hint="set backbone.image_size to what it takes"
        ) from e
    if scores.shape != (2, classes):
        raise ConfigError(
            f"{what}: two of them gave scores of shape {scores.shape}, not (2, {classes})",
            hint="the module must give one score a class; name its last layer with backbone.head",
        )


def find_head(module: nn.Module, classes: int | None = None) -> str:
    """The last linear (or 1 by 1 convolution) layer, with `classes` outputs where that is given.

    Raises:
        ConfigError: there is none.
    """
    found = ""
    for name, layer in module.named_modules():
        outputs = layer_outputs(layer)
        if outputs and (classes is None or outputs == classes):
            found = name
    if not found:
        raise ConfigError(
            "no head found: the module has no linear layer or 1 by 1 convolution",
            hint="name the layer with backbone.head",
        )
    return found


def layer_outputs(layer: nn.Module) -> int:
    """Outputs of a layer that can be a head, else 0."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
        return layer.out_channels
    return 0


def replace_head(module: nn.Module, name: str, classes: int) -> None:
    """Put a fresh layer with `classes` outputs in the head's place."""
    old = module.get_submodule(name)
    parent_name, _, child = name.rpartition(".")
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    elif isinstance(old, nn.Conv2d):
        shape: dict[str, Any] = {"kernel_size": old.kernel_size, "stride": old.stride, "padding": old.padding}
        new = nn.Conv2d(old.in_channels, classes, bias=old.bias is not None, **shape)
    else:
        raise ConfigError(
            f"backbone.head = {name!r} is a {type(old).__name__}", hint="name a linear layer or a 1 by 1 convolution"
        )
    setattr(module.get_submodule(parent_name), child, new)


def parameters_of(module: nn.Module, layer: str) -> frozenset[str]:
    """Full names of a layer's parameters and buffers."""
    return frozenset(n for n in module.state_dict() if n == layer or n.startswith(layer + "."))
