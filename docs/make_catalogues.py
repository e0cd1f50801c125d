"""Bring the catalogues of translations up to date with the code: what is new is added, what is gone goes.

python docs/make_catalogues.py

Messages are marked where they are said (`_`, `ngettext`, `pgettext`, `count`, `N_`). A new one has an empty translation
until somebody writes it; a test fails for as long. `stored.po` is written by hand: see `workbench/language.py`.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from workbench.assets import asset
from workbench.language import ENGLISH, FOLDER, LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "count": (2, 3), "pgettext": ((1, "c"), 2)}
SOURCES = (
    (ROOT / "workbench" / "report", [("**.py", "python")]),
    (ROOT / "templates", [("**.html", "jinja2"), ("**.js", "javascript")]),
)


def extracted() -> Catalog:
    """Every message of the code and the templates, with the files that say it."""
    found = Catalog(charset="utf-8", fuzzy=False)
    for folder, methods in SOURCES:
        for name, _line, message, _comments, context in extract_from_dir(folder, methods, keywords=KEYWORDS):
            place = (folder / name).relative_to(ROOT).as_posix()
            found.add(message, locations=[(place, 0)], context=context)
    return found


def path_of(language: str, domain: str = "workbench") -> Path:
    """The catalogue of a language."""
    return asset(*FOLDER, language.replace("-", "_"), "LC_MESSAGES", f"{domain}.po")


def main() -> None:
    """Write every language's catalogue again."""
    wanted = extracted()
    for language in LANGUAGES.keys() - {ENGLISH}:
        path = path_of(language)
        with path.open("rb") as file:
            known = read_po(file, locale=language.replace("-", "_"))
        header, created = known.header_comment, known.creation_date
        known.update(wanted, no_fuzzy_matching=True)
        known.obsolete.clear()
        known.header_comment, known.creation_date = header, created  # no other day, no other bytes
        with path.open("wb") as file:
            write_po(file, known, width=100, include_lineno=False, omit_header=False, sort_by_file=False)
        missing = sum(not message.string or message.string == ("",) for message in known if message.id)
        print(f"{path}: {len(known)} messages, {missing} without a translation")


if __name__ == "__main__":
    main()
