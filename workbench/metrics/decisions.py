"""What may be done with a model's answers: how sure is sure, where to cut, when to abstain.

Temperature and thresholds are chosen on the validation split and judged on the test split.
The content of `<model>/decisions.json` (docs/artefacts.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConfigError
from workbench.metrics.abstention import abstention
from workbench.metrics.calibration import BINS
from workbench.metrics.conformal import ranges
from workbench.metrics.counted import Counting
from workbench.metrics.honesty import honesty, reliability_bins
from workbench.metrics.label_decisions import label_decisions
from workbench.metrics.net_benefit import decision_curve, worth_using
from workbench.metrics.residuals import prediction_bins, residual_report
from workbench.metrics.settings import Settings
from workbench.metrics.splits import ClassRows, class_rows, value_rows
from workbench.metrics.temperature import Temperature, fit_temperature, scaled, temperature_changes
from workbench.metrics.thresholds import Wanted, choose_thresholds, judge_thresholds
from workbench.types import ClassScores, Predictions, Values

HISTOGRAM = 20
SEVERAL = "with more than two classes a threshold needs one that is looked for: name it with evaluate.positive"
PARTS = ("temperature", "reliability", "thresholds", "net_benefit", "risk_coverage")

Clusters = NDArray[np.generic] | None


def positive_class(labels: Sequence[str], wanted: str) -> int | None:
    """The class that thresholds look for: the one wanted, else the second of two, else None.

    Raises:
        ConfigError: `wanted` is none of the labels.
    """
    if wanted:
        if wanted not in labels:
            raise ConfigError(
                f"evaluate.positive = {wanted!r} is no class of the data", hint=f"classes: {', '.join(labels[:20])}"
            )
        return list(labels).index(wanted)
    return 1 if len(labels) == 2 else None


def decisions(
    predictions: Predictions,
    wanted: Wanted,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    clusters: Clusters = None,
) -> dict[str, Any]:
    """Everything of `decisions.json` for one model.

    Args:
        predictions: of every split.
        wanted: which class is looked for, and the numbers that the rules are asked for.
        resamples: bootstrap resamples.
        confidence: coverage of the intervals.
        seed: of the resamples and simulations.
        clusters: (n,) the unit each row belongs to; drawn as a whole.

    Raises:
        ConfigError: the class that is looked for is not in the data.
    """
    test = predictions.splits == "test"
    settings = Settings(resamples, confidence, seed, "rows" if clusters is None else "clusters")
    about = {"split": "test", "chosen_on": "validation", "confidence": confidence}
    if isinstance(predictions, Values):
        return about | _of_values(predictions, settings, clusters)
    if not isinstance(predictions, ClassScores):
        return about | label_decisions(predictions, wanted, settings, clusters)
    if clusters is None:
        settings = Settings(resamples, confidence, seed, "rows within true class")
    rows, held_out = class_rows(predictions, test), class_rows(predictions, predictions.splits == "validation")
    units = None if clusters is None else np.asarray(clusters)[rows.index]
    about |= {"kind": "class", "n": len(rows.index), "n_validation": len(held_out.index), "reason": rows.problem}
    place = positive_class(predictions.labels, wanted.positive)
    fitted = fit_temperature(held_out.scores.logits, held_out.scores.targets)
    if held_out.problem and len(held_out.index):
        fitted = Temperature(None, len(held_out.index), reason=f"validation: {held_out.problem}")
    if rows.problem:
        return about | dict.fromkeys(PARTS)
    return about | {
        "temperature": _temperature(rows, fitted, settings, units),
        "reliability": _reliability(rows.scores, fitted.value, settings, units),
        "thresholds": _thresholds(rows, held_out, place, wanted, settings, units),
        "net_benefit": _net_benefit(rows, place, settings, units),
        "risk_coverage": abstention(
            rows.scores.probabilities.max(axis=1),
            rows.scores.predicted == rows.scores.targets,
            settings,
            units,
            unknown=rows.unknown,
            measure="largest probability",
        ),
    }


def _of_values(predictions: Values, settings: Settings, clusters: Clusters) -> dict[str, Any]:
    """Residuals and ranges of a regression."""
    rows, held_out = (value_rows(predictions, predictions.splits == split) for split in ("test", "validation"))
    n = len(rows.index)
    about = {"kind": "value", "n": n, "unit": predictions.unit, "reason": rows.problem}
    if rows.problem:
        return about | {"residuals": None, "ranges": None}
    units = None if clusters is None else np.asarray(clusters)[rows.index]
    usable = held_out.values if not held_out.problem else held_out.values.where(np.zeros(len(held_out.index), bool))
    codes, values = prediction_bins(rows.values), rows.values.values
    bins = [(float(values[codes == c].min()), float(values[codes == c].max()), codes == c) for c in np.unique(codes)]
    found = ranges(usable, rows.values, Counting.of(units, settings.confidence), bins)
    interval = "wilson" if clusters is None else "wilson-groups"
    found["signature"] = settings.signature("ranges", n, rows.unknown, interval, fitted_on="validation")
    return about | {
        "residuals": residual_report(rows.values, settings, units),
        "ranges": found,
        "signature": settings.signature("residuals", n, rows.unknown, "bootstrap", binning="equal-mass"),
    }


def _temperature(rows: ClassRows, fitted: Temperature, settings: Settings, clusters: Clusters) -> dict[str, Any]:
    value = fitted.value
    knobs = {"fitted_on": "validation", "minimised": "log loss", "calibration_bins": BINS}
    return {
        "value": value,
        "n": fitted.n,
        "loss_before": fitted.loss_before,
        "loss_after": fitted.loss_after,
        "reason": fitted.reason,
        "measures": [] if value is None else temperature_changes(rows.scores, value, settings, clusters),
        "signature": settings.signature("temperature", len(rows.index), rows.unknown, "bootstrap", **knobs),
    }


def _reliability(
    scores: ClassScores, temperature: float | None, settings: Settings, clusters: Clusters
) -> dict[str, Any]:
    sure, right = scores.probabilities.max(axis=1), scores.predicted == scores.targets
    counting = Counting.of(clusters, settings.confidence)
    after = None
    if temperature is not None:
        after = reliability_bins(scaled(scores, temperature).probabilities.max(axis=1), right, counting)
    return honesty(sure, right, counting, settings, label="top") | {"scaled": after}


def _thresholds(
    rows: ClassRows, held_out: ClassRows, place: int | None, wanted: Wanted, settings: Settings, clusters: Clusters
) -> dict[str, Any]:
    if place is None:
        return {"positive": None, "reason": SEVERAL, "rules": []}
    usable = held_out.scores if not held_out.problem else held_out.scores.where(np.zeros(len(held_out.index), bool))
    choices = choose_thresholds(usable.probabilities[:, place], usable.targets == place, wanted)
    ours = (rows.scores.probabilities[:, place], rows.scores.targets == place)
    interval = "wilson" if clusters is None else "bootstrap"
    return {
        "positive": rows.scores.labels[place],
        "prevalence": float(np.mean(ours[1])),
        "cost_ratio": wanted.cost_ratio,
        "reason": "",
        "rules": judge_thresholds(choices, *ours, wanted.cost_ratio, settings, clusters),
        "signature": settings.signature(
            "thresholds", len(rows.index), rows.unknown, interval, chosen_on="validation", called="score >= threshold"
        ),
    }


def _net_benefit(rows: ClassRows, place: int | None, settings: Settings, clusters: Clusters) -> dict[str, Any]:
    if place is None:
        return {"positive": None, "reason": SEVERAL, "curve": []}
    positive = rows.scores.targets == place
    reason = ""
    if not positive.any() or positive.all():
        reason = f"{'no' if not positive.any() else 'every'} test example is of the class: nothing to weigh"
    curve = [] if reason else decision_curve(rows.scores.probabilities[:, place], positive, settings, clusters)
    return {
        "positive": rows.scores.labels[place],
        "reason": reason,
        "curve": curve,
        "worth_using": worth_using(curve) if curve else None,
        "signature": settings.signature("net_benefit", len(rows.index), rows.unknown, "bootstrap"),
    }
