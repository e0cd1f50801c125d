"""What may be done with sets of labels: each label is a yes-or-no problem of its own, a whole set one answer.

Temperatures and thresholds are chosen on the validation split and judged on the test split.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.abstention import abstention
from workbench.metrics.calibration import Bins, equal_width_bins
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.counted import Counting
from workbench.metrics.honesty import honesty, reliability_bins
from workbench.metrics.multilabel import all_right
from workbench.metrics.net_benefit import decision_curve, net_benefit, worth_using
from workbench.metrics.settings import Settings
from workbench.metrics.slice_labels import MOST_LABELS, sliced_labels
from workbench.metrics.splits import LabelRows, label_rows
from workbench.metrics.temperature import Temperature, fit_temperature
from workbench.metrics.thresholds import Choice, Wanted, choose_thresholds, judge_thresholds
from workbench.stats import Plan, Statistic, bootstrap, evaluate
from workbench.types import LabelScores

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Clusters = NDArray[np.generic] | None
SURE = "probability of the whole answer, labels taken as independent"
REPORTED = ("log_loss", "brier", "ece")


def set_confidence(scores: LabelScores) -> Floats:
    """How sure the model is of each whole set (n,): the product of the probabilities of its decisions."""
    logits = np.asarray(scores.logits, dtype=np.float64)
    # log sigmoid of the logit where a label is given, of its negative where it is not
    return np.exp(-np.logaddexp(0.0, np.where(scores.predicted, -logits, logits)).sum(axis=1))


def label_decisions(predictions: LabelScores, wanted: Wanted, settings: Settings, clusters: Clusters) -> dict[str, Any]:
    """The content of decisions.json for sets of labels; see `workbench.metrics.decisions.decisions`."""
    rows = label_rows(predictions, predictions.splits == "test")
    held_out = label_rows(predictions, predictions.splits == "validation")
    about: dict[str, Any] = {"kind": "labels", "n": len(rows.index), "n_validation": len(held_out.index)}
    about |= {"reason": rows.problem, "cost_ratio": wanted.cost_ratio}
    if rows.problem:
        return about | {"labels": None, "risk_coverage": None, "left_out": 0}
    units = None if clusters is None else np.asarray(clusters)[rows.index]
    kept = sliced_labels(rows.scores)
    right = all_right(rows.scores.targets == 1, rows.scores.predicted)
    return about | {
        "labels": [_label(rows, held_out, label, wanted, settings, units) for label in kept],
        "left_out": max(0, len(predictions.labels) - MOST_LABELS),
        "risk_coverage": abstention(
            set_confidence(rows.scores), right, settings, units, unknown=rows.unknown, measure=SURE
        ),
    }


def _label(
    rows: LabelRows, held_out: LabelRows, label: str, wanted: Wanted, settings: Settings, clusters: Clusters
) -> dict[str, Any]:
    """One label's temperature, reliability, thresholds and net benefit."""
    k = rows.scores.labels.index(label)
    p, z, holds = rows.scores.probabilities[:, k], _logits(rows.scores, k), rows.scores.targets[:, k] == 1
    known = held_out.problem == ""
    ours = held_out.scores if known else held_out.scores.where(np.zeros(len(held_out.index), dtype=bool))
    fitted = _fit(ours, k, held_out.problem if len(held_out.index) else "")
    counting = Counting.of(clusters, settings.confidence)
    reliable = honesty(p, holds, counting, settings, label=label)
    value = fitted.value
    reliable["scaled"] = None if value is None else reliability_bins(_sigmoid(z / value), holds, counting)
    used = float(rows.scores.thresholds[k])
    choices = [Choice("used", used), *choose_thresholds(ours.probabilities[:, k], ours.targets[:, k] == 1, wanted)]
    place = {"chosen_on": "validation", "called": "score >= threshold", "label": label}
    interval = "wilson" if clusters is None else "bootstrap"
    n = len(p)
    return {
        "label": label,
        "holds": int(holds.sum()),
        "prevalence": float(holds.mean()),
        "temperature": {
            "value": value,
            "n": fitted.n,
            "loss_before": fitted.loss_before,
            "loss_after": fitted.loss_after,
            "reason": fitted.reason,
            "measures": [] if value is None else _changes(z, holds, value, settings, clusters),
            "signature": settings.signature("temperature", n, rows.unknown, "bootstrap", label=label),
        },
        "reliability": reliable,
        "rules": judge_thresholds(choices, p, holds, wanted.cost_ratio, settings, clusters),
        "net_benefit": _benefit(p, holds, used, settings, clusters),
        "signature": settings.signature("thresholds", n, rows.unknown, interval, **place),
    }


def _fit(scores: LabelScores, k: int, problem: str) -> Temperature:
    """The temperature of one label: that of the two classes "without" (logit 0) and "with" it."""
    if problem:
        return Temperature(None, len(scores.ids), reason=f"validation: {problem}")
    z = _logits(scores, k)
    return fit_temperature(np.stack([np.zeros_like(z), z], axis=1), (scores.targets[:, k] == 1).astype(np.int64))


def _logits(scores: LabelScores, k: int) -> Floats:
    return np.asarray(scores.logits, dtype=np.float64)[:, k]


def _sigmoid(z: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -z))


def _changes(
    z: Floats, holds: Rows, temperature: float, settings: Settings, clusters: Clusters
) -> list[dict[str, Any]]:
    """Log loss, Brier score and calibration error of one label, as it is and with the temperature."""

    def numbers(logits: Floats) -> Statistic:
        p = _sigmoid(logits)
        loss = np.logaddexp(0.0, np.where(holds, -logits, logits))
        square = (p - holds) ** 2
        bins = Bins(equal_width_bins(p), holds - p)

        def function(weights: NDArray[np.int32]) -> Floats:
            w = weights.astype(np.float64)
            n = w.sum(axis=1)
            means = [np.einsum("bn,n->b", w, row) / n for row in (loss, square)]
            return np.stack([*means, bins.expected(weights)], axis=1)

        return Statistic(tuple((name,) for name in REPORTED), function)

    sides = [numbers(z), numbers(z / temperature)]
    strata = holds.astype(np.int64) if clusters is None else None
    plan = Plan.rows(len(z), strata=strata, clusters=clusters)
    before, after = (evaluate([side], plan.identity) for side in sides)
    moved = Statistic(sides[0].keys, lambda w: sides[1].function(w) - sides[0].function(w))
    how = {"resamples": settings.resamples, "confidence": settings.confidence, "seed": settings.seed}
    drawn = bootstrap([moved], plan, **how)  # type: ignore[arg-type]
    entries = []
    for name in REPORTED:
        change = drawn[(name,)]
        entry: dict[str, Any] = {
            "name": name,
            "before": float(before[(name,)][0]),
            "after": float(after[(name,)][0]),
            "difference": change.value,
            "low": change.interval.low,
            "high": change.interval.high,
            "method": f"paired {change.interval.method}" if change.interval.method else "",
            "better": MEASURES[name].better,
        }
        entries.append(entry | ({"reason": change.interval.reason} if change.interval.reason else {}))
    return entries


def _benefit(p: Floats, holds: Rows, used: float, settings: Settings, clusters: Clusters) -> dict[str, Any]:
    reason = ""
    if not holds.any() or holds.all():
        reason = f"{'no' if not holds.any() else 'every'} test example has the label: nothing to weigh"
    curve = [] if reason else decision_curve(p, holds, settings, clusters)
    within = 0 < used < 1 and not reason
    return {
        "reason": reason,
        "curve": curve,
        "worth_using": worth_using(curve) if curve else None,
        "used": net_benefit(p, holds, used) if within else None,
        "signature": settings.signature("net_benefit", len(p), 0, "bootstrap"),
    }
