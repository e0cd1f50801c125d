"""Foreign text as it is shown: of a readable length, and inside XML, Markdown and CSV never as markup or a formula."""

from __future__ import annotations

import re

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_FORMULA = ("=", "+", "-", "@", "|", "%", "−", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def brief(text: str, most: int = 200) -> str:
    """A word or a cell as it is shown: its beginning and its end where it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - most // 4 :]}"


def xml_text(text: object) -> str:
    """Text without the characters that XML 1.0 forbids even when escaped."""
    return _NOT_XML.sub("\ufffd", str(text))


def markdown_text(text: object) -> str:
    """Text on one line, in which neither Markdown nor HTML finds anything of its own."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    for sign in "\\|`*_[]#":
        line = line.replace(sign, f"\\{sign}")
    return line.replace("<", "&lt;").replace(">", "&gt;")


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe before it.

    Numbers stay as they are, texts that are numbers too. Source: OWASP, CSV injection.
    """
    if not isinstance(value, str) or not value.lstrip().startswith(_FORMULA) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"
