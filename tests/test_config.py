"""The config: every key checked, suggestions, overrides, paths."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from workbench.config import Config, build_config, read_config, read_resolved
from workbench.errors import ArtefactError, ConfigError

RAW: dict[str, Any] = {"task": "text-classification", "data": {"source": "fixture:x"}}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_stand_and_nothing_else_is_needed() -> None:
    config = build_config(RAW)
    assert (config.seed, config.out, config.finetune.strategy, config.export.opset) == (0, "reports", "full", 20)
    assert config.explain.methods == ("integrated-gradients", "shap", "lime") and config.evaluate.confidence == 0.95


@pytest.mark.parametrize(
    ("change", "key", "hint"),
    [
        ({"finetune": {"epoch": 5}}, "finetune.epoch", "did you mean 'epochs'?"),
        ({"dat": {}}, "dat", "did you mean 'data'?"),
        ({"explain": {"zzz": 1}}, "explain.zzz", "allowed here: methods"),
    ],
)
def test_an_unknown_key_is_named_with_a_suggestion(change: dict[str, Any], key: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown key '{key}'") as caught:
        build_config({**RAW, **change}, where="file.toml")
    assert hint in caught.value.hint and caught.value.message.startswith("file.toml")


@pytest.mark.parametrize(
    "override",
    [
        "finetune.epochs=-1",
        "finetune.epochs=nan",
        "finetune.epochs=inf",
        "finetune.strategy=most",
        "finetune.strategy=last-0",
        "finetune.precision=fp8",
        "evaluate.confidence=1",
        "evaluate.resamples=10",
        "export.opset=99",
        "explain.methods=shap",
        "explain.samples=2.5",
        "seed=-1",
        "seed=4294967296",
        "data=5",
        "data.limit=many",
        "task=3",
        "backbone.mean=['a']",
    ],
)
def test_a_wrong_value_names_its_key(override: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(ConfigError, match=key) as caught:
        build_config(RAW, (override,))
    assert caught.value.hint and caught.value.exit_code == 2


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'data\.source' is missing"):
        build_config({"task": "t", "data": {}}, beside=Path.cwd())
    with pytest.raises(ConfigError, match="'task' is missing"):
        build_config({"data": {"source": "x"}})
    with pytest.raises(ConfigError, match="'data' is missing"):
        build_config({"task": "t"})


class TestOverrides:
    def test_values_are_toml_and_else_text(self) -> None:
        config = build_config(
            RAW,
            (
                "finetune.epochs=2.5",
                "explain.methods=['lime']",
                "data.text=a column",
                "name='quoted'",
                "finetune.augment=true",
                "card.purpose=a=b",
                "out=",
            ),
        )
        assert config.finetune.epochs == 2.5 and config.explain.methods == ("lime",) and config.finetune.augment
        assert (config.data.text, config.name, config.card.purpose, config.out) == ("a column", "quoted", "a=b", "")

    def test_the_last_one_counts_and_the_mapping_is_left_alone(self) -> None:
        raw = {**RAW, "finetune": {"epochs": 1}}
        assert build_config(raw, ("finetune.epochs=2", "finetune.epochs=3")).finetune.epochs == 3
        assert raw["finetune"] == {"epochs": 1}

    @pytest.mark.parametrize("text", ["epochs", "=5", " = 5", "", "task.name=5", "finetune.epochs.x=1"])
    def test_nonsense_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError):
            build_config({**RAW, "finetune": {"epochs": 1}}, (text,))


class TestReading:
    @pytest.mark.parametrize(
        ("content", "says"),
        [(b"task = ", "is not TOML"), (b"\xff\xfe", "is not UTF-8"), (b"", "is missing"), (b"[data", "is not TOML")],
    )
    def test_a_file_that_is_no_config(self, tmp_path: Path, content: bytes, says: str) -> None:
        path = tmp_path / "c.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=says) as caught:
            read_config(path)
        assert str(path) in caught.value.message

    def test_nothing_there_and_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no config at") as caught:
            read_config(tmp_path / "none.toml")
        assert "workbench init" in caught.value.hint
        with pytest.raises(ConfigError, match="is a folder"):
            read_config(tmp_path)

    def test_a_byte_order_mark_is_no_error(self, tmp_path: Path) -> None:
        path = tmp_path / "c.toml"
        path.write_bytes("task = 't'\n[data]\nsource = 's'\n".encode("utf-8-sig"))
        assert read_config(path).task == "t"

    def test_paths_are_taken_beside_the_config_then_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        here, there = tmp_path / "here", tmp_path / "there"
        for folder, names in ((here, ("both.csv", "here.csv")), (there, ("both.csv", "model.py"))):
            folder.mkdir()
            for name in names:
                (folder / name).touch()
        monkeypatch.chdir(here)
        text = "task='t'\n[data]\nsource='both.csv'\ntest='here.csv'\n[backbone]\nfactory='model.py:f'\nsource='a/b'\n"
        config = read_config(write(there / "c.toml", text))
        assert config.data.source == str(there / "both.csv") and config.data.test == str(here / "here.csv")
        assert config.backbone.factory == f"{there / 'model.py'}:f" and config.backbone.source == "a/b"
        assert config.data.validation == ""

    def test_a_runs_own_config_is_read_as_it_stands(self, tmp_path: Path) -> None:
        """A run has a folder `data` of its own; a source of that name is not it."""
        (tmp_path / "data").mkdir()
        path = write(tmp_path / "config.toml", "task='t'\n[data]\nsource='data'\n")
        assert read_resolved(path).data.source == "data"
        with pytest.raises(ArtefactError, match="no config"):
            read_resolved(tmp_path / "none.toml")
        with pytest.raises(ArtefactError, match="unknown key"):
            read_resolved(write(path, "task='t'\ncolour=1\n[data]\nsource='data'\n"))


def test_a_config_survives_being_written(tmp_path: Path) -> None:
    config = build_config(RAW, ("finetune.dropout=0.25", "data.slices=['a','b']", "card.limits='line\\nline \"é\"'"))
    path = write(tmp_path / "c.toml", tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)))
    assert read_resolved(path) == config


def test_a_config_cannot_be_changed_behind_ones_back() -> None:
    config = build_config(RAW)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1  # type: ignore[misc]


def test_no_default_is_out_of_its_own_bounds() -> None:
    config = build_config(RAW)
    assert Config.model_validate(config.model_dump()) == config
    assert all(not isinstance(v, float) or math.isfinite(v) for v in config.evaluate.model_dump().values())
