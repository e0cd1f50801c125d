"""Every measure of single-label classification, with intervals, from one set of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.metrics import notes
from workbench.metrics.calibration import BINS, FLOOR_RESAMPLES, calibration_floor, murphy_groups
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.counted import Counting
from workbench.metrics.evaluated import affordable, estimate_of, measure_of
from workbench.metrics.honesty import GROUPED
from workbench.metrics.selective import selective_statistic
from workbench.metrics.settings import Settings
from workbench.metrics.splits import class_rows, splits_of
from workbench.metrics.statistics import (
    Cells,
    calibration_statistic,
    confusion_statistic,
    murphy_statistic,
    proper_statistic,
    ranking_statistic,
    uncertainty_statistic,
)
from workbench.stats import Drawn, Plan, Statistic, bootstrap, evaluate, wilson
from workbench.types import ClassScores, Estimate, Measure

FROM_COUNTS = ("accuracy", "balanced_accuracy", "mcc", "precision", "recall", "f1", "f1_macro", "f1_weighted")
_SEVERAL = ("auroc_weighted", "auroc_ovo")  # of more than two classes


def baseline_accuracy(targets: ArrayLike, reference: ArrayLike) -> float:
    """Share of targets that equal the most frequent class of `reference`; NaN without targets.

    The lowest class index wins a tie.
    """
    t = np.asarray(targets)
    return float(np.mean(t == majority_class(reference))) if len(t) else float("nan")


def majority_class(reference: ArrayLike) -> int:
    """The most frequent class index (-1, unknown, left out); the lowest one on a tie."""
    known = np.asarray(reference, dtype=np.int64)
    return int(np.bincount(known[known >= 0]).argmax())


def classification_measures(
    predictions: ClassScores,
    *,
    splits: Sequence[str] | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    clusters: NDArray[np.generic] | None = None,
    positive: str = "",
) -> list[Measure]:
    """All measures of classification for each split.

    Proportions have Wilson's interval; everything else the bootstrap, rows drawn within
    their true class. A value that is not defined is None with a reason; a value may also
    carry a reason as a note ("few examples"). Unknown targets (-1) are left out and counted
    in the signature.

    Args:
        predictions: scores of one model.
        splits: which splits; None for all that occur.
        resamples: bootstrap resamples; with more than `MOST_WORK` rows times classes fewer are
            drawn for areas and calibration, and their signature says how many.
        confidence: coverage of the intervals.
        seed: of the resamples; a split's numbers do not depend on the other splits.
        clusters: (n,) the unit each row belongs to (patient, document); drawn as a whole,
            for every measure. None where rows are independent.
        positive: of two classes the one whose average precision is the number itself; empty: the second.

    Returns:
        Measures, split by split, in the order of `MEASURES`.
    """
    drawn = "rows within true class" if clusters is None else "clusters"
    settings = Settings(resamples, confidence, seed, drawn)
    known_train = predictions.targets[(predictions.splits == "train") & (predictions.targets >= 0)]
    labels = list(predictions.labels)
    looked_for = labels.index(positive) if len(labels) == 2 and positive in labels else 1
    measures: list[Measure] = []
    for split in splits_of(predictions, splits):
        rows = class_rows(predictions, predictions.splits == split)
        units = None if clusters is None else np.asarray(clusters)[rows.index]
        evaluation = _Evaluation(rows.scores, split, rows.unknown, settings, known_train, looked_for)
        measures += evaluation.undefined(rows.problem) if rows.problem else evaluation.measures(units)
    return measures


@dataclass(frozen=True)
class _Evaluation:
    """One split's known rows, sorted by target, and what is needed to describe them."""

    scores: ClassScores
    split: str
    unknown: int
    settings: Settings
    train: NDArray[np.int64]
    positive: int = 1

    @property
    def n(self) -> int:
        return len(self.scores.targets)

    @property
    def names(self) -> list[str]:
        names = [name for name, info in MEASURES.items() if info.takes is ClassScores]
        return [name for name in names if name not in _SEVERAL or len(self.scores.labels) > 2]

    @property
    def affordable(self) -> Settings:
        """The settings for measures that look at every row and class: fewer resamples of very many."""
        return affordable(self.settings, self.n * len(self.scores.labels))

    def undefined(self, reason: str) -> list[Measure]:
        return [self._measure(name, Estimate(None, n=self.n, reason=reason)) for name in self.names]

    def measures(self, clusters: NDArray[np.generic] | None) -> list[Measure]:
        numbers, nothing = self._numbers(clusters), self._knows_nothing()
        return [self._measure(n, numbers[n], self._per_class(n, numbers), nothing.get(n)) for n in self.names]

    def _numbers(self, clusters: NDArray[np.generic] | None) -> dict[str, Estimate]:
        """Estimates by measure, and by `measure/label` for the classes."""
        scores, cells = self.scores, Cells(self.scores)
        by_row = _by_row(scores, self.positive)
        if clusters is None:
            plan = Plan.rows(self.n, strata=scores.targets.astype(np.int64))
            drawn = self._bootstrap(by_row, plan, self.affordable)
            # The multinomial shortcut: drawing cells of the confusion matrix is drawing rows.
            plan = Plan(cells.counts, strata=cells.true)
            drawn |= self._bootstrap([confusion_statistic(scores, cells, rows=False)], plan, self.settings)
            # Draws within classes never change the class shares, which is all that uncertainty is.
            plan = Plan(np.bincount(scores.targets, minlength=len(scores.labels)).astype(np.int64))
            drawn |= self._bootstrap([uncertainty_statistic()], plan, self.settings)
        else:
            together = [*by_row, confusion_statistic(scores, cells, rows=True)]
            drawn = self._bootstrap(together, Plan.rows(self.n, clusters=clusters), self.affordable)
        numbers = {"/".join(key): self._estimate(key, value) for key, value in drawn.items()}
        numbers |= self._baseline(clusters) | self._floor(numbers["ece"].value, clusters is not None)
        if clusters is None:
            numbers |= self._proportions(cells)
        return numbers

    @staticmethod
    def _bootstrap(statistics: Sequence[Statistic], plan: Plan, how: Settings) -> dict[tuple[str, ...], Drawn]:
        return bootstrap(statistics, plan, resamples=how.resamples, confidence=how.confidence, seed=how.seed)

    def _estimate(self, key: tuple[str, ...], drawn: Drawn) -> Estimate:
        label = key[1] if len(key) == 2 else None
        undefined = "" if np.isfinite(drawn.value) else notes.undefined(key[0], self.scores, label)
        note = notes.left_out(key[0], self.scores) if label is None else ""
        return estimate_of(drawn, self.n, undefined=undefined, note=note)

    def _proportions(self, cells: Cells) -> dict[str, Estimate]:
        """Accuracy, precision and recall are shares of a count: Wilson's interval."""
        level, labels = self.settings.confidence, self.scores.labels
        counts = cells.tally(cells.counts[None, :].astype(np.int32))
        hits, support, called = (c[0].astype(int).tolist() for c in (counts.hits, counts.support, counts.predicted))
        numbers = {"accuracy": wilson(sum(hits), self.n, level)}
        for k, label in enumerate(labels):
            for name, n in (("recall", support[k]), ("precision", called[k])):
                estimate = wilson(hits[k], n, level)
                if estimate.value is None:
                    estimate = replace(estimate, reason=notes.undefined(name, self.scores, label))
                numbers[f"{name}/{label}"] = estimate
        return numbers

    @property
    def _reference(self) -> NDArray[np.int64]:
        return self.train if len(self.train) else self.scores.targets

    def _baseline(self, clusters: NDArray[np.generic] | None) -> dict[str, Estimate]:
        hits = self.scores.targets == majority_class(self._reference)
        counting = Counting.of(clusters, self.settings.confidence)
        return {"baseline_accuracy": counting.share(hits, np.ones(self.n, dtype=bool))}

    def _knows_nothing(self) -> dict[str, float]:
        """What a model would score that answers the class shares of training, whatever the example."""
        shares = np.bincount(self._reference, minlength=len(self.scores.labels)) / len(self._reference)
        with np.errstate(divide="ignore"):  # a class that training lacks has a logit of minus infinity
            same = replace(self.scores, logits=np.tile(np.log(shares), (self.n, 1)))
        together = [*_by_row(same, self.positive), confusion_statistic(same, Cells(same), rows=True)]
        found = evaluate(together, Plan.rows(self.n).identity)
        values = {key[0]: float(value[0]) for key, value in found.items() if len(key) == 1}
        # Decisions that never vary have no correlation: by convention as good as none.
        values["mcc"] = 0.0
        del values["brier_uncertainty"]
        return {name: value for name, value in values.items() if np.isfinite(value)}

    def _floor(self, ece: float | None, grouped: bool) -> dict[str, Estimate]:
        errors = calibration_floor(self.scores.probabilities.max(axis=1), np.random.default_rng(self.settings.seed))
        low, high = np.quantile(errors, [0.05, 0.95])
        mean = float(errors.mean())
        above = ece is not None and ece > high
        reason = (
            f"the model's own {ece:.3f} is {'above' if above else 'within'} what chance explains: "
            f"95 % of perfectly calibrated models stay below {high:.3f}"
        )
        if grouped:
            reason += f"; {GROUPED}"
        # Few examples give few different errors: a rare large one can lift the mean above the band.
        ends = min(float(low), mean), max(float(high), mean)
        return {"ece_floor": Estimate(mean, *ends, self.n, "simulated-5-95", reason)}

    def _per_class(self, name: str, numbers: Mapping[str, Estimate]) -> dict[str, Estimate]:
        labels = self.scores.labels
        own = {label: numbers[f"{name}/{label}"] for label in labels if f"{name}/{label}" in numbers}
        return {label: notes.for_class(name, estimate, self.scores, label) for label, estimate in own.items()}

    def _measure(
        self,
        name: str,
        estimate: Estimate,
        per_class: Mapping[str, Estimate] | None = None,
        baseline: float | None = None,
    ) -> Measure:
        from_cells = name in FROM_COUNTS and self.settings.drawn != "clusters"
        settings = self.settings if from_cells else self.affordable
        if name == "brier_uncertainty" and settings.drawn != "clusters":
            settings = replace(self.settings, drawn="rows")
        knobs = self._knobs(name)
        if baseline is not None:
            knobs["baseline"] = f"class shares of {'train' if len(self.train) else self.split}"
        signature = settings.signature(name, self.n, self.unknown, estimate.interval, **knobs)
        return measure_of(name, self.split, estimate, signature, n=self.n, parts=per_class, baseline=baseline)

    def _knobs(self, name: str) -> dict[str, object]:
        labels = self.scores.labels
        binary = len(labels) == 2
        match name:
            case "baseline_accuracy":
                return {"class": "most frequent", "of": "train" if len(self.train) else self.split}
            case "balanced_accuracy" | "f1_macro":
                return {"average": "macro"}
            case "precision" | "recall" | "f1":
                return {"average": "macro", "zero_division": "nan"}
            case "f1_weighted":
                return {"average": "weighted"}
            case "auroc" | "average_precision":
                return {"positive": labels[self.positive]} if binary else {"average": "ovr-macro"}
            case "auroc_weighted":
                return {"average": "ovr-weighted"}
            case "auroc_ovo":
                return {"average": "ovo-macro"}
            case "log_loss":
                return {"log": "natural", "clipped": "no"}
            case "brier":
                return {"form": "binary" if binary else "sum over classes"}
            case "d2_log_loss" | "d2_brier":
                return {"against": f"class shares of {self.split}"}
            case "brier_reliability" | "brier_resolution":
                p = self.scores.probabilities
                exact = all(murphy_groups(p[:, k])[1] for k in range(len(labels)))
                grouping = {"grouping": "distinct probabilities"} if exact else {"grouping": "equal-mass", "bins": BINS}
                return {"form": "binary" if binary else "sum over classes", **grouping}
            case "brier_uncertainty":
                return {"form": "binary" if binary else "sum over classes"}
            case "aurc" | "aurc_excess":
                return {"sure": "largest probability", "ties": "together"}
            case "ece" | "mce":
                return {"label": "top", "bins": BINS, "binning": "equal-width"}
            case "ace":
                return {"label": "top", "bins": BINS, "binning": "equal-mass"}
            case "classwise_ece":
                return {"average": "macro", "bins": BINS, "binning": "equal-width"}
            case "ece_floor":
                draws = {"simulations": FLOOR_RESAMPLES, "seed": self.settings.seed}
                return {"label": "top", "bins": BINS, "binning": "equal-width", **draws}
        return {}


def _by_row(scores: ClassScores, positive: int) -> list[Statistic]:
    """What looks at every row, and not at its decision alone."""
    return [
        proper_statistic(scores),
        murphy_statistic(scores),
        ranking_statistic(scores, positive),
        calibration_statistic(scores),
        selective_statistic(scores),
    ]
