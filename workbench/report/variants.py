"""The deployed file beside its variants: what each gives up, how fast it is, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Fold, Prose, Table
from workbench.report.view import RunView
from workbench.report.words import joined, none, number, percent, size, word

_NAMES = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16 weights", "int8": "int8"}
_FAILED = {
    "scores": N_("scores differ"),
    "labels": N_("answers differ"),
    "quality": N_("quality not shown"),
    "attributions": N_("reasons differ"),
}
_COUNTS = ((1e12, N_("{n} trillion")), (1e9, N_("{n} billion")), (1e6, N_("{n} million")))


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
        blocks.append(_table(entries, measured, chosen, stored(latency.get("why", ""))))
    if measured:
        speed = _speed(measured)
        blocks += [speed] if len(entries) == 1 else [Fold(_("Speed for each number of examples at once"), (speed,))]
    elif latency.get("reason"):
        blocks.append(Prose((_("Speed was not measured: {reason}.").format(reason=stored(latency["reason"])),), "note"))
    blocks.append(Fold(_("What a prediction costs"), (_cost(made.get("cost") or {}, entries, measured),)))
    return blocks


def _table(entries: list[dict[str, Any]], measured: Mapping[str, Any], chosen: str, why: str) -> Table:
    head = (
        _("Number format"),
        _("Verdict"),
        _("Same answer"),
        _("Quality"),
        _("Same reasons"),
        _("Size"),
        _("Time, 8 at once"),
    )
    rows = tuple(_row(entry, measured.get(entry["name"]) or {}, chosen) for entry in entries)
    named = [(_(_NAMES.get(e["name"], e["name"])), stored(e["how"])) for e in entries[1:] if e.get("file")]
    made = joined(*(_("{name}: {said}.").format(name=name, said=said) for name, said in named))
    note = _(
        "{made} Scores differ by |variant − fp32| / (1 + |fp32|), the largest on the test "
        "split. Quality: not worse than fp32 by more than 0.5 points of accuracy (0.5 % of "
        "RMSE), shown by the interval. Same reasons: rank correlation of Shapley values from "
        "the same masks, and overlap of the five largest parts."
    ).format(made=made)
    return Table(_("Variants of the deployed file"), head, rows, note=_recommended(chosen) + joined(why, note))


def _recommended(chosen: str) -> str:
    return _("Recommended: {name}. ").format(name=_(_NAMES.get(chosen, chosen))) if chosen else ""


def _row(entry: dict[str, Any], measured: Mapping[str, Any], chosen: str) -> tuple[Cell, ...]:
    name = word(_(_NAMES.get(entry["name"], entry["name"])))
    if not entry.get("file"):
        return (
            name,
            word(_("not made"), stored(entry["reason"])),
            *(none(_("there is no such file")) for _place in range(5)),
        )
    weight = Cell(size(entry["bytes"]))
    time = _time(measured, 8)
    mark = _("recommended") if entry["name"] == chosen else _("passed") if entry["passed"] else _("not passed")
    if "scores" not in entry:  # fp32 is what the others are compared with
        return (name, word(mark, stored(entry["reason"])), *(word(_("reference")) for _place in range(3)), weight, time)
    verdict = word(mark, _(", ").join(_(_FAILED.get(f, f)) for f in entry["failed"]))
    answers = _labels(entry["scores"])
    return (name, verdict, answers, _quality(entry["quality"]), _reasons(entry["attributions"]), weight, time)


def _labels(scores: Mapping[str, Any]) -> Cell:
    bound = _(", allowed {tolerance:g}").format(tolerance=scores["tolerance"]) if scores["tolerance"] else ""
    error = _("scores differ by {max_error}{bound}").format(
        max_error=number(scores["max_error"], digits=2), bound=bound
    )
    if scores["agree"] is None:
        return word(_("a value"), error)
    return word(_("{agree:,} of {n:,}").format(agree=scores["agree"], n=scores["n"]), error)


def _quality(quality: Mapping[str, Any]) -> Cell:
    if quality.get("variant") is None:
        return none(quality.get("reason") or "")
    values = [percent(v) if quality["measure"] != "rmse" else number(v) for v in (quality["fp32"], quality["variant"])]
    flips = "" if quality["nfr"] is None else _(" · right to wrong: {nfr}").format(nfr=percent(quality["nfr"]))
    few = (quality.get("test") or {}).get("underpowered")
    shown = (
        _("not worse")
        if quality["passed"]
        else _("too few examples to show it")
        if few
        else _("not shown to be no worse")
    )
    return word(f"{values[0]} → {values[1]}", f"{shown}{flips}")


def _reasons(reasons: Mapping[str, Any]) -> Cell:
    if "rank_correlation" not in reasons:
        return none(reasons.get("reason") or "")
    note = _("overlap {overlap:.2f}, {n} examples").format(overlap=reasons["overlap"], n=reasons["n"])
    return word(f"{reasons['rank_correlation']:.3f}", note)


def _time(measured: Mapping[str, Any], batch: int) -> Cell:
    found = next((b for b in measured.get("per_batch") or [] if b["batch"] == batch), None)
    if found is None or found["p50"] is None:
        return none(_("speed was not measured"))
    return Cell(
        milliseconds(found["p50"]),
        _("{examples_per_second} a second").format(examples_per_second=number(found["examples_per_second"])),
    )


def _speed(measured: Mapping[str, Any]) -> Table:
    head = (
        _("Number format"),
        _("Examples at once"),
        _("Median"),
        _("95 % within"),
        _("99 % within"),
        _("Examples a second"),
        _("Runs"),
    )
    rows = []
    for name, own in measured.items():
        for b in own["per_batch"]:
            lead = (word(_(_NAMES.get(name, name))), Cell(f"{b['batch']:,}"))
            times = (
                Cell(_("too few runs"), kind="none") if b[p] is None else Cell(milliseconds(b[p]))
                for p in ("p50", "p95", "p99")
            )
            rows.append((*lead, *times, Cell(number(b["examples_per_second"])), Cell(f"{b['n']:,}")))
    note = _(
        "Real test examples, two rounds of warm-up, all files in turn, in a process of its "
        "own without torch; 95 % needs 20 runs and 99 % needs 100 "
        "(export.latency_seconds). Times are those of this machine as busy as it was; they "
        "are no part of what equal runs share."
    )
    return Table(_("Speed"), head, tuple(rows), note=note, compact=True)


def _cost(cost: Mapping[str, Any], entries: list[dict[str, Any]], measured: Mapping[str, Any]) -> Table:
    head = (_("Model"), _("Parameters"), _("Operations"), _("Size"), _("Load"), _("Peak memory"), _("Energy per 1,000"))
    inside = Cell(_("not deployed"), kind="none")
    rows = []
    for model, title in (("base", _("before")), ("tuned", _("after, in torch"))):
        own = cost.get(model)
        if own:
            weight = own.get("parameter_bytes")
            sized = none(own["reason"]) if weight is None else Cell(size(weight))
            rows.append((word(title), _count(own, "parameters"), _count(own, "flops"), sized, inside, inside, inside))
    after = cost.get("tuned") or {"parameters": None, "flops": None, "reason": _("the trained model was not measured")}
    for entry in entries:
        if entry.get("file"):
            timed = measured.get(entry["name"]) or {}
            rows.append(
                (
                    word(_("deployed, {name}").format(name=_(_NAMES.get(entry["name"], entry["name"])))),
                    _count(after, "parameters"),
                    _count(after, "flops"),
                    Cell(size(entry["bytes"])),
                    Cell(milliseconds(timed["load_ms"])) if timed else none(_("it was not loaded alone")),
                    _peak(timed),
                    _energy(timed),
                )
            )
    note = _(
        "Operations of products, convolutions and attention for one example of median "
        "length, a multiplication and an addition counted as two. Peak memory: what loading "
        "the file and 64 examples at once add to a process."
    )
    return Table(_("Parameters, arithmetic, memory and energy"), head, tuple(rows), note=note, compact=True)


def _count(own: Mapping[str, Any], key: str) -> Cell:
    value = own.get(key)
    if value is None:
        return none(own.get("reason") or "")
    scale, said = next(((s, u) for s, u in _COUNTS if value >= s), (1.0, ""))
    return Cell(_(said).format(n=number(value / scale)) if said else f"{value:,}")


def _peak(timed: Mapping[str, Any]) -> Cell:
    if timed.get("peak_mb") is None:
        return none(_("the machine does not say") if timed else _("it was not loaded alone"))
    return Cell(size(int(timed["peak_mb"] * 1e6)))


def _energy(timed: Mapping[str, Any]) -> Cell:
    if timed.get("joules_per_1000") is None:
        return none(timed.get("energy_reason") or _("it was not loaded alone"))
    return Cell(f"{number(timed['joules_per_1000'])} J")


def milliseconds(value: float) -> str:
    """A time in ms in the unit that reads best."""
    return f"{number(value / 1000)} s" if value >= 1000 else _("{value} ms").format(value=number(value))
