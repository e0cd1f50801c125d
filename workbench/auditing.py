"""From a model file to the audit of it: what the command line and Python share."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.config import Config, build_config
from workbench.config_text import read_toml
from workbench.engines.progress import Progress
from workbench.errors import UsageError
from workbench.language import check_language
from workbench.run import Run

_SPLITS = {"test_share": 0.7, "validation_share": 0.15}  # nothing is trained: most examples are there to judge
_WORDS = ("mean", "std", "size")  # keys of --preprocess that take several numbers


def audit(
    model: str | Path,
    *,
    task: str,
    data: str | Path,
    labels: str | Path | Sequence[str] = (),
    preprocess: str | Path | Mapping[str, Any] = "",
    name: str = "",
    out: str | Path = "reports",
    lang: str = "",
    redact: bool = False,
    overrides: tuple[str, ...] = (),
    device: str = "auto",
    progress: Progress | None = None,
) -> Run:
    """Evaluate and explain an ONNX model that was made elsewhere; the report is `report.html` in the run.

    Args:
        model: the file.
        task: a name of `workbench list tasks`.
        data: a file, a folder, `hf:NAME` or `fixture:NAME`, as `data.source`.
        labels: names of the classes in the order of the model's scores, in the data's spelling: a
            sequence, names between commas, or a file with one name a line or a JSON list.
        preprocess: what the file does not say of itself: `key=value` pairs, a mapping, or a TOML file
            (docs/audit.md).
        name: of the run; empty: the file's.
        out: folder in which the run's directory is made.
        lang: of the report, such as `zh-CN`; empty: English.
        redact: keep raw inputs out of the report.
        overrides: `key=value` pairs of the config, such as `data.target=income`.
        device: "auto", "cpu" or "cuda".
        progress: where progress is shown.

    Raises:
        UsageError: what cannot be inferred; the hint says how to give it.
        ArtefactError: the file is missing, damaged or no model. DataError: the data cannot be used.
        StageError: the model fails on the data, or its answers are not finite.
    """
    from workbench.pipeline import run_config

    path = Path(model)
    raw: dict[str, Any] = {
        "task": task,
        "name": name or f"audit-{path.stem}",
        "out": str(out),
        "data": {"source": _found(str(data)), **_SPLITS},
        "audit": {"model": str(path.resolve()), **read_preprocess(preprocess)},
    }
    if given := read_labels(labels):
        raw["data"]["labels"] = given
        raw["audit"]["labels_from"] = "as they were given"
    check_language(lang)
    raw["report"] = {**({"lang": lang} if lang else {}), "redact": redact}
    config = build_config(raw, overrides, where="workbench audit")
    registry.load("tasks", config.task)  # an unknown one is said before anything is read
    return run_config(settle(config, device), device=device, progress=progress)


def settle(config: Config, device: str = "cpu") -> Config:
    """A config with what the model's file and the data tell of each other: columns, and the order of the classes."""
    from workbench.stages.adopt import open_model
    from workbench.stages.matching import match

    signature, _ = open_model(Path(config.audit.model), device)
    return match(config, signature)


def _found(source: str) -> str:
    """An existing path as an absolute one, so that the run's config can be used from elsewhere."""
    return str(Path(source).resolve()) if source and Path(source).exists() else source


def read_labels(labels: str | Path | Sequence[str]) -> list[str]:
    """Names of classes from a sequence, from text between commas, or from a file."""
    if not isinstance(labels, str | Path):
        return [str(name) for name in labels]
    text = str(labels)
    if not text:
        return []
    path = Path(text)
    if path.is_file():
        content = path.read_text(encoding="utf-8-sig")
        if content.lstrip().startswith(("[", "{")):
            import json

            try:
                found = json.loads(content)
            except json.JSONDecodeError as e:
                raise UsageError(f"--labels {path} is not JSON: {e}", hint="or write one name a line") from None
            names = [found[k] for k in sorted(found, key=int)] if isinstance(found, dict) else found
            return [str(n) for n in names]
        return [line.strip() for line in content.splitlines() if line.strip()]
    if path.suffix in (".txt", ".json", ".csv"):
        raise UsageError(f"--labels {text}: there is no such file", hint="or give the names between commas")
    return [part.strip() for part in text.split(",") if part.strip()]


def read_preprocess(given: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """`key=value` pairs, a mapping or a TOML file (its [audit] table, or all of it) as keys of [audit].

    Raises:
        UsageError: a part is no pair; an unknown key is refused by the config itself.
    """
    if isinstance(given, Mapping):
        return dict(given)
    text = str(given).strip()
    if not text:
        return {}
    if text.endswith(".toml"):
        found = read_toml(Path(text))
        table = found.get("audit", found)
        return dict(table) if isinstance(table, dict) else {}
    pairs: dict[str, Any] = {}
    for part in text.split():
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise UsageError(
                f"--preprocess: {part!r} is no pair",
                hint='pairs between spaces: "scale=255 mean=0.5 std=0.5 size=224x224 layout=nchw channels=rgb"',
            )
        pairs[key] = _value(key, value)
    return pairs


def _value(key: str, text: str) -> Any:
    if key in _WORDS:
        parts = text.replace("x", ",").split(",")
        try:
            return [int(p) if key == "size" else float(p) for p in parts if p]
        except ValueError:
            raise UsageError(
                f"--preprocess: {key}={text} holds no numbers",
                hint="for example size=224x224 or mean=0.485,0.456,0.406",
            ) from None
    if key in ("layout", "channels", "resample", "scores"):
        return text.lower()
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
