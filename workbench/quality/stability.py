"""Whether a method gives the same answer when only its seed changes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from workbench.bank import Bank
from workbench.quality.agreement import feature_agreement, spearman


def seed_stability(values: np.ndarray, *, k: int = 5) -> dict[str, float]:
    """Agreement of one method with itself over seeds.

    Args:
        values: (S, M) attributions of the same example, one per seed; S at least 2.
        k: features in the top.

    Returns:
        `rank` mean pairwise Spearman correlation (NaN where values are constant), `top_k`
        mean pairwise overlap of the top k, `spread` the features' mean standard deviation
        over the largest mean |value| (0 for deterministic methods).
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"seed stability needs (seeds, features) with two seeds or more, not {values.shape}")
    pairs = list(itertools.combinations(values, 2))
    k = min(k, values.shape[1])
    largest = float(np.abs(values.mean(axis=0)).max())
    return {
        "rank": float(np.mean([spearman(a, b) for a, b in pairs])),
        "top_k": float(np.mean([feature_agreement(a, b, k) for a, b in pairs])),
        "spread": float(values.std(axis=0, ddof=1).mean() / largest) if largest else float("nan"),
    }


def redrawn(bank: Bank, rng: np.random.Generator) -> Bank | None:
    """The bank that another seed would have given, as far as the answers at hand can tell.

    Pairs that the law drew are drawn again with replacement (the bootstrap, Efron 1979);
    the two ends, the leave-one-outs and the pairs held out stay. Of a complete bank only
    the choice of the pairs held out is drawn again. It costs no evaluation. None where
    fewer than two pairs were drawn: then nothing was left to chance.
    """
    chosen = bank.coalitions
    pairs = len(chosen) // 2
    held, sizes = chosen.held_out[0::2], chosen.sizes[0::2]
    if chosen.exact:
        again = np.zeros(pairs, dtype=bool)
        again[1 + rng.permutation(pairs - 1)[: int(held.sum())]] = True
        return replace(bank, coalitions=replace(chosen, held_out=np.repeat(again, 2)))
    ones = (sizes == 1) | (sizes == chosen.features - 1)
    drawn = np.flatnonzero(~held & ~ones & (np.arange(pairs) > 0))
    if len(drawn) < 2:
        return None
    rows = np.arange(pairs)
    rows[drawn] = rng.choice(drawn, len(drawn))
    return bank.drawn_again(rows)
