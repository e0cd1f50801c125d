"""What happens at any threshold: a slider over exact counts, and the scores that it cuts.

The counts at every stop of the slider are taken here, from the unrounded probabilities; the page
only divides them. So a stop at a rule's threshold shows what the table of rules says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from workbench.language import gettext as _
from workbench.report import decision_charts as charts
from workbench.report.performance import known, truth_of
from workbench.report.shapes import Block, Chart, Prose
from workbench.report.thresholds import rule_name
from workbench.report.view import RunView
from workbench.report.words import clean, count

CLASSES = 12  # that can be chosen
_STOPS = 150  # distinct probabilities up to which each one is a stop
_BINS = 40


@dataclass(frozen=True, slots=True)
class Operating:
    """Counts at every stop for each class, the chart of its scores and the price of a false alarm."""

    template: ClassVar[str] = "operating.html"
    classes: tuple[Mapping[str, Any], ...]  # label, positives, negatives, at, tp, fp, rules [[name, stop]]
    chart: Chart
    cost_ratio: float
    note: str


def operating(view: RunView, own: Mapping[str, Any]) -> list[Block]:
    """The slider of the shipped model on the test split; nothing where no class has both kinds of examples.

    Args:
        view: of the run.
        own: decisions.json of the shipped model.
    """
    frame = view.predictions(view.shipped, "test")
    if frame is None or view.regression:
        return []
    rows, part = known(frame), own.get("thresholds") or {}
    classes, bins = [], []
    for label in _labels(view, part.get("positive")):
        truth, scores = truth_of(rows, label), rows[f"score.{label}"].to_numpy(dtype=float)
        if truth.all() or not truth.any():
            continue
        rules = part.get("rules") or [] if label == part.get("positive") else []
        classes.append({"label": clean(label), **stops(truth, scores, _named(rules))})
        bins.append(_histogram(truth, scores).assign(label=clean(label)))
    if not classes:
        return []
    left = len(view.labels) - CLASSES
    chart = Chart(
        charts.scores(pd.concat(bins, ignore_index=True), str(classes[0]["label"])),
        _("Probabilities of {label} given to examples of it and to the others").format(label=classes[0]["label"]),
        _("What is to the right of the line is called. Bars: share of the examples of either kind."),
        200,
    )
    note = _(
        "On {n} of the shipped model. Intervals are Wilson's (95 %), which take examples as "
        "independent. A threshold that is chosen by looking here would have to be judged on "
        "other examples."
    ).format(n=count(len(rows), "{n} test example", "{n} test examples"))
    if left > 0:
        note += _(" The {CLASSES} commonest classes of {n} can be chosen.").format(CLASSES=CLASSES, n=len(view.labels))
    said = _("Move the threshold: the counts, the shares and the price follow.")
    ratio = float(part["cost_ratio"]) if part.get("cost_ratio") is not None else 1.0
    return [
        Prose((said,), heading=_("What would another threshold do?")),
        Operating(tuple(classes), chart, ratio, note),
    ]


def _labels(view: RunView, positive: str | None) -> list[str]:
    """The classes that can be chosen: the positive one of two, else the commonest."""
    if len(view.labels) == 2 and not view.multilabel:
        return [positive if positive in view.labels else view.labels[1]]
    counted = (view.fingerprint.get("classes") or {}).get("test", {})
    commonest = set(sorted(view.labels, key=lambda label: (-counted.get(label, 0), label))[:CLASSES])
    first = [label for label in view.labels if label == positive]
    return first + [label for label in view.labels if label in commonest and label != positive][: CLASSES - len(first)]


def _named(rules: list[dict[str, Any]]) -> dict[str, float]:
    return {rule_name(r)[0]: float(r["threshold"]) for r in rules if r["threshold"] is not None}


def stops(truth: np.ndarray, scores: np.ndarray, rules: Mapping[str, float]) -> dict[str, Any]:
    """Counts at the stops of a slider: what scores at least the stop is called.

    Args:
        truth: whether each example is of the class, (n,) bool.
        scores: its probability of the class, (n,).
        rules: thresholds that must be stops, by name.
    """
    distinct = np.unique(scores)
    if len(distinct) > _STOPS:
        distinct = np.unique(np.quantile(scores, np.linspace(0, 1, _STOPS // 3), method="inverted_cdf"))
    at = np.unique(np.concatenate([np.linspace(0, 1, 101), distinct, list(rules.values())]))
    at = at[at <= max(1.0, float(distinct[-1]))]
    own, other = np.sort(scores[truth]), np.sort(scores[~truth])
    return {
        "positives": len(own),
        "negatives": len(other),
        "at": [float(t) for t in at],
        "tp": (len(own) - np.searchsorted(own, at, side="left")).tolist(),
        "fp": (len(other) - np.searchsorted(other, at, side="left")).tolist(),
        "rules": [[name, int(np.searchsorted(at, t))] for name, t in rules.items()],
        "half": int(np.searchsorted(at, 0.5)),
    }


def _histogram(truth: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    edges = np.linspace(0, 1, _BINS + 1)
    parts = []
    for who, chosen in (("of the class", truth), ("others", ~truth)):
        n = np.histogram(scores[chosen], edges)[0]
        parts.append(pd.DataFrame({"who": who, "low": edges[:-1], "high": edges[1:], "n": n, "share": n / n.sum()}))
    found = pd.concat(parts, ignore_index=True).round(5)
    return found[found["n"] > 0]
