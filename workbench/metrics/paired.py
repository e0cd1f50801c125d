"""Two models on the same examples: is one better, for whom, and is the difference real?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.calibration import calibration_floor
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.clustered import use_clusters
from workbench.metrics.counted import Counting, paired_cells
from workbench.metrics.flips import flip_lists
from workbench.metrics.noninferiority import margin_by_bootstrap, margin_on_accuracy, right_statistic
from workbench.metrics.recall import compare_recall
from workbench.metrics.settings import Settings
from workbench.metrics.splits import class_rows, paired_rows, value_rows
from workbench.metrics.statistics import (
    Cells,
    calibration_statistic,
    confusion_statistic,
    error_statistic,
    proper_statistic,
    ranking_statistic,
)
from workbench.metrics.verdict import calibration_change, verdict_on_accuracy, verdict_on_error
from workbench.stats import (
    Plan,
    Statistic,
    bootstrap,
    delong,
    evaluate,
    mcnemar_exact,
    newcombe_paired,
    two_sided_p,
)
from workbench.types import ClassScores, Predictions, Values

COMPARED = ("balanced_accuracy", "f1_macro", "auroc", "log_loss", "brier", "ece")
COMPARED_VALUES = ("rmse", "mae", "median_ae", "r2")


def compare(
    before: Predictions,
    after: Predictions,
    *,
    split: str = "test",
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    names: tuple[str, str] = ("before", "after"),
    clusters: NDArray[np.generic] | None = None,
    margin: float = 0.0,
) -> dict[str, Any]:
    """Compare two models on the examples of one split, paired by id.

    Accuracy: Newcombe's interval of the paired difference and McNemar's exact test; with
    clusters a bootstrap of whole clusters and their approximate randomisation, which the
    verdict then reads. Other measures: bootstrap of the difference, both models on the same
    resamples. Per class: difference of recall, p-values corrected over the classes (Holm).

    Args:
        before: predictions of the model before the change.
        after: predictions of the model after it, of the same examples (any order).
        split: whose examples are compared.
        resamples: bootstrap resamples.
        confidence: coverage of the intervals.
        seed: of the resamples.
        names: what the two are called in the result.
        clusters: (n,) the unit that each row of `before` belongs to; drawn, and swapped between
            the models, as a whole.
        margin: the largest loss that was declared acceptable: of accuracy as a proportion, of
            RMSE as a share of the RMSE before; 0 for none.

    Returns:
        The content of `comparison.json` (docs/artefacts.md). Differences are after minus
        before. For regression `accuracy`, `flips` and `classes` are None.

    Raises:
        DataError: if prediction types, labels, ids or targets of the two differ.
    """
    rows = before.splits == split
    before, after = paired_rows(before, after, split)
    units = None if clusters is None else np.asarray(clusters)[rows]
    settings = Settings(resamples, confidence, seed, "rows, paired" if clusters is None else "clusters, paired")
    if isinstance(before, ClassScores) and isinstance(after, ClassScores):
        result = _classification(before, after, settings, units, margin)
    elif isinstance(before, Values) and isinstance(after, Values):
        result = _regression(before, after, settings, units, margin)
    return {"split": split, "n": result.pop("n"), "before": names[0], "after": names[1], **result}


def _classification(
    before: ClassScores, after: ClassScores, settings: Settings, clusters: NDArray[np.generic] | None, margin: float
) -> dict[str, Any]:
    everything = np.ones(len(before.targets), dtype=bool)
    first, second = class_rows(before, everything), class_rows(after, everything)
    problem = first.problem or second.problem
    a, b = first.scores, second.scores
    n = len(a.targets)
    right_a, right_b = a.predicted == a.targets, b.predicted == b.targets
    # Outputs that are not finite decide nothing; counts would be of noise.
    cells = (0, 0, 0, 0) if problem else paired_cells(right_a, right_b)
    n11, n10, n01, _ = cells
    estimate = newcombe_paired(*cells, settings.confidence)
    changed = int(np.sum(a.predicted != b.predicted))
    accuracy: dict[str, Any] = {
        "before": (n11 + n10) / n if not problem else None,
        "after": (n11 + n01) / n if not problem else None,
        "difference": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": estimate.interval,
        "mcnemar_p": mcnemar_exact(n10, n01) if not problem else None,
        "b": n10,
        "c": n01,
    }
    if problem:
        accuracy["reason"] = problem
        none: dict[str, Any] = {
            "negative": [],
            "positive": [],
            "nfr": None,
            "pfr": None,
            "churn": None,
            "relative_nfr": None,
            "reason": problem,
        }
        verdict = f"Not compared: {problem}."
        return {"n": n, "verdict": verdict, "accuracy": accuracy, "flips": none, "measures": [], "classes": []} | {
            "margin": None,
            "calibration": None,
        }
    flips = flip_lists(b, right_a, right_b, changed)
    statistics = [_difference(x, y) for x, y in zip(_statistics(a), _statistics(b), strict=True)]
    if clusters is None:
        plan = Plan.rows(n, strata=a.targets.astype(np.int64))
    else:
        plan = Plan.rows(n, clusters=np.asarray(clusters)[first.index])
    measures = _measures(COMPARED, _statistics(a), _statistics(b), statistics, plan, settings, "")
    _use_delong(measures, a, b, settings)
    _beside_floors(measures, (a, b), settings.seed)
    units = None if clusters is None else np.asarray(clusters)[first.index]
    counting = Counting.of(units, settings.confidence, seed=settings.seed)
    moved = right_statistic(right_b.astype(np.float64) - right_a.astype(np.float64))
    tested: dict[str, Any] | None = None
    if units is None:
        accuracy |= {"p": accuracy["mcnemar_p"], "test": "mcnemar"}
        tested = margin_on_accuracy(cells, margin, settings.confidence) if margin else None
    else:
        use_clusters(accuracy, right_a, right_b, units, plan, settings)
        if margin:
            tested = margin_by_bootstrap(
                moved,
                plan,
                margin=margin,
                of="accuracy",
                settings=settings,
                better="higher",
                unit="points",
                units="groups",
            )
    return {
        "n": n,
        "verdict": verdict_on_accuracy(accuracy, n, changed, settings.confidence),
        "accuracy": accuracy,
        "flips": flips,
        "margin": tested,
        "calibration": calibration_change(accuracy, measures),
        "measures": measures,
        "classes": compare_recall(a, right_a, right_b, counting),
    }


def _regression(
    before: Values, after: Values, settings: Settings, clusters: NDArray[np.generic] | None, margin: float
) -> dict[str, Any]:
    everything = np.ones(len(before.targets), dtype=bool)
    first, second = value_rows(before, everything), value_rows(after, everything)
    problem = first.problem or second.problem
    n = len(first.index)
    result: dict[str, Any] = {"n": n, "verdict": "", "accuracy": None, "flips": None, "measures": [], "classes": None}
    result |= {"margin": None, "calibration": None}
    if problem:
        return result | {"verdict": f"Not compared: {problem}."}
    ones = [error_statistic(rows.values, None) for rows in (first, second)]
    units = None if clusters is None else np.asarray(clusters)[first.index]
    plan = Plan.rows(n, clusters=units)
    measures = _measures(COMPARED_VALUES, ones[:1], ones[1:], [_difference(*ones)], plan, settings, before.unit)
    result["measures"] = measures
    result["verdict"] = verdict_on_error(measures[0], before.unit, settings.confidence)
    if margin and measures[0]["before"]:
        place = ones[0].keys.index(("rmse",))
        rmse = Statistic((("rmse",),), lambda w: _difference(*ones).function(w)[:, [place]], ((-np.inf, np.inf),))
        tested = margin_by_bootstrap(
            rmse,
            plan,
            margin=margin * measures[0]["before"],
            of="rmse",
            settings=settings,
            better="lower",
            unit=before.unit,
            units="examples" if clusters is None else "groups",
        )
        result["margin"] = tested | {"share": margin}
    return result


def _statistics(scores: ClassScores) -> list[Statistic]:
    return [
        confusion_statistic(scores, Cells(scores), rows=True),
        ranking_statistic(scores),
        proper_statistic(scores),
        calibration_statistic(scores),
    ]


def _difference(before: Statistic, after: Statistic) -> Statistic:
    """The statistic after minus before; both see the same weights."""
    bounds = tuple((low - high, high - low) for low, high in before.bounds)
    return Statistic(before.keys, lambda w: after.function(w) - before.function(w), bounds)


def _measures(
    names: Sequence[str],
    before: Sequence[Statistic],
    after: Sequence[Statistic],
    differences: Sequence[Statistic],
    plan: Plan,
    settings: Settings,
    unit: str,
) -> list[dict[str, Any]]:
    ours, theirs = evaluate(before, plan.identity), evaluate(after, plan.identity)
    drawn = bootstrap(
        differences, plan, resamples=settings.resamples, confidence=settings.confidence, seed=settings.seed
    )
    measures = []
    for name in names:
        a, b, d = float(ours[(name,)][0]), float(theirs[(name,)][0]), drawn[(name,)]
        known = bool(np.isfinite(d.value))
        entry: dict[str, Any] = {
            "name": name,
            "before": a if np.isfinite(a) else None,
            "after": b if np.isfinite(b) else None,
            "difference": d.value if known else None,
            "low": d.interval.low,
            "high": d.interval.high,
            "p": two_sided_p(d.draws) if known else None,
            "method": f"paired {d.interval.method}" if d.interval.method else "",
            "better": MEASURES[name].better,
            "unit": MEASURES[name].unit(unit),
        }
        if known and not np.any(d.draws):
            entry["reason"] = "no interval: both models give the same value on every resample"
        elif d.interval.reason:
            entry["reason"] = d.interval.reason
        measures.append(entry)
    return measures


def _beside_floors(measures: list[dict[str, Any]], models: Sequence[ClassScores], seed: int) -> None:
    """Mark the calibration error `within_chance` where both models' are what perfectly calibrated ones would show.

    Such errors differ as the confidences do, which says nothing of either's calibration.
    """
    for entry in (m for m in measures if m["name"] == "ece" and m["low"] is not None and m["low"] * m["high"] > 0):
        floors = [calibration_floor(m.probabilities.max(axis=1), np.random.default_rng(seed)) for m in models]
        ends = [float(np.quantile(floor, 0.95)) for floor in floors]
        entry["within_chance"] = bool(entry["before"] <= ends[0] and entry["after"] <= ends[1])


def _use_delong(measures: list[dict[str, Any]], a: ClassScores, b: ClassScores, settings: Settings) -> None:
    """With two classes and independent rows, DeLong's exact covariance replaces the bootstrap."""
    positive = a.targets == 1
    if len(a.labels) != 2 or settings.drawn.startswith("clusters") or min(positive.sum(), (~positive).sum()) < 2:
        return
    test = delong(a.probabilities[:, 1], b.probabilities[:, 1], positive, settings.confidence)
    entry = next(m for m in measures if m["name"] == "auroc")
    entry.pop("reason", None)
    entry |= {"difference": test.difference, "low": test.low, "high": test.high, "p": test.p, "method": "delong"}
