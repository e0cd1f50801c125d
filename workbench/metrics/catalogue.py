"""What every measure is called, which way is better and what it says, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.registry import METRICS
from workbench.types import ClassScores, Values


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
    takes: type[ClassScores] | type[Values]
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


_SHARE, _POSITIVE = (0.0, 1.0), (0.0, float("inf"))


def _classification(name: str, title: str, better: str, bounds: tuple[float, float] = _SHARE) -> MeasureInfo:
    return MeasureInfo(title, better, METRICS[name][1], ClassScores, bounds)


def _regression(
    name: str, title: str, better: str, bounds: tuple[float, float] = _POSITIVE, *, squared: bool = False
) -> MeasureInfo:
    return MeasureInfo(title, better, METRICS[name][1], Values, bounds, name != "r2", squared)


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
    "auroc_ovo": _classification("auroc_ovo", "Area under the ROC curve, class against class", "higher"),
    "average_precision": _classification("average_precision", "Average precision", "higher"),
    "log_loss": _classification("log_loss", "Log loss", "lower", _POSITIVE),
    "brier": _classification("brier", "Brier score", "lower", (0.0, 2.0)),
    "ece": _classification("ece", "Calibration error", "lower"),
    "ece_floor": _classification("ece_floor", "Calibration error by chance alone", ""),
    "ace": _classification("ace", "Calibration error, class by class", "lower"),
    "mce": _classification("mce", "Largest calibration gap", "lower"),
    "mse": _regression("mse", "Mean squared error", "lower", squared=True),
    "rmse": _regression("rmse", "Typical error (RMSE)", "lower"),
    "baseline_rmse": _regression("baseline_rmse", "Typical error of the average", ""),
    "mae": _regression("mae", "Mean absolute error", "lower"),
    "median_ae": _regression("median_ae", "Median absolute error", "lower"),
    "r2": _regression("r2", "Variance explained (R²)", "higher", (float("-inf"), 1.0)),
    "bias": _regression("bias", "Mean error (predicted minus true)", "", (float("-inf"), float("inf"))),
}
