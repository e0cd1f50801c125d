"""Gradients of a torch model for explainers that speak numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.backbones.gradients import as_map
from workbench.backbones.torch import TorchBackbone
from workbench.errors import Refusal
from workbench.modalities.grid import token_grid
from workbench.probe import LayerMap


def slopes_of(
    forward: Callable[[Tensor], Tensor], device: str = "cpu"
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A torch function of (n, *shape) coordinates as one of arrays: (n,) answers and their gradients."""

    def slopes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.enable_grad():
            point = torch.as_tensor(np.ascontiguousarray(x)).to(device).requires_grad_(True)
            answers = forward(point).reshape(-1)
            (gradient,) = torch.autograd.grad(answers.sum(), point)
        return answers.detach().double().cpu().numpy(), gradient.detach().cpu().numpy()

    return slopes


def layer_map(
    backbone: TorchBackbone,
    batch: Mapping[str, np.ndarray],
    scalar: Callable[[Tensor], Tensor],
    layer: str,
    frame: tuple[int, int],
) -> LayerMap:
    """The layer that Grad-CAM reads of one picture, and the gradient of a scalar of the scores by it.

    The layer is `layer`, or the last one that the model runs through whose output still has
    places (a convolution's map, or the normed tokens of a transformer's block) on which the
    answer depends.

    Raises:
        Refusal: there is none.
    """
    with torch.enable_grad():
        answer, found = _outputs(backbone, batch, scalar, layer)
        spatial = [(name, out) for name, out in found if _has_places(out, frame)]
        gradients: tuple[Any, ...] = ()
        if spatial:
            gradients = torch.autograd.grad(answer, [out for _, out in spatial], allow_unused=True)
    for (name, out), gradient in reversed(list(zip(spatial, gradients, strict=True))):
        if gradient is None:
            continue
        activation, slope = (v[0].detach().double().cpu().numpy() for v in (out, gradient))
        seen = as_map(name, activation, slope, frame)
        if (seen.slope != 0).any():  # else a layer after which only the class token is read
            return seen
    raise Refusal(
        f"Grad-CAM found no {f'layer {layer!r}' if layer else 'layer'} with places on which the answer depends",
        hint="use integrated-gradients or occlusion",
    )


def _outputs(
    backbone: TorchBackbone, batch: Mapping[str, np.ndarray], scalar: Callable[[Tensor], Tensor], layer: str
) -> tuple[Any, list[tuple[str, Any]]]:
    """The answer at the input and every layer's tensor output, in the order in which the layers ran."""
    found: list[tuple[str, Any]] = []

    def keep(name: str) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.requires_grad:
                found.append((name, output))

        return hook

    wanted = [
        (name, part)
        for name, part in backbone.module.named_modules()
        if (name == layer if layer else _gives_places(part))
    ]
    handles = [part.register_forward_hook(keep(name)) for name, part in wanted]
    try:
        point = backbone.coordinates(batch).detach().clone().requires_grad_(True)
        answer = scalar(backbone.from_coordinates(batch)(point)).reshape(-1)[0]
    finally:
        for handle in handles:
            handle.remove()
    return answer, found


def _gives_places(part: Any) -> bool:
    """Convolutions, norms and activations: of tokens only normed ones are comparable between channels."""
    name = type(part).__name__
    return isinstance(part, nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.GELU | nn.SiLU) or "Norm" in name


def _has_places(output: Any, frame: tuple[int, int]) -> bool:
    if output.dim() == 4:
        return bool(output.shape[2] > 1 and output.shape[3] > 1)
    return output.dim() == 3 and token_grid(int(output.shape[1]), *frame) is not None
