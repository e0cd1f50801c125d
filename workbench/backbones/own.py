"""The user's own torch module for pictures: `factory = "models.py:resnet20"`, weights beside it.

Building it runs the user's code: an explicit choice, recorded with the file's hash.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from workbench.backbones.torch import TorchBackbone, find_head, layer_outputs, parameters_of, replace_head
from workbench.config import Backbone
from workbench.errors import ArtefactError, ConfigError
from workbench.run import hash_file


class OwnModule(nn.Module):
    """A module that takes pictures (n, 3, H, W) and gives scores, with the workbench's input name."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, pixel_values: Tensor) -> Any:
        scores = self.inner(pixel_values)
        return SimpleNamespace(logits=getattr(scores, "logits", scores))


def load_own(config: Backbone, labels: tuple[str, ...]) -> TorchBackbone:
    """Build the user's module, load its weights and give it a head for the labels.

    The head is `config.head`, else the last linear layer or 1 by 1 convolution. It is
    replaced by a fresh one where its outputs are not as many as the labels.

    Raises:
        ConfigError: the factory or the head is not there. ArtefactError: the weights are
            missing, pickled code, or do not fit.
    """
    file, name = _split(config.factory)
    inner = _build(file, name)
    if config.weights:
        _load_weights(inner, Path(config.weights))
    head = config.head or find_head(inner)
    try:
        layer = inner.get_submodule(head)
    except AttributeError:
        raise ConfigError(
            f"backbone.head = {head!r} is not a layer of {config.factory}",
            hint=f"its last layers: {', '.join([n for n, _ in inner.named_modules()][-4:])}",
        ) from None
    speaks = bool(config.weights) and layer_outputs(layer) == len(labels)
    if layer_outputs(layer) != len(labels):
        replace_head(inner, head, len(labels))
    module = OwnModule(inner).eval()
    fresh = frozenset[str]() if speaks else parameters_of(module, f"inner.{head}")
    facts = {
        "source": config.factory,
        "class": f"{type(inner).__name__} (the user's own module)",
        "sha256": hash_file(Path(config.weights)) if config.weights else None,
        "runs_user_code": True,
        "code": {"file": file.name, "sha256": hash_file(file)},
    }
    return TorchBackbone(module, ("pixel_values",), "image", f"inner.{head}", fresh, facts, speaks_labels=speaks)


def _split(factory: str) -> tuple[Path, str]:
    file, colon, name = factory.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise ConfigError(f"backbone.factory = {factory!r}", hint='write it as "file.py:function"')
    if not Path(file).is_file():
        raise ConfigError(f"backbone.factory: no file {file}", hint="the path is taken from the config's folder")
    return Path(file), name


def _build(file: Path, name: str) -> nn.Module:
    spec = importlib.util.spec_from_file_location(f"workbench_user_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"backbone.factory: {file} cannot be imported")
    code = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(code)
    except Exception as e:
        raise ConfigError(
            f"backbone.factory: {file.name} cannot be imported: {type(e).__name__}: {e}", hint=f"try: python {file}"
        ) from e
    factory = getattr(code, name, None)
    if not callable(factory):
        raise ConfigError(f"backbone.factory: {file.name} has no function {name!r}", hint=f"it has: {_names(code)}")
    try:
        inner = factory()
    except Exception as e:
        raise ConfigError(
            f"backbone.factory: {file.name}:{name}() failed: {type(e).__name__}: {e}",
            hint="it is called without arguments; WORKBENCH_DEBUG=1 shows where it fails",
        ) from e
    if not isinstance(inner, nn.Module):
        raise ConfigError(
            f"backbone.factory: {file.name}:{name}() gave a {type(inner).__name__}, not a torch module",
            hint="the function has to return the module itself",
        )
    return inner


def _names(code: Any) -> str:
    return ", ".join(n for n, v in vars(code).items() if callable(v) and not n.startswith("_"))[:200] or "none"


def _why_no_tensors(error: Exception) -> str:
    """The reason in a line; torch's own text would advise to load the pickle after all."""
    text = str(error)
    if "Weights only load failed" not in text:
        return text.splitlines()[0][:200] if text else type(error).__name__
    named = re.search(r"GLOBAL ([\w.]+)", text)
    return f"it holds pickled objects{f' ({named[1]})' if named else ''}"


def _load_weights(inner: nn.Module, path: Path) -> None:
    """Load safetensors, or a state dict read with `weights_only` (never pickled code).

    A checkpoint may wrap the state as `state_dict` or `model` and prefix its keys with
    `module.` (data-parallel training); both are taken off.
    """
    if not path.is_file():
        raise ArtefactError(f"backbone.weights: no file {path}", hint="the path is taken from the config's folder")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's notes on a pickle's protocol: what it cannot read is refused
            state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as e:  # safetensors, pickle and zip files each have their own
        raise ArtefactError(
            f"backbone.weights: {path.name} cannot be read as plain tensors: {_why_no_tensors(e)}",
            hint="save a state dict as safetensors; pickled objects are refused, as they can run any code",
        ) from e
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise ArtefactError(
            f"backbone.weights: {path.name} holds a {type(state).__name__}, which is no state dict",
            hint="save module.state_dict(), best as safetensors",
        )
    state = {k.removeprefix("module."): v for k, v in state.items() if isinstance(v, Tensor)}
    try:
        inner.load_state_dict(state, strict=True)
    except RuntimeError as e:
        raise ArtefactError(
            f"backbone.weights: {path.name} does not fit the module: {' '.join(str(e).split())[:300]}",
            hint="the factory must build the module that the weights were saved from",
        ) from e
