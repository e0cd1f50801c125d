"""Every measure of regression, with intervals, from one set of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics.catalogue import MEASURES
from workbench.metrics.settings import Settings
from workbench.metrics.splits import splits_of, value_rows
from workbench.metrics.statistics import D2_PINBALL, PINBALL, error_statistic
from workbench.stats import Drawn, Plan, bootstrap, evaluate
from workbench.types import Measure, Values

Floats = NDArray[np.float64]


def mse(targets: ArrayLike, values: ArrayLike) -> float:
    """Mean of (value - target)², in the target's unit squared."""
    return float(np.mean(_errors(targets, values) ** 2))


def rmse(targets: ArrayLike, values: ArrayLike) -> float:
    """Square root of the mean squared error, in the target's unit."""
    return float(np.sqrt(mse(targets, values)))


def mae(targets: ArrayLike, values: ArrayLike) -> float:
    """Mean of |value - target|, in the target's unit."""
    return float(np.mean(np.abs(_errors(targets, values))))


def median_ae(targets: ArrayLike, values: ArrayLike) -> float:
    """Median of |value - target|, in the target's unit."""
    return float(np.median(np.abs(_errors(targets, values))))


def bias(targets: ArrayLike, values: ArrayLike) -> float:
    """Mean of value - target, in the target's unit; positive where predictions are too high."""
    return float(np.mean(_errors(targets, values)))


def r2(targets: ArrayLike, values: ArrayLike) -> float:
    """1 - SSE / SST with the mean of these targets; may be negative, NaN for constant targets."""
    t = np.asarray(targets, dtype=np.float64)
    spread = float(np.sum((t - t.mean()) ** 2))
    if np.ptp(t) <= 1e-12 * np.abs(t).max(initial=0.0):
        return float("nan")
    return 1 - float(np.sum(_errors(targets, values) ** 2)) / spread


def pinball(targets: ArrayLike, values: ArrayLike, alpha: float = 0.5) -> float:
    """Mean of max(alpha (target - value), (alpha - 1) (target - value)), in the target's unit.

    Least where the values are the alpha-quantiles. Source: Koenker & Bassett, Econometrica 46
    (1978) 33-50.
    """
    errors = _errors(targets, values)
    return float(np.mean(np.maximum(-alpha * errors, (1 - alpha) * errors)))


def d2_pinball(targets: ArrayLike, values: ArrayLike, alpha: float = 0.5) -> float:
    """1 - pinball loss / that of these targets' own alpha-quantile; NaN for constant targets.

    With alpha = 0.5 the share of absolute error saved (D² absolute error). Source: Koenker &
    Machado, JASA 94 (1999) 1296-1310, (7).
    """
    t = np.asarray(targets, dtype=np.float64)
    if np.ptp(t) <= 1e-12 * np.abs(t).max(initial=0.0):
        return float("nan")
    constant = np.full_like(t, np.quantile(t, alpha, method="averaged_inverted_cdf"))
    return 1 - pinball(t, values, alpha) / pinball(t, constant, alpha)


def baseline_rmse(targets: ArrayLike, reference: ArrayLike) -> float:
    """RMSE of always answering the mean of `reference` (the training targets)."""
    t, known = np.asarray(targets, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return rmse(t, np.full_like(t, known[np.isfinite(known)].mean()))


def regression_measures(
    predictions: Values,
    *,
    splits: Sequence[str] | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    clusters: NDArray[np.generic] | None = None,
) -> list[Measure]:
    """All measures of regression for each split, with bootstrap intervals.

    Unknown targets (NaN) are left out and counted in the signature. A value that is not
    defined is None with a reason. The baseline is the mean of the training targets, or of
    the split's own where there is no training split.

    Args:
        predictions: values of one model.
        splits: which splits; None for all that occur.
        resamples: bootstrap resamples.
        confidence: coverage of the intervals.
        seed: of the resamples; a split's numbers do not depend on the other splits.
        clusters: (n,) the unit each row belongs to (patient, document), drawn as a whole.

    Returns:
        Measures, split by split, in the order of `MEASURES`.
    """
    settings = Settings(resamples, confidence, seed, "rows" if clusters is None else "clusters")
    train = predictions.targets[(predictions.splits == "train") & np.isfinite(predictions.targets)]
    measures: list[Measure] = []
    for split in splits_of(predictions, splits):
        rows = value_rows(predictions, predictions.splits == split)
        evaluation = _Evaluation(rows.values, split, rows.unknown, settings, train)
        units = None if clusters is None else np.asarray(clusters)[rows.index]
        measures += evaluation.measures(rows.problem, units)
    return measures


@dataclass(frozen=True)
class _Evaluation:
    """One split's known rows and what is needed to describe them."""

    values: Values
    split: str
    unknown: int
    settings: Settings
    train: Floats

    def measures(self, problem: str, clusters: NDArray[np.generic] | None) -> list[Measure]:
        names = [name for name, info in MEASURES.items() if info.takes is Values]
        if problem:
            return [self._measure(name, None, problem) for name in names]
        average = float((self.train if len(self.train) else self.values.targets).mean())
        # A model that knows nothing answers the average: its scores stand beside the model's.
        nothing = replace(self.values, values=np.full_like(self.values.targets, average))
        plain = evaluate([error_statistic(nothing, None)], Plan.rows(len(nothing.targets)).identity)
        baselines = {key[0]: float(value[0]) for key, value in plain.items() if key[0] != "baseline_rmse"}
        drawn = bootstrap(
            [error_statistic(self.values, average)],
            Plan.rows(len(self.values.targets), clusters=clusters),
            resamples=self.settings.resamples,
            confidence=self.settings.confidence,
            seed=self.settings.seed,
        )
        return [self._measure(name, drawn[(name,)], "", baselines.get(name, np.nan)) for name in names]

    def _measure(self, name: str, drawn: Drawn | None, reason: str, baseline: float = np.nan) -> Measure:
        n, info = len(self.values.targets), MEASURES[name]
        value = drawn.value if drawn is not None and np.isfinite(drawn.value) else None
        interval = drawn.interval if drawn is not None and value is not None else None
        if drawn is not None and value is None:
            reason = "the targets are all equal: there is no variance to explain"
        elif interval is not None and interval.reason:
            reason = f"no interval: {interval.reason}"
        knobs: dict[str, object] = {}
        if name == "baseline_rmse":
            knobs = {"answer": "mean", "of": "train" if len(self.train) else self.split}
        elif name in PINBALL or name in D2_PINBALL:
            knobs = {"alpha": PINBALL[D2_PINBALL.get(name, name)]}
        if np.isfinite(baseline):
            knobs["baseline"] = f"mean of {'train' if len(self.train) else self.split}"
        method = interval.method if interval is not None else ""
        return Measure(
            name=name,
            split=self.split,
            value=value,
            low=interval.low if interval is not None else None,
            high=interval.high if interval is not None else None,
            n=n,
            interval=method,
            better=info.better,
            signature=self.settings.signature(name, n, self.unknown, method, **knobs),
            reason=reason,
            unit=info.unit(self.values.unit),
            baseline=baseline if np.isfinite(baseline) else None,
        )


def _errors(targets: ArrayLike, values: ArrayLike) -> Floats:
    errors: Floats = np.asarray(values, dtype=np.float64) - np.asarray(targets, dtype=np.float64)
    return errors
