"""The language of what people read: English stands in the code, translations in gettext catalogues.

`workbench.po` of a language holds what the report says (each message is marked where it is said), and
`stored.po` what stages write into a run: a run is kept in English, and the report translates its sentences by
the templates that made them. Catalogues are read as text, so that no compiled file lies beside them.
"""

from __future__ import annotations

import gettext as of_python
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache

from workbench.assets import asset
from workbench.errors import UnknownName

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "zh-CN": "简体中文"}
FOLDER = ("templates", "locale")
_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)
# Placeholders of stored sentences that hold a sentence or a term of ours, or several of them, and not data.
_SAID, _THOSE = re.compile(r"(said|why|what|how)\d*"), "those"
_TITLES, _JOINS = "titles", re.compile(r", | and ")  # "SHAP and LIME"
_NUMBERS = ("n", "m", "k")
_CONDITION = "condition\x04"  # gettext's mark of messages in the context of conditions


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Everything inside is said in a language, in this thread and task alone.

    Raises:
        UnknownName: there is no such language.
    """
    check_language(language)
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def check_language(language: str) -> None:
    """Refuse a language that is not there before any work is done for it; empty asks for none.

    Raises:
        UnknownName: there is no such language.
    """
    if language and language not in LANGUAGES:
        raise UnknownName("language", language, LANGUAGES)


def language() -> str:
    """The language that is spoken, as a BCP 47 tag."""
    return _spoken.get()


def gettext(message: str) -> str:
    """A message in the language that is spoken; one that its catalogue lacks stays English."""
    spoken = _spoken.get()
    return message if spoken == ENGLISH or not message else _catalogue(spoken, "workbench").gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """The message for a number: `one` or `many` in English, the plural form of the number elsewhere."""
    spoken = _spoken.get()
    if spoken == ENGLISH:
        return one if n == 1 else many
    return _catalogue(spoken, "workbench").ngettext(one, many, n)


def pgettext(context: str, message: str) -> str:
    """A message that has more than one meaning, told apart by its context."""
    spoken = _spoken.get()
    return message if spoken == ENGLISH else _catalogue(spoken, "workbench").pgettext(context, message)


def N_(message: str) -> str:  # noqa: N802 (gettext's own name)
    """Marks a message that is translated where it is shown, and not where it stands."""
    return message


def stored(text: object) -> str:
    """What a stage wrote, in the language that is spoken; what no template fits stays as it is."""
    said, spoken = str(text), _spoken.get()
    return said if spoken == ENGLISH or not said.strip() else _retold(spoken, said)


def condition(text: object) -> str:
    """The words of an area of the inputs ("age over 30 and sex is 2") in the language that is spoken."""
    spoken, parts = _spoken.get(), str(text).split(" and ")
    if spoken == ENGLISH:
        return str(text)
    said = [_one(spoken, part, _CONDITION) for part in parts]
    return " 且 ".join(part for part in said if part) if all(said) else str(text)


def on_date(when: datetime) -> str:
    """A day and time as the language writes them; English keeps the report's own way."""
    from babel.dates import format_date

    return f"{format_date(when, 'long', locale=_spoken.get().replace('-', '_'))} {when:%H:%M}"


@cache
def _catalogue(spoken: str, domain: str) -> of_python.GNUTranslations:
    """One catalogue of a language, compiled in memory."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with asset(*FOLDER, spoken.replace("-", "_"), "LC_MESSAGES", f"{domain}.po").open("rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return of_python.GNUTranslations(compiled)


# -- sentences that stages wrote --------------------------------------------------------

_PLACE = re.compile(r"\{(\w+)\}")
_ENDS = re.compile(r"(?<=[.!?]) +(?=[A-Z“0-9])")


@cache
def _templates(spoken: str, context: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of stored sentences with their translations, those with the most words of their own first."""
    known = {k: v for k, v in _messages(spoken, context).items() if _PLACE.search(k)}
    own = sorted(known, key=lambda message: -len(_PLACE.sub("", message)))
    return tuple((_pattern(message), known[message]) for message in own)


def _pattern(message: str) -> re.Pattern[str]:
    """A template as a pattern: what stands at a placeholder is data, or a sentence of its own."""
    parts, seen = [], set()
    for i, part in enumerate(_PLACE.split(message)):
        if i % 2 == 0:
            parts.append(re.escape(part))
        else:
            what = r"[\d,.]*\d" if part in _NUMBERS else ".+?"
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>{what})")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)


@cache
def _messages(spoken: str, context: str = "") -> dict[str, str]:
    """Stored messages of one context with their translations."""
    known: dict[str, str] = getattr(_catalogue(spoken, "stored"), "_catalog", {})
    return {
        k.removeprefix(context): v
        for k, v in known.items()
        if isinstance(k, str) and k and v and k.startswith(context) and ("\x04" in k) == bool(context)
    }


def _retold(spoken: str, text: str) -> str:
    whole = _one(spoken, text)
    if whole is not None:
        return whole
    parts = _ENDS.split(text)
    if len(parts) > 1:
        return "".join(_one(spoken, part) or f"{part} " for part in parts).strip()
    remarks = [_one(spoken, part) or part for part in text.split("; ")]
    return "；".join(remarks) if "; ".join(remarks) != text else text


@cache
def _one(spoken: str, text: str, context: str = "") -> str | None:
    """A stored sentence retold, whatever its capital and its full stop; None where no template fits."""
    known, bare = _messages(spoken, context), text.removesuffix(".")
    stop = "。" if text.endswith(".") else ""
    forms = [(f, f == text) for form in (text, bare, f"{text}.") for f in (form, form[:1].lower() + form[1:])]
    forms += [(form[:1].upper() + form[1:], False) for form in (text, bare, f"{text}.")]
    for form, whole in forms:
        if form in known:
            return known[form] if whole else f"{known[form].rstrip('。')}{stop}"
    for pattern, translation in _templates(spoken, context):
        for form, whole in forms:
            if found := pattern.fullmatch(form):
                said = translation.format(**{k: _inside(spoken, k, v) for k, v in found.groupdict().items()})
                return said if whole else f"{said.rstrip('。')}{stop}"
    return None


def _inside(spoken: str, place: str, value: str) -> str:
    if _SAID.fullmatch(place):
        return _retold(spoken, value)
    if place == _TITLES:
        return "、".join(_one(spoken, title) or title for title in _JOINS.split(value))
    if place == _THOSE:
        known = _messages(spoken)
        for term in sorted((k for k in known if not _PLACE.search(k)), key=len, reverse=True):
            value = value.replace(term, known[term])
        return value.replace("; ", "；")
    return value
