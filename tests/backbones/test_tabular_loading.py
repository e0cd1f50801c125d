"""The network for tables as a backbone: built, saved, read back, and its linear counterpart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from workbench.backbones import tabular
from workbench.errors import ArtefactError, ConfigError
from workbench.modalities import table

KINDS = {"class": "tabular-classification", "value": "tabular-regression"}


def load(kind: str, dataset: Any = None, **backbone: Any) -> tuple[Any, Any]:
    config = tiny.config(KINDS[kind], backbone=backbone)
    return tabular.load_tabular(config, dataset or tiny.table(classes=kind == "class"), kind=kind)


def batch(kind: str, preparation: Any) -> dict[str, np.ndarray]:
    dataset = tiny.table(classes=kind == "class")
    return table.encode([e.input for e in dataset.examples], preparation).batch(np.arange(len(dataset.examples)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_reads_back_as_pretrained(tmp_path: Path, kind: str) -> None:
    backbone, preparation = load(kind)
    assert backbone.fresh == {n for n, _ in backbone.module.named_parameters()}
    backbone.save(tmp_path)
    again, same = load(kind, source=str(tmp_path))
    assert same == preparation
    assert again.fresh == frozenset()
    inputs = batch(kind, preparation)
    np.testing.assert_array_equal(again.outputs(inputs), backbone.outputs(inputs))


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    backbone, _ = load("class")
    backbone.save(tmp_path)
    dataset = tiny.table()
    others = {
        "numeric columns": replace(dataset, columns=dataset.columns[1:]),
        "categories": replace(dataset, columns=(dataset.columns[0], dataset.columns[3], *dataset.columns[1:3])),
        "outputs": replace(dataset, labels=("a", "b", "c")),
    }
    for what, other in others.items():
        with pytest.raises(ConfigError, match=f"other data: {what}"):
            load("class", other, source=str(tmp_path))


def test_what_is_no_network_for_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no backbone for tables"):
        load("class", source=str(tmp_path))
    with pytest.raises((ConfigError, ArtefactError)):
        load("class", source=str(tiny.model("bert")))
    backbone, _ = load("class")
    backbone.save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x" * 50)
    with pytest.raises(ArtefactError, match="holds no network for tables"):
        load("class", source=str(tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_before_is_scikit_learn_s(tmp_path: Path, kind: str) -> None:
    """On one-hot categories and standardised numbers, missing as an indicator."""
    from sklearn.linear_model import LogisticRegression, Ridge

    dataset = tiny.table(160, classes=kind == "class")
    config = tiny.config(KINDS[kind])
    preparation = table.TablePreparation(dataset.columns)
    encoded = table.encode([e.input for e in dataset.examples], preparation)
    targets = np.array([e.target for e in dataset.examples])
    splits = np.array([e.split for e in dataset.examples])
    train, held = np.flatnonzero(splits == "train"), np.flatnonzero(splits == "validation")
    state = tmp_path / "base.safetensors"
    how = tabular.fit_base(config, dataset, kind, encoded, targets, train, held, state)
    assert "chosen on the validation split" in how
    backbone, _ = tabular.load_base(config, dataset, kind, state)
    found = backbone.outputs(encoded.batch(np.arange(160)))
    tensors = backbone.tensors(encoded.batch(np.arange(160)))
    x = backbone.module.features(tensors["numeric"], tensors["categorical"]).detach().numpy().astype(np.float64)
    if kind == "class":
        strength = float(how.split("C = ")[1].split(",")[0])
        centre, scale = x[train].mean(0), x[train].std(0)
        scale[scale < 1e-8] = 1
        model: Any = LogisticRegression(C=strength, max_iter=500).fit((x[train] - centre) / scale, targets[train])
        odds = model.decision_function((x - centre) / scale)
        np.testing.assert_allclose(found[:, 1] - found[:, 0], odds, atol=2e-3)
        assert ((found.argmax(1) == targets)[held]).mean() > 0.8
    else:
        strength = float(how.split("alpha = ")[1].split(",")[0])
        y = targets[train]
        model = Ridge(alpha=strength).fit(x[train], (y - y.mean()) / y.std())
        np.testing.assert_allclose(found[:, 0], model.predict(x) * y.std() + y.mean(), rtol=1e-4)
        assert np.corrcoef(found[held, 0], targets[held])[0, 1] > 0.9


def test_advice_has_the_config_s_names() -> None:
    advice = tabular.recommended_settings(500, 10, "class")
    tiny.config("tabular-classification", finetune=advice)  # an unknown key would raise
