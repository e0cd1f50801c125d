"""Methods that look inside the network: Grad-CAM at a layer, attention rolled out over all layers.

Neither is in the answer's unit and neither adds up: they say where, not how much.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.bank import Bank
from workbench.errors import Refusal
from workbench.explainers.record import Explainer, Explanation
from workbench.modalities.grid import enlarge, token_grid
from workbench.probe import Probe


def grad_cam(probe: Probe, *, bank: Bank | None, rng: np.random.Generator, layer: str = "") -> Explanation:
    """Grad-CAM (Selvaraju et al. 2017): a layer's activations, weighted by their mean gradients, negatives cut.

    The layer is `layer`, or the last one that the model runs through whose output still has
    places (a convolution's map, or the normed tokens of a transformer's block) on which the
    answer depends. The map is enlarged to the picture (bilinear) and summed to segments.

    Facts: `layer`, `kind` ("map" or "tokens"), `grid` (rows, columns), `relu`.

    Raises:
        Refusal: no such layer.
    """
    if probe.differentiable is None or probe.module is None or probe.picture is None:
        raise ValueError("grad_cam needs a picture and a torch module")
    import torch

    form, picture = probe.differentiable(), probe.picture()
    height, width = picture.frame.shape[:2]
    with torch.enable_grad():
        answer, found = _outputs(form, probe.module, layer)
        spatial = [(name, out, _grid(out, height, width)) for name, out in found]
        spatial = [(name, out, grid) for name, out, grid in spatial if grid is not None]
        gradients: tuple[Any, ...] = ()
        if spatial:
            gradients = torch.autograd.grad(answer, [out for _, out, _ in spatial], allow_unused=True)
    for (name, out, grid), gradient in reversed(list(zip(spatial, gradients, strict=True))):
        if gradient is None or grid is None:
            continue
        kind, rows, columns, skip = grid
        activation, slope = (
            v[0].detach().double() if kind == "map" else v[0, skip:].detach().double().T.reshape(-1, rows, columns)
            for v in (out, gradient)
        )
        if not bool((slope != 0).any()):  # a layer after which only the class token is read
            continue
        cam = (slope.mean(dim=(1, 2))[:, None, None] * activation).sum(dim=0).relu()
        dense = enlarge(cam.cpu().numpy(), height, width)
        facts = {"layer": name, "kind": kind, "grid": [rows, columns], "relu": "negative values are cut to 0"}
        return Explanation(np.asarray(picture.pool(dense)), dense=dense, evaluations=1, facts=facts)
    raise Refusal(
        f"Grad-CAM found no {f'layer {layer!r}' if layer else 'layer'} with places on which the answer depends",
        hint="use integrated-gradients or occlusion",
    )


def _outputs(form: Any, module: Any, layer: str) -> tuple[Any, list[tuple[str, Any]]]:
    """The answer at the input and every layer's tensor output, in the order in which the layers ran."""
    import torch

    found: list[tuple[str, Any]] = []

    def keep(name: str) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.requires_grad:
                found.append((name, output))

        return hook

    wanted = [
        (name, part) for name, part in module.named_modules() if (name == layer if layer else _gives_places(part))
    ]
    handles = [part.register_forward_hook(keep(name)) for name, part in wanted]
    try:
        answer = form.forward(form.point.detach().clone().requires_grad_(True)).reshape(-1)[0]
    finally:
        for handle in handles:
            handle.remove()
    return answer, found


def _gives_places(part: Any) -> bool:
    """Convolutions, norms and activations: of tokens only normed ones are comparable between channels."""
    from torch import nn

    name = type(part).__name__
    return isinstance(part, nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.GELU | nn.SiLU) or "Norm" in name


def _grid(output: Any, height: int, width: int) -> tuple[str, int, int, int] | None:
    """(kind, rows, columns, leading tokens without a place) of a layer's output, None where it has no places."""
    if output.dim() == 4 and output.shape[2] > 1 and output.shape[3] > 1:
        return "map", int(output.shape[2]), int(output.shape[3]), 0
    cells = token_grid(int(output.shape[1]), height, width) if output.dim() == 3 else None
    return ("tokens", *cells) if cells else None


def attention_rollout(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """Attention rollout (Abnar & Zuidema 2020): attention multiplied through the layers.

    Heads are averaged, half of each token is what it was before (the residual), and the row
    of the tokens from which the answer is read is taken. It is the same for every class.

    Facts: `layers`, `heads`, `read` (the token from which most of the answer is read).
    """
    if probe.attention is None:
        raise ValueError("attention_rollout needs attentions")
    found = probe.attention()
    rolled = rollout(np.asarray(found.weights, dtype=np.float64))
    values, dense = found.pool(found.read @ rolled)
    layers, heads = found.weights.shape[:2]
    facts = {"layers": layers, "heads": heads, "read": int(np.argmax(found.read))}
    return Explanation(np.asarray(values, dtype=np.float64), dense=dense, evaluations=1, facts=facts)


def rollout(weights: np.ndarray) -> np.ndarray:
    """(layers, heads, T, T) attention to (T, T): what each last token takes from each first one; rows sum to 1."""
    rolled = np.eye(weights.shape[-1])
    for layer in weights.mean(axis=1):
        mixed = (layer + np.eye(len(layer))) / 2
        rolled = mixed / mixed.sum(axis=1, keepdims=True) @ rolled
    return np.asarray(rolled)


GRAD_CAM = Explainer(
    name="grad-cam",
    title="Grad-CAM",
    caption="Where the last spatial layer is active for the answer; no unit, and nothing speaks against.",
    library="torch",
    needs=frozenset({"gradient", "module", "picture"}),
    uses_bank=False,
    explain=grad_cam,
    complete=False,
    unitless=True,
)

ATTENTION_ROLLOUT = Explainer(
    name="attention-rollout",
    title="Attention rollout",
    caption="Where the transformer's attention flows from, over all its layers; the same whatever class is asked for.",
    library="torch",
    needs=frozenset({"attention"}),
    uses_bank=False,
    explain=attention_rollout,
    complete=False,
    unitless=True,
)
