"""The table of metrics, the longest of the registry's: name to ("module:attribute", one line of description)."""

from __future__ import annotations

METRICS = {
    "accuracy": ("workbench.metrics.confusion:accuracy", "Share of examples that were decided right."),
    "baseline_accuracy": (
        "workbench.metrics.classification:baseline_accuracy",
        "Accuracy of always answering the most frequent class: what a model must beat.",
    ),
    "balanced_accuracy": (
        "workbench.metrics.confusion:balanced_accuracy",
        "Recall averaged over the classes, so that a rare class counts as much as a frequent one.",
    ),
    "mcc": (
        "workbench.metrics.confusion:matthews",
        "Correlation of decisions with the truth: 1 is perfect, 0 no better than guessing.",
    ),
    "precision": (
        "workbench.metrics.confusion:precision",
        "Of the examples given a class, the share that belongs to it; averaged over the classes.",
    ),
    "recall": (
        "workbench.metrics.confusion:recall",
        "Of the examples of a class, the share that was found; averaged over the classes.",
    ),
    "f1": ("workbench.metrics.confusion:f1", "Harmonic mean of precision and recall, for each class and on average."),
    "f1_macro": ("workbench.metrics.confusion:f1_macro", "F1 averaged over the classes, each counting the same."),
    "f1_weighted": (
        "workbench.metrics.confusion:f1_weighted",
        "F1 averaged over the classes, each counting by its number of examples.",
    ),
    "auroc": (
        "workbench.metrics.ranking:auroc",
        "Chance that an example of a class scores higher for it than an example of another class; 0.5 is guessing.",
    ),
    "auroc_weighted": (
        "workbench.metrics.ranking:auroc_weighted",
        "Each class against the rest, averaged by how many examples the class has.",
    ),
    "auroc_ovo": (
        "workbench.metrics.ranking:auroc_ovo",
        "The same, averaged over all pairs of classes: rare classes count as much as frequent ones.",
    ),
    "average_precision": (
        "workbench.metrics.ranking:average_precision",
        "Precision averaged over all recalls; guessing reaches the share of the class.",
    ),
    "log_loss": (
        "workbench.metrics.probability:log_loss",
        "How surprised the model is by the truth: punishes being sure and wrong.",
    ),
    "brier": (
        "workbench.metrics.probability:brier",
        "Squared distance of the probabilities from what happened; 0 is perfect.",
    ),
    "d2_log_loss": (
        "workbench.metrics.probability:d2_log_loss",
        "Share of the log loss of always answering the class shares that is saved; 0 is no better than that.",
    ),
    "d2_brier": (
        "workbench.metrics.probability:d2_brier",
        "Share of the Brier score of always answering the class shares that is saved; 0 is no better than that.",
    ),
    "brier_reliability": (
        "workbench.metrics.calibration:murphy",
        "Part of the Brier score that is lost because probabilities differ from frequencies (Murphy); 0 is calibrated.",
    ),
    "brier_resolution": (
        "workbench.metrics.calibration:murphy",
        "Part of the Brier score that is saved because the model tells examples apart (Murphy).",
    ),
    "brier_uncertainty": (
        "workbench.metrics.calibration:murphy",
        "Brier score of always answering the class shares (Murphy): a property of the data, not of the model.",
    ),
    "ece": (
        "workbench.metrics.calibration:expected_calibration_error",
        "Average gap between how sure the model is and how often it is right, over bins of equal width.",
    ),
    "ece_floor": (
        "workbench.metrics.calibration:calibration_floor",
        "The calibration error that a perfectly calibrated model would show here by chance alone.",
    ),
    "ace": (
        "workbench.metrics.calibration:adaptive_calibration_error",
        "The same over bins that hold equally many examples each.",
    ),
    "classwise_ece": (
        "workbench.metrics.calibration:classwise_calibration_error",
        "Average gap between probability and frequency, taken class by class.",
    ),
    "mce": (
        "workbench.metrics.calibration:maximum_calibration_error",
        "Largest gap between how sure the model is and how often it is right, over the bins.",
    ),
    "aurc": (
        "workbench.metrics.selective:aurc",
        "Share of wrong answers among the surest examples, averaged over all shares that are answered.",
    ),
    "aurc_excess": (
        "workbench.metrics.selective:aurc_excess",
        "The same above what the same answers would give if every wrong one were less sure than every right one.",
    ),
    "mse": ("workbench.metrics.regression:mse", "Average squared error."),
    "rmse": ("workbench.metrics.regression:rmse", "Typical size of the error, large errors counting more."),
    "baseline_rmse": (
        "workbench.metrics.regression:baseline_rmse",
        "Typical error of always answering the average: what a model must beat.",
    ),
    "mae": ("workbench.metrics.regression:mae", "Average size of the error."),
    "median_ae": ("workbench.metrics.regression:median_ae", "Half of the errors are smaller than this."),
    "r2": (
        "workbench.metrics.regression:r2",
        "Share of the target's variance that is explained; 0 is the average's, below 0 is worse.",
    ),
    "bias": ("workbench.metrics.regression:bias", "Average of predicted minus true value: above 0 is too high."),
    "pinball_10": (
        "workbench.metrics.regression:pinball",
        "Average error where saying too much counts nine times as much as too little (pinball loss at 0.1).",
    ),
    "pinball_50": (
        "workbench.metrics.regression:pinball",
        "Half the mean absolute error (pinball loss at 0.5), the scale of the other two.",
    ),
    "pinball_90": (
        "workbench.metrics.regression:pinball",
        "Average error where saying too little counts nine times as much as too much (pinball loss at 0.9).",
    ),
    "d2_absolute_error": (
        "workbench.metrics.regression:d2_pinball",
        "Share of the absolute error of always answering the median that is saved; 0 is no better than that.",
    ),
    "d2_pinball_10": (
        "workbench.metrics.regression:d2_pinball",
        "Share of the pinball loss at 0.1 of always answering the 10th percentile that is saved.",
    ),
    "d2_pinball_90": (
        "workbench.metrics.regression:d2_pinball",
        "Share of the pinball loss at 0.9 of always answering the 90th percentile that is saved.",
    ),
}

# Of several labels at once; each function has its measure's name.
_LABEL_METRICS = {
    "subset_accuracy": "Share of examples of which every single label is decided right.",
    "baseline_subset_accuracy": "Subset accuracy of always answering the most frequent set: the line to beat.",
    "hamming_loss": "Share of all yes-or-no decisions that are wrong; low by itself where labels are rare.",
    "f1_micro": "F1 of all decisions thrown together, so that frequent labels count most.",
    "f1_samples": "F1 of each example's set of labels, averaged over the examples.",
    "label_precision": "Of the examples given a label, the share that has it; averaged over the labels.",
    "label_recall": "Of the examples with a label, the share that was given it; averaged over the labels.",
    "label_f1": "F1 of each label, averaged: rare labels count as much as frequent ones.",
    "mean_average_precision": "Precision over all recalls, averaged over the labels; guessing reaches a label's share.",
    "label_auroc": "Chance that an example with a label scores higher for it than one without; 0.5 is guessing.",
    "lrap": "How far an example's own labels stand before the others: 1 is a perfect order.",
    "coverage_error": "How many of an example's most probable labels must be read to meet all that hold, on average.",
    "ranking_loss": "Share of pairs, one label that holds and one that does not, in the wrong order.",
    "label_log_loss": "How surprised the model is by the truth of a label, averaged over the labels.",
    "label_brier": "Squared distance of a label's probability from what was true, averaged; 0 is perfect.",
    "label_ece": "Average gap between a label's probability and how often it holds, for each label and on average.",
}
METRICS |= {name: (f"workbench.metrics.multilabel:{name}", text) for name, text in _LABEL_METRICS.items()}
