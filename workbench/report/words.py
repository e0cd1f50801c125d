"""Numbers, names and foreign text as they are printed.

A number never stands without a unit or a name, a value that was not computed says why,
and text from data cannot change the direction or the look of the text around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workbench.language import ENGLISH, N_, language, ngettext, on_date, stored
from workbench.language import gettext as _
from workbench.metrics.catalogue import MEASURES, MeasureInfo
from workbench.report.shapes import Cell
from workbench.types import Estimate, Measure

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CALIBRATION = ("ece", "ece_floor", "ace", "classwise_ece", "mce", "label_ece")
_ALONE = ("hamming_loss", "ranking_loss", "label_brier")  # shares that are small by nature
_REPLACED: dict[int, str] = {c: chr(0x2400 + c) for c in range(32) if chr(c) not in "\t\n\r"}
_REPLACED |= {0x7F: "␡"} | dict.fromkeys((*range(128, 160), *range(55296, 57344), 65534, 65535), "�")
# embeddings, overrides and isolates reorder the text around them; marks (200E, 200F) do not
_REPLACED |= dict.fromkeys((*range(8234, 8239), *range(8294, 8298)), "�")


@dataclass(frozen=True, slots=True)
class Name:
    """A measure in words; measures of one `scale` share one axis."""

    title: str
    meaning: str
    scale: str


def measure_name(name: str) -> Name:
    """The words for a measure, from the catalogue; one that it does not know keeps its own name."""
    known = MEASURES.get(name)
    if known is None:
        return Name(name.replace("_", " "), "", name)
    return Name(stored(known.title), stored(known.text), _scale(name, known))


def _scale(name: str, known: MeasureInfo) -> str:
    """Which measures may share an axis: shares of all, calibration errors, errors in the target's unit."""
    if name in _CALIBRATION:
        return "calibration"
    if known.bounds == (0.0, 1.0) and name not in _ALONE:
        return "share"
    same_unit = known.has_unit and not known.squared_unit and known.bounds[0] == 0
    return "unit" if same_unit else name


_INTERVALS = {
    "newcombe": N_("Newcombe, paired"),
    "wilson": N_("Wilson"),
    "delong": N_("DeLong"),
    "bootstrap-bca": N_("bootstrap, BCa"),
    "bootstrap-percentile": N_("bootstrap, percentiles"),
    "bootstrap-centred": N_("bootstrap, centred"),
    "jackknife-logit-t": N_("jackknife, on the logit scale"),
    "binomial-logit": N_("binomial, on the logit scale"),
    "bootstrap-logit-t": N_("bootstrap, on the logit scale"),
    "wilson-groups": N_("Wilson, of whole groups"),
    "newcombe-groups": N_("Newcombe, of whole groups"),
    "t-groups": N_("Student, of whole groups"),
    "simulated-5-95": N_("5th to 95th percentile of simulated calibrated models"),
}


def interval_name(name: str) -> str:
    """An interval's method in words; one that the report does not know keeps its own name."""
    paired = name.removeprefix("paired ")
    said = _(_INTERVALS.get(paired, paired))
    return _("paired {interval}").format(interval=said) if paired != name else said


def clean(text: str) -> str:
    """The text with controls, bidirectional overrides and lone surrogates made visible, one for one."""
    return text.translate(_REPLACED)


def number(value: float, *, digits: int = 3, like: float | None = None) -> str:
    """A number with about `digits` significant decimals, thousands apart, a true minus.

    `like` is the number beside which it stands: both get as many decimals.
    """
    if not math.isfinite(value):
        return _("not a number") if math.isnan(value) else ("∞" if value > 0 else "−∞")
    size = abs(value)
    if like is None and size and size < 10.0**-digits:
        return scientific(value)
    places = decimals(size if like is None else abs(like), digits)
    text = f"{size:,.{places}f}"
    return f"−{text}" if value < 0 and float(text.replace(",", "")) else text


def decimals(scale: float, digits: int = 3) -> int:
    """Decimals that give a number of this size about `digits` significant ones; shares (up to 1) get `digits`."""
    return digits if scale <= 1 else max(0, digits - 1 - int(math.log10(scale)))


def scientific(value: float) -> str:
    """A small or large number as 2.1·10⁻⁶."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{abs(value):.1e}".partition("e")
    return f"{'−' if value < 0 else ''}{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def signed(value: float, *, digits: int = 3, like: float | None = None) -> str:
    """A difference with its sign; what rounds to nothing has none."""
    text = number(value, digits=digits, like=like)
    return text if text.startswith("−") or not text.strip("0.,") else f"+{text}"


def percent(share: float, *, places: int = 1) -> str:
    """A share in percent; nothing and everything without decimals."""
    return _("{share} %").format(share=f"{100 * share:.{0 if share in (0, 1) else places}f}")


def chance(probability: float) -> str:
    """A probability in percent that is never rounded to a certainty."""
    if probability >= 0.9995 or 0 <= probability < 0.0005:
        small = "0" if probability == 0 else "< 0.1"
        return _("{share} %").format(share="100" if probability == 1 else "> 99.9" if probability > 0.5 else small)
    return percent(probability, places=0 if 0.01 <= probability < 0.99 else 1)


def points(share: float) -> str:
    """A difference of shares in percentage points, without its sign."""
    return f"{abs(100 * share):.1f}"


def between(low: float | None, high: float | None, *, like: float | None = None, sign: bool = False) -> str:
    """An interval in words, or nothing where there is none; both ends have the same decimals."""
    if low is None or high is None:
        return ""
    scale = max(abs(low), abs(high)) if like is None else like
    if 0 < scale < 1e-3:
        return _("{low} to {high}").format(low=scientific(low), high=scientific(high))
    write = signed if sign else number
    return _("{low} to {high}").format(low=write(low, like=scale), high=write(high, like=scale))


def change(difference: float, low: float | None, high: float | None) -> tuple[str, str]:
    """A difference and its interval, signed, with as many decimals each."""
    scale = max(abs(v) for v in (difference, low, high) if v is not None)
    like = scale if scale >= 1e-3 else None
    return signed(difference, like=like), between(low, high, like=like, sign=like is not None)


def p_value(p: float | None) -> str:
    """A p-value as it is printed; "" where there is none."""
    if p is None:
        return ""
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")


def count(n: int, one: str, many: str) -> str:
    """How many, by the messages for one and for many, which name `{n}`: `1 example`, `3 examples`."""
    return ngettext(one, many, n).format(n=f"{n:,}")


def listing(items: list[str], *, either: bool = False) -> str:
    """Items in a sentence: a, b and c (`either`: or c)."""
    if len(items) < 2:
        return items[0] if items else ""
    said = _("{first} or {last}") if either else _("{first} and {last}")
    return said.format(first=_(", ").join(items[:-1]), last=items[-1])


def size(n: int) -> str:
    """Bytes in the unit that reads best."""
    if n < 1000:
        return _("{n} bytes").format(n=n)
    return f"{n / 1e6:,.1f} MB" if n >= 1e6 else f"{n / 1e3:,.1f} kB"


def date(text: str) -> str:
    """An ISO 8601 time as a person writes it: 23 November 2026, 10:00 UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    if language() != ENGLISH:
        return f"{on_date(when)}{' UTC' if when.utcoffset() == timedelta(0) else ''}"
    zone = " UTC" if when.utcoffset() == timedelta(0) else ""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M}{zone}"


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text, stop = stored(text.strip()), _(".")
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in f".!?{stop}" else stop)


def joined(*sentences: str) -> str:
    """Sentences one after the other, with a space between them where the language has one."""
    return ("" if language().startswith("zh") else " ").join(filter(None, sentences))


def short(name: str, longest: int = 36) -> str:
    """A name that fits a heading; the whole name stands elsewhere in the report."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def none(reason: str) -> Cell:
    """The cell of a value that was not computed."""
    why = stored(reason) or _("no reason was recorded")
    return Cell(_("not computed: {why}").format(why=why), kind="none")


def word(value: Any, note: str = "", href: str = "") -> Cell:
    """A cell of words."""
    return Cell(str(value), note, "word", href)


def ends(value: Measure | Estimate | None) -> list[float]:
    """The numbers of a value and its interval; none where it was not computed."""
    if value is None or value.value is None:
        return []
    return [v for v in (value.value, value.low, value.high) if v is not None]


def estimate(value: Measure | Estimate | None, *, why: str = "", n: bool = True, beside: Sequence[float] = ()) -> Cell:
    """A value above its interval and n, or why there is none; n may stand in the header instead.

    All have as many decimals, and as many as the values `beside` which they stand.
    """
    if value is None:
        return none(why)
    if value.value is None:
        return none(value.reason)
    scale = max(abs(v) for v in (*ends(value), *beside))
    like = scale if scale >= 1e-3 else None
    span = between(value.low, value.high, like=like) or _("no interval")
    return Cell(number(value.value, like=like), f"{span} · n {value.n:,}" if n else span)
