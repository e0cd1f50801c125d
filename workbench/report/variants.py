"""The deployed file beside its variants: what each gives up, how fast it is, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.report.shapes import Block, Cell, Fold, Prose, Table
from workbench.report.view import RunView
from workbench.report.words import none, number, percent, size, word

_NAMES = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16 weights", "int8": "int8"}
_FAILED = {
    "scores": "scores differ",
    "labels": "answers differ",
    "quality": "quality not shown",
    "attributions": "reasons differ",
}
_COUNTS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def variant_blocks(view: RunView) -> list[Block]:
    """Tables of the number formats that were made, of their speed, and of cost; empty where none was recorded."""
    made = view.json("onnx/variants.json")
    latency = view.json("onnx/latency.json") or {}
    if not made:
        return []
    entries: list[dict[str, Any]] = made["variants"]
    measured: dict[str, Any] = latency.get("variants") or {}
    chosen = latency.get("recommended", "")
    blocks: list[Block] = []
    if len(entries) > 1:
        blocks.append(_table(entries, measured, chosen, latency.get("why", "")))
    if measured:
        speed = _speed(measured)
        blocks += [speed] if len(entries) == 1 else [Fold("Speed for each number of examples at once", (speed,))]
    elif latency.get("reason"):
        blocks.append(Prose((f"Speed was not measured: {latency['reason']}.",), "note"))
    blocks.append(Fold("What a prediction costs", (_cost(made.get("cost") or {}, entries, measured),)))
    return blocks


def _table(entries: list[dict[str, Any]], measured: Mapping[str, Any], chosen: str, why: str) -> Table:
    head = ("Number format", "Verdict", "Same answer", "Quality", "Same reasons", "Size", "Time, 8 at once")
    rows = tuple(_row(entry, measured.get(entry["name"]) or {}, chosen) for entry in entries)
    made = " ".join(f"{_NAMES.get(e['name'], e['name'])}: {e['how']}." for e in entries[1:] if e.get("file"))
    note = (
        f"{made} Scores differ by |variant − fp32| / (1 + |fp32|), the largest on the test split. Quality: not worse "
        "than fp32 by more than 0.5 points of accuracy (0.5 % of RMSE), shown by the interval. Same reasons: rank "
        "correlation of Shapley values from the same masks, and overlap of the five largest parts."
    )
    return Table("Variants of the deployed file", head, rows, note=f"{_recommended(chosen)}{why} {note}".strip())


def _recommended(chosen: str) -> str:
    return f"Recommended: {_NAMES.get(chosen, chosen)}. " if chosen else ""


def _row(entry: dict[str, Any], measured: Mapping[str, Any], chosen: str) -> tuple[Cell, ...]:
    name = word(_NAMES.get(entry["name"], entry["name"]))
    if not entry.get("file"):
        return (name, word("not made", entry["reason"]), *(none("there is no such file") for _ in range(5)))
    weight = Cell(size(entry["bytes"]))
    time = _time(measured, 8)
    mark = "recommended" if entry["name"] == chosen else "passed" if entry["passed"] else "not passed"
    if "scores" not in entry:  # fp32 is what the others are compared with
        return (name, word(mark, entry["reason"]), *(word("reference") for _ in range(3)), weight, time)
    verdict = word(mark, ", ".join(_FAILED.get(f, f) for f in entry["failed"]))
    answers = _labels(entry["scores"])
    return (name, verdict, answers, _quality(entry["quality"]), _reasons(entry["attributions"]), weight, time)


def _labels(scores: Mapping[str, Any]) -> Cell:
    bound = f", allowed {scores['tolerance']:g}" if scores["tolerance"] else ""
    error = f"scores differ by {number(scores['max_error'], digits=2)}{bound}"
    if scores["agree"] is None:
        return word("a value", error)
    return word(f"{scores['agree']:,} of {scores['n']:,}", error)


def _quality(quality: Mapping[str, Any]) -> Cell:
    if quality.get("variant") is None:
        return none(quality.get("reason") or "")
    values = [percent(v) if quality["measure"] != "rmse" else number(v) for v in (quality["fp32"], quality["variant"])]
    flips = "" if quality["nfr"] is None else f" · right to wrong: {percent(quality['nfr'])}"
    few = (quality.get("test") or {}).get("underpowered")
    shown = "not worse" if quality["passed"] else "too few examples to show it" if few else "not shown to be no worse"
    return word(f"{values[0]} → {values[1]}", f"{shown}{flips}")


def _reasons(reasons: Mapping[str, Any]) -> Cell:
    if "rank_correlation" not in reasons:
        return none(reasons.get("reason") or "")
    note = f"overlap {reasons['overlap']:.2f}, {reasons['n']} examples"
    return word(f"{reasons['rank_correlation']:.3f}", note)


def _time(measured: Mapping[str, Any], batch: int) -> Cell:
    found = next((b for b in measured.get("per_batch") or [] if b["batch"] == batch), None)
    if found is None or found["p50"] is None:
        return none("speed was not measured")
    return Cell(milliseconds(found["p50"]), f"{number(found['examples_per_second'])} a second")


def _speed(measured: Mapping[str, Any]) -> Table:
    head = ("Number format", "Examples at once", "Median", "95 % within", "99 % within", "Examples a second", "Runs")
    rows = []
    for name, own in measured.items():
        for b in own["per_batch"]:
            lead = (word(_NAMES.get(name, name)), Cell(f"{b['batch']:,}"))
            times = (
                Cell("too few runs", kind="none") if b[p] is None else Cell(milliseconds(b[p]))
                for p in ("p50", "p95", "p99")
            )
            rows.append((*lead, *times, Cell(number(b["examples_per_second"])), Cell(f"{b['n']:,}")))
    note = (
        "Real test examples, two rounds of warm-up, all files in turn, in a process of its own without torch; 95 % "
        "needs 20 runs and 99 % needs 100 (`export.latency_seconds`). "
        "Times are those of this machine as busy as it was; they are no part of what equal runs share."
    )
    return Table("Speed", head, tuple(rows), note=note, compact=True)


def _cost(cost: Mapping[str, Any], entries: list[dict[str, Any]], measured: Mapping[str, Any]) -> Table:
    head = ("Model", "Parameters", "Operations", "Size", "Load", "Peak memory", "Energy per 1,000")
    inside = Cell("not deployed", kind="none")
    rows = []
    for model, title in (("base", "before"), ("tuned", "after, in torch")):
        own = cost.get(model)
        if own:
            weight = own.get("parameter_bytes")
            sized = none(own["reason"]) if weight is None else Cell(size(weight))
            rows.append((word(title), _count(own, "parameters"), _count(own, "flops"), sized, inside, inside, inside))
    after = cost.get("tuned") or {"parameters": None, "flops": None, "reason": "the trained model was not measured"}
    for entry in entries:
        if entry.get("file"):
            timed = measured.get(entry["name"]) or {}
            rows.append(
                (
                    word(f"deployed, {_NAMES.get(entry['name'], entry['name'])}"),
                    _count(after, "parameters"),
                    _count(after, "flops"),
                    Cell(size(entry["bytes"])),
                    Cell(milliseconds(timed["load_ms"])) if timed else none("it was not loaded alone"),
                    _peak(timed),
                    _energy(timed),
                )
            )
    note = (
        "Operations of products, convolutions and attention for one example of median length, a multiplication and an "
        "addition counted as two. Peak memory: what loading the file and 64 examples at once add to a process."
    )
    return Table("Parameters, arithmetic, memory and energy", head, tuple(rows), note=note, compact=True)


def _count(own: Mapping[str, Any], key: str) -> Cell:
    value = own.get(key)
    if value is None:
        return none(own.get("reason") or "")
    scale, unit = next(((s, u) for s, u in _COUNTS if value >= s), (1.0, ""))
    return Cell(f"{number(value / scale)} {unit}" if unit else f"{value:,}")


def _peak(timed: Mapping[str, Any]) -> Cell:
    if timed.get("peak_mb") is None:
        return none("the machine does not say" if timed else "it was not loaded alone")
    return Cell(size(int(timed["peak_mb"] * 1e6)))


def _energy(timed: Mapping[str, Any]) -> Cell:
    if timed.get("joules_per_1000") is None:
        return none(timed.get("energy_reason") or "it was not loaded alone")
    return Cell(f"{number(timed['joules_per_1000'])} J")


def milliseconds(value: float) -> str:
    """A time in ms in the unit that reads best."""
    return f"{number(value / 1000)} s" if value >= 1000 else f"{number(value)} ms"
