"""Every measure of multi-label classification, with intervals, from one set of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.metrics import multilabel as several
from workbench.metrics.calibration import BINS
from workbench.metrics.catalogue import MEASURES
from workbench.metrics.counted import Counting
from workbench.metrics.evaluated import affordable, estimate_of, measure_of
from workbench.metrics.label_statistics import OF_COUNTS, label_statistics
from workbench.metrics.notes import FEW, TOO_FEW
from workbench.metrics.settings import Settings
from workbench.metrics.splits import label_rows, splits_of
from workbench.stats import Drawn, Plan, bootstrap, evaluate, wilson
from workbench.types import Estimate, LabelScores, Measure

_DECIDED = ("subset_accuracy", "hamming_loss", "f1_micro", "f1_samples", *OF_COUNTS)


def label_measures(
    predictions: LabelScores,
    *,
    splits: Sequence[str] | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    clusters: NDArray[np.generic] | None = None,
) -> list[Measure]:
    """All measures of several labels for each split.

    Subset accuracy and each label's precision and recall have Wilson's interval; everything
    else the bootstrap over examples. An average over labels leaves out those for which it is
    not defined and says so. Examples with an unknown label are left out and counted in the
    signature.

    Args:
        predictions: scores of one model.
        splits: which splits; None for all that occur.
        resamples: bootstrap resamples; fewer where rows times labels exceed `MOST_WORK`.
        confidence: coverage of the intervals.
        seed: of the resamples; a split's numbers do not depend on the other splits.
        clusters: (n,) the unit each row belongs to; drawn as a whole, for every measure.

    Returns:
        Measures, split by split, in the order of `MEASURES`.
    """
    settings = Settings(resamples, confidence, seed, "rows" if clusters is None else "clusters")
    known_train = predictions.targets[(predictions.splits == "train") & (predictions.targets >= 0).all(axis=1)]
    measures: list[Measure] = []
    for split in splits_of(predictions, splits):
        rows = label_rows(predictions, predictions.splits == split)
        units = None if clusters is None else np.asarray(clusters)[rows.index]
        evaluation = _Evaluation(rows.scores, split, rows.unknown, settings, known_train)
        measures += evaluation.undefined(rows.problem) if rows.problem else evaluation.measures(units)
    return measures


@dataclass(frozen=True)
class _Evaluation:
    """One split's known rows, and what is needed to describe them."""

    scores: LabelScores
    split: str
    unknown: int
    settings: Settings
    train: NDArray[np.int8]

    @property
    def n(self) -> int:
        return len(self.scores.targets)

    @property
    def names(self) -> list[str]:
        return [name for name, info in MEASURES.items() if info.takes is LabelScores]

    @property
    def affordable(self) -> Settings:
        """The settings for measures that look at every row and label: fewer resamples of very many."""
        return affordable(self.settings, self.n * len(self.scores.labels))

    def undefined(self, reason: str) -> list[Measure]:
        return [self._measure(name, Estimate(None, n=self.n, reason=reason)) for name in self.names]

    def measures(self, clusters: NDArray[np.generic] | None) -> list[Measure]:
        how = self.affordable
        plan = Plan.rows(self.n, clusters=clusters)
        drawn = bootstrap(
            label_statistics(self.scores), plan, resamples=how.resamples, confidence=how.confidence, seed=how.seed
        )
        numbers = {"/".join(key): self._estimate(key, value) for key, value in drawn.items()}
        reference = self.train if len(self.train) else self.scores.targets == 1
        usual = several.commonest_set(reference == 1)
        hits = several.all_right(self.scores.targets == 1, np.tile(usual, (self.n, 1)))
        counting = Counting.of(clusters, how.confidence)
        numbers["baseline_subset_accuracy"] = counting.share(hits, np.ones(self.n, dtype=bool))
        if clusters is None:
            numbers |= self._proportions()
        nothing = self._knowing_nothing(usual, (reference == 1).mean(axis=0))
        return [
            self._measure(name, numbers[name], self._per_label(name, numbers), nothing.get(name)) for name in self.names
        ]

    def _knowing_nothing(self, usual: NDArray[np.bool_], shares: NDArray[np.float64]) -> dict[str, float]:
        """What each measure would be of the labels' shares as probabilities and the commonest set as the answer."""
        p = np.clip(shares, 1e-6, 1 - 1e-6)
        constant = replace(
            self.scores,
            logits=np.tile(np.log(p / (1 - p)), (self.n, 1)),
            thresholds=np.where(usual, 0.0, 2.0),
        )
        found = evaluate(label_statistics(constant), Plan.rows(self.n).identity)
        return {k[0]: float(v[0]) for k, v in found.items() if len(k) == 1 and np.isfinite(v[0])}

    def _estimate(self, key: tuple[str, ...], drawn: Drawn) -> Estimate:
        label = key[1] if len(key) == 2 else None
        undefined = "" if np.isfinite(drawn.value) else self._why(key[0], label)
        return estimate_of(drawn, self.n, undefined=undefined, note=self._left_out(key[0]) if label is None else "")

    def _proportions(self) -> dict[str, Estimate]:
        """Subset accuracy and each label's precision and recall are shares of a count: Wilson's interval."""
        level, t, p = self.settings.confidence, self.scores.targets == 1, self.scores.predicted
        numbers = {"subset_accuracy": wilson(int(several.all_right(t, p).sum()), self.n, level)}
        for k, label in enumerate(self.scores.labels):
            hits = int((t[:, k] & p[:, k]).sum())
            for name, n in (("label_recall", int(t[:, k].sum())), ("label_precision", int(p[:, k].sum()))):
                estimate = wilson(hits, n, level)
                if estimate.value is None:
                    estimate = replace(estimate, reason=self._why(name, label))
                numbers[f"{name}/{label}"] = estimate
        return numbers

    # -- reasons and notes --------------------------------------------------------------

    def _why(self, name: str, label: str | None) -> str:
        """Why a measure (of a label) has no value on these rows."""
        if label is None:
            return "it is not defined for any of the labels in this split"
        k = self.scores.labels.index(label)
        if name == "label_precision":
            return f"no example was given the label {label!r}"
        if not (self.scores.targets[:, k] == 1).any():
            return f"no example of this split has the label {label!r}"
        return f"every example of this split has the label {label!r}"

    def _left_out(self, name: str) -> str:
        """Which labels an average leaves out; empty where none."""
        if name not in (*OF_COUNTS, "mean_average_precision", "label_auroc"):
            return ""
        held = (self.scores.targets == 1).sum(axis=0)
        out = held == 0
        if name == "label_precision":
            out = ~self.scores.predicted.any(axis=0)
        elif name == "label_auroc":
            out |= held == self.n
        names = [repr(label) for label, gone in zip(self.scores.labels, out, strict=True) if gone]
        if not names:
            return ""
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"not defined for {', '.join(names[:5])}{more}: left out of the average"

    def _per_label(self, name: str, numbers: Mapping[str, Estimate]) -> dict[str, Estimate]:
        found = {label: numbers.get(f"{name}/{label}") for label in self.scores.labels}
        return {label: self._of_label(name, e, label) for label, e in found.items() if e is not None}

    def _of_label(self, name: str, estimate: Estimate, label: str) -> Estimate:
        """A label's estimate with its own n; counts only where there are too few examples."""
        if name == "label_ece":
            return estimate
        k = self.scores.labels.index(label)
        t, p = self.scores.targets[:, k] == 1, self.scores.predicted[:, k]
        n, hits = int((p if name == "label_precision" else t).sum()), int((t & p).sum())
        if estimate.value is None:
            return replace(estimate, n=n)
        if n < TOO_FEW:
            counted = {"label_recall": f"{hits} of {n} found: ", "label_precision": f"{hits} of {n} right: "}
            what = counted.get(name, f"only {n} examples have this label: ")
            return Estimate(None, n=n, reason=f"{what}too few for a number")
        remarks = [estimate.reason] if estimate.reason else []
        if name == "mean_average_precision":
            remarks.append(f"guessing would reach {n / self.n:.3f}, the share of examples with this label")
        if n < FEW:
            remarks.append(f"few examples (n = {n}): the interval is wide")
        return replace(estimate, n=n, reason="; ".join(remarks))

    def _measure(
        self,
        name: str,
        estimate: Estimate,
        per_label: Mapping[str, Estimate] | None = None,
        baseline: float | None = None,
    ) -> Measure:
        knobs = self._knobs(name)
        if baseline is not None:
            knobs["baseline"] = f"label shares of {'train' if len(self.train) else self.split}"
        signature = self.affordable.signature(name, self.n, self.unknown, estimate.interval, **knobs)
        return measure_of(name, self.split, estimate, signature, n=self.n, parts=per_label, baseline=baseline)

    def _knobs(self, name: str) -> dict[str, object]:
        knobs: dict[str, object] = {}
        if name in (*OF_COUNTS, "mean_average_precision", "label_auroc", "label_ece"):
            knobs["average"] = "labels"
        if name in _DECIDED:
            knobs["thresholds"] = ",".join(f"{t:.4g}" for t in self.scores.thresholds)
        match name:
            case "f1_samples":
                knobs["zero_division"] = "1"
            case "baseline_subset_accuracy":
                knobs["set"] = f"most frequent of {'train' if len(self.train) else self.split}"
            case "label_log_loss":
                knobs["log"] = "natural"
            case "label_ece":
                knobs |= {"bins": BINS, "binning": "equal-width"}
        return knobs
