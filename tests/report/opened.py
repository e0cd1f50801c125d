"""A page with its compressed parts opened, as a browser shows it."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from typing import Any

_PACKED = re.compile(r'<script type="text/plain" class="packed">(.*?)</script>', re.DOTALL)


def books(page: str) -> list[dict[str, Any]]:
    """What every list of predictions of a page holds: `rows`, `names`, `slices`, `cases`."""
    return [json.loads(gzip.decompress(base64.b64decode(text))) for text in _PACKED.findall(page)]


def opened(page: str) -> str:
    """The page with the markup of every case, and the listed rows as text, where they are packed."""

    def shown(found: re.Match[str]) -> str:
        (book,) = books(found[0])
        cases = "".join(f'<article id="case-{i + 1}">{text}</article>' for i, text in enumerate(book["cases"]))
        return cases + html.escape(json.dumps([book["rows"], book["names"]], ensure_ascii=False))

    return _PACKED.sub(shown, page)
