"""The user's own module: weights from several files, heads, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file

from workbench.backbones import own
from workbench.backbones.torch import TorchBackbone
from workbench.config import Backbone
from workbench.errors import ArtefactError, ConfigError


def load(function: str = "net", labels: tuple[str, ...] = tiny.LABELS, **keys: Any) -> TorchBackbone:
    torch.manual_seed(0)
    return own.load_own(Backbone(factory=f"{tiny.factory()}:{function}", **keys), labels)


def pixels(n: int = 4) -> dict[str, np.ndarray]:
    return {"pixel_values": np.random.default_rng(0).normal(size=(n, 3, 16, 16)).astype(np.float32)}


@pytest.fixture(scope="module")
def trained() -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """A state of the module with moved statistics, and its outputs."""
    code: dict[str, Any] = {}
    exec(tiny.CNN, code)
    torch.manual_seed(7)
    module = code["net"]().train()
    for _ in range(3):
        module(torch.randn(8, 3, 16, 16) * 2 + 1)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(pixels()["pixel_values"])).numpy()
    return module.state_dict(), expected


@pytest.mark.parametrize("form", ["safetensors", "pt", "state_dict", "model", "module.", "pth of both"])
def test_weights_of_every_plain_form(tmp_path: Path, form: str, trained: Any) -> None:
    state, expected = trained
    path = tmp_path / "weights.pt"
    if form == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file(state, path)
    elif form == "pt":
        torch.save(state, path)
    elif form == "module.":
        torch.save({f"module.{k}": v for k, v in state.items()}, path)
    elif form == "pth of both":
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "best_prec1": 91.6}, path)
    else:
        torch.save({form: state, "epoch": 3}, path)
    backbone = load(weights=str(path))
    np.testing.assert_allclose(backbone.outputs(pixels()), expected, atol=1e-6)
    assert backbone.speaks_labels
    assert backbone.fresh == frozenset()
    assert backbone.facts["runs_user_code"]
    assert len(backbone.facts["code"]["sha256"]) == len(backbone.facts["sha256"]) == 64


def test_weights_survive_a_head_of_another_size(tmp_path: Path, trained: Any) -> None:
    state, _ = trained
    save_file(state, tmp_path / "w.safetensors")
    backbone = load(labels=("a", "b"), weights=str(tmp_path / "w.safetensors"))
    assert backbone.outputs(pixels()).shape == (4, 2)
    assert backbone.fresh == {"inner.fc.weight", "inner.fc.bias"}
    assert not backbone.speaks_labels
    assert torch.equal(backbone.module.state_dict()["inner.features.0.weight"], state["features.0.weight"])


def test_without_weights_the_head_is_fresh() -> None:
    backbone = load()
    assert not backbone.speaks_labels
    assert backbone.fresh == {"inner.fc.weight", "inner.fc.bias"}
    assert backbone.head == "inner.fc"


def test_a_saved_state_reads_back(tmp_path: Path) -> None:
    backbone = load()
    backbone.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    again = load("net")
    with torch.no_grad():
        again.module.inner.fc.weight.zero_()
    again.load_state(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.outputs(pixels()), backbone.outputs(pixels()))


def test_a_state_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    load().save_state(tmp_path / "three.safetensors")
    two = load(labels=("a", "b"))
    with pytest.raises(ArtefactError, match="does not fit the model"):
        two.load_state(tmp_path / "three.safetensors")
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ArtefactError, match="parameters that the model lacks: other"):
        two.load_state(tmp_path / "other.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(ArtefactError, match="cannot be read"):
        two.load_state(tmp_path / "damaged.safetensors")


def test_a_named_part_of_the_state_is_saved_alone(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    backbone = load()
    backbone.save_state(tmp_path / "head.safetensors", backbone.fresh)
    assert set(load_file(tmp_path / "head.safetensors")) == {"inner.fc.weight", "inner.fc.bias"}


class _Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_pickled_code_is_refused_and_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "weights.pt"
    torch.save({"features.0.weight": _Malicious(mark)}, path)
    with pytest.raises(ArtefactError, match="cannot be read as plain tensors") as caught:
        load(weights=str(path))
    assert "safetensors" in caught.value.hint
    path.write_bytes(pickle.dumps(_Malicious(mark)))
    with pytest.raises(ArtefactError, match="cannot be read as plain tensors"):
        load(weights=str(path))
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the file was harmless, so the test would prove nothing"


@pytest.mark.parametrize("content", [[1, 2], {"fc.weight": torch.zeros(3, 8)}, torch.zeros(2)])
def test_weights_that_are_no_state_of_the_module_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ArtefactError, match=r"does not fit the module|is no state dict") as caught:
        load(weights=str(tmp_path / "w.pt"))
    assert caught.value.exit_code == 4
    assert caught.value.hint


def test_missing_weights_are_named() -> None:
    with pytest.raises(ArtefactError, match="no file") as caught:
        load(weights="/nowhere/w.pt")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("factory", "match"),
    [
        ("models", "backbone.factory = 'models'"),
        ("models.txt:net", "backbone.factory"),
        ("nowhere.py:net", "no file nowhere.py"),
        ("{file}:nett", "has no function 'nett'"),
        ("{file}:broken", "broken.*failed: RuntimeError: no weights for you"),
        ("{file}:number", "gave a int, not a torch module"),
        ("{file}:headless", "no head found"),
    ],
)
def test_a_wrong_factory_is_a_wrong_config(factory: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        own.load_own(Backbone(factory=factory.format(file=tiny.factory())), tiny.LABELS)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_a_file_with_an_error_in_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import no_such_module_at_all\n")
    with pytest.raises(ConfigError, match=r"bad\.py cannot be imported: ModuleNotFoundError"):
        own.load_own(Backbone(factory=f"{tmp_path / 'bad.py'}:net"), tiny.LABELS)
    (tmp_path / "inside.py").write_text("def net():\n    return None.weights\n")
    with pytest.raises(ConfigError, match=r"inside\.py:net\(\) failed: AttributeError"):
        own.load_own(Backbone(factory=f"{tmp_path / 'inside.py'}:net"), tiny.LABELS)


def test_a_head_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="'head' is not a layer") as caught:
        load(head="head")
    assert "fc" in caught.value.hint
    with pytest.raises(ConfigError, match="is a BatchNorm2d"):
        load(head="features.1", labels=("a", "b"))


def test_a_convolution_can_be_the_head(tmp_path: Path) -> None:
    (tmp_path / "conv.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 9, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    backbone = own.load_own(Backbone(factory=f"{tmp_path / 'conv.py'}:net"), tiny.LABELS)
    assert backbone.head == "inner.1"
    assert backbone.outputs(pixels()).shape == (4, 3)
