"""What every measure is called, which way is better and what it says, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.metric_table import METRICS
from workbench.types import ClassScores, LabelScores, Values


@dataclass(frozen=True, slots=True)
class MeasureInfo:
    """How a measure is shown: `text` is its caption, `bounds` the ends of its range.

    `better` is "higher", "lower" or "" where neither is; `takes` the prediction type;
    `squared_unit` is true where the value is in the target's unit squared, `has_unit`
    where it is in the target's unit at all.
    """

    title: str
    better: str
    text: str
    takes: type[ClassScores] | type[LabelScores] | type[Values]
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    has_unit: bool = False
    squared_unit: bool = False

    def unit(self, target: str) -> str:
        """The measure's unit, where the target's is given."""
        if not self.has_unit or not target:
            return ""
        if self.squared_unit:
            return f"{target}²" if target.isalpha() else f"({target})²"
        return target


_SHARE, _POSITIVE, _UPTO_ONE = (0.0, 1.0), (0.0, float("inf")), (float("-inf"), 1.0)
_NO_UNIT = ("r2", "d2_absolute_error", "d2_pinball_10", "d2_pinball_90")


def _classification(name: str, title: str, better: str, bounds: tuple[float, float] = _SHARE) -> MeasureInfo:
    return MeasureInfo(title, better, METRICS[name][1], ClassScores, bounds)


def _labels(name: str, title: str, better: str, bounds: tuple[float, float] = _SHARE) -> MeasureInfo:
    return MeasureInfo(title, better, METRICS[name][1], LabelScores, bounds)


def _regression(
    name: str, title: str, better: str, bounds: tuple[float, float] = _POSITIVE, *, squared: bool = False
) -> MeasureInfo:
    return MeasureInfo(title, better, METRICS[name][1], Values, bounds, name not in _NO_UNIT, squared)


MEASURES: dict[str, MeasureInfo] = {
    "accuracy": _classification("accuracy", "Accuracy", "higher"),
    "baseline_accuracy": _classification("baseline_accuracy", "Accuracy of the most frequent class", ""),
    "balanced_accuracy": _classification("balanced_accuracy", "Balanced accuracy", "higher"),
    "mcc": _classification("mcc", "Matthews correlation", "higher", (-1.0, 1.0)),
    "precision": _classification("precision", "Precision", "higher"),
    "recall": _classification("recall", "Recall", "higher"),
    "f1": _classification("f1", "F1", "higher"),
    "f1_macro": _classification("f1_macro", "F1, all classes alike", "higher"),
    "f1_weighted": _classification("f1_weighted", "F1, by class size", "higher"),
    "auroc": _classification("auroc", "Area under the ROC curve", "higher"),
    "auroc_weighted": _classification("auroc_weighted", "Area under the ROC curve, by class size", "higher"),
    "auroc_ovo": _classification("auroc_ovo", "Area under the ROC curve, class against class", "higher"),
    "average_precision": _classification("average_precision", "Average precision", "higher"),
    "log_loss": _classification("log_loss", "Log loss", "lower", _POSITIVE),
    "brier": _classification("brier", "Brier score", "lower", (0.0, 2.0)),
    "d2_log_loss": _classification("d2_log_loss", "Log loss saved (D²)", "higher", _UPTO_ONE),
    "d2_brier": _classification("d2_brier", "Brier score saved (D²)", "higher", _UPTO_ONE),
    "brier_reliability": _classification("brier_reliability", "Brier score: reliability", "lower", _POSITIVE),
    "brier_resolution": _classification("brier_resolution", "Brier score: resolution", "higher", _POSITIVE),
    "brier_uncertainty": _classification("brier_uncertainty", "Brier score: uncertainty", "", _POSITIVE),
    "ece": _classification("ece", "Calibration error", "lower"),
    "ece_floor": _classification("ece_floor", "Calibration error by chance alone", ""),
    "ace": _classification("ace", "Calibration error, equally many examples a bin", "lower"),
    "classwise_ece": _classification("classwise_ece", "Calibration error, class by class", "lower"),
    "mce": _classification("mce", "Largest calibration gap", "lower"),
    "aurc": _classification("aurc", "Risk over coverage (AURC)", "lower"),
    "aurc_excess": _classification("aurc_excess", "Risk over coverage above the best order", "lower"),
    "mse": _regression("mse", "Mean squared error", "lower", squared=True),
    "rmse": _regression("rmse", "Typical error (RMSE)", "lower"),
    "baseline_rmse": _regression("baseline_rmse", "Typical error of the average", ""),
    "mae": _regression("mae", "Mean absolute error", "lower"),
    "median_ae": _regression("median_ae", "Median absolute error", "lower"),
    "r2": _regression("r2", "Variance explained (R²)", "higher", (float("-inf"), 1.0)),
    "bias": _regression("bias", "Mean error (predicted minus true)", "", (float("-inf"), float("inf"))),
    "pinball_10": _regression("pinball_10", "Pinball loss at 0.1", "lower"),
    "pinball_50": _regression("pinball_50", "Pinball loss at 0.5", "lower"),
    "pinball_90": _regression("pinball_90", "Pinball loss at 0.9", "lower"),
    "d2_absolute_error": _regression("d2_absolute_error", "Absolute error saved (D²)", "higher", _UPTO_ONE),
    "d2_pinball_10": _regression("d2_pinball_10", "Pinball loss at 0.1 saved (D²)", "higher", _UPTO_ONE),
    "d2_pinball_90": _regression("d2_pinball_90", "Pinball loss at 0.9 saved (D²)", "higher", _UPTO_ONE),
    "subset_accuracy": _labels("subset_accuracy", "Every label right (subset accuracy)", "higher"),
    "baseline_subset_accuracy": _labels("baseline_subset_accuracy", "The same of the most frequent set", ""),
    "hamming_loss": _labels("hamming_loss", "Wrong decisions (Hamming loss)", "lower"),
    "f1_micro": _labels("f1_micro", "F1, all decisions together (micro)", "higher"),
    "f1_samples": _labels("f1_samples", "F1, example by example", "higher"),
    "label_precision": _labels("label_precision", "Precision, all labels alike", "higher"),
    "label_recall": _labels("label_recall", "Recall, all labels alike", "higher"),
    "label_f1": _labels("label_f1", "F1, all labels alike (macro)", "higher"),
    "mean_average_precision": _labels("mean_average_precision", "Mean average precision", "higher"),
    "label_auroc": _labels("label_auroc", "Area under the ROC curve, all labels alike", "higher"),
    "lrap": _labels("lrap", "Ranking of an example's labels (LRAP)", "higher"),
    "coverage_error": _labels("coverage_error", "Labels down to the last right one", "lower", _POSITIVE),
    "ranking_loss": _labels("ranking_loss", "Pairs of labels in the wrong order", "lower"),
    "label_log_loss": _labels("label_log_loss", "Log loss of a decision", "lower", _POSITIVE),
    "label_brier": _labels("label_brier", "Brier score of a decision", "lower"),
    "label_ece": _labels("label_ece", "Calibration error, label by label", "lower"),
}
