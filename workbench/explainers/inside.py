"""Methods that look inside the network: Grad-CAM at a layer, attention rolled out over all layers.

Neither is in the answer's unit and neither adds up: they say where, not how much.
"""

from __future__ import annotations

import numpy as np

from workbench.bank import Bank
from workbench.explainers.record import Explainer, Explanation
from workbench.modalities.grid import enlarge
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
    if probe.layer is None or probe.picture is None:
        raise ValueError("grad_cam needs a picture and a layer")
    picture, seen = probe.picture(), probe.layer(layer)
    height, width = picture.frame.shape[:2]
    cam = np.maximum((seen.slope.mean(axis=(1, 2))[:, None, None] * seen.activation).sum(axis=0), 0.0)
    dense = enlarge(cam, height, width)
    grid = list(seen.activation.shape[1:])
    facts = {"layer": seen.name, "kind": seen.kind, "grid": grid, "relu": "negative values are cut to 0"}
    return Explanation(np.asarray(picture.pool(dense)), dense=dense, evaluations=1, facts=facts)


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
    library="",
    needs=frozenset({"layer", "picture"}),
    uses_bank=False,
    explain=grad_cam,
    complete=False,
    unitless=True,
)

ATTENTION_ROLLOUT = Explainer(
    name="attention-rollout",
    title="Attention rollout",
    caption="Where the transformer's attention flows from, over all its layers; the same whatever class is asked for.",
    library="",
    needs=frozenset({"attention"}),
    uses_bank=False,
    explain=attention_rollout,
    complete=False,
    unitless=True,
)
