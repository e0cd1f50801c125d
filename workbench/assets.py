"""Where the templates and fixtures lie: in the checkout, or inside the installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset(*parts: str) -> Path:
    """The path of a file or folder under `templates/` or `fixtures/`.

    The wheel carries both folders inside the package as `_assets/`; a checkout has them
    beside it.
    """
    installed = _PACKAGE / "_assets"
    return (installed if installed.is_dir() else _PACKAGE.parent).joinpath(*parts)
