"""Did it start deciding for other reasons? Explanations of both models beside what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from workbench.quality.shift import MEASURES
from workbench.report import charts
from workbench.report.shapes import Block, Cell, Chart, Finding, Fold, Prose, Section, Table
from workbench.report.view import RunView
from workbench.report.words import between, count, listing, none, number, p_value, percent, sentence, signed, word

FILE = "explanation_shift.json"
ID, TITLE = "shift", "Did it start deciding for other reasons?"
_ROWS = 8  # of the table of what gained
_NOISE = {
    "repeated": "explained again",
    "retrained": "trained again",
    "none": "not known",
}


def shift(view: RunView) -> Section | None:
    """How far the explanations moved, what noise alone moves, and where attribution went."""
    found = view.json(FILE)
    if view.audited:
        why = (
            "There is no model before whose reasons could be compared. `workbench compare` sets two runs side by side."
        )
        return Section("shift", "Did it start deciding for other reasons?", why, ())
    if not found:
        return None
    methods: dict[str, Any] = found.get("methods") or {}
    blocks: list[Block] = [*_what(found), *_named(methods), *_moved(found)]
    if found.get("left_out"):
        blocks.append(Prose(tuple(sentence(text) for text in found["left_out"]), "note"))
    charts_ = [_chart(name, of) for name, of in methods.items()]
    drawn = [c for c in charts_ if c]
    # The method whose noise is known stands open, the others behind a line.
    first = next((i for i, of in enumerate(methods.values()) if of["noise"]["kind"] != "none"), 0)
    if drawn:
        blocks.append(drawn[min(first, len(drawn) - 1)])
        blocks.append(Prose(tuple(f"{of['title']}. {sentence(of['sentence'])}" for of in methods.values())))
        rest = [c for i, c in enumerate(drawn) if i != min(first, len(drawn) - 1)]
        if rest:
            blocks.append(Fold(f"The same chart for {count(len(rest), 'more method')}", tuple(rest)))
    for of in methods.values():
        blocks.append(Fold(f"Every measure for {of['title']}", (_measures(of),)))
    shares = [_shares(of) for of in methods.values()]
    noun = _noun(found)
    if any(shares):
        title = f"Which {noun}s gained and lost attribution, by method"
        blocks.append(Fold(title, tuple(table for table in shares if table)))
    return Section(ID, TITLE, sentence(str(found.get("sentence", ""))), tuple(blocks), _how(found))


def reasons(view: RunView) -> list[Finding]:
    """The first screen's line: where attribution moved to, or that no change of reasons was shown."""
    found = view.json(FILE)
    if not found or not found.get("methods"):
        return []
    text, link = str(found.get("sentence", "")), (f"#{ID}", "details")
    sure = [e for e in found.get("moved_to", []) if e.get("beyond_noise")]
    claimed = any(of.get("claimed") for of in found["methods"].values())
    named = {str(e["what"]): e for e in reversed(sure) if e.get("named")}
    if named:
        said = [f"{w}, from {percent(e['before'])} to {percent(e['after'])}" for w, e in reversed(named.items())]
        rest = f"{listing(said[:3])} of all attribution."
        return [Finding("poor", "It now decides more by what was named:", rest, *link)]
    if claimed or sure:
        return [Finding("fair", "It decides for other reasons than before:", text, *link)]
    known = any(m["claimed"] is not None for of in found["methods"].values() for m in of["measures"].values())
    if known:
        return [Finding("good", "No change of its reasons was shown:", text, *link)]
    return [Finding("open", "Whether its reasons changed is not known:", text, *link)]


def _noun(found: Mapping[str, Any]) -> str:
    return {"text": "word", "image": "place", "table": "column"}.get(str(found.get("modality")), "part")


def _what(found: Mapping[str, Any]) -> list[Block]:
    """What stands on either side: a fitted head explains a difference, a retrained model does not."""
    text = (found.get("before") or {}).get("text")
    if not text:
        return []
    return [Prose((f"The model before: {sentence(str(text))} Its reasons are those of such a model.",), "note")]


def _moved(found: Mapping[str, Any]) -> list[Block]:
    entries = [e for e in found.get("moved_to", []) if not e.get("named")]
    noun, noises = _noun(found), {of["noise"]["kind"] for of in (found.get("methods") or {}).values()}
    if not entries:
        looked = max((of.get("looked_at", 0) for of in (found.get("methods") or {}).values()), default=0)
        if not looked:
            return []
        text = f"No {noun} of the {looked:,} that were looked at gained attribution beyond chance."
        return [Prose((text,), heading="Where did attribution move to?")]
    titles = {name: of["title"] for name, of in found["methods"].items()}
    rows = []
    for e in entries[:_ROWS]:
        span = between(100 * e["low"], 100 * e["high"], like=10.0, sign=True)
        beyond = {True: "yes", False: "no"}.get(e["beyond_noise"], "noise not known")
        rows.append(
            (
                word(e["what"], f"in {count(e['n'], 'example')}"),
                word(titles.get(e["method"], e["method"])),
                Cell(percent(e["before"])),
                Cell(percent(e["after"])),
                Cell(f"{signed(100 * e['gain'], like=10.0)} points", span),
                word(beyond),
            )
        )
    more = len(entries) - len(rows)
    note = f"{count(more, 'more', 'more')} in {FILE}." if more > 0 else ""
    if "retrained" not in noises and "repeated" in noises:
        note = f"{note} Noise here is that of explaining again, not of training again.".strip()
    head = (noun.capitalize(), "by", "share before", "after", "gain", "beyond noise")
    return [Table("Where did attribution move to?", head, tuple(rows), note, compact=True)]


def _named(methods: Mapping[str, Any]) -> list[Block]:
    rows = []
    for of in methods.values():
        for e in of.get("named", []):
            if e.get("difference") is None:
                rows.append((word(e["what"], of["title"]), *((none(e.get("reason", "")),) * 4)))
                continue
            span = "no interval"
            if e.get("low") is not None:
                span = between(100 * e["low"], 100 * e["high"], like=10.0, sign=True)
            beyond = {True: "beyond noise", False: "within noise or chance"}
            rows.append(
                (
                    word(e["what"], f"{of['title']} · n {e['n']:,}"),
                    Cell(percent(e["before"]), f"{number(e['times_chance_before'], digits=2)} × chance"),
                    Cell(percent(e["after"]), f"{number(e['times_chance_after'], digits=2)} × chance"),
                    Cell(f"{signed(100 * e['difference'], like=10.0)} points", span),
                    word(beyond.get(e["beyond_noise"], "noise not known")),
                )
            )
    if not rows:
        return []
    head = ("Part", "share before", "after", "change", "judged")
    return [Table("Parts that were named: how much of the decision do they carry?", head, tuple(rows), compact=True)]


def _chart(name: str, of: Mapping[str, Any]) -> Chart | None:
    rows = []
    for measure, m in of["measures"].items():
        if m["distance"] is None:
            continue
        title = _title(measure)
        if m["random"]:
            rows.append((title, "by lot", m["random"]["p5"], m["random"]["median"], m["random"]["p95"]))
        if m["noise"]:
            rows.append((title, "noise", 0.0, m["noise"]["median"], m["noise"]["p95"]))
        rows.append((title, "shift", m["distance"]["q1"], m["distance"]["median"], m["distance"]["q3"]))
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=["measure", "who", "low", "middle", "high"])
    noise = of["noise"]
    band = (
        f"Noise ({noise['text']}) up to its 95th percentile."
        if noise["kind"] != "none"
        else "No band of noise: it is not known."
    )
    caption = (
        f"{of['title']}: how far the explanations of the two models lie apart (median, middle half of the examples). "
        f"{band} By lot: 5th to 95th percentile of shuffled values."
    )
    label = f"{of['title']}: distances between explanations before and after, with bands of noise and of chance"
    return Chart(charts.bands(frame), label, caption, height=300)


def _measures(of: Mapping[str, Any]) -> Table:
    rows = []
    for measure, m in of["measures"].items():
        title = word(_title(measure), measure.replace("_", " "))
        if m["distance"] is None:
            rows.append((title, *((none(m.get("reason", "")),) * 5)))
            continue
        spread = between(m["distance"]["q1"], m["distance"]["q3"], like=1.0)
        claimed = {True: "beyond noise", False: "within noise"}.get(m["claimed"], "nothing claimed")
        rows.append(
            (
                title,
                Cell(number(m["distance"]["median"], like=1.0), spread),
                Cell(number(m["noise"]["p95"], like=1.0)) if m["noise"] else none("noise is not known"),
                Cell(number(m["random"]["p5"], like=1.0)) if m["random"] else none("not defined for shuffled values"),
                Cell(p_value(m["p_holm"])) if m.get("p_holm") is not None else none(m.get("reason", "")),
                word(claimed, f"{m['beyond']:,} of {m['n']:,} examples" if m.get("beyond") is not None else ""),
            )
        )
    head = ("Measure", "distance", "noise, 95th pct.", "by lot, 5th pct.", "p, corrected", "judged")
    return Table(of["title"], head, tuple(rows), "Distances: 0 is the same. Below the median its middle half.")


def _shares(of: Mapping[str, Any]) -> Table | None:
    entries = [*of.get("gained", []), *reversed(of.get("lost", []))]
    if not entries:
        return None
    rows = []
    for e in entries:
        span = "no interval"
        if e["low"] is not None:
            span = between(100 * e["low"], 100 * e["high"], like=10.0, sign=True)
        share = (Cell(percent(e["before"])), Cell(percent(e["after"])))
        rows.append((word(e["what"], f"n {e['n']:,}"), *share, Cell(signed(100 * e["gain"], like=10.0), span)))
    note = f"Of {of['looked_at']:,} that occur often enough. Intervals hold together for all of them."
    return Table(of["title"], ("Part", "share before", "after", "points"), tuple(rows), note, compact=True)


def _title(measure: str) -> str:
    known = MEASURES.get(measure)
    return known.title if known else measure.replace("_", " ")


def _how(found: Mapping[str, Any]) -> tuple[str, ...]:
    settings = found.get("settings") or {}
    kinds = {of["noise"]["kind"]: of["noise"]["text"] for of in (found.get("methods") or {}).values()}
    noise = listing([f"{_NOISE[kind]} ({text})" for kind, text in kinds.items()])
    grid = {
        "image": "A picture is looked at in a grid of 4 by 4 places; a part's value is spread evenly over its pixels. ",
        "text": "Words are counted without case and without the punctuation around them. ",
    }.get(str(found.get("modality")), "")
    return (
        f"The same {count(int(found.get('n', 0)), 'example')}, question, masks and filler for both models. Each "
        "example counts as independent of the others, also where they come in groups.",
        f"Noise: {noise}. A shift is claimed where its median lies beyond the noise's 95th percentile and Wilcoxon's "
        "signed-rank test on shift minus noise, corrected over all measures of all methods (Holm), has p < 0.05.",
        f"By lot: {settings.get('lots', 20)} shuffles of each explanation after.",
        f"{grid}A share is the size of a part's values over the sum of all sizes. Intervals of gains are Student's, "
        "corrected for the number of parts that were looked at (Bonferroni); of named parts a paired bootstrap. Times "
        "chance: the share over the part's own share of the input.",
        "Shares say to which parts the model's answer is sensitive; they are no claim about causes in the world.",
        f"Seed {settings.get('seed', 'not recorded')}, {settings.get('resamples', 'unknown')} resamples.",
    )
