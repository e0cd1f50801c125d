"""Configs as text: a TOML file, `key=value` overrides, and what is wrong with them in words."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.errors import ConfigError

TREE_METHODS = ("tree-shap", "shap", "lime")


class Section(BaseModel):
    """A part of a config: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


# Keys of [export]: how the file is written, and the number formats of its variants.
Candidate = Literal["dynamo", "dynamo-20", "dynamo-23", "fused-17", "fastest"]
Dtype = Literal["fp32", "fp16", "bf16", "int8"]
OnGpu = Literal["plain", "graphs", "tensorrt"]


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file, or a `ConfigError` that says what is wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"no config at {path}", hint="write one with `workbench init TASK FILE`") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder, not a config", hint="name a .toml file") from None
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path} is not UTF-8 text: {e.reason} at byte {e.start}", hint="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path} is not TOML: {e}", hint="strings need quotes, tables are [section]") from None


def absolute(value: str, beside: Path) -> str:
    """A path that exists beside the config, or else in the current folder, as an absolute one; else as given."""
    name, colon, attribute = value.rpartition(":") if ".py:" in value else (value, "", "")
    for folder in (beside, Path.cwd()) if value else ():
        if (folder / name).exists():
            return f"{folder / name}{colon}{attribute}"
    return value


def override(raw: dict[str, Any], text: str) -> None:
    """Put `key=value`, as `--set` takes it, into a nested mapping."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r} is not key=value", hint="for example --set finetune.epochs=5")
    *sections, last = key.strip().split(".")
    table = raw
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {key}: {section!r} is a value, not a section", hint="see docs/config.md")
    try:
        table[last] = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        table[last] = value  # an unquoted string


def with_usual_methods(raw: Any) -> Any:
    """A config with the explainers that are usual for trees, where it names none: trees have no gradient."""
    if not isinstance(raw, dict):
        return raw
    backbone, explain = raw.get("backbone"), raw.get("explain", {})
    source = backbone.get("source", "") if isinstance(backbone, dict) else getattr(backbone, "source", "")
    if str(source).startswith("sklearn") and isinstance(explain, dict) and "methods" not in explain:
        return {**raw, "explain": {**explain, "methods": TREE_METHODS}}
    return raw


def config_error(error: ValidationError, where: str, model: Any) -> ConfigError:
    """The first of pydantic's errors in words, with the key that was perhaps meant; `model` is the config's class."""
    first = error.errors()[0]
    loc = [str(p) for p in first["loc"]]
    key = ".".join(loc)
    if first["type"] == "extra_forbidden":
        for part in loc[:-1]:
            model = model.model_fields[part].annotation
        close = difflib.get_close_matches(loc[-1], model.model_fields, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"allowed here: {', '.join(model.model_fields)}"
        return ConfigError(f"{where}: unknown key {key!r}", hint=hint)
    if first["type"] == "missing":
        return ConfigError(f"{where}: key {key!r} is missing", hint="see `workbench init TASK`")
    message = first["msg"][0].lower() + first["msg"][1:]
    return ConfigError(f"{where}: {key} = {first['input']!r}: {message}", hint="allowed values are in docs/config.md")
