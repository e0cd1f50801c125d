"""The first screen's lines on before and after: what the change brought, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbench.language import N_, ngettext
from workbench.language import gettext as _
from workbench.report.label_outcomes import f1_beside
from workbench.report.performance import known, said
from workbench.report.shapes import Finding
from workbench.report.view import RunView
from workbench.report.words import between, measure_name, number, p_value, points, signed
from workbench.report.words import change as change_of

_SHARE_MARGIN = 1e-9
_UNCONFIRMED = 0.05  # p of the exact test from which on a difference is not called one
_SHARES = {
    "accuracy": (N_("accuracy"), N_("{gain} points of accuracy")),
    "subset_accuracy": (
        N_("share of examples with every label right"),
        N_("{gain} points of examples with every label right"),
    ),
}
_ROUNDED = 0.0005  # differences of accuracy that print as 0.0 points


def changed(view: RunView) -> list[Finding]:
    """Better or worse than before, or not certain, with how sure that is."""
    entries = {m["name"]: m for m in view.comparison.get("measures", [])}
    name = next((n for n in (("mae", "rmse") if view.regression else ("accuracy",)) if n in entries), "")
    entry = dict(entries.get(name, {}))
    if not view.regression and view.comparison.get("accuracy"):  # Newcombe's interval and the exact test
        name, entry = view.headline, {**view.comparison["accuracy"], "better": "higher"}
    if not entry or entry.get("difference") is None:
        return []
    sign = -1.0 if entry.get("better") == "lower" else 1.0
    low, high = entry.get("low"), entry.get("high")
    gain = sign * entry["difference"]
    worst = None if low is None or high is None else min(sign * low, sign * high)
    best = None if low is None or high is None else max(sign * low, sign * high)
    how, span = _amount(view, name, gain, worst, best)
    also = f1_beside(entries) if view.multilabel else ""
    link = ("#change", _("what changed"))
    if worst is None or best is None:
        return [
            Finding(
                "fair",
                _("Better or worse than before is not settled:"),
                _("{how}, without an interval.").format(how=how),
                *link,
            )
        ]
    p = entry.get("p") if entry.get("test") else entry.get("mcnemar_p")
    if p is not None and p >= _UNCONFIRMED and (worst > _SHARE_MARGIN or best < -_SHARE_MARGIN):
        said = (
            _("it seems so by {how} ({span}), but the test of whole groups does not confirm it ({p}).")
            if entry.get("groups")
            else _("it seems so by {how} ({span}), but the exact test does not confirm it ({p}).")
        )
        rest = said.format(how=how, span=span, p=p_value(p))
        better, worse = (
            _("Not certain whether better than before customisation:"),
            _("Not certain whether worse than before customisation:"),
        )
        return [Finding("fair", better if gain > 0 else worse, rest, *link)]
    if worst > _SHARE_MARGIN:
        return [
            Finding(
                "good",
                _("Better than before customisation"),
                _("by {how} ({span}).{also}").format(how=how, span=span, also=also),
                *link,
            )
        ]
    if best < -_SHARE_MARGIN:
        return [
            Finding(
                "poor",
                _("Worse than before customisation"),
                _("by {how} ({span}).{also}").format(how=how, span=span, also=also),
                *link,
            )
        ]
    rest = f"{_undecided(view, entry, name)}{also}"
    return [Finding("fair", _("No clear difference from before customisation:"), rest, *link)]


def _undecided(view: RunView, entry: Mapping[str, Any], name: str) -> str:
    """A difference that chance explains, in the measure's own direction."""
    difference, title = float(entry["difference"]), measure_name(name).title.lower()
    if name in _SHARES:
        title = _(_SHARES[name][0])
        low, high = (signed(100 * entry[end], like=10.0) for end in ("low", "high"))
        span = _("95 % interval {low} to {high} points").format(low=low, high=high)
        if abs(difference) < _ROUNDED:
            return _("the {title} is the same ({span}).").format(title=title, span=span)
        higher = _("the {title} is {difference} points higher, which chance alone could bring about ({span}).")
        lower = _("the {title} is {difference} points lower, which chance alone could bring about ({span}).")
        return (higher if difference > 0 else lower).format(title=title, difference=points(difference), span=span)
    unit = f" {view.unit}" if view.unit else ""
    amount, span = change_of(difference, entry["low"], entry["high"])
    larger = _("the {title} is {amount}{unit} larger, which chance alone could bring about (95 % interval {span}).")
    smaller = _("the {title} is {amount}{unit} smaller, which chance alone could bring about (95 % interval {span}).")
    said = larger if difference > 0 else smaller
    return said.format(title=title, amount=amount.lstrip("+−"), unit=unit, span=span)


def _amount(view: RunView, name: str, gain: float, low: float | None, high: float | None) -> tuple[str, str]:
    """How much better or worse, and its interval; both without a sign, as the words say the direction."""
    if name in _SHARES:
        how = _(_SHARES[name][1]).format(gain=points(gain))
        span = (
            ""
            if low is None or high is None
            else _("95 % interval {size}").format(size=_size(100 * low, 100 * high, like=10.0))
        )
    else:
        unit = f" {view.unit}" if view.unit else ""
        like = max(abs(v) for v in (gain, low, high) if v is not None)
        how = _("{gain}{unit} of {title}").format(
            gain=number(abs(gain), like=like), unit=unit, title=measure_name(name).title.lower()
        )
        span = "" if low is None or high is None else _("95 % interval {size}").format(size=_size(low, high, like=like))
    return how, span


def _size(low: float, high: float, *, like: float) -> str:
    """An interval of one direction, from the smaller to the larger amount."""
    return between(*sorted((abs(low), abs(high))), like=like) if low * high > 0 else between(low, high, like=like)


def lost(view: RunView) -> list[Finding]:
    """How many answers that were right are now wrong, and of which class most of them are."""
    flips = view.comparison.get("flips")
    if view.regression or not flips:
        return []
    turned, base = flips["negative"], view.predictions("base", "test")
    if base is None:
        return []
    was_right = int((known(base)["target"] == known(base)["predicted"]).sum())
    if not turned:
        return [
            Finding(
                "good",
                _("No answer that was right is now wrong"),
                _("(of {was_right:,}).").format(was_right=was_right),
                "#change",
                _("details"),
            )
        ]
    truth = said(base, turned, "target")
    classes = Counter(str(truth.get(i, "?")) for i in turned)
    top, n = classes.most_common(1)[0]
    all_, most = _(", all of class “{top}”."), _(", most of class “{top}”.")
    if view.multilabel:
        all_, most = _(", all with the labels “{top}”."), _(", most with the labels “{top}”.")
    rest = all_ if n == len(turned) else most if n > len(turned) / 2 else _(".")
    many = ngettext(
        "{n} of {was_right} answer that was right is now wrong",
        "{n} of {was_right} answers that were right are now wrong",
        was_right,
    )
    return [
        Finding(
            "fair",
            many.format(n=f"{len(turned):,}", was_right=f"{was_right:,}"),
            rest.format(top=top) if len(turned) > 1 else _("."),
            "#change",
            _("see them"),
        )
    ]
