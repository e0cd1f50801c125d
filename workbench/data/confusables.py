"""Labels that look alike and are not equal: letters of another script, invisible characters, width and case."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

# Cyrillic and Greek letters that most typefaces draw like a Latin one (Unicode Technical Standard 39,
# confusables.txt, the pairs between these three scripts).
_CYRILLIC = dict(zip("аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅ", "aeopcyxijshdqwABEKMHOPCTYXIJS", strict=True))
_GREEK = dict(zip("οανρυιΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oavpuiABEZHIKMNOPTYX", strict=True))
_LIKE = str.maketrans({**_CYRILLIC, **_GREEK, "ı": "i", "ł": "l", "–": "-", "—": "-", "−": "-", "’": "'"})


def skeleton(text: str) -> str:
    """What a text looks like: compatibility forms, look-alike letters, case, spaces and invisible characters undone."""
    shown = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in ("Cf", "Cc"))
    return " ".join(shown.translate(_LIKE).casefold().split())


def look_alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different names that look the same, sorted."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        found[skeleton(name)].add(name)
    return sorted(tuple(sorted(group)) for group in found.values() if len(group) > 1)


def spelt(name: str) -> str:
    """A name with every character outside ASCII named by its number, to be told from its like."""
    odd = [f"U+{ord(c):04X}" for c in name if not c.isascii() or not c.isprintable()]
    return f"{name!r} ({' '.join(odd[:6])})" if odd else repr(name)
