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
    point = form.point[0].detach().double().cpu().numpy()
    distance = np.abs(point - form.baselines.detach().double().cpu().numpy().mean(axis=0))
    return Explanation(
        np.asarray(form.pool(distance), dtype=np.float64),
        dense=None if form.dense is None else np.asarray(form.dense(distance)),
    )


RANDOM = Explainer(
    name="random",
    title="Random control",
    caption="Numbers drawn by lot: what an explanation looks like that knows nothing.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=False,
    explain=random_values,
    complete=False,
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
)
