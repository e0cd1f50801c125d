"""Which scikit-learn estimators can be a backbone for tables, and what may be asked of them."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.config import Config
from workbench.errors import ConfigError

MODULES = ("sklearn", "sklearn.ensemble", "sklearn.tree")


@dataclass(frozen=True)
class Kind:
    """A family of tree estimators.

    Attributes:
        module: where scikit-learn keeps it.
        stem: its class names without `Classifier` or `Regressor`.
        boosts: whether each tree mends what those before left over; else their answers are averaged.
        missing: whether it takes missing values itself.
        count: the parameter that says how many trees there are; empty for a single tree.
    """

    module: str
    stem: str
    boosts: bool
    missing: bool
    count: str


ESTIMATORS: dict[str, Kind] = {
    "hist-gradient-boosting": Kind("sklearn.ensemble", "HistGradientBoosting", True, True, "max_iter"),
    "gradient-boosting": Kind("sklearn.ensemble", "GradientBoosting", True, False, "n_estimators"),
    "random-forest": Kind("sklearn.ensemble", "RandomForest", False, True, "n_estimators"),
    "extra-trees": Kind("sklearn.ensemble", "ExtraTrees", False, True, "n_estimators"),
    "decision-tree": Kind("sklearn.tree", "DecisionTree", False, True, ""),
}

# What the workbench decides itself, and why.
_OURS = {
    "random_state": "the run's seed is used: seed = ...",
    "class_weight": "finetune.class_weights = 'balanced' does that for every backbone",
    "categorical_features": "categories are ordered by the target, so that every column stays one column",
    "early_stopping": "the number of trees is chosen on the run's own validation split",
    "validation_fraction": "the run's own validation split is used",
    "scoring": "the loss is used",
    "warm_start": "an estimator is fitted once",
    "init": "the estimator's own start is used",
    "monotonic_cst": "it speaks of places of columns, which the preparation changes",
    "interaction_cst": "it speaks of places of columns, which the preparation changes",
    "oob_score": "the validation split is used",
    "verbose": "the report says what there is to say",
    "n_jobs": "the machine's cores are shared by the workbench",
    "ccp_alpha": "",  # allowed
}
# Losses whose raw sum is not the answer in its own unit, or no log-odds.
_LOSSES = {"value": ("squared_error", "absolute_error", "huber", "quantile"), "class": ("log_loss",)}


def is_estimator(source: str) -> bool:
    """Whether a backbone's source names an estimator of scikit-learn."""
    return source.partition(":")[0] in MODULES and ":" in source


def find_kind(source: str, target: str) -> tuple[str, Kind]:
    """The family that a source such as `sklearn:random-forest` names.

    Args:
        source: `sklearn:NAME`, by a name of `ESTIMATORS` or a class name; or `sklearn.ensemble:CLASS`.
        target: "class", "labels" or "value": what is predicted.

    Raises:
        ConfigError: no such estimator, or one that predicts something else.
    """
    module, _, given = source.partition(":")
    ending = "Regressor" if target == "value" else "Classifier"
    other = "Classifier" if target == "value" else "Regressor"
    name = given.removesuffix(ending)
    for key, kind in ESTIMATORS.items():
        if module in ("sklearn", kind.module):
            if name in (key, kind.stem):
                return key, kind
            if given == kind.stem + other:
                raise ConfigError(
                    f"backbone.source = {source!r} does not predict {'a value' if target == 'value' else 'classes'}",
                    hint=f"for this task: sklearn:{kind.stem}{ending}, or sklearn:{key}",
                )
    known = [*ESTIMATORS, *(k.stem + ending for k in ESTIMATORS.values())]
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean 'sklearn:{close[0]}'?" if close else f"known: {', '.join('sklearn:' + k for k in ESTIMATORS)}"
    raise ConfigError(f"backbone.source = {source!r} is no estimator that can be exported and explained", hint=hint)


def find_class(kind: Kind, target: str) -> Any:
    """The estimator's class."""
    return getattr(
        importlib.import_module(kind.module), kind.stem + ("Regressor" if target == "value" else "Classifier")
    )


def check(config: Config, modality: str, target: str) -> None:
    """Refuse what an estimator cannot be asked for, before any work is done.

    Raises:
        ConfigError: an unknown estimator or parameter, a value that scikit-learn refuses, or
            settings that only a training loop has.
    """
    source = config.backbone.source
    if not is_estimator(source):
        if config.backbone.parameters:
            raise ConfigError(
                f"backbone.parameters are those of a scikit-learn estimator, and backbone.source = {source!r} is none",
                hint="for example backbone.source = 'sklearn:random-forest'",
            )
        return
    if modality != "table":
        raise ConfigError(f"backbone.source = {source!r} is for tables", hint="choose a backbone for this task")
    _, kind = find_kind(source, target)
    _check_loop(config, kind)
    _check_parameters(find_class(kind, target), config.backbone.parameters, target)


def _check_loop(config: Config, kind: Kind) -> None:
    wanted = config.finetune
    unused = {
        "strategy": wanted.strategy != "full",
        "epochs": bool(wanted.epochs),
        "learning_rate": bool(wanted.learning_rate),
        "batch_size": bool(wanted.batch_size),
    }
    for key, is_set in unused.items():
        if is_set:
            instead = {"epochs": kind.count, "learning_rate": "learning_rate" if kind.boosts else ""}.get(key, "")
            raise ConfigError(
                f"finetune.{key} = {getattr(wanted, key)!r} is of a training loop, and trees have none",
                hint=f"set backbone.parameters.{instead}" if instead else f"leave finetune.{key} out",
            )


def _check_parameters(cls: Any, given: Mapping[str, Any], target: str) -> None:
    from sklearn.utils._param_validation import InvalidParameterError

    allowed = [name for name in inspect.signature(cls).parameters if not _OURS.get(name)]
    for name, value in given.items():
        if _OURS.get(name):
            raise ConfigError(f"backbone.parameters.{name} is not for you to set", hint=_OURS[name])
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(allowed)}"
            raise ConfigError(f"{cls.__name__} has no parameter {name!r} (backbone.parameters)", hint=hint)
        losses = _LOSSES["value" if target == "value" else "class"]
        if name == "loss" and value not in losses:
            raise ConfigError(
                f"backbone.parameters.loss = {value!r} is not supported: its trees do not add up to the answer",
                hint=f"allowed: {', '.join(losses)}",
            )
    try:
        cls(**settled(given))._validate_params()
    except InvalidParameterError as e:
        said = str(e).split(". Got ")[0].replace(f" of {cls.__name__}", "")
        raise ConfigError(f"backbone.parameters: {said[0].lower()}{said[1:]}", hint=_got(given, said)) from None


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as scikit-learn takes them; TOML has no empty value, so "none" stands for it."""
    return {name: None if value == "none" else value for name, value in given.items()}


def _got(given: Mapping[str, Any], said: str) -> str:
    name = next((n for n in given if f"'{n}'" in said), "")
    return f"backbone.parameters.{name} = {given[name]!r} was given" if name else "see scikit-learn's documentation"
