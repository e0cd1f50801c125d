"""Before and after: what got better, what got worse, and whether it is real."""

from __future__ import annotations

from typing import Any

from workbench.report.shapes import Block, Cell, HeatCell, Heatmap, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import between, count, measure_name, none, number, p_value, percent, sentence, signed, word

_ROWS = 30


def change(view: RunView) -> Section | None:
    """Answers that turned, and the difference of every measure with its interval."""
    comparison = view.comparison
    if not comparison:
        return None
    blocks: list[Block] = []
    if comparison.get("flips"):
        blocks += [*_turned(view), *_lost(view)]
    if comparison.get("measures"):
        blocks.append(_measures(comparison["measures"]))
    finding = sentence(comparison.get("verdict") or "Before and after were compared on the same examples")
    accuracy = comparison.get("accuracy") or {}
    how = ["Both models answered the same examples; intervals and p are of paired differences."]
    if accuracy.get("method"):
        how.append(f"Interval of the difference of accuracy: {accuracy['method']}.")
    if accuracy.get("mcnemar_p") is not None:
        how.append(
            f"Exact McNemar test on the {accuracy.get('b', '?')} answers that turned wrong and the "
            f"{accuracy.get('c', '?')} that turned right: {p_value(accuracy['mcnemar_p'])}."
        )
    return Section("change", "Before and after", finding, tuple(blocks), tuple(how))


def _turned(view: RunView) -> list[Block]:
    before, after = (view.predictions(m, "test") for m in ("base", "tuned"))
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
    frames = {who: view.predictions(m, "test") for who, m in (("before", "base"), ("after", "tuned"))}
    said: dict[str, dict[str, str]] = {
        who: {} if f is None else dict(zip(f["id"].astype(str), f["predicted"], strict=True))
        for who, f in frames.items()
    }
    rows = []
    for example in lost[:_ROWS]:
        anchor = view.anchors.get(example)
        rows.append(
            (
                Cell(example, "explained" if anchor else "", "word", f"#{anchor}" if anchor else ""),
                word(said["before"].get(example, "not predicted"), "rightly"),
                word(said["after"].get(example, "not predicted")),
            )
        )
    more = len(lost) - len(rows)
    note = f"{count(more, 'more', 'more')} in comparison.json." if more else ""
    return [Table("Was right, is now wrong", ("Example", "Before", "After"), tuple(rows), note)]


def _measures(measures: list[dict[str, Any]]) -> Table:
    rows = []
    for m in measures:
        values = [
            Cell(number(m[k])) if m.get(k) is not None else none(m.get("reason", "")) for k in ("before", "after")
        ]
        if m.get("difference") is None:
            difference = none(m.get("reason", ""))
        else:
            difference = Cell(signed(m["difference"]), between(m.get("low"), m.get("high")) or "no interval")
        p = Cell(p_value(m["p"])) if m.get("p") is not None else none(m.get("reason") or "no test for this measure")
        arrow = "lower is better" if m.get("better") == "lower" else ""
        rows.append((word(measure_name(m["name"]).title, arrow), *values, difference, p, word(m.get("method", ""))))
    return Table("Differences", ("Measure", "before", "after", "difference", "p", "method"), tuple(rows))
