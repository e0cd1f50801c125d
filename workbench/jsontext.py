"""How a JSON file is written: one entry a line, so that people can read and compare it, and quickly.

`json.dumps` with `indent` is written in Python and takes ten times as long as without; here the lines are broken by
this module and what stands on them is put in words by the fast encoder.
"""

from __future__ import annotations

import json
from typing import Any

_plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # all on one line
_WIDE = 110  # characters that may stand on one line
_ALWAYS = 2  # outer levels whose entries always have a line of their own, see `spool.Items`


def json_text(value: Any, *, level: int = 0) -> str:
    """A JSON value; NaN and infinity are refused.

    The entries of the two outer levels stand on a line each; further inside, what fits on a line and a list of plain
    values stays on one.

    Args:
        value: of mappings, lists, texts, numbers, booleans and None.
        level: how deep it lies in the document, from which follows how far its lines are set in.
    """
    if not (value and isinstance(value, dict | list | tuple)):
        return _plain(value)
    mapping = isinstance(value, dict)
    if level >= _ALWAYS:
        text = _plain(value)
        if len(text) <= _WIDE or not (mapping or any(isinstance(v, dict | list | tuple) for v in value)):
            return text
    heads = [f"{_key(key)}: " for key in value] if mapping else [""] * len(value)
    inside = value.values() if isinstance(value, dict) else value
    pad = "\n" + " " * (level + 1)
    lines = ",".join(f"{pad}{head}{json_text(item, level=level + 1)}" for head, item in zip(heads, inside, strict=True))
    first, last = "{}" if mapping else "[]"
    return f"{first}{lines}{pad[:-1]}{last}"


def _key(key: Any) -> str:
    return _plain(key) if isinstance(key, str) else _plain({key: 0})[1:-4]
