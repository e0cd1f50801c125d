"""Controls: attributions that know nothing of the model, to be beaten by every method."""

from __future__ import annotations

import numpy as np

from workbench.bank import Bank
from workbench.explainers.record import Explainer, Explanation
from workbench.probe import Probe


def random_values(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """Independent standard normal values: an order of the features drawn by lot."""
    return Explanation(rng.standard_normal(len(probe.features)))


def input_magnitude(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """How far each feature stands from the mean baseline, whatever the model does with it.

    It needs the probe's continuous coordinates, not the model's gradient.
    """
    if probe.differentiable is None:
        raise ValueError("input_magnitude needs continuous coordinates")
    form = probe.differentiable()
    distance = np.abs(form.point[0].astype(np.float64) - form.mean(form.baselines.astype(np.float64)))
    return Explanation(
        np.asarray(form.pool(distance), dtype=np.float64),
        dense=None if form.dense is None else np.asarray(form.dense(distance)),
    )


def edges(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """Strength of the edges of a picture (Sobel), whatever the model does with it.

    A saliency map that looks like it may owe its looks to the picture alone (Adebayo et al. 2018).
    """
    if probe.picture is None:
        raise ValueError("edges needs a picture")
    from scipy.ndimage import sobel

    picture = probe.picture()
    grey = picture.frame.astype(np.float64).mean(axis=2) / 255
    dense = np.hypot(sobel(grey, axis=0), sobel(grey, axis=1))
    return Explanation(np.asarray(picture.pool(dense), dtype=np.float64), dense=dense)


RANDOM = Explainer(
    name="random",
    title="Random control",
    caption="Numbers drawn by lot: what an explanation looks like that knows nothing.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=False,
    explain=random_values,
    complete=False,
    unitless=True,
)

MAGNITUDE = Explainer(
    name="magnitude",
    title="Input magnitude control",
    caption="How far each part stands from the baseline: it knows the input but not the model.",
    library="",
    needs=frozenset({"gradient"}),
    uses_bank=False,
    explain=input_magnitude,
    complete=False,
    unitless=True,
)

EDGES = Explainer(
    name="edges",
    title="Edge detector control",
    caption="How strong the picture's edges are: it sees the picture but not the model.",
    library="",
    needs=frozenset({"picture"}),
    uses_bank=False,
    explain=edges,
    complete=False,
    unitless=True,
)
