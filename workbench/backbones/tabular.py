"""The workbench's own network for tables: built from training data, or read from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from workbench.backbones.quiet import quiet_transformers
from workbench.backbones.tabular_config import PROBLEMS
from workbench.backbones.tabular_net import TabularNet, recommended
from workbench.backbones.torch import TorchBackbone, find_head
from workbench.config import Config
from workbench.errors import ArtefactError, ConfigError
from workbench.modalities import table
from workbench.modalities.table import TablePreparation
from workbench.types import Dataset, indicators

BEFORE = "a linear model of the same columns: no backbone for tables is pretrained"


def load_tabular(config: Config, dataset: Dataset, *, kind: str) -> tuple[TorchBackbone, TablePreparation]:
    """An untrained network with the statistics of the training split, or a checkpoint's.

    Raises:
        ConfigError: the backbone is neither the workbench's own nor a checkpoint of it.
    """
    preparation = TablePreparation(dataset.columns)
    source = config.backbone.source
    if source and source != "tabular":
        if not (Path(source) / "config.json").is_file():
            raise ConfigError(
                f"backbone.source = {source!r} is no backbone for tables",
                hint='leave it out, or name the checkpoint directory of a "tabular" one',
            )
        try:
            with quiet_transformers():
                module = TabularNet.from_pretrained(source)
        except (OSError, ValueError, RuntimeError, SafetensorError) as e:
            reason = str(e).splitlines()[0][:300]
            raise ArtefactError(f"{source} holds no network for tables: {reason}", hint="run the config again") from e
        _check_columns(module, preparation, dataset, source)
        return _backbone(module, preparation, source, trained=True), preparation
    numeric, categorical, targets = _training(dataset, preparation)
    advice = recommended(len(targets), len(dataset.columns), _task(kind))
    module = TabularNet.for_data(
        numeric,
        _cardinalities(preparation),
        targets,
        task=_task(kind),
        classes=dataset.labels,
        categorical=categorical,
        width=config.backbone.width or advice["width"],
        blocks=config.backbone.blocks or advice["blocks"],
        dropout=advice["dropout"] if config.finetune.dropout is None else config.finetune.dropout,
        seed=config.seed,
    )
    return _backbone(module, preparation, "tabular"), preparation


def recommended_settings(rows: int, columns: int, kind: str) -> dict[str, Any]:
    """Settings of the loop by the size of the table, as the config names them."""
    advice = recommended(rows, columns, _task(kind))
    names = ("learning_rate", "weight_decay", "batch_size", "epochs", "patience", "dropout")
    return {name: advice[name] for name in names}


def load_base(config: Config, dataset: Dataset, kind: str, state: Path) -> tuple[TorchBackbone, TablePreparation]:
    """The linear model that stands for "before", with the state that `fit_base` wrote."""
    backbone, preparation = _linear(config, dataset, kind)
    backbone.load_state(state)
    return backbone, preparation


def fit_base(
    config: Config,
    dataset: Dataset,
    kind: str,
    encoded: Any,
    targets: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    path: Path,
) -> str:
    """Fit the linear model by scikit-learn, its strength chosen on the validation split; how, in words."""
    backbone, _ = _linear(config, dataset, kind)
    module: Any = backbone.module

    def features(rows: np.ndarray) -> np.ndarray:
        tensors = backbone.tensors(encoded.batch(rows))
        with torch.inference_mode():
            return module.features(tensors.get("numeric"), tensors.get("categorical")).numpy()

    fit = {"class": _fit_classes, "labels": _fit_labels, "value": _fit_value}[kind]
    how = fit(module, features, targets, train, validation)
    backbone.save_state(path)
    return f"{BEFORE[0].upper()}{BEFORE[1:]} ({how}, its strength chosen on the validation split)."


def _fit_classes(
    module: Any, features: Callable[[np.ndarray], np.ndarray], targets: np.ndarray, train: np.ndarray, held: np.ndarray
) -> str:
    from workbench.backbones.probing import best_logistic

    weight, bias, strength = best_logistic(
        (features(train), targets[train]), (features(held), targets[held]), classes=module.config.num_labels
    )
    module.set_head(weight, bias)
    return f"logistic regression, C = {strength:g}"


def _fit_labels(
    module: Any, features: Callable[[np.ndarray], np.ndarray], targets: np.ndarray, train: np.ndarray, held: np.ndarray
) -> str:
    from workbench.backbones.multilabel import best_logistics

    weight, bias, strength = best_logistics((features(train), targets[train]), (features(held), targets[held]))
    module.set_head(weight, bias)
    return f"logistic regression for each label, C = {strength:g}"


def _fit_value(
    module: Any, features: Callable[[np.ndarray], np.ndarray], targets: np.ndarray, train: np.ndarray, held: np.ndarray
) -> str:
    from sklearn.linear_model import Ridge

    x, y = features(train), targets[train]
    centre, scale = float(y.mean()), float(y.std()) or 1.0
    fits = [(a, Ridge(alpha=a).fit(x, (y - centre) / scale)) for a in (0.01, 0.1, 1.0, 10.0, 100.0)]
    held_x, held_y = features(held), (targets[held] - centre) / scale
    alpha, model = min(fits, key=lambda f: float(np.mean((f[1].predict(held_x) - held_y) ** 2)))
    module.set_head(model.coef_[None] * scale, np.array([model.intercept_ * scale + centre]))
    return f"ridge regression, alpha = {alpha:g}"


def _linear(config: Config, dataset: Dataset, kind: str) -> tuple[TorchBackbone, TablePreparation]:
    preparation = TablePreparation(dataset.columns)
    numeric, categorical, targets = _training(dataset, preparation)
    module = TabularNet.linear_for_data(
        numeric,
        _cardinalities(preparation),
        targets,
        task=_task(kind),
        classes=dataset.labels,
        categorical=categorical,
        seed=config.seed,
    )
    return _backbone(module, preparation, "tabular, linear"), preparation


def _training(dataset: Dataset, preparation: TablePreparation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    train = [e for e in dataset.split("train") if e.target is not None]
    arrays = table.encode([e.input for e in train], preparation).arrays
    numeric = arrays.get("numeric", np.zeros((len(train), 0), np.float32))
    categorical = arrays.get("categorical", np.zeros((len(train), 0), np.int64))
    targets = [e.target for e in train]
    answers = indicators(targets, len(dataset.labels)) if dataset.kind == "labels" else np.array(targets)
    return numeric, categorical, answers


def _cardinalities(preparation: TablePreparation) -> list[int]:
    return [len(preparation.columns[i].categories) for i in preparation.categorical]


def _task(kind: str) -> Any:
    return {"class": "classification", "labels": "multilabel", "value": "regression"}[kind]


def _check_columns(module: TabularNet, preparation: TablePreparation, dataset: Dataset, source: str) -> None:
    """A checkpoint is for tables of its own columns only."""
    own = module.config
    has = (own.numeric_columns, list(own.cardinalities), int(own.num_labels or 0), own.problem_type)
    outputs, answers = max(len(dataset.labels), 1), PROBLEMS[_task(dataset.kind)]
    needs = (len(preparation.numeric), _cardinalities(preparation), outputs, answers)
    for what, there, here in zip(("numeric columns", "categories", "outputs", "answers"), has, needs, strict=True):
        if there != here:
            raise ConfigError(
                f"backbone.source = {source!r} was made for other data: {what} {there}, here {here}",
                hint="leave backbone.source out to build a network for this table",
            )


def _backbone(module: Any, preparation: TablePreparation, source: str, *, trained: bool = False) -> TorchBackbone:
    module.eval()
    fresh = frozenset[str]() if trained else frozenset(n for n, _ in module.named_parameters())
    facts = {"source": source, "class": "TabularNet", "sha256": None, "runs_user_code": False}
    return TorchBackbone(module, preparation.inputs, "table", _head(module), fresh, facts)


def _head(module: TabularNet) -> str:
    return "head" if hasattr(module, "head") else find_head(module)
