"""Before and after: what got better, what got worse, and whether it is real."""

from __future__ import annotations

from typing import Any

from workbench.language import gettext as _
from workbench.language import stored
from workbench.report.flips import turned
from workbench.report.shapes import Block, Cell, Fold, HeatCell, Heatmap, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import (
    between,
    count,
    interval_name,
    listing,
    measure_name,
    none,
    number,
    p_value,
    percent,
    sentence,
    signed,
    word,
)
from workbench.report.words import change as moved_by

_OPEN = 6  # rows that stand open
_CLEAR = 0.05
_LABELS = 200  # rows of the table of labels


def change(view: RunView) -> Section | None:
    """Answers that turned, and the difference of every measure with its interval."""
    comparison = view.comparison
    if view.audited:
        return Section("change", _("Before and after"), _("There is no model before: this one was made elsewhere."), ())
    if not comparison:
        return None
    blocks: list[Block] = []
    if comparison.get("flips"):
        blocks += [*_turned(view), *_tested(comparison), *_each(view)]
        blocks += [*turned(view, "negative"), *turned(view, "positive")]
    else:
        blocks += _tested(comparison)
    if comparison.get("measures"):
        table = _measures(comparison["measures"])
        blocks.append(table if view.regression else Fold(_("Every difference, its interval and its test"), (table,)))
    finding = sentence(comparison.get("verdict") or _("Before and after were compared on the same examples"))
    accuracy = comparison.get("accuracy") or {}
    how = [_("Both models answered the same examples; intervals and p are of paired differences.")]
    if accuracy.get("method"):
        what = measure_name(accuracy.get("name", "accuracy")).title.lower()
        how.append(
            _("Interval of the difference of {what}: {interval_name}.").format(
                what=what, interval_name=interval_name(accuracy["method"])
            )
        )
    if accuracy.get("mcnemar_p") is not None:
        how.append(
            _(
                "Exact McNemar test on the {b} answers that turned wrong and the {c} that turned right: {mcnemar_p}."
            ).format(b=accuracy.get("b", "?"), c=accuracy.get("c", "?"), mcnemar_p=p_value(accuracy["mcnemar_p"]))
        )
    if accuracy.get("groups"):
        of = accuracy["of_examples"]
        how.append(
            _(
                "The examples come in {groups:,} groups and are not independent: interval and test "
                "above are of whole groups ({p}). Taken as independent the interval would be {low} "
                "points. The classes are compared by whole groups, too."
            ).format(
                groups=accuracy["groups"],
                p=p_value(accuracy["p"]),
                low=between(100 * of["low"], 100 * of["high"], like=10.0, sign=True),
            )
        )
    if (comparison.get("flips") or {}).get("relative_nfr") is not None:
        how.append(
            _(
                "Relative negative flips: answers that turned wrong over those that two unrelated "
                "models of the same accuracies would have ({relative_nfr}; 1 is unrelated)."
            ).format(relative_nfr=number(comparison["flips"]["relative_nfr"], digits=2))
        )
    return Section("change", _("Before and after"), finding, tuple(blocks), (*how, *_identity(comparison)))


def _tested(comparison: dict[str, Any]) -> list[Block]:
    """Tests against the declared margin, and whether the probabilities became more honest."""
    blocks: list[Block] = []
    margin = comparison.get("margin")
    if margin and margin.get("noninferiority"):
        worse, same = margin["noninferiority"], margin["equivalence"]
        share = _(" ({share} of the RMSE before)").format(share=percent(margin["share"])) if margin.get("share") else ""
        limit = (
            _("{margin:g} points").format(margin=100 * margin["margin"])
            if margin["of"] in ("accuracy", "subset_accuracy")
            else number(margin["margin"])
        )
        rows = tuple(
            (
                word(name),
                word(stored(test["sentence"])),
                Cell(percent(test["power"], places=0)),
                Cell(f"{test['needed']:,}"),
            )
            for name, test in ((_("Not worse"), worse), (_("Equal"), same))
        )
        head = (_("Question"), "answer", _("chance to pass if nothing changed"), _("needed for 80 %"))
        caption = _("Declared margin: {limit}{share}, on n = {n:,}").format(limit=limit, share=share, n=worse["n"])
        blocks.append(Table(caption, head, rows, compact=True))
    elif margin:
        blocks.append(
            Prose(
                (
                    _("The declared margin could not be tested: {reason}.").format(
                        reason=stored(margin.get("reason", _("no interval")))
                    ),
                ),
                "note",
            )
        )
    calibration = comparison.get("calibration")
    if calibration:
        blocks.append(Prose((stored(calibration["sentence"]),), heading=_("Are its probabilities more honest?")))
    return blocks


def _identity(comparison: dict[str, Any]) -> tuple[str, ...]:
    """The hashes of what was compared."""
    lines = []
    for who, side in (comparison.get("sides") or {}).items():
        files = "; ".join(f"{name} {sha}" for name, sha in side.get("files", {}).items())
        lines.append(
            _("{who}: run {run}, model {model}. SHA-256: {files}.").format(
                who=_(who).capitalize(), run=side["run"], model=side["model"], files=files
            )
        )
    return tuple(lines)


def _turned(view: RunView) -> list[Block]:
    before, after = (view.predictions(m, "test") for m in ("base", view.shipped))
    flips = view.comparison["flips"]
    if before is None or after is None:
        return []
    if before["id"].equals(after["id"]):  # as in every run of one split; a million rows need not be sought
        both = before[["id", "target", "predicted"]].assign(predicted_after=after["predicted"])
    else:
        both = before[["id", "target", "predicted"]].merge(after[["id", "predicted"]], on="id", suffixes=("", "_after"))
    both = both[both["target"].notna()]
    was, now = both["predicted"] == both["target"], both["predicted_after"] == both["target"]
    total = max(1, len(both))

    def cell(chosen: Any, good: bool | None) -> HeatCell:
        n = int(chosen.sum())
        shade = 0 if good is None else round(20 * min(1.0, 2.5 * n / total)) * (1 if good else -1)
        return HeatCell(f"{n:,}", percent(n / total), shade)

    rows = (
        (_("was right"), (cell(was & now, None), cell(was & ~now, False))),
        (_("was wrong"), (cell(~was & now, True), cell(~was & ~now, None))),
    )
    note = (
        _("{churn} of all answers changed at all (churn).").format(churn=percent(flips["churn"]))
        if flips.get("churn") is not None
        else ""
    )
    return [Heatmap(_("Answers before and after"), _("after"), _("before"), (_("is right"), _("is wrong")), rows, note)]


def _each(view: RunView) -> list[Block]:
    classes = view.comparison.get("classes") or []
    return _labels(classes) if view.multilabel else _classes(classes)


def _labels(labels: list[dict[str, Any]]) -> list[Block]:
    """F1 and right decisions of each label before and after; tests are corrected for there being several labels."""
    if not labels:
        return []
    moved = [e for e in labels if e.get("p_holm") is not None and e["p_holm"] < _CLEAR]
    rows = []
    for entry in sorted(labels, key=lambda e: (e["p_holm"], -abs(e["difference"]))):
        f1 = entry.get("f1") or {}
        if f1.get("difference") is None:
            cells: tuple[Cell, ...] = (none(f1.get("reason", "")),) * 3
        else:
            by, span = moved_by(f1["difference"], f1.get("low"), f1.get("high"))
            values = (Cell(number(f1[k], like=1.0)) for k in ("before", "after"))
            cells = (*values, Cell(by, span or _("no interval")))
        span = between(100 * entry["low"], 100 * entry["high"], like=10.0, sign=True)
        right = Cell(_("{difference} points").format(difference=signed(100 * entry["difference"], like=10.0)), span)
        rows.append(
            (
                word(entry["label"], _("{holds:,} have it").format(holds=entry["holds"])),
                *cells,
                right,
                Cell(p_value(entry["p_holm"])),
            )
        )
    head = (_("Label"), _("F1 before"), _("after"), _("difference"), _("right decisions"), _("p, corrected"))
    if moved:
        said = [
            _("“{label}” {difference} points").format(
                label=e["label"], difference=signed(100 * e["difference"], like=10.0)
            )
            for e in moved[:_OPEN]
        ]
        text = _("Right decisions moved beyond chance, after correction for {n} labels: {said}.").format(
            n=len(labels), said=listing(said)
        )
    else:
        text = _("No label moved beyond chance once the {n} tests are corrected for their number (Holm).").format(
            n=len(labels)
        )
    note = _("p: exact McNemar test of the right decisions, corrected for the number of labels (Holm).")
    table = Table(_("Each label before and after"), head, tuple(rows[:_LABELS]), note, compact=True)
    return [
        Prose((text,), heading=_("Label by label")),
        Fold(_("Each of the {n}").format(n=count(len(labels), "{n} label", "{n} labels")), (table,)),
    ]


def _classes(classes: list[dict[str, Any]]) -> list[Block]:
    """Recall of each class before and after; tests are corrected for there being several classes."""
    if not classes:
        return []
    moved = [c for c in classes if c.get("p_holm") is not None and c["p_holm"] < _CLEAR]
    rows = []
    for entry in sorted(classes, key=lambda c: -abs(c["difference"]) if c.get("difference") is not None else 1.0):
        if entry.get("difference") is None:
            cells: tuple[Cell, ...] = (none(entry.get("reason", "")),) * 4
        else:
            low, high = entry.get("low"), entry.get("high")
            span = (
                _("no interval")
                if low is None or high is None
                else between(100 * low, 100 * high, like=10.0, sign=True)
            )
            p = none(_("no test")) if entry.get("p_holm") is None else Cell(p_value(entry["p_holm"]))
            values = (Cell(percent(entry[k])) for k in ("before", "after"))
            cells = (
                *values,
                Cell(_("{difference} points").format(difference=signed(100 * entry["difference"], like=10.0)), span),
                p,
            )
        rows.append((word(entry["label"], f"n {entry.get('n', 0):,}"), *cells))
    head = (_("Class"), _("found before"), _("after"), _("difference"), _("p, corrected"))
    if moved:
        said = [
            _("“{label}” {difference} points").format(
                label=c["label"], difference=signed(100 * c["difference"], like=10.0)
            )
            for c in moved[:_OPEN]
        ]
        text = _("Beyond chance, after correction for {n} classes: {said}.").format(n=len(classes), said=listing(said))
    else:
        text = _("No class moved beyond chance once the {n} tests are corrected for their number (Holm).").format(
            n=len(classes)
        )
    table = Table(_("Share of each class that is found (recall)"), head, tuple(rows), compact=True)
    return [
        Prose((text,), heading=_("Class by class")),
        Fold(_("Each of the {n}").format(n=count(len(classes), "{n} class", "{n} classes")), (table,)),
    ]


def _measures(measures: list[dict[str, Any]]) -> Table:
    rows = []
    for m in measures:
        known = [abs(m[k]) for k in ("before", "after") if m.get(k) is not None]
        like = max(known, default=0.0)
        values = [
            Cell(number(m[k], like=like if like >= 1e-3 else None))
            if m.get(k) is not None
            else none(m.get("reason", ""))
            for k in ("before", "after")
        ]
        if m.get("difference") is None:
            difference = none(m.get("reason", ""))
        else:
            moved, span = moved_by(m["difference"], m.get("low"), m.get("high"))
            difference = Cell(moved, span or _("no interval"))
        p = Cell(p_value(m["p"])) if m.get("p") is not None else none(m.get("reason") or _("no test for this measure"))
        arrow = _("lower is better") if m.get("better") == "lower" else ""
        rows.append(
            (
                word(measure_name(m["name"]).title, arrow),
                *values,
                difference,
                p,
                word(interval_name(m.get("method", ""))),
            )
        )
    return Table(
        _("Differences"), (_("Measure"), _("before"), _("after"), _("difference"), "p", _("method")), tuple(rows)
    )
