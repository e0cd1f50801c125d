"""Which estimators and parameters are taken, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest
import tiny

from workbench.backbones.estimator_fit import recommended
from workbench.backbones.estimator_table import ESTIMATORS, check, find_class, find_kind, is_estimator
from workbench.errors import ConfigError


def ask(
    target: str = "class", modality: str = "table", finetune: dict[str, Any] | None = None, **backbone: Any
) -> None:
    check(tiny.config("tabular-classification", backbone=backbone, finetune=finetune or {}), modality, target)


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_every_estimator_has_its_names(name: str) -> None:
    for target, ending in (("class", "Classifier"), ("labels", "Classifier"), ("value", "Regressor")):
        kind = ESTIMATORS[name]
        for source in (f"sklearn:{name}", f"sklearn:{kind.stem}{ending}", f"{kind.module}:{kind.stem}{ending}"):
            assert is_estimator(source) and find_kind(source, target) == (name, kind)
            ask(target, source=source)
        cls = find_class(kind, target)
        assert cls.__name__ == kind.stem + ending
        cls(**recommended(kind, 100))._validate_params()


@pytest.mark.parametrize("source", ["tabular", "hub/id", "C:/models", "fixture:glyphs", ""])
def test_other_backbones_are_none(source: str) -> None:
    assert not is_estimator(source)


@pytest.mark.parametrize(
    "said, hint, asked",
    [
        ("is no estimator", "sklearn:random-forest", {"source": "sklearn:randm-forest"}),
        ("is no estimator", "known:", {"source": "sklearn:KMeans"}),
        ("is no estimator", "", {"source": "sklearn.tree:RandomForestClassifier"}),
        ("does not predict classes", "RandomForestClassifier", {"source": "sklearn:RandomForestRegressor"}),
        ("has no parameter 'n_estimator'", "'n_estimators'", {"parameters": {"n_estimator": 5}}),
        ("has no parameter 'zzz'", "allowed: ", {"parameters": {"zzz": 5}}),
        ("not for you to set", "seed", {"parameters": {"random_state": 5}}),
        ("'max_depth' parameter", "max_depth = 'deep'", {"parameters": {"max_depth": "deep"}}),
        ("those of a scikit-learn estimator", "", {"source": "tabular", "parameters": {"max_depth": 2}}),
        ("training loop", "n_estimators", {"finetune": {"epochs": 3}}),
        ("training loop", "leave", {"finetune": {"strategy": "head"}}),
        ("is for tables", "", {"modality": "text"}),
        ("its trees do not add up", "log_loss", {"source": "sklearn:gradient-boosting",
                                                 "parameters": {"loss": "exponential"}}),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_in_words(said: str, hint: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        ask(**{"source": "sklearn:random-forest", **asked})
    assert hint in (error.value.hint or "")


def test_none_stands_for_scikit_learns_none() -> None:
    ask(source="sklearn:random-forest", parameters={"max_depth": "none", "bootstrap": False})
