"""When to abstain: how often the surest answers are right, for any measure of being sure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.selective import aurc, oracle_aurc, risk_coverage
from workbench.metrics.settings import Settings
from workbench.metrics.shares import shares

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.25)
CURVE_POINTS = 200


def abstention(
    sure: NDArray[np.float64],
    right: NDArray[np.bool_],
    settings: Settings,
    clusters: NDArray[np.generic] | None,
    *,
    unknown: int,
    measure: str,
) -> dict[str, Any]:
    """The risk-coverage part of decisions.json.

    Args:
        sure: (n,) how sure the model is of each answer.
        right: (n,) whether the answer is right.
        settings: confidence, resamples and seed.
        clusters: (n,) the unit of each row; None where rows are independent.
        unknown: rows left out because their truth is not known.
        measure: what `sure` is, for the signature.
    """
    curve, n = risk_coverage(sure, right), len(sure)
    ends = [int(np.argmax(curve.coverage >= c - 1e-12)) for c in COVERAGES]
    accuracy = shares({i: (right, sure >= curve.least[end]) for i, end in enumerate(ends)}, settings, clusters)
    table = [
        {
            "wanted": c,
            "coverage": float(curve.coverage[end]),
            "n": int(curve.n[end]),
            "least": float(curve.least[end]),
            "accuracy": asdict(accuracy[i]),
        }
        for i, (c, end) in enumerate(zip(COVERAGES, ends, strict=True))
    ]
    kept = np.unique(np.linspace(0, len(curve.n) - 1, min(CURVE_POINTS, len(curve.n))).round().astype(int))
    wrong = int((~right).sum())
    if len(curve.n) == 1:
        reason = "every answer is given with the same confidence: there is no surest part"
    else:
        reason = "" if wrong else "no answer on the test split is wrong: there is no risk to avoid"
    return {
        "aurc": aurc(sure, right),
        "oracle": float(oracle_aurc(n, wrong)),
        "random": wrong / n,
        "reason": reason,
        "table": table,
        "curve": [{"coverage": float(curve.coverage[i]), "risk": float(curve.risk[i])} for i in kept],
        "signature": settings.signature(
            "risk_coverage", n, unknown, "wilson" if clusters is None else "bootstrap", sure=measure
        ),
    }
