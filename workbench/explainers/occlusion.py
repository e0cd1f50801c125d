"""Occlusion: what the answer loses when one part, or one window of a picture, is hidden (Zeiler & Fergus 2014).

Hiding one thing at a time sees no interplay: where either of two parts would do, both get 0.
"""

from __future__ import annotations

import itertools

import numpy as np

from workbench.bank import Bank
from workbench.explainers.record import Explainer, Explanation
from workbench.probe import Probe

WINDOW, STRIDE = 1 / 6, 1 / 12
AT_ONCE = 64


def feature_ablation(probe: Probe, *, bank: Bank | None, rng: np.random.Generator) -> Explanation:
    """The answer minus the answer without each part, from the bank's leave-one-outs.

    A leave-one-out that the bank had no room for is asked of the model.
    """
    if bank is None:
        raise ValueError("feature_ablation needs a mask bank")
    m = bank.coalitions.features
    without = np.full(m, np.nan)
    rows = np.flatnonzero(bank.coalitions.sizes == m - 1)
    without[np.argmin(bank.masks[rows], axis=1)] = bank.scores[rows]
    missing = np.flatnonzero(np.isnan(without))
    if len(missing):
        without[missing] = probe.score(~np.eye(m, dtype=bool)[missing])
    return Explanation(bank.score - without, evaluations=len(missing), facts={"asked_anew": len(missing)})


def sliding_window(
    probe: Probe, *, bank: Bank | None, rng: np.random.Generator, window: float = WINDOW, stride: float = STRIDE
) -> Explanation:
    """What a picture's answer loses when a square window is hidden, over all places of the window.

    A pixel's value is the mean loss over the windows that cover it, shared evenly over the
    window's pixels; `window` and `stride` are shares of the shorter side.

    Facts: `window` and `stride` in pixels, `windows`.
    """
    if probe.picture is None:
        raise ValueError("sliding_window needs a picture")
    picture = probe.picture()
    height, width = picture.frame.shape[:2]
    side = max(1, round(window * min(height, width)))
    step = max(1, round(stride * min(height, width)))
    # The last window ends where the picture does, so that every pixel is covered.
    tops, lefts = (sorted({*range(0, max(n - side, 0), step), max(n - side, 0)}) for n in (height, width))
    places = list(itertools.product(tops, lefts))
    full = float(picture.answer(np.ones((1, height, width), dtype=bool))[0])
    losses, cover = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        keep = np.ones((len(some), height, width), dtype=bool)
        for mask, (top, left) in zip(keep, some, strict=True):
            mask[top : top + side, left : left + side] = False
        for (top, left), answer in zip(some, picture.answer(keep), strict=True):
            inside = np.s_[top : top + side, left : left + side]
            losses[inside] += (full - float(answer)) / losses[inside].size
            cover[inside] += 1
    dense = losses / cover
    facts = {"window": side, "stride": step, "windows": len(places)}
    return Explanation(
        np.asarray(picture.pool(dense)), dense=dense, score=full, evaluations=len(places) + 1, facts=facts
    )


FEATURE_ABLATION = Explainer(
    name="feature-ablation",
    title="Feature ablation",
    caption="What the answer loses when one part alone is hidden; blind to parts that stand in for each other.",
    library="",
    needs=frozenset({"score"}),
    uses_bank=True,
    explain=feature_ablation,
    complete=False,
)

OCCLUSION = Explainer(
    name="occlusion",
    title="Occlusion",
    caption="What the answer loses when a square window, slid over the picture, hides what is under it.",
    library="",
    needs=frozenset({"picture"}),
    uses_bank=False,
    explain=sliding_window,
    complete=False,
)
