"""The explained examples: what was decided, why according to each method, how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.report import pictures
from workbench.report.shapes import (
    Bar,
    Bars,
    Block,
    Case,
    Cell,
    Gallery,
    Method,
    Overlay,
    Panel,
    Piece,
    Prose,
    Section,
    Table,
    Tokens,
)
from workbench.report.view import Answer, RunView
from workbench.report.words import count, number, percent, sentence, signed, word

_BARS = 14  # columns of a table's attribution that are drawn; the rest is summed
_WHY = {
    "right": "a right answer",
    "wrong": "a wrong answer",
    "unsure": "the model was unsure",
    "changed": "the answer changed",
    "asked for": "asked for by name",
}
_LIGHTS = {"good": "trustworthy here", "fair": "trust with care", "poor": "unreliable here, shown in grey"}


def cases(view: RunView) -> Section | None:
    """Every explained example with its methods side by side, on one scale."""
    about = view.json("cases.json")
    if about is None or not about.get("cases"):
        return None
    shown = about["cases"][: view.limits.cases]
    left = len(about["cases"]) - len(shown)
    noun = {"text": "words", "image": "parts", "table": "columns"}.get(about.get("modality", ""), "parts")
    against = "dotted orange" if about.get("modality") == "text" else "orange"
    finding = (
        f"Blue {noun} speak for the answer, {against} ones against it, on one scale for all methods of a case. "
        "Explanations that failed their own test are grey."
    )
    blocks: list[Block] = []
    if about.get("selection"):
        blocks.append(Prose((sentence(about["selection"]),)))
    if not view.json("quality.json"):
        blocks.append(
            Prose(("The quality of these explanations was not measured (no quality.json): none is marked.",), "note")
        )
    if left:
        blocks.append(
            Prose((f"{count(left, 'case')} left out so that this file stays within its size; see cases.json.",), "note")
        )
    blocks.append(Gallery(tuple(_case(view, about, case, i) for i, case in enumerate(shown))))
    return Section("cases", "Cases", finding, tuple(blocks), _how(view))


def _how(view: RunView) -> tuple[str, ...]:
    how = [
        "An attribution says how the model's answer moves when a part of this input is hidden. "
        "It is no claim about causes in the world.",
        "Methods may disagree: that is shown, not averaged away.",
    ]
    for explainer in view.explainers:
        answer = view.answer("after", explainer) or view.answer("before", explainer)
        if answer:
            caption, filler = answer.about.get("caption", ""), answer.about.get("filler", "")
            hidden = f" A hidden part is replaced by: {filler}." if filler else ""
            how.append(f"{answer.about.get('title', explainer)}. {sentence(caption)}{hidden}")
    thresholds = (view.json("quality.json") or {}).get("thresholds", {})
    how += [f"Light, {name}: {sentence(t['text'])}" for name, t in thresholds.items() if t.get("text")]
    return tuple(how)


def _case(view: RunView, about: Mapping[str, Any], case: Mapping[str, Any], place: int) -> Case:
    rows = _rows(view, case)
    scale = max((float(np.abs(r["value"]).max()) for r in rows.values() if len(r)), default=0.0)
    unit = case["question"].get("unit") or ("logit" if not view.regression else view.unit)
    picture = _picture(view, case, place) if about.get("modality") == "image" else {}
    methods, lights = [], []
    for explainer in view.explainers:
        panels = [_panel(view, about, case, explainer, who, rows, scale, unit, picture) for who in ("before", "after")]
        some = view.answer("after", explainer) or view.answer("before", explainer)
        title = str(some.about.get("title", explainer)) if some else explainer
        filler = some.about.get("filler", "") if some else ""
        methods.append(Method(title, f"hidden parts: {filler}" if filler else "", tuple(panels)))
        if panels[1].light:
            lights.append((title, panels[1].light))
    headline, level, turn = _headline(view, case)
    notes = (
        [f"The last {count(case['cut'], 'word')} never reached the model: the text was cut."] if case.get("cut") else []
    )
    return Case(
        anchor=f"case-{place + 1}",
        id=str(case["id"]),
        headline=headline,
        why=_WHY.get(case.get("why", ""), str(case.get("why", ""))),
        level=level,
        turn=turn,
        question=case["question"]["text"],
        scale=f"full colour = ±{number(scale)} {unit}" if scale else "every value is zero",
        unit=unit,
        methods=tuple(methods),
        answers=_answers(case),
        notes=tuple(notes),
        lights=tuple(lights),
        agreement=_agreement(view, case),
        open=place < 2,
        **({k: picture[k] for k in ("base", "picture", "width", "height", "pixelated")} if picture else {}),
    )


def _rows(view: RunView, case: Mapping[str, Any]) -> dict[tuple[str, str], pd.DataFrame]:
    """The attributions of a case by (who, explainer), of its own question only."""
    found = {}
    for explainer in view.explainers:
        for who in ("before", "after"):
            answer = view.answer(who, explainer)
            rows = answer.rows.get(str(case["id"])) if answer else None
            if rows is not None:
                asked = rows[rows["question"] == case["question"]["id"]]
                found[who, explainer] = asked if len(asked) else rows
    return found


def _headline(view: RunView, case: Mapping[str, Any]) -> tuple[str, str, str]:
    before, after = case.get("before") or {}, case.get("after") or {}
    if view.regression:
        unit = f" {view.unit}" if view.unit else ""
        headline = f"predicted {number(after['value'])}{unit}" if after.get("value") is not None else "not predicted"
        turn = f"actual {number(case['target'])}{unit}" if case.get("target") is not None else "actual value unknown"
        if before.get("value") is not None:
            turn += f" · before {number(before['value'])}"
        return headline, "open", turn
    right = after.get("right")
    said = {True: "rightly", False: "wrongly"}.get(right, "truth unknown") if right is not None else "truth unknown"
    headline = f"decided {after.get('label', 'nothing')}, {said}"
    if right is False:
        headline += f" (in truth {case['target']})"
    turn = ""
    if after.get("probability") is not None:
        turn = f"{percent(after['probability'], places=0)} sure"
    if before.get("label") is not None:
        turn = (
            f"before: {before['label']} {percent(before['probability'], places=0)} → after: {after.get('label')} {turn}"
        )
    return headline, {True: "good", False: "poor"}.get(right, "open") if right is not None else "open", turn


def _answers(case: Mapping[str, Any]) -> Table | None:
    tops = {who: (case.get(who) or {}).get("top") or [] for who in ("before", "after")}
    labels = list(dict.fromkeys(str(label) for who in ("after", "before") for label, _ in tops[who]))[:5]
    if not labels:
        return None
    chances = {who: {str(label): p for label, p in top} for who, top in tops.items()}
    rows = tuple(
        (
            word(label),
            *(Cell(percent(chances[w][label])) if label in chances[w] else word("not in its top") for w in tops),
        )
        for label in labels
    )
    return Table("Answers of the two models", ("Class", "before", "after"), rows)


def _panel(
    view: RunView,
    about: Mapping[str, Any],
    case: Mapping[str, Any],
    explainer: str,
    who: str,
    rows: Mapping[tuple[str, str], pd.DataFrame],
    scale: float,
    unit: str,
    picture: Mapping[str, Any],
) -> Panel:
    answer, found = view.answer(who, explainer), rows.get((who, explainer))
    if answer is None or found is None:
        place = "base" if who == "before" else "tuned or onnx"
        why = (
            f"no attributions of {explainer} under {place}"
            if answer is None
            else "the method gave no answer for this example"
        )
        return Panel(who, Prose((f"Not computed: {why}.",), "note"))
    values = np.zeros(len(case["features"]))
    inside = found[found["index"] < len(values)]
    values[inside["index"].to_numpy(dtype=int)] = inside["value"].to_numpy(dtype=float)
    label = f"{answer.about.get('title', explainer)}, {who}"
    modality = about.get("modality")
    block: Block
    if modality == "text":
        block = _tokens(case, values, scale, unit, label)
    elif modality == "image":
        block = _overlay(view, case, answer, values, scale, unit, label, picture)
    else:
        block = _bars(case, inside, values, scale, unit, label)
    quality = view.quality(answer.model, explainer, str(case["id"]))
    light = quality.get("light", "")
    reasons = tuple(sentence(r) for r in quality.get("reasons", []))
    if not quality and view.json("quality.json"):
        reasons = ("How far to trust it was not measured.",)
    return Panel(who, block, _facts(answer, case, unit), light if light in _LIGHTS else "", reasons)


def _facts(answer: Answer, case: Mapping[str, Any], unit: str) -> tuple[str, ...]:
    known = answer.case(str(case["id"]))
    facts = []
    if known.get("base_score") is not None and known.get("score") is not None:
        facts.append(
            f"with nothing shown {signed(known['base_score'])}, with all shown {signed(known['score'])} {unit}"
        )
    if known.get("gap") is not None:
        facts.append(f"gap {number(known['gap'])}")
    elif known:
        facts.append("the values need not add up with this method")
    if known.get("evaluations"):
        facts.append(f"{known['evaluations']:,} evaluations")
    facts += [sentence(note) for note in known.get("notes", [])]
    return tuple(facts)


def _shade(value: float, scale: float) -> int:
    """A shade from -20 to 20; only an exact zero, or what rounds to it, has none."""
    return round(20 * max(-1.0, min(1.0, value / scale))) if scale else 0


def _tokens(case: Mapping[str, Any], values: np.ndarray, scale: float, unit: str, label: str) -> Tokens:
    text, pieces, at = case.get("text", ""), [], 0
    for feature, value in zip(case["features"], values, strict=True):
        said = f"{signed(float(value))} {unit}"
        if not feature.get("span"):
            pieces += [Piece(feature["name"], _shade(value, scale), said), Piece(" ")]
            continue
        start, end = feature["span"]
        if start > at:
            pieces.append(Piece(text[at:start]))
        pieces.append(Piece(text[start:end], _shade(value, scale), said))
        at = max(at, end)
    if at < len(text):
        pieces.append(Piece(text[at:]))
    return Tokens(label, tuple(pieces))


def _bars(case: Mapping[str, Any], rows: pd.DataFrame, values: np.ndarray, scale: float, unit: str, label: str) -> Bars:
    order = sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))
    spans = {int(r.index_): (r.low, r.high) for r in rows.rename(columns={"index": "index_"}).itertuples()}
    bars = []
    for i in order[:_BARS]:
        low, high = spans.get(i, (None, None))
        ends = None if low is None or high is None or np.isnan(low) or np.isnan(high) else (low / scale, high / scale)
        feature = case["features"][i]
        said = signed(float(values[i]))
        at = float(values[i] / scale) if scale else 0.0
        bars.append(Bar(feature["name"], said, at, feature.get("value", ""), *(np.clip(ends, -1, 1) if ends else ())))
    rest = order[_BARS:]
    note = f"{count(len(rest), 'more column')} together {signed(float(values[rest].sum()))} {unit}." if rest else ""
    return Bars(label, tuple(bars), True, note)


def _picture(view: RunView, case: Mapping[str, Any], place: int) -> dict[str, Any]:
    path = view.run.path / case["picture"]
    source, width, height, tiny = pictures.base_picture(path, view.limits.picture)
    segments = pictures.read_segments(view.run.path / case["segments"]) if case.get("segments") else None
    named = {"base": f"picture-{place + 1}", "picture": source, "width": width, "height": height, "pixelated": tiny}
    return {**named, "segments": segments}


def _overlay(
    view: RunView,
    case: Mapping[str, Any],
    answer: Answer,
    values: np.ndarray,
    scale: float,
    unit: str,
    label: str,
    picture: Mapping[str, Any],
) -> Block:
    if picture.get("segments") is None:
        return Prose(("The segments of this picture are missing, so its values cannot be drawn.",), "note")
    longest, size = view.limits.picture, (picture["width"], picture["height"])
    strongest = int(np.abs(values).argmax()) if len(values) else 0
    note = f"strongest part {signed(float(values[strongest]))} {unit}" if len(values) else ""
    whole = pictures.overlay(pictures.segment_map(picture["segments"], values, longest), scale)
    parts = Overlay(picture["base"], whole, *size, f"{label}: {note}", note, pixelated=True)
    dense = view.dense(answer.model, answer.explainer).get(str(case["id"]))
    if dense is None or not view.limits.dense:
        return parts
    small = pictures.dense_map(dense, min(longest, 112))
    top = float(np.percentile(np.abs(small), 99)) or float(np.abs(small).max())
    fine = pictures.overlay(small, top)
    own = "pixel by pixel, on a scale of its own"
    return _pair(parts, Overlay(picture["base"], fine, *size, f"{label}, {own}", own, pixelated=picture["pixelated"]))


def _pair(*blocks: Block) -> Block:
    from workbench.report.shapes import Pair

    return Pair(blocks)


def _agreement(view: RunView, case: Mapping[str, Any]) -> Table | None:
    pairs = []
    for model in ("onnx", "tuned"):
        found = (view.json("quality.json") or {}).get("agreement", {}).get(model, {}).get(str(case["id"]), {})
        pairs += found.get("pairs", [])
    if not pairs:
        return None
    rows = tuple(
        (
            word(f"{p['a']} and {p['b']}"),
            Cell(number(p["rank"], digits=2)) if p.get("rank") is not None else word("not defined"),
            Cell(percent(p["top_k"], places=0)) if p.get("top_k") is not None else word("not defined"),
        )
        for p in pairs
    )
    return Table("Do the methods agree?", ("Methods", "rank correlation", "same strongest parts"), rows)
