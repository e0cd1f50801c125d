"""Before and after: what got better, what got worse, and whether it is real."""

from __future__ import annotations

from typing import Any

from workbench.report.performance import said as answers
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

_ROWS = 400
_OPEN = 6  # rows that stand open
_CLEAR = 0.05
_LABELS = 200  # rows of the table of labels


def change(view: RunView) -> Section | None:
    """Answers that turned, and the difference of every measure with its interval."""
    comparison = view.comparison
    if view.audited:
        return Section("change", "Before and after", "There is no model before: this one was made elsewhere.", ())
    if not comparison:
        return None
    blocks: list[Block] = []
    if comparison.get("flips"):
        blocks += [*_turned(view), *_tested(comparison), *_each(view), *_lost(view), *_won(view)]
    else:
        blocks += _tested(comparison)
    if comparison.get("measures"):
        table = _measures(comparison["measures"])
        blocks.append(table if view.regression else Fold("Every difference, its interval and its test", (table,)))
    finding = sentence(comparison.get("verdict") or "Before and after were compared on the same examples")
    accuracy = comparison.get("accuracy") or {}
    how = ["Both models answered the same examples; intervals and p are of paired differences."]
    if accuracy.get("method"):
        what = measure_name(accuracy.get("name", "accuracy")).title.lower()
        how.append(f"Interval of the difference of {what}: {interval_name(accuracy['method'])}.")
    if accuracy.get("mcnemar_p") is not None:
        how.append(
            f"Exact McNemar test on the {accuracy.get('b', '?')} answers that turned wrong and the "
            f"{accuracy.get('c', '?')} that turned right: {p_value(accuracy['mcnemar_p'])}."
        )
    if accuracy.get("groups"):
        of = accuracy["of_examples"]
        how.append(
            f"The examples come in {accuracy['groups']:,} groups and are not independent: interval and test above are "
            f"of whole groups ({p_value(accuracy['p'])}). Taken as independent the interval would be "
            f"{between(100 * of['low'], 100 * of['high'], like=10.0, sign=True)} points. The classes are compared by "
            "whole groups, too."
        )
    if (comparison.get("flips") or {}).get("relative_nfr") is not None:
        how.append(
            "Relative negative flips: answers that turned wrong over those that two unrelated models of the same "
            f"accuracies would have ({number(comparison['flips']['relative_nfr'], digits=2)}; 1 is unrelated)."
        )
    return Section("change", "Before and after", finding, tuple(blocks), (*how, *_identity(comparison)))


def _tested(comparison: dict[str, Any]) -> list[Block]:
    """Tests against the declared margin, and whether the probabilities became more honest."""
    blocks: list[Block] = []
    margin = comparison.get("margin")
    if margin and margin.get("noninferiority"):
        worse, same = margin["noninferiority"], margin["equivalence"]
        share = f" ({percent(margin['share'])} of the RMSE before)" if margin.get("share") else ""
        limit = f"{100 * margin['margin']:g} points" if margin["of"] == "accuracy" else number(margin["margin"])
        rows = tuple(
            (word(name), word(test["sentence"]), Cell(percent(test["power"], places=0)), Cell(f"{test['needed']:,}"))
            for name, test in (("Not worse", worse), ("Equal", same))
        )
        head = ("Question", "answer", "chance to pass if nothing changed", "needed for 80 %")
        caption = f"Declared margin: {limit}{share}, on n = {worse['n']:,}"
        blocks.append(Table(caption, head, rows, compact=True))
    elif margin:
        blocks.append(
            Prose((f"The declared margin could not be tested: {margin.get('reason', 'no interval')}.",), "note")
        )
    calibration = comparison.get("calibration")
    if calibration:
        blocks.append(Prose((calibration["sentence"],), heading="Are its probabilities more honest?"))
    return blocks


def _identity(comparison: dict[str, Any]) -> tuple[str, ...]:
    """The hashes of what was compared."""
    lines = []
    for who, side in (comparison.get("sides") or {}).items():
        files = "; ".join(f"{name} {sha}" for name, sha in side.get("files", {}).items())
        lines.append(f"{who.capitalize()}: run {side['run']}, model {side['model']}. SHA-256: {files}.")
    return tuple(lines)


def _turned(view: RunView) -> list[Block]:
    before, after = (view.predictions(m, "test") for m in ("base", view.shipped))
    flips = view.comparison["flips"]
    if before is None or after is None:
        return []
    both = before[["id", "target", "predicted"]].merge(after[["id", "predicted"]], on="id", suffixes=("", "_after"))
    both = both[both["target"].notna()]
    was, now = both["predicted"] == both["target"], both["predicted_after"] == both["target"]
    total = max(1, len(both))

    def cell(chosen: Any, good: bool | None) -> HeatCell:
        n = int(chosen.sum())
        shade = 0 if good is None else round(20 * min(1.0, 2.5 * n / total)) * (1 if good else -1)
        return HeatCell(f"{n:,}", percent(n / total), shade)

    rows = (
        ("was right", (cell(was & now, None), cell(was & ~now, False))),
        ("was wrong", (cell(~was & now, True), cell(~was & ~now, None))),
    )
    note = f"{percent(flips['churn'])} of all answers changed at all (churn)." if flips.get("churn") is not None else ""
    return [Heatmap("Answers before and after", "after", "before", ("is right", "is wrong"), rows, note)]


def _lost(view: RunView) -> list[Block]:
    lost = [str(i) for i in view.comparison["flips"]["negative"]]
    if not lost:
        return [Prose(("No answer that was right before is wrong now.",))]
    head, title = ("Example", "Before, rightly", "After"), "Was right, is now wrong"
    rows, note = _flips(view, lost)
    if len(rows) <= _OPEN:
        return [Table(title, head, rows, note, compact=True)]
    rest = Table(f"{title}, continued", head, rows[_OPEN:], note, compact=True)
    return [
        Table(f"{title}: the surest {_OPEN} of {len(lost):,}", head, rows[:_OPEN], compact=True),
        Fold(
            f"{count(len(rows) - _OPEN, 'more answer')} that {'was' if len(rows) - _OPEN == 1 else 'were'} right",
            (rest,),
        ),
    ]


def _won(view: RunView) -> list[Block]:
    won = [str(i) for i in view.comparison["flips"].get("positive", [])]
    if not won:
        return []
    rows, note = _flips(view, won)
    table = Table("Was wrong, is now right", ("Example", "Before", "After, rightly"), rows, note, compact=True)
    return [
        Fold(f"{count(len(won), 'answer')} that {'was' if len(won) == 1 else 'were'} wrong and now right", (table,))
    ]


def _flips(view: RunView, turned: list[str]) -> tuple[tuple[tuple[Cell, ...], ...], str]:
    """Rows of answers that turned, and a note on those left out; explained ones lead to their case."""
    models = {"before": "base", "after": view.shipped}
    said = {who: answers(view.predictions(m, "test"), turned[:_ROWS], "predicted") for who, m in models.items()}
    rows = []
    for example in turned[:_ROWS]:
        anchor = view.anchors.get(example)
        rows.append(
            (
                Cell(example, "explained" if anchor else "", "word", f"#{anchor}" if anchor else ""),
                word(said["before"].get(example, "not predicted")),
                word(said["after"].get(example, "not predicted")),
            )
        )
    more = len(turned) - len(rows)
    return tuple(rows), f"{count(more, 'more', 'more')} in comparison.json." if more else ""


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
            cells = (*values, Cell(by, span or "no interval"))
        span = between(100 * entry["low"], 100 * entry["high"], like=10.0, sign=True)
        right = Cell(f"{signed(100 * entry['difference'], like=10.0)} points", span)
        rows.append(
            (word(entry["label"], f"{entry['holds']:,} have it"), *cells, right, Cell(p_value(entry["p_holm"])))
        )
    head = ("Label", "F1 before", "after", "difference", "right decisions", "p, corrected")
    if moved:
        said = [f"“{e['label']}” {signed(100 * e['difference'], like=10.0)} points" for e in moved[:_OPEN]]
        text = f"Right decisions moved beyond chance, after correction for {len(labels)} labels: {listing(said)}."
    else:
        text = f"No label moved beyond chance once the {len(labels)} tests are corrected for their number (Holm)."
    note = "p: exact McNemar test of the right decisions, corrected for the number of labels (Holm)."
    table = Table("Each label before and after", head, tuple(rows[:_LABELS]), note, compact=True)
    return [Prose((text,), heading="Label by label"), Fold(f"Each of the {count(len(labels), 'label')}", (table,))]


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
                "no interval" if low is None or high is None else between(100 * low, 100 * high, like=10.0, sign=True)
            )
            p = none("no test") if entry.get("p_holm") is None else Cell(p_value(entry["p_holm"]))
            values = (Cell(percent(entry[k])) for k in ("before", "after"))
            cells = (*values, Cell(f"{signed(100 * entry['difference'], like=10.0)} points", span), p)
        rows.append((word(entry["label"], f"n {entry.get('n', 0):,}"), *cells))
    head = ("Class", "found before", "after", "difference", "p, corrected")
    if moved:
        said = [f"“{c['label']}” {signed(100 * c['difference'], like=10.0)} points" for c in moved[:_OPEN]]
        text = f"Beyond chance, after correction for {len(classes)} classes: {listing(said)}."
    else:
        text = f"No class moved beyond chance once the {len(classes)} tests are corrected for their number (Holm)."
    table = Table("Share of each class that is found (recall)", head, tuple(rows), compact=True)
    return [
        Prose((text,), heading="Class by class"),
        Fold(f"Each of the {count(len(classes), 'class', 'classes')}", (table,)),
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
            difference = Cell(moved, span or "no interval")
        p = Cell(p_value(m["p"])) if m.get("p") is not None else none(m.get("reason") or "no test for this measure")
        arrow = "lower is better" if m.get("better") == "lower" else ""
        rows.append(
            (
                word(measure_name(m["name"]).title, arrow),
                *values,
                difference,
                p,
                word(interval_name(m.get("method", ""))),
            )
        )
    return Table("Differences", ("Measure", "before", "after", "difference", "p", "method"), tuple(rows))
