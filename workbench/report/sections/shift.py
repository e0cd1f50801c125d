"""Did it start deciding for other reasons? Explanations of both models beside what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.language import N_, stored
from workbench.language import gettext as _
from workbench.report.shapes import Block, Cell, Finding, Fold, Prose, Section, Table
from workbench.report.shift_chart import measure_title, shift_chart
from workbench.report.view import RunView
from workbench.report.words import between, count, listing, none, number, p_value, percent, sentence, signed, word

FILE = "explanation_shift.json"
ID, TITLE = "shift", N_("Did it start deciding for other reasons?")
_ROWS = 8  # of the table of what gained
_NOISE = {
    "repeated": N_("explained again"),
    "retrained": N_("trained again"),
    "none": N_("not known"),
}


def shift(view: RunView) -> Section | None:
    """How far the explanations moved, what noise alone moves, and where attribution went."""
    found = view.json(FILE)
    if view.audited:
        why = _(
            "There is no model before whose reasons could be compared. `workbench compare` sets two runs side by side."
        )
        return Section("shift", _("Did it start deciding for other reasons?"), why, ())
    if not found:
        return None
    methods: dict[str, Any] = found.get("methods") or {}
    blocks: list[Block] = [*_what(found), *_named(methods), *_moved(found)]
    if found.get("left_out"):
        blocks.append(Prose(tuple(sentence(text) for text in found["left_out"]), "note"))
    charts_ = [shift_chart(of) for of in methods.values()]
    drawn = [c for c in charts_ if c]
    # The method whose noise is known stands open, the others behind a line.
    first = next((i for i, of in enumerate(methods.values()) if of["noise"]["kind"] != "none"), 0)
    if drawn:
        blocks.append(drawn[min(first, len(drawn) - 1)])
        blocks.append(
            Prose(
                tuple(
                    _("{title}. {said}").format(title=stored(of["title"]), said=sentence(of["sentence"]))
                    for of in methods.values()
                )
            )
        )
        rest = [c for i, c in enumerate(drawn) if i != min(first, len(drawn) - 1)]
        if rest:
            blocks.append(
                Fold(
                    _("The same chart for {n}").format(n=count(len(rest), "{n} more method", "{n} more methods")),
                    tuple(rest),
                )
            )
    for of in methods.values():
        blocks.append(Fold(_("Every measure for {title}").format(title=stored(of["title"])), (_measures(of),)))
    shares = [_shares(found, of) for of in methods.values()]
    noun = _noun(found)
    if any(shares):
        title = {
            "word": _("Which words gained and lost attribution, by method"),
            "place": _("Which places gained and lost attribution, by method"),
            "column": _("Which columns gained and lost attribution, by method"),
        }.get(noun, _("Which parts gained and lost attribution, by method"))
        blocks.append(Fold(title, tuple(table for table in shares if table)))
    return Section(ID, _(TITLE), sentence(str(found.get("sentence", ""))), tuple(blocks), _how(found))


def reasons(view: RunView) -> list[Finding]:
    """The first screen's line: where attribution moved to, or that no change of reasons was shown."""
    found = view.json(FILE)
    if not found or not found.get("methods"):
        return []
    text, link = stored(found.get("sentence", "")), (f"#{ID}", _("details"))
    sure = [e for e in found.get("moved_to", []) if e.get("beyond_noise")]
    claimed = any(of.get("claimed") for of in found["methods"].values())
    named = {str(e["what"]): e for e in reversed(sure) if e.get("named")}
    if named:
        said = [
            _("{what}, from {before} to {after}").format(what=w, before=percent(e["before"]), after=percent(e["after"]))
            for w, e in reversed(named.items())
        ]
        rest = _("{said} of all attribution.").format(said=listing(said[:3]))
        return [Finding("poor", _("It now decides more by what was named:"), rest, *link)]
    if claimed or sure:
        return [Finding("fair", _("It decides for other reasons than before:"), text, *link)]
    known = any(m["claimed"] is not None for of in found["methods"].values() for m in of["measures"].values())
    if known:
        return [Finding("good", _("No change of its reasons was shown:"), text, *link)]
    return [Finding("open", _("Whether its reasons changed is not known:"), text, *link)]


def _noun(found: Mapping[str, Any]) -> str:
    nouns = {"text": N_("word"), "image": N_("place"), "table": N_("column")}
    return nouns.get(str(found.get("modality")), N_("part"))


def _place(found: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """What gained: a word or a column of the data as it stands, a place of a picture in words of ours."""
    what = str(entry["what"])
    return stored(what) if found.get("modality") == "image" else what


def _what(found: Mapping[str, Any]) -> list[Block]:
    """What stands on either side: a fitted head explains a difference, a retrained model does not."""
    text = (found.get("before") or {}).get("text")
    if not text:
        return []
    return [
        Prose(
            (_("The model before: {text} Its reasons are those of such a model.").format(text=sentence(str(text))),),
            "note",
        )
    ]


def _moved(found: Mapping[str, Any]) -> list[Block]:
    entries = [e for e in found.get("moved_to", []) if not e.get("named")]
    noun, noises = _noun(found), {of["noise"]["kind"] for of in (found.get("methods") or {}).values()}
    if not entries:
        looked = max((of.get("looked_at", 0) for of in (found.get("methods") or {}).values()), default=0)
        if not looked:
            return []
        text = _("No {noun} of the {looked:,} that were looked at gained attribution beyond chance.").format(
            noun=_(noun), looked=looked
        )
        return [Prose((text,), heading=_("Where did attribution move to?"))]
    titles = {name: stored(of["title"]) for name, of in found["methods"].items()}
    rows = []
    for e in entries[:_ROWS]:
        span = between(100 * e["low"], 100 * e["high"], like=10.0, sign=True)
        beyond = {True: _("yes"), False: _("no")}.get(e["beyond_noise"], _("noise not known"))
        rows.append(
            (
                word(_place(found, e), _("in {n}").format(n=count(e["n"], "{n} example", "{n} examples"))),
                word(titles.get(e["method"], e["method"])),
                Cell(percent(e["before"])),
                Cell(percent(e["after"])),
                Cell(_("{gain} points").format(gain=signed(100 * e["gain"], like=10.0)), span),
                word(beyond),
            )
        )
    more = len(entries) - len(rows)
    note = _("{more} in {FILE}.").format(more=count(more, "{n} more", "{n} more"), FILE=FILE) if more > 0 else ""
    if "retrained" not in noises and "repeated" in noises:
        note = _("{note} Noise here is that of explaining again, not of training again.").format(note=note).strip()
    head = (_(noun).capitalize(), _("by"), _("share before"), _("after"), _("gain"), _("beyond noise"))
    return [Table(_("Where did attribution move to?"), head, tuple(rows), note, compact=True)]


def _named(methods: Mapping[str, Any]) -> list[Block]:
    rows = []
    for of in methods.values():
        for e in of.get("named", []):
            if e.get("difference") is None:
                rows.append((word(e["what"], stored(of["title"])), *((none(e.get("reason", "")),) * 4)))
                continue
            span = _("no interval")
            if e.get("low") is not None:
                span = between(100 * e["low"], 100 * e["high"], like=10.0, sign=True)
            beyond = {True: _("beyond noise"), False: _("within noise or chance")}
            rows.append(
                (
                    word(e["what"], f"{stored(of['title'])} · n {e['n']:,}"),
                    Cell(
                        percent(e["before"]),
                        _("{times_chance_before} × chance").format(
                            times_chance_before=number(e["times_chance_before"], digits=2)
                        ),
                    ),
                    Cell(
                        percent(e["after"]),
                        _("{times_chance_after} × chance").format(
                            times_chance_after=number(e["times_chance_after"], digits=2)
                        ),
                    ),
                    Cell(_("{difference} points").format(difference=signed(100 * e["difference"], like=10.0)), span),
                    word(beyond.get(e["beyond_noise"], _("noise not known"))),
                )
            )
    if not rows:
        return []
    head = (_("Part"), _("share before"), _("after"), _("change"), _("judged"))
    return [Table(_("Parts that were named: how much of the decision do they carry?"), head, tuple(rows), compact=True)]


def _measures(of: Mapping[str, Any]) -> Table:
    rows = []
    for measure, m in of["measures"].items():
        title = word(measure_title(measure), stored(measure.replace("_", " ")))
        if m["distance"] is None:
            rows.append((title, *((none(m.get("reason", "")),) * 5)))
            continue
        spread = between(m["distance"]["q1"], m["distance"]["q3"], like=1.0)
        claimed = {True: _("beyond noise"), False: _("within noise")}.get(m["claimed"], _("nothing claimed"))
        rows.append(
            (
                title,
                Cell(number(m["distance"]["median"], like=1.0), spread),
                Cell(number(m["noise"]["p95"], like=1.0)) if m["noise"] else none(_("noise is not known")),
                Cell(number(m["random"]["p5"], like=1.0))
                if m["random"]
                else none(_("not defined for shuffled values")),
                Cell(p_value(m["p_holm"])) if m.get("p_holm") is not None else none(m.get("reason", "")),
                word(
                    claimed,
                    _("{beyond:,} of {n:,} examples").format(beyond=m["beyond"], n=m["n"])
                    if m.get("beyond") is not None
                    else "",
                ),
            )
        )
    head = (_("Measure"), _("distance"), _("noise, 95th pct."), _("by lot, 5th pct."), _("p, corrected"), _("judged"))
    return Table(
        stored(of["title"]), head, tuple(rows), _("Distances: 0 is the same. Below the median its middle half.")
    )


def _shares(found: Mapping[str, Any], of: Mapping[str, Any]) -> Table | None:
    entries = [*of.get("gained", []), *reversed(of.get("lost", []))]
    if not entries:
        return None
    rows = []
    for e in entries:
        span = _("no interval")
        if e["low"] is not None:
            span = between(100 * e["low"], 100 * e["high"], like=10.0, sign=True)
        share = (Cell(percent(e["before"])), Cell(percent(e["after"])))
        rows.append((word(_place(found, e), f"n {e['n']:,}"), *share, Cell(signed(100 * e["gain"], like=10.0), span)))
    note = _("Of {looked_at:,} that occur often enough. Intervals hold together for all of them.").format(
        looked_at=of["looked_at"]
    )
    return Table(
        stored(of["title"]), (_("Part"), _("share before"), _("after"), _("points")), tuple(rows), note, compact=True
    )


def _how(found: Mapping[str, Any]) -> tuple[str, ...]:
    settings = found.get("settings") or {}
    kinds = {of["noise"]["kind"]: of["noise"]["text"] for of in (found.get("methods") or {}).values()}
    noise = listing([f"{_(_NOISE[kind])} ({stored(text)})" for kind, text in kinds.items()])
    grid = {
        "image": _(
            "A picture is looked at in a grid of 4 by 4 places; a part's value is spread evenly over its pixels. "
        ),
        "text": _("Words are counted without case and without the punctuation around them. "),
    }.get(str(found.get("modality")), "")
    return (
        _(
            "The same {n}, question, masks and filler for both models. Each example counts as "
            "independent of the others, also where they come in groups."
        ).format(n=count(int(found.get("n", 0)), "{n} example", "{n} examples")),
        _(
            "Noise: {noise}. A shift is claimed where its median lies beyond the noise's 95th "
            "percentile and Wilcoxon's signed-rank test on shift minus noise, corrected over all "
            "measures of all methods (Holm), has p < 0.05."
        ).format(noise=noise),
        _("By lot: {lots} shuffles of each explanation after.").format(lots=settings.get("lots", 20)),
        _(
            "{grid}A share is the size of a part's values over the sum of all sizes. Intervals "
            "of gains are Student's, corrected for the number of parts that were looked at "
            "(Bonferroni); of named parts a paired bootstrap. Times chance: the share over the "
            "part's own share of the input."
        ).format(grid=grid),
        _("Shares say to which parts the model's answer is sensitive; they are no claim about causes in the world."),
        _("Seed {seed}, {resamples} resamples.").format(
            seed=settings.get("seed", _("not recorded")), resamples=settings.get("resamples", "unknown")
        ),
    )
