"""How far single rows of a background move the answer, in the columns that an attribution names and in the others.

The mean over the background, which other measures look at, can stay where it is while every
row moves it, up and down alike; these gaps take sizes row by row.

Source: Agarwal et al., OpenXAI, NeurIPS 2022 (prediction gap on important and on unimportant
features). There Gaussian noise is added to the columns; here they take the values of the
probe's own background rows, all of them instead of draws.
"""

from __future__ import annotations

import numpy as np

from workbench.asking import Asker
from workbench.probe import Probe
from workbench.quality.faithfulness import SHARES, ranking


def prediction_gaps(
    probe: Probe, values: np.ndarray, rng: np.random.Generator, *, shares: tuple[float, ...] = SHARES
) -> dict[str, float]:
    """Mean |f(x) - f(x with some columns of a background row)| over rows and shares, in the question's unit.

    Args:
        probe: with background rows (`repeats` above 1); each counts by its weight.
        values: (M,) attribution; columns are ranked by size.
        rng: breaks ties.
        shares: the strongest k are at least one column and at most all.

    Returns:
        `prediction_gap_important`, the strongest k changed: higher is better;
        `prediction_gap_unimportant`, the others changed: lower is better. Empty where nothing
        is drawn from rows.
    """
    if probe.repeats < 2:
        return {}
    m = len(values)
    order = ranking(np.abs(values), rng)
    counts = [max(1, min(m, round(share * m))) for share in shares]
    strongest = np.argsort(order)[None, :] < np.array(counts)[:, None]
    masks, places = np.unique(np.concatenate([~strongest, strongest]), axis=0, return_inverse=True)
    (shown,) = probe.score(np.ones((1, m), dtype=bool))
    moved = np.abs(_by_row(probe, masks) - shown)
    gaps = np.average(moved, axis=1, weights=probe.weights)[places.ravel()].reshape(2, -1).mean(axis=1)
    return {"prediction_gap_important": float(gaps[0]), "prediction_gap_unimportant": float(gaps[1])}


def _by_row(probe: Probe, masks: np.ndarray) -> np.ndarray:
    """The answers to (n, M) masks with each background row, (n, repeats)."""
    model = probe.answer if probe.model is None else probe.model
    asker, step = Asker(), max(1, probe.rows // probe.repeats)
    parts = [asker.run(model, dict(probe.hide(masks[start : start + step]))) for start in range(0, len(masks), step)]
    return probe.answers(np.concatenate(parts)).reshape(len(masks), probe.repeats)
